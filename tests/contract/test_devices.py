"""Devices that come and go: what every driver does, and refuses."""

import pytest
from lxml.builder import E

from tests.contract import documents
from tests.contract.conftest import Site
from tests.contract.documents import disk, nic
from vmstack.errors import HostError, NotFoundError
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import IoTuneSpec
from vmstack.xmlio.domain import count_free_ports, read_domain
from vmstack.xmlio.safe import parse_xml
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


def drive(path: str | None) -> object:
    """A CD-ROM drive, with a medium or without."""
    source = () if path is None else (E.source(file=path),)
    return E.disk(
        E.driver(name="qemu", type="raw"),
        *source,
        E.target(dev="sda", bus="sata"),
        E.readonly(),
        E.serial("cd"),
        type="file",
        device="cdrom",
    )


def _both(site: Site) -> tuple[DomainConfig, DomainConfig]:
    """The persistent and the live definition."""
    record = site.driver.domain(site.uuid("vm"))
    return read_domain(record.xml), read_domain(record.live_xml or "")


def _update(site: Site, device: object) -> None:
    site.driver.update_device(site.uuid("vm"), documents.text(device), live=True, config=True)


def test_card_changed_in_place(site: Site) -> None:
    """It moves to another network, its cable comes out, and it is filtered; another card it cannot become."""
    site.network("one", number=0, start=True)
    site.network("two", number=1, start=True)
    site.domain("vm", nic(MAC.format(1), site.name("one")), start=True)
    card = nic(MAC.format(1), site.name("two"))
    card.append(E.link(state="down"))
    _update(site, card)
    for config in _both(site):
        assert [(item.network, item.link) for item in config.nics] == [(site.name("two"), "down")]
    card.remove(card.find("link"))
    card.append(E.filterref(filter="clean-traffic"))
    _update(site, card)
    for config in _both(site):
        assert [(item.link, item.filter) for item in config.nics] == [(None, "clean-traffic")]
    for element in (E.model(type="e1000e"), E.mtu(size="1300"), E.driver(queues="2")):
        other = nic(MAC.format(1), site.name("two"))
        for old in other.findall(element.tag):
            other.remove(old)
        other.append(element)
        with pytest.raises(HostError):
            _update(site, other)
    with pytest.raises(NotFoundError):
        _update(site, nic(MAC.format(1), site.name("none")))
    with pytest.raises(NotFoundError):
        _update(site, nic(MAC.format(9), site.name("one")))
    for config in _both(site):
        assert [(item.network, item.model, item.mtu) for item in config.nics] == [(site.name("two"), "virtio", None)]


def test_medium_changed_in_its_drive(site: Site) -> None:
    pool = site.pool()
    paths = [site.volume(pool, f"{name}.qcow2") for name in ("a", "one", "two")]
    site.domain("vm", disk(paths[0]), drive(None), start=True)
    for path in (paths[1], paths[2], None):
        _update(site, drive(path))
        for config in _both(site):
            assert [item.path for item in config.disks if item.device == "cdrom"] == [path]
    with pytest.raises(NotFoundError):
        _update(site, drive(site.path("none.iso")))
    with pytest.raises(HostError):
        _update(site, disk(paths[1]))
    for config in _both(site):
        assert [item.path for item in config.disks] == [paths[0], None]


@pytest.mark.parametrize(("live", "config"), [(True, True), (True, False), (False, True)])
def test_limits_of_a_disk(site: Site, live: bool, config: bool) -> None:
    uuid = site.domain("vm", disk(site.volume(site.pool(), "a.qcow2")), start=True)
    for limits in (IoTuneSpec(total_bytes=MIB, read_iops=5), IoTuneSpec(write_bytes=4096), IoTuneSpec()):
        site.driver.set_io_tune(uuid, "vda", limits=limits, live=live, config=config)
        wanted = limits if limits != IoTuneSpec() else None
        found = tuple(item.disks[0].iotune for item in _both(site))
        assert found == (wanted if config else None, wanted if live else None)
    with pytest.raises(HostError):
        site.driver.set_io_tune(uuid, "vdz", limits=IoTuneSpec(), live=live, config=config)


@pytest.mark.parametrize("live", [True, False])
def test_io_threads(site: Site, live: bool) -> None:
    uuid = site.domain(start=True)

    def counts() -> list[int | None]:
        return [config.iothreads for config in _both(site)]

    for number in (1, 2):
        site.driver.add_io_thread(uuid, number, live=live, config=not live)
    assert counts() == ([None, 2] if live else [2, None])
    with pytest.raises(HostError):
        site.driver.add_io_thread(uuid, 2, live=live, config=not live)
    site.driver.remove_io_thread(uuid, 2, live=live, config=not live)
    assert counts() == ([None, 1] if live else [1, None])
    with pytest.raises(HostError):
        site.driver.remove_io_thread(uuid, 2, live=live, config=not live)


def test_password_of_a_display(site: Site) -> None:
    """It is set, and told to nobody who reads; where the display listens stays."""
    display = E.graphics(E.listen(type="address", address="127.0.0.1"), type="vnc", autoport="yes", passwd="one")
    uuid = site.domain("vm", display, start=True)
    record = site.driver.domain(uuid)
    for xml, live in ((record.live_xml or "", True), (record.xml, False)):
        now = parse_xml(xml, what="a domain").find("devices/graphics")
        assert now.get("passwd") is None
        now.set("passwd", "two")
        site.driver.update_device(uuid, documents.text(now), live=live, config=not live)
        if live:
            now.find("listen").set("address", "127.0.0.2")
            now.set("listen", "127.0.0.2")
            with pytest.raises(HostError):
                site.driver.update_device(uuid, documents.text(now), live=True, config=False)
    after = site.driver.domain(uuid)
    assert (after.xml, after.live_xml) == (record.xml, record.live_xml)


@pytest.mark.parametrize(
    "device",
    [
        E.vsock(E.cid(auto="yes"), model="virtio"),
        E.watchdog(model="i6300esb", action="reset"),
        E.filesystem(E.source(dir="/srv"), E.target(dir="srv"), type="mount", accessmode="mapped"),
        E.hostdev(E.source(E.vendor(id="0x046d"), E.product(id="0xc52b")), mode="subsystem", type="usb", managed="yes"),
    ],
    ids=lambda device: str(device.get("type") or device.tag),
)
def test_what_this_machine_cannot_plug_in_can_be_defined(site: Site, device: object) -> None:
    uuid = site.domain(start=True, ports=2)
    with pytest.raises(HostError):
        site.driver.attach_device(uuid, documents.text(device), live=True, config=False)
    site.driver.attach_device(uuid, documents.text(device), live=False, config=True)
    persistent, live = _both(site)
    fields = ("vsock", "watchdog", "filesystems", "host_devices")
    assert [bool(getattr(persistent, name)) for name in fields].count(True) == 1
    assert not any(getattr(live, name) for name in fields)


def test_random_numbers_and_channels_are_plugged_in(site: Site) -> None:
    uuid = site.domain(start=True, ports=6)
    rng = documents.text(E.rng(E.backend("/dev/urandom", model="random"), model="virtio"))
    channel = documents.text(E.channel(E.target(type="virtio", name="org.example.0"), type="unix"))
    for xml in (rng, channel):
        site.driver.attach_device(uuid, xml, live=True, config=True)
    for config in _both(site):
        assert config.rng is not None
        assert "org.example.0" in config.channels


def test_schema_of_a_definition(site: Site) -> None:
    """Checked where that is asked for; else libvirt leaves out what it does not know."""
    root = parse_xml(documents.domain(site.name("vm"), site.uuid("vm")), what="a domain")
    site.driver.define_domain(documents.text(root), validate=True)
    root.find("devices").append(E.warpdrive(model="x"))
    with pytest.raises(HostError):
        site.driver.define_domain(documents.text(root), validate=True)
    site.driver.define_domain(documents.text(root))


def test_virtiofs_needs_shared_memory(site: Site) -> None:
    uuid = site.domain(start=True, ports=2)
    share = E.filesystem(
        E.driver(type="virtiofs"), E.source(dir="/srv"), E.target(dir="srv"), type="mount", accessmode="passthrough"
    )
    for live in (True, False):
        with pytest.raises(HostError):
            site.driver.attach_device(uuid, documents.text(share), live=live, config=not live)
