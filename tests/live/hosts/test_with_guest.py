"""What needs a guest, in one boot: reports, devices that are let go, memory given back, a reset, a shutdown."""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from lxml.builder import E

from tests.contract import documents
from tests.live.hosts.conftest import Corner
from vmstack.errors import GuestError
from vmstack.images.sparse import read_sparse
from vmstack.model.effects import (
    AwaitReady,
    CreateVolume,
    DetachDevice,
    ResizeDisk,
    SetMemory,
    SetVcpus,
    ShutdownDomain,
    StampDomain,
    UpdateNetwork,
    UploadImage,
)
from vmstack.model.ownership import Stamp
from vmstack.model.readiness import GuestReport
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.stamp import read_stamp, write_stamp

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(900)]
MIB = 1 << 20
MAC = "52:00:00:00:03:01"
# A boot takes 15 s under TCG, and several times that where other tests want the processor too.
_BOOT = 240
_ROOT = Path(__file__).parents[3]


class ProbeImage:
    """A supply of the probe guest's image."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open_image(self, name: str) -> tuple[Iterable[bytes | int], int]:
        return read_sparse(self.path)

    def seed(self, digest: str) -> bytes:
        raise KeyError(digest)

    def password(self, name: str) -> str:
        raise KeyError(name)


@pytest.fixture(scope="session")
def probe() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    image = cache / "vmstack" / "images" / "probe.qcow2"
    subprocess.run([_ROOT / "scripts" / "build-probe", image], check=True, stdout=subprocess.DEVNULL)
    return image


@pytest.fixture
def guest(corner: Corner, probe: Path) -> Iterator[str]:
    """A running guest with a reserved address, a data disk and a stamp that waits for it; its UUID."""
    pool, supply = corner.pool(), ProbeImage(probe)
    xml = documents.volume("probe.qcow2", capacity=64 * MIB)
    corner.do(CreateVolume(pool=pool, volume="probe.qcow2", xml=xml))
    corner.do(UploadImage(pool=pool, volume="probe.qcow2", image="probe"), supply=supply)
    root = corner.volume(pool, "root.qcow2", capacity=256 * MIB, backing=corner.path("pool/probe.qcow2"))
    data = corner.volume(pool, "data.qcow2", capacity=16 * MIB)
    net = corner.network(start=True)
    host = documents.text(documents.dhcp_host(mac=MAC, ip=f"{corner.subnet(0)}.10", name="probe"))
    corner.do(UpdateNetwork(uuid=net, name="net", command="add", section="ip-dhcp-host", xml=host))
    balloon = E.memballoon(model="virtio")
    uuid = corner.domain(
        "vm",
        documents.disk(root),
        documents.disk(data, target="vdb", serial="data"),
        documents.nic(MAC, corner.name("net")),
        balloon,
        memory=(262144, 262144),
        ports=8,
    )
    stamp = write_stamp(Stamp(path="p/s/vm/v", digest="d", ready="pending"))
    corner.do(StampDomain(uuid=uuid, name="v", stamp_xml=stamp, live=False))
    corner.driver.start_domain(uuid)
    yield uuid


def await_report(corner: Corner, uuid: str, *, addresses: tuple[str, ...] = ()) -> GuestReport:
    effect = AwaitReady(uuid=uuid, name="v", timeout=_BOOT, instance="", addresses=addresses)
    report = corner.do(effect).guest
    assert report is not None
    return report


def await_fact(corner: Corner, uuid: str, text: str) -> None:
    """Wait until the guest itself sees it so."""
    deadline = time.monotonic() + 90
    while text not in (status := await_report(corner, uuid).status):
        assert time.monotonic() < deadline, status


def test_guest_from_its_first_report_to_its_shutdown(corner: Corner, guest: str) -> None:
    report = await_report(corner, guest, addresses=(f"{corner.subnet(0)}.10",))
    for xml in (corner.driver.domain(guest).xml, corner.driver.domain(guest).live_xml):
        assert (read_stamp(xml).ready, read_stamp(xml).report) == ("ok", None)
    before = corner.driver.domain(guest)
    assert await_report(corner, guest).boot == report.boot
    after = corner.driver.domain(guest)
    assert after.xml == before.xml
    assert read_stamp(after.live_xml) == read_stamp(before.live_xml)

    with pytest.raises(GuestError, match="not ready within") as caught:
        corner.do(AwaitReady(uuid=guest, name="v", timeout=15, instance="i-2"))
    assert "not of i-2" in str(caught.value)
    assert read_stamp(corner.driver.domain(guest).xml).ready == "pending"

    corner.do(SetVcpus(uuid=guest, name="v", vcpus=2, live=True))
    corner.do(ResizeDisk(uuid=guest, name="v", disk=corner.path("pool/data.qcow2"), capacity=32 * MIB))
    await_fact(corner, guest, "cpus=2")
    await_fact(corner, guest, f"serial=data size={32 * MIB}")
    assert corner.do(SetMemory(uuid=guest, name="v", kib=196608, live=True)).notes == ()
    assert read_domain(corner.driver.domain(guest).live_xml).memory_kib == 196608

    disk = documents.disk(corner.path("pool/data.qcow2"), target="vdb", serial="data")
    nic = documents.nic(MAC, corner.name("net"))
    corner.do(DetachDevice(uuid=guest, name="v", device="data", xml=documents.text(disk), live=True))
    corner.do(DetachDevice(uuid=guest, name="v", device="lan", xml=documents.text(nic), live=True))
    record = corner.driver.domain(guest)
    for xml in (record.xml, record.live_xml):
        assert [found.serial for found in read_domain(xml).disks] == ["root"]
        assert read_domain(xml).nics == ()

    corner.driver._link.connection.lookupByUUIDString(guest).reset(0)
    deadline = time.monotonic() + _BOOT
    while await_report(corner, guest).boot == report.boot:  # what was on its way still comes
        assert time.monotonic() < deadline

    corner.do(ShutdownDomain(uuid=guest, name="v", timeout=120, power_off=False))
    assert corner.driver.domain(guest).state == "shutoff"
