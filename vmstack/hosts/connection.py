"""Opening a connection to a host."""

import errno
import threading
from typing import Any, Final

import libvirt

from vmstack.errors import HostUnreachableError, PermissionDeniedError, VmstackError
from vmstack.hosts.driver import Driver
from vmstack.hosts.events import start_event_loop
from vmstack.hosts.libvirt_driver import LibvirtDriver
from vmstack.hosts.link import CALLS_AT_ONCE, Link
from vmstack.hosts.uris import check_uri, is_local
from vmstack.model.specs import HostSpec

__all__ = ["check_uri", "connect"]

# A packet that is dropped on the way would otherwise hold the caller for the kernel's own two minutes.
_OPEN_TIMEOUT: Final = 30.0
# A peer that is silent for 5 * 6 seconds is gone; calls that wait for it fail then.
_KEEPALIVE_SECONDS: Final = 5
_KEEPALIVE_MISSES: Final = 6
_DENIED: Final = frozenset(
    {
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
        libvirt.VIR_ERR_OPERATION_DENIED,
    }
)


def connect(spec: HostSpec, *, readonly: bool, at_once: int = CALLS_AT_ONCE) -> Driver:
    """Open the host's connection; `readonly` ones cannot change anything, by libvirt's own word.

    Bulk reads make `at_once` calls at the same time.

    Raises `InputError` for a URI that is not admitted, `PermissionDeniedError` and `HostUnreachableError`.
    """
    check_uri(spec.uri, insecure=spec.insecure)
    # libvirt would print every error to the terminal besides raising it.
    libvirt.registerErrorHandler(_keep_quiet, None)
    start_event_loop()

    def open_connection() -> Any:
        return _open_watched(spec, readonly=readonly)

    link = Link(open_connection(), open_another=open_connection, uri=spec.uri, readonly=readonly, at_once=at_once)
    return LibvirtDriver(link)


def _open_watched(spec: HostSpec, *, readonly: bool) -> Any:
    """Open a connection whose calls fail when the peer falls silent."""
    connection = _open(spec, readonly=readonly)
    try:
        connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_MISSES)
    except libvirt.libvirtError as error:
        # The test driver has no peer; a daemon that does not answer is found out by the first call.
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise _describe(error, spec=spec) from error
    return connection


def _open(spec: HostSpec, *, readonly: bool) -> Any:
    """Open in a thread of its own, so that a silent peer or a Ctrl-C does not hold the caller."""
    result: list[Any] = []
    call = libvirt.openReadOnly if readonly else libvirt.open

    def run() -> None:
        try:
            result.append(call(spec.uri))
        except libvirt.libvirtError as error:
            result.append(error)

    thread = threading.Thread(target=run, name="libvirt-open", daemon=True)
    thread.start()
    thread.join(_OPEN_TIMEOUT)
    if not result:
        raise HostUnreachableError(
            f"host {spec.name}: no answer from {spec.uri} within {_OPEN_TIMEOUT:g} s",
            resolution="see that the host is up and reachable, and that libvirtd runs there",
        )
    if isinstance(result[0], libvirt.libvirtError):
        raise _describe(result[0], spec=spec) from result[0]
    return result[0]


def _describe(error: libvirt.libvirtError, *, spec: HostSpec) -> VmstackError:
    text = error.get_error_message() or str(error)
    number = error.get_int1() if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR else None
    if number in (errno.EACCES, errno.EPERM) or error.get_error_code() in _DENIED:
        return PermissionDeniedError(
            f"host {spec.name}: {spec.uri} refuses the connection: {text}",
            resolution=(
                "become a member of group libvirt (usermod -aG libvirt USER, then log in anew), or run as root"
                if is_local(spec.uri)
                else "see that the user of the URI may use libvirt there (group libvirt), and that its key is accepted"
            ),
        )
    return HostUnreachableError(
        f"host {spec.name}: cannot connect to {spec.uri}: {text}",
        resolution=(
            "start the daemon (systemctl start libvirtd, or without systemd: virtlogd -d; libvirtd -d)"
            if is_local(spec.uri)
            else "see that the host is up, that its name and port are right, and that libvirtd runs there"
        ),
    )


def _keep_quiet(_context: object, _error: object) -> None:
    """Print nothing: the error is raised, too."""
