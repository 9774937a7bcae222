"""Devices that come and go: what every driver does, and refuses."""

import pytest

from tests.contract import documents
from tests.contract.conftest import Site
from tests.contract.documents import disk, nic
from vmstack.errors import HostError, NotFoundError
from vmstack.xmlio.domain import count_free_ports, read_domain
from vmstack.xmlio.volume import read_volume

MAC = "52:aa:00:00:02:{:02x}"
MIB = 1 << 20


def _serials(site: Site) -> tuple[list[str | None], list[str | None]]:
    """Serials of the disks: persistent, live."""
    record = site.driver.domain(site.uuid("vm"))
    live = read_domain(record.live_xml).disks if record.live_xml else ()
    return [item.serial for item in read_domain(record.xml).disks], [item.serial for item in live]


@pytest.mark.parametrize(("live", "config"), [(True, True), (True, False), (False, True)])
def test_disk_attached(site: Site, live: bool, config: bool) -> None:
    pool = site.pool()
    uuid = site.domain("vm", disk(site.volume(pool, "a.qcow2")), start=True)
    xml = documents.text(disk(site.volume(pool, "b.qcow2"), target="vdb", serial="data"))
    before = count_free_ports(site.driver.domain(uuid).live_xml or "")
    site.driver.attach_device(uuid, xml, live=live, config=config)
    assert _serials(site) == (["root", "data"] if config else ["root"], ["root", "data"] if live else ["root"])
    assert count_free_ports(site.driver.domain(uuid).live_xml or "") == before - live


def test_live_attachment_needs_a_port(site: Site) -> None:
    pool = site.pool()
    uuid = site.domain("vm", disk(site.volume(pool, "a.qcow2")), start=True)
    for name in ("b", "c"):
        site.volume(pool, f"{name}.qcow2")
    site.driver.attach_device(
        uuid, documents.text(disk(site.path("pool/b.qcow2"), target="vdb", serial="b")), live=True, config=True
    )
    with pytest.raises(HostError):
        site.driver.attach_device(
            uuid, documents.text(disk(site.path("pool/c.qcow2"), target="vdc", serial="c")), live=True, config=True
        )
    assert _serials(site) == (["root", "b"], ["root", "b"])


@pytest.mark.parametrize(("live", "config"), [(True, True), (True, False), (False, True)])
def test_slot_of_another_disk(site: Site, live: bool, config: bool) -> None:
    pool = site.pool()
    uuid = site.domain("vm", disk(site.volume(pool, "a.qcow2")), start=True)
    xml = documents.text(disk(site.volume(pool, "b.qcow2"), target="vda", serial="data"))
    with pytest.raises(HostError):
        site.driver.attach_device(uuid, xml, live=live, config=config)
    assert _serials(site) == (["root"], ["root"])


def test_disk_without_its_file(site: Site) -> None:
    """A running guest refuses it; the definition takes anything."""
    uuid = site.domain(start=True)
    xml = documents.text(disk(site.path("none.qcow2"), serial="data"))
    with pytest.raises(HostError):
        site.driver.attach_device(uuid, xml, live=True, config=True)
    assert _serials(site) == ([], [])
    site.driver.attach_device(uuid, xml, live=False, config=True)
    assert _serials(site) == (["data"], [])


def test_card_attached_and_detached(site: Site) -> None:
    site.network(start=True)
    uuid = site.domain(start=True)
    xml = documents.text(nic(MAC.format(1), site.name("net")))
    site.driver.attach_device(uuid, xml, live=True, config=True)
    record = site.driver.domain(uuid)
    for definition in (record.xml, record.live_xml or ""):
        assert [item.mac for item in read_domain(definition).nics] == [MAC.format(1)]
    site.driver.detach_device(uuid, xml, live=False, config=True)
    record = site.driver.domain(uuid)
    assert read_domain(record.xml).nics == ()
    assert len(read_domain(record.live_xml or "").nics) == 1


def test_card_without_its_network(site: Site) -> None:
    uuid = site.domain(start=True)
    with pytest.raises(HostError):
        site.driver.attach_device(uuid, documents.text(nic(MAC.format(1), site.name("none"))), live=True, config=True)
    assert read_domain(site.driver.domain(uuid).xml).nics == ()


def test_live_detachment_waits_for_the_guest(site: Site) -> None:
    """A guest that does not answer keeps its device."""
    pool = site.pool()
    uuid = site.domain(
        "vm",
        disk(site.volume(pool, "a.qcow2")),
        disk(site.volume(pool, "b.qcow2"), target="vdb", serial="data"),
        start=True,
    )
    xml = documents.text(disk(site.path("pool/b.qcow2"), target="vdb", serial="data"))
    site.driver.detach_device(uuid, xml, live=True, config=True)
    assert _serials(site) == (["root"], ["root", "data"])


@pytest.mark.parametrize(("live", "config"), [(True, False), (False, True)])
def test_detachment_of_nothing(site: Site, live: bool, config: bool) -> None:
    uuid = site.domain(start=True)
    for device in (disk("/none", target="vdx"), nic(MAC.format(9), "none")):
        with pytest.raises(NotFoundError):
            site.driver.detach_device(uuid, documents.text(device), live=live, config=config)


@pytest.mark.parametrize("call", ["attach_device", "detach_device"])
def test_live_change_of_a_stopped_domain(site: Site, call: str) -> None:
    path = site.volume(site.pool(), "a.qcow2")
    uuid = site.domain("vm", disk(path))
    device = disk(path) if call == "detach_device" else disk(path, target="vdb", serial="b")
    with pytest.raises(HostError):
        getattr(site.driver, call)(uuid, documents.text(device), live=True, config=True)
    assert _serials(site) == (["root"], [])


def test_disk_of_a_running_guest_grows(site: Site) -> None:
    pool = site.pool()
    path = site.volume(pool, "a.qcow2", capacity=MIB)
    uuid = site.domain("vm", disk(path), start=True)
    site.driver.resize_disk(uuid, path, capacity=4 * MIB)
    site.driver.refresh_pool(pool)
    assert read_volume(site.driver.volume(pool, "a.qcow2").xml).capacity == 4 * MIB
    with pytest.raises(HostError):
        site.driver.resize_disk(uuid, site.path("none.qcow2"), capacity=4 * MIB)


def test_disk_of_a_stopped_guest_is_not_grown_by_it(site: Site) -> None:
    path = site.volume(site.pool(), "a.qcow2")
    uuid = site.domain("vm", disk(path))
    with pytest.raises(HostError):
        site.driver.resize_disk(uuid, path, capacity=4 * MIB)
