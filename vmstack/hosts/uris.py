"""Which connection URIs are admitted: an allow-list of transports and parameters.

Format of URIs: https://libvirt.org/uri.html. What can run a command, skip a verification, send passwords in clear or
pick another hypervisor is admitted only where the program says `insecure`; what can never be meant well never is.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from vmstack.errors import InputError

_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]+)?")
_USER: Final = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,64}")
# Anything that a shell, a terminal or libvirt's own quoting could take for more than a path is left out.
_PATH: Final = re.compile(r"/[A-Za-z0-9_.,@+/-]*")
_FLAG: Final = re.compile(r"[01]")
_MODE: Final = re.compile(r"auto|direct|legacy")
_NORMAL: Final = re.compile(r"normal")
_AUTH: Final = re.compile(r"(?:agent|privkey)(?:,(?:agent|privkey))*")
_PROXY: Final = re.compile(r"auto|native|netcat")

_SSH: Final = {"keyfile": _PATH, "no_tty": _FLAG, "mode": _MODE, "proxy": _PROXY}
_LIBSSH: Final = _SSH | {"known_hosts": _PATH, "known_hosts_verify": _NORMAL, "sshauth": _AUTH}

# The parameters that each transport admits without `insecure`, and the form of their values.
_PARAMETERS: Final[Mapping[str, Mapping[str, re.Pattern[str]]]] = MappingProxyType(
    {
        "unix": {"mode": _MODE, "socket": _PATH},
        "ssh": _SSH,
        "libssh": _LIBSSH,
        "libssh2": _LIBSSH,
        "tls": {"pkipath": _PATH, "mode": _MODE},
    }
)
_INSECURE_TRANSPORTS: Final = frozenset({"tcp", "ext"})
_PATHS: Final = frozenset({"/system", "/session"})
_ADMITTED: Final = (
    "use qemu:///system, qemu:///session, qemu+ssh://user@host/system, qemu+tls://host/system or "
    "qemu+unix:///system?socket=/path"
)


def check_uri(uri: str, *, insecure: bool) -> None:
    """Raise `InputError` unless the URI is on the allow-list; `insecure` admits what only weakens the transport.

    Never admitted: characters outside printable ASCII, a password, a host or user that a program could take for an
    option, an unknown scheme, a fragment, a parameter given twice.
    """
    if not isinstance(uri, str) or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise InputError("the connection URI holds characters that are not printable ASCII", resolution=_ADMITTED)
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise InputError(f"the connection URI cannot be read: {error}", resolution=_ADMITTED) from error
    if not parts.scheme:
        raise InputError(
            "the connection URI is empty" if not uri else "the connection URI has no scheme", resolution=_ADMITTED
        )
    _check_authority(parts)
    if parts.fragment:
        raise InputError("the connection URI has a fragment (#...)", resolution=_ADMITTED)
    scheme, _, transport = parts.scheme.partition("+")
    if scheme == "test" and not transport:
        _check_test(parts)
        return
    if scheme != "qemu":
        raise InputError(f"{_shown(parts)}: the scheme {parts.scheme!r} is not admitted", resolution=_ADMITTED)
    if parts.path not in _PATHS:
        raise InputError(f"{_shown(parts)}: the path must be /system or /session", resolution=_ADMITTED)
    if port == 0:
        raise InputError(f"{_shown(parts)}: the port must be 1 to 65535", resolution=_ADMITTED)
    if not transport:
        transport = "tls" if parts.hostname else "unix"  # libvirt's own defaults
    if transport in _INSECURE_TRANSPORTS:
        _need_insecure(parts, f"the transport {transport!r} is neither encrypted nor verified", insecure=insecure)
    elif transport not in _PARAMETERS:
        raise InputError(f"{_shown(parts)}: the transport {transport!r} is not admitted", resolution=_ADMITTED)
    elif transport == "unix" and parts.hostname:
        raise InputError(f"{_shown(parts)}: a local socket has no host", resolution=_ADMITTED)
    elif transport != "unix" and not parts.hostname:
        raise InputError(f"{_shown(parts)}: the host is missing", resolution=_ADMITTED)
    _check_parameters(parts, transport=transport, insecure=insecure)


def is_local(uri: str) -> bool:
    """Tell whether the URI reaches a daemon of this machine by its socket."""
    parts = urlsplit(uri)
    return not parts.hostname and parts.scheme in ("qemu", "qemu+unix")


def runs_ssh(uri: str) -> bool:
    """Tell whether libvirt logs in by ssh to reach the URI."""
    return urlsplit(uri).scheme.partition("+")[2] in ("ssh", "libssh", "libssh2")


def _check_authority(parts: SplitResult) -> None:
    if parts.password is not None or ":" in parts.netloc.rpartition("@")[0]:
        raise InputError(
            "the connection URI holds a password",
            resolution="use a key (ssh agent or keyfile=) or a client certificate; URIs are shown and logged",
        )
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise InputError(f"the user {parts.username!r} of the connection URI is not a plain user name")
    if parts.netloc and not _HOST.fullmatch(parts.hostname or ""):
        raise InputError(f"the host {parts.hostname!r} of the connection URI is not a host name or address")


def _check_test(parts: SplitResult) -> None:
    if parts.netloc or parts.query or not _PATH.fullmatch(parts.path):
        raise InputError(f"{_shown(parts)}: the test driver takes test:///default or a file", resolution=_ADMITTED)


def _check_parameters(parts: SplitResult, *, transport: str, insecure: bool) -> None:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=16)
    except ValueError as error:
        raise InputError(f"{_shown(parts)}: the parameters cannot be read", resolution=_ADMITTED) from error
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise InputError(f"{_shown(parts)}: a parameter is given twice")
    admitted = _PARAMETERS.get(transport, {})
    for name, value in pairs:
        if not value.isascii() or not value.isprintable():
            raise InputError(f"{_shown(parts)}: the value of {name!r} is not printable ASCII")
        if name not in admitted:
            _need_insecure(parts, f"the parameter {name!r} is not on the allow-list", insecure=insecure)
        elif not admitted[name].fullmatch(value):
            _need_insecure(parts, f"{value!r} is not an admitted value of {name!r}", insecure=insecure)


def _need_insecure(parts: SplitResult, why: str, *, insecure: bool) -> None:
    if not insecure:
        raise InputError(
            f"{_shown(parts)}: {why}",
            resolution=f"{_ADMITTED}; or accept the risk with insecure=True on the Host",
        )


def _shown(parts: SplitResult) -> str:
    """The URI without its parameters, whose values may be private."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
