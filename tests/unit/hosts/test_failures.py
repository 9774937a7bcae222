"""libvirt's errors in our tree."""

import errno

import libvirt
import pytest

from vmstack.errors import (
    ExistsError,
    HostBusyError,
    HostError,
    HostUnreachableError,
    NotFoundError,
    PermissionDeniedError,
    VmstackError,
)
from vmstack.hosts.failures import libvirt_failures

CASES = [
    (libvirt.VIR_ERR_NO_DOMAIN, "x", 0, NotFoundError),
    (libvirt.VIR_ERR_NO_STORAGE_VOL, "x", 0, NotFoundError),
    (libvirt.VIR_ERR_SYSTEM_ERROR, "kein Verzeichnis", errno.ENOENT, NotFoundError),
    (libvirt.VIR_ERR_SYSTEM_ERROR, "nicht leer", errno.ENOTEMPTY, HostError),
    (libvirt.VIR_ERR_STORAGE_VOL_EXIST, "x", 0, ExistsError),
    (libvirt.VIR_ERR_OPERATION_INVALID, "volume target path '/x' already exists", 0, ExistsError),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "a secret is already defined for use", 0, ExistsError),
    (libvirt.VIR_ERR_OPERATION_DENIED, "read only", 0, PermissionDeniedError),
    (libvirt.VIR_ERR_ACCESS_DENIED, "x", 0, PermissionDeniedError),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "pool 'p' has asynchronous jobs running.", 0, HostBusyError),
    (libvirt.VIR_ERR_OPERATION_INVALID, "volume 'v' is still being allocated.", 0, HostBusyError),
    (libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock", 0, HostBusyError),
    (libvirt.VIR_ERR_INVALID_CONN, "x", 0, HostUnreachableError),
    (libvirt.VIR_ERR_XML_ERROR, "already exists", 0, HostError),
    (libvirt.VIR_ERR_INTERNAL_ERROR, "No more available PCI slots", 0, HostError),
]


def failing(code: int, text: str, number: int = -1) -> libvirt.libvirtError:
    error = libvirt.libvirtError("call() failed")
    error.err = (code, 0, text, 2, None, None, None, number, -1)
    return error


def caught(error: Exception, *, alive: bool = True, taken: bool | None = None) -> VmstackError:
    with (
        pytest.raises(VmstackError) as found,
        libvirt_failures(
            "do it", host="qemu:///x", alive=lambda: alive, taken=None if taken is None else lambda: taken
        ),
    ):
        raise error
    return found.value


@pytest.mark.parametrize(("code", "text", "number", "kind"), CASES)
def test_kinds(code: int, text: str, number: int, kind: type[VmstackError]) -> None:
    error = caught(failing(code, text, number))
    assert type(error) is kind
    assert text in error.brief
    assert "qemu:///x" in str(error)


def test_anything_on_a_dead_connection_is_unreachable() -> None:
    error = caught(failing(libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed"), alive=False)
    assert type(error) is HostUnreachableError
    assert error.resolution


@pytest.mark.parametrize(("taken", "kind"), [(True, ExistsError), (False, HostError), (None, HostError)])
def test_vague_refusal_is_looked_into_whatever_the_daemon_speaks(taken: bool | None, kind: type) -> None:
    error = failing(libvirt.VIR_ERR_OPERATION_FAILED, "la opération a échoué")
    assert type(caught(error, taken=taken)) is kind


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), libvirt_failures("do it", host="x", alive=lambda: True):
        raise KeyError("k")


def test_what_a_host_lacks_is_said_where_libvirt_only_says_what_follows() -> None:
    text = "unsupported configuration: TPM version '2.0' is not supported"
    with pytest.raises(HostError) as caught, libvirt_failures("define domain a", host="h", alive=lambda: True):
        raise failing(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, text)
    assert "swtpm" in (caught.value.resolution or "")


def test_further_lines_are_details() -> None:
    said = "internal error: process exited while connecting to monitor: one\n\ntwo\nthree\n"
    error = caught(failing(libvirt.VIR_ERR_INTERNAL_ERROR, said))
    assert error.brief == "cannot do it: internal error: process exited while connecting to monitor: one"
    assert error.details == ("two", "three", "host qemu:///x")
    lost = caught(failing(libvirt.VIR_ERR_INVALID_CONN, "first\nsecond"))
    assert lost.brief.endswith(": first")
    assert lost.details == ("second",)
