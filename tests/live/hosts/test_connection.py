"""Connecting to the real daemon, and losing it."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

from tests.contract import documents
from tests.live.hosts.conftest import URI, Corner
from vmstack.errors import HostUnreachableError, InputError, PermissionDeniedError
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.model.specs import HostSpec

pytestmark = pytest.mark.libvirt
_SOCKET = "/run/libvirt/libvirt-sock"


def test_facts_of_this_machine(corner: Corner) -> None:
    facts = corner.driver.facts()
    flags = Path("/proc/cpuinfo").read_text()
    assert facts.uri == URI
    assert facts.arch == os.uname().machine
    assert UUID(facts.uuid).int
    assert facts.cpus == os.cpu_count()
    assert facts.memory > 1 << 28
    if not any(flag in flags.split() for flag in ("vmx", "svm")):
        assert facts.domain_type == "qemu"
    assert "bios" in facts.firmwares
    assert ("uefi" in facts.firmwares) == any(Path("/usr/share/qemu/firmware").glob("*.json"))


def test_readonly_connection_cannot_change(corner: Corner) -> None:
    driver = connect(HostSpec(name="here", uri=URI), readonly=True)
    name = corner.name("vm")
    with pytest.raises(PermissionDeniedError):
        driver.define_domain(documents.domain(name, corner.uuid("vm")))
    assert driver.facts().arch == corner.driver.facts().arch
    driver.close()


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("qemu+unix:///system?socket=/run/nobody/is/there", "libvirtd -d"),
        ("qemu+tls://127.0.0.1:1/system", "see that"),
        ("qemu+ssh://nobody@127.0.0.1:1/system?no_tty=1", "see that"),
    ],
)
def test_host_that_is_not_there(uri: str, word: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HostUnreachableError) as caught:
        connect(HostSpec(name="kvm9", uri=uri), readonly=True)
    assert "kvm9" in caught.value.brief
    assert word in caught.value.resolution
    assert capfd.readouterr().err == ""


def test_uri_is_checked_before_anything_is_opened() -> None:
    with pytest.raises(InputError):
        connect(HostSpec(name="here", uri="qemu+ext:///system?command=/bin/true"), readonly=True)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can become nobody")
def test_user_without_permission_is_told_what_to_do(tmp_path: Path) -> None:
    # The daemon admits everybody to its socket where no policy kit runs, so a socket of our own stands for one
    # that does not.
    folder = Path(f"/var/tmp/hst-denied-{os.getpid()}")
    folder.mkdir(mode=0o755)
    path = folder / "libvirt-sock"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from vmstack.errors import PermissionDeniedError\n"
        "from vmstack.hosts.connection import connect\n"
        "from vmstack.model.specs import HostSpec\n"
        "try: connect(HostSpec(name='here', uri=sys.argv[2]), readonly=False)\n"
        "except PermissionDeniedError as error: print(error)\n"
    )
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            path.chmod(0o700)
            result = subprocess.run(
                [
                    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code),
                    *(str(Path(__file__).parents[3]), f"qemu+unix:///system?socket={path}"),
                ],
                capture_output=True,
                text=True,
                env={"HOME": str(folder), "PATH": os.environ["PATH"]},
                timeout=30,
                check=False,
            )
    finally:
        shutil.rmtree(folder)
    if "Permission denied" in result.stderr and "vmstack" not in result.stdout:
        pytest.skip("nobody cannot read this Python")
    assert "usermod -aG libvirt" in result.stdout, result.stderr


class Wire:
    """A socket that passes everything on to libvirtd until it is cut or goes silent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._server.close()
        for end in self._ends:
            end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(_SOCKET)
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@pytest.fixture
def wired(tmp_path: Path) -> tuple[Wire, Driver]:
    wire = Wire(tmp_path / "sock")
    return wire, connect(HostSpec(name="far", uri=f"qemu+unix:///system?socket={wire.path}"), readonly=False)


def test_lost_connection_is_told_from_an_empty_host(wired: tuple[Wire, Driver]) -> None:
    wire, driver = wired
    assert driver.facts().hostname
    wire.cut()
    for read in (driver.domains, driver.networks, driver.pools, driver.facts):
        with pytest.raises(HostUnreachableError, match="connection to"):
            read()
    driver.close()


def test_lost_connection_ends_all_who_wait(corner: Corner, wired: tuple[Wire, Driver]) -> None:
    wire, driver = wired
    uuid = corner.domain(start=True)
    threading.Timer(0.5, wire.cut).start()
    with pytest.raises(HostUnreachableError):
        driver.wait_for_domain(uuid, until=lambda _: False, timeout=20)
    with pytest.raises(HostUnreachableError):
        next(driver.read_channel(uuid, "org.vmstack.ready.0", timeout=20))
    driver.close()


def test_closing_ends_a_reader(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    stream = driver.read_channel(uuid, "org.vmstack.ready.0", timeout=60)
    assert next(stream) == b""
    threading.Timer(0.3, driver.close).start()
    for _ in stream:
        pass
