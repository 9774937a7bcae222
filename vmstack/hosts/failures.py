"""libvirt's errors as ours: by error code first, because the daemon writes its texts in its own language."""

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import libvirt

from vmstack.errors import (
    ExistsError,
    HostBusyError,
    HostError,
    HostUnreachableError,
    NotFoundError,
    PermissionDeniedError,
    VmstackError,
)

_NOT_FOUND: Final = frozenset(
    {
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_NO_NETWORK,
        libvirt.VIR_ERR_NO_STORAGE_POOL,
        libvirt.VIR_ERR_NO_STORAGE_VOL,
        libvirt.VIR_ERR_NO_SECRET,
        libvirt.VIR_ERR_NO_DOMAIN_METADATA,
        libvirt.VIR_ERR_DEVICE_MISSING,
    }
)
_EXISTS: Final = frozenset(
    {libvirt.VIR_ERR_STORAGE_VOL_EXIST, libvirt.VIR_ERR_DOM_EXIST, libvirt.VIR_ERR_NETWORK_EXIST}
)
_DENIED: Final = frozenset(
    {
        libvirt.VIR_ERR_OPERATION_DENIED,
        libvirt.VIR_ERR_ACCESS_DENIED,
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    }
)
_BUSY: Final = frozenset({libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_RESOURCE_BUSY})
_UNREACHABLE: Final = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN})
# These codes stand for many things; what the names of a define clash with is looked up (`taken`), the rest is text.
_VAGUE: Final = frozenset(
    {libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_INVALID}
)
_BUSY_TEXT: Final = re.compile(r"asynchronous jobs|still being allocated|still in use|state change lock")
# What a host lacks, where libvirt says only what follows from that.
_HINTS: Final = {
    r"TPM version .* is not supported": "install swtpm on the host (Debian: swtpm and swtpm-tools)",
}
_EXISTS_TEXT: Final = re.compile(r"already exists|already defined")


@contextmanager
def libvirt_failures(
    doing: str, *, host: str, alive: Callable[[], bool], taken: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Turn a `libvirtError` raised inside into the error tree; `doing` reads on after "cannot".

    `host` names the host to people. `taken` tells, after a vague refusal, whether the wanted name is another's.
    """
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, doing=doing, host=host, alive=alive, taken=taken) from error


def translate(
    error: libvirt.libvirtError,
    *,
    doing: str,
    host: str,
    alive: Callable[[], bool],
    taken: Callable[[], bool] | None = None,
) -> VmstackError:
    """Choose the error of our tree for one of libvirt's."""
    code = error.get_error_code()
    text = error.get_error_message() or str(error)
    # QEMU's last words come with libvirt's sentence, a line each.
    first, *more = [line.strip() for line in text.splitlines() if line.strip()] or [text]
    brief = f"cannot {doing}: {first}"
    facts = (*more, f"host {host}")
    number = error.get_int1() if code == libvirt.VIR_ERR_SYSTEM_ERROR else None
    if code in _NOT_FOUND or number == errno.ENOENT:
        return NotFoundError(brief, details=facts)
    if code in _EXISTS:
        return _exists(brief, facts=facts)
    if code in _DENIED:
        return PermissionDeniedError(
            brief,
            details=facts,
            resolution="use a connection that may change this host (a member of group libvirt, or root)",
        )
    if code in _BUSY:
        return _busy(brief, facts=facts)
    if code in _UNREACHABLE or not alive():
        return HostUnreachableError(
            f"the connection to {host} was lost while trying to {doing}: {first}",
            details=more,
            resolution="see that libvirtd runs there, then run the same command again; it goes on where it stopped",
        )
    if code in _VAGUE:
        if _BUSY_TEXT.search(text):
            return _busy(brief, facts=facts)
        if _EXISTS_TEXT.search(text) or (taken is not None and taken()):
            return _exists(brief, facts=facts)
    hint = next((resolution for pattern, resolution in _HINTS.items() if re.search(pattern, text)), None)
    return HostError(brief, details=facts, resolution=hint)


def _exists(brief: str, *, facts: tuple[str, ...]) -> ExistsError:
    return ExistsError(
        brief,
        details=facts,
        resolution="rename the resource in the program, or rename or remove the object that holds the name",
    )


def _busy(brief: str, *, facts: tuple[str, ...]) -> HostBusyError:
    return HostBusyError(brief, details=facts, resolution="wait for the other operation, then try again")
