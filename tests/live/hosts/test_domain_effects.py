"""Effects on domains, on the real daemon. Nothing boots on these domains: the firmware idles."""

import threading
import time
from pathlib import Path

import pytest
from lxml import etree
from lxml.builder import E

from tests.contract import documents
from tests.live.hosts.conftest import Corner
from vmstack.errors import ExistsError, GuestError, HostError, NotFoundError
from vmstack.model.effects import (
    AttachDevice,
    AwaitReady,
    DefineDomain,
    DetachDevice,
    PowerOffDomain,
    ResizeDisk,
    ResumeDomain,
    SetDescription,
    SetDomainAutostart,
    SetMemory,
    SetVcpus,
    ShutdownDomain,
    StampDomain,
    StartDomain,
    UndefineDomain,
)
from vmstack.model.ownership import Stamp
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import read_stamp, write_stamp
from vmstack.xmlio.volume import read_volume

pytestmark = pytest.mark.libvirt
MIB = 1 << 20
STAMP = Stamp(path="p/s/vm/v", digest="d", ready="pending")


def configs(corner: Corner, uuid: str) -> tuple[object, object]:
    record = corner.driver.domain(uuid)
    return read_domain(record.xml), read_domain(record.live_xml)


def test_domain_is_made_and_removed_twice(corner: Corner) -> None:
    name, uuid = corner.name("vm"), corner.uuid("vm")
    for _ in range(2):
        corner.do(DefineDomain(uuid=uuid, name=name, xml=documents.domain(name, uuid)))
        corner.do(StartDomain(uuid=uuid, name=name))
        corner.do(SetDomainAutostart(uuid=uuid, name=name, enabled=True))
    record = corner.driver.domain(uuid)
    assert (record.state, record.persistent, record.autostart) == ("running", True, True)
    assert next(found for found in corner.driver.domains() if found.uuid == uuid).state == "running"
    with pytest.raises(HostError):
        corner.do(UndefineDomain(uuid=uuid, name=name))
    assert corner.driver.domain(uuid).persistent
    for _ in range(2):
        corner.do(PowerOffDomain(uuid=uuid, name=name))
    for _ in range(2):
        corner.do(UndefineDomain(uuid=uuid, name=name))
    with pytest.raises(NotFoundError):
        corner.driver.domain(uuid)


def test_name_of_another_is_refused(corner: Corner) -> None:
    corner.domain()
    with pytest.raises(ExistsError) as caught:
        corner.do(
            DefineDomain(
                uuid=corner.uuid("other"),
                name=corner.name("vm"),
                xml=documents.domain(corner.name("vm"), corner.uuid("other")),
            )
        )
    assert caught.value.resolution


def test_redefinition_of_a_running_domain_waits_for_its_next_boot(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    xml = documents.domain(corner.name("vm"), uuid, vcpus=(2, 4), memory=(65536, 131072))
    corner.do(DefineDomain(uuid=uuid, name="v", xml=xml))
    persistent, live = configs(corner, uuid)
    assert (persistent.max_vcpus, live.max_vcpus) == (4, 2)
    assert (persistent.max_memory_kib, live.max_memory_kib) == (131072, 65536)


def test_vcpus_and_memory_within_their_maximum_change_live(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    for _ in range(2):
        corner.do(SetVcpus(uuid=uuid, name="v", vcpus=2, live=True))
        said = corner.do(SetMemory(uuid=uuid, name="v", kib=49152, live=True)).notes
        assert said == ("v: the guest's balloon has not moved yet to 49152 KiB",)  # nothing runs in this guest
    persistent, live = configs(corner, uuid)
    assert (persistent.vcpus, live.vcpus) == (2, 2)
    assert persistent.memory_kib == 49152
    with pytest.raises(HostError):
        corner.do(SetVcpus(uuid=uuid, name="v", vcpus=3, live=True))
    with pytest.raises(HostError):
        corner.do(SetMemory(uuid=uuid, name="v", kib=131072, live=True))


def test_description_is_set_and_removed(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    for text in ("a <b> & 'c'", None, None):
        corner.do(SetDescription(uuid=uuid, name="v", description=text, live=True))
        persistent, live = configs(corner, uuid)
        assert (persistent.description, live.description) == (text, text)


def test_stamp_is_replaced_live_and_persistent(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    corner.driver.set_domain_metadata(uuid, xml="<mark a='1'/>", namespace="urn:other", live=True)
    before = corner.driver.domain(uuid)
    for digest in ("1", "2", "2"):
        stamp = Stamp(path="p/s/vm/v", digest=digest, fields=("a", "b"), report="<&>'\"")
        corner.do(StampDomain(uuid=uuid, name="v", stamp_xml=write_stamp(stamp), live=True))
        record = corner.driver.domain(uuid)
        assert [read_stamp(record.xml), read_stamp(record.live_xml)] == [stamp, stamp]
    assert "urn:other" in record.xml
    for _ in range(2):
        corner.driver.set_domain_metadata(uuid, xml=None, namespace="urn:vmstack:stamp:1", live=True)
    assert corner.driver.domain(uuid).xml == before.xml


def test_devices_are_attached_live_wherever_they_lack(corner: Corner) -> None:
    pool = corner.pool()
    path = corner.volume(pool, "data.qcow2")
    net = corner.network(start=True)
    uuid = corner.domain(ports=6, start=True)
    disk = documents.text(documents.disk(path, target="vdb", serial="data"))
    nic = documents.text(documents.nic("52:00:00:00:00:aa", corner.name("net")))
    assert net
    corner.driver.attach_device(uuid, disk, live=False, config=True)
    for _ in range(2):
        corner.do(AttachDevice(uuid=uuid, name="v", device="data", xml=disk, live=True))
        corner.do(AttachDevice(uuid=uuid, name="v", device="lan", xml=nic, live=True))
    for config in configs(corner, uuid):
        assert [(found.serial, found.path) for found in config.disks] == [("data", path)]
        assert [found.mac for found in config.nics] == ["52:00:00:00:00:aa"]


def test_device_without_a_free_port_is_refused_whole(corner: Corner) -> None:
    pool = corner.pool()
    path = corner.volume(pool, "data.qcow2")
    uuid = corner.domain(start=True)
    number = 0
    with pytest.raises(HostError):
        for number in range(12):
            mac = f"52:00:00:00:01:{number:02x}"
            nic = documents.text(E.interface(E.mac(address=mac), E.model(type="virtio"), type="user"))
            corner.do(AttachDevice(uuid=uuid, name="v", device="lan", xml=nic, live=True))
    persistent, live = configs(corner, uuid)
    assert len(persistent.nics) == len(live.nics) == number
    assert Path(path).exists()


def test_device_that_the_guest_keeps_stays_in_the_definition(corner: Corner) -> None:
    pool = corner.pool()
    disk = documents.disk(corner.volume(pool, "data.qcow2"), target="vdb", serial="data")
    uuid = corner.domain("vm", disk, ports=2, start=True)
    effect = DetachDevice(uuid=uuid, name="v", device="data", xml=documents.text(disk), live=True, timeout=2)
    with pytest.raises(GuestError):
        corner.do(effect)
    assert [found.serial for found in configs(corner, uuid)[0].disks] == ["data"]
    corner.driver.power_off_domain(uuid)
    for _ in range(2):
        corner.do(DetachDevice(uuid=uuid, name="v", device="data", xml=documents.text(disk), live=True))
    assert read_domain(corner.driver.domain(uuid).xml).disks == ()


def test_disk_of_a_running_guest_grows(corner: Corner) -> None:
    pool = corner.pool()
    path = corner.volume(pool, "data.qcow2", capacity=MIB)
    uuid = corner.domain("vm", documents.disk(path), start=True)
    for _ in range(2):
        corner.do(ResizeDisk(uuid=uuid, name="v", disk=path, capacity=4 * MIB))
    assert read_volume(corner.driver.volume(pool, "data.qcow2").xml).capacity == 4 * MIB


def test_guest_that_ignores_the_button(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    with pytest.raises(GuestError, match="did not power down"):
        corner.do(ShutdownDomain(uuid=uuid, name="v", timeout=1, power_off=False))
    assert corner.driver.domain(uuid).live_xml is not None
    for _ in range(2):
        corner.do(ShutdownDomain(uuid=uuid, name="v", timeout=1, power_off=True))
    assert corner.driver.domain(uuid).state == "shutoff"


def test_waiting_ends_with_the_event(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    ended: list[float] = []

    def power_off() -> None:
        corner.driver.power_off_domain(uuid)
        ended.append(time.monotonic())

    stopper = threading.Timer(0.3, power_off)
    stopper.start()
    record = corner.driver.wait_for_domain(uuid, until=lambda found: found.live_xml is None, timeout=20)
    seen = time.monotonic()
    stopper.join()
    assert record.state == "shutoff"
    assert seen - ended[0] < 1  # the look without an event may come 2 s after


def test_paused_domain_is_resumed(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    corner.driver._link.connection.lookupByUUIDString(uuid).suspend()
    assert corner.driver.domain(uuid).state == "paused"
    assert next(found for found in corner.driver.domains() if found.uuid == uuid).state == "paused"
    for _ in range(2):
        corner.do(ResumeDomain(uuid=uuid, name="v"))
    assert corner.driver.domain(uuid).state == "running"


def test_undefining_takes_what_hangs_on_a_domain(corner: Corner) -> None:
    pool = corner.pool()
    path = corner.volume(pool, "root.qcow2")
    uuid = corner.domain("vm", documents.disk(path), start=True)
    handle = corner.driver._link.connection.lookupByUUIDString(uuid)
    handle.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>", 0)
    handle.managedSave(0)
    assert corner.driver.domain(uuid).has_managed_save
    assert next(found for found in corner.driver.domains() if found.uuid == uuid).has_managed_save
    assert corner.driver.domain(uuid).snapshots == 1
    assert next(found for found in corner.driver.domains() if found.uuid == uuid).snapshots == 1
    with pytest.raises(HostError, match="1 snapshots"):
        corner.do(UndefineDomain(uuid=uuid, name="v"))
    corner.do(UndefineDomain(uuid=uuid, name="v", moments=True))
    with pytest.raises(NotFoundError):
        corner.driver.domain(uuid)
    assert Path(path).exists()


def test_undefining_takes_the_uefi_variables(corner: Corner) -> None:
    name, uuid = corner.name("vm"), corner.uuid("vm")
    root = parse_xml(documents.domain(name, uuid), what="test")
    root.find("os").set("firmware", "efi")
    corner.driver.define_domain(etree.tostring(root, encoding="unicode"))
    corner.do(StartDomain(uuid=uuid, name=name))
    variables = Path(parse_xml(corner.driver.domain(uuid).live_xml, what="test").findtext("os/nvram"))
    assert variables.exists()
    corner.do(PowerOffDomain(uuid=uuid, name=name))
    corner.do(UndefineDomain(uuid=uuid, name=name))
    assert not variables.exists()


def test_password_of_a_display_survives_a_redefinition(corner: Corner) -> None:
    display = E.graphics(type="vnc", port="-1", passwd="geheim", listen="127.0.0.1")
    uuid = corner.domain("vm", display)
    seen = corner.driver.domain(uuid).xml
    assert "geheim" not in seen
    corner.driver.define_domain(seen.replace("</name>", "</name><title>t</title>"))
    secure = corner.driver._link.connection.lookupByUUIDString(uuid).XMLDesc(1 | 2)
    assert "geheim" in secure
    assert "<title>t</title>" in secure


def test_silent_guest_is_not_ready_and_stays_pending(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    corner.do(StampDomain(uuid=uuid, name="v", stamp_xml=write_stamp(STAMP), live=True))
    with pytest.raises(GuestError, match="not ready within 1 s"):
        corner.do(AwaitReady(uuid=uuid, name="v", timeout=1))
    stamp = read_stamp(corner.driver.domain(uuid).xml)
    assert stamp.ready == "pending"
    assert "not ready" in stamp.report


def test_guest_that_powers_off_is_not_awaited(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    threading.Timer(0.7, lambda: corner.driver.power_off_domain(uuid)).start()
    begin = time.monotonic()
    with pytest.raises(GuestError, match="powered off"):
        corner.do(AwaitReady(uuid=uuid, name="v", timeout=30))
    assert time.monotonic() - begin < 5


def test_channel_is_taken_over_from_a_reader_that_hangs(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    first = corner.driver.read_channel(uuid, "org.vmstack.ready.0", timeout=30)
    assert next(first) == b""
    second = corner.driver.read_channel(uuid, "org.vmstack.ready.0", timeout=30)
    assert next(second) == b""
    second.close()
    first.close()


def test_channel_that_is_not_there_is_an_error(corner: Corner) -> None:
    uuid = corner.domain(start=True)
    with pytest.raises(HostError):
        next(corner.driver.read_channel(uuid, "org.nobody.0", timeout=3))
