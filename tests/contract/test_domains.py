"""Domains: what every driver does, and refuses."""

from pathlib import Path

import msgspec
import pytest

from tests.contract import documents
from tests.contract.conftest import Site
from tests.contract.documents import disk, nic
from vmstack.errors import ExistsError, HostError, NotFoundError
from vmstack.hosts.driver import Driver
from vmstack.model.base import Data
from vmstack.model.compute import PinSpec
from vmstack.model.configs import DomainConfig
from vmstack.model.ownership import Stamp
from vmstack.xmlio.domain import count_free_ports, read_domain, same_machine, write_domain
from vmstack.xmlio.stamp import NAMESPACE, read_stamp

MAC = "52:aa:00:00:01:{:02x}"
OTHER = "urn:other:tool"
CASES = Path(__file__).parents[1] / "cases" / "xml" / "write"


class Written(Data, frozen=True):
    config: DomainConfig
    stamp: Stamp | None


def test_domain_lives_from_definition_to_undefinition(site: Site) -> None:
    path = site.volume(site.pool(), "a.qcow2")
    site.network(start=True)
    uuid = site.domain("vm", disk(path), nic(MAC.format(1), site.name("net")))
    record = site.driver.domain(uuid)
    assert (record.name, record.state, record.persistent) == (site.name("vm"), "shutoff", True)
    assert (record.autostart, record.has_managed_save, record.live_xml) == (False, False, None)
    config = read_domain(record.xml)
    assert (config.vcpus, config.max_vcpus, config.memory_kib, config.max_memory_kib) == (1, 2, 32768, 65536)
    assert (config.type, config.arch) == ("qemu", "x86_64")
    assert config.machine is not None
    assert config.machine.startswith("pc-q35-")
    assert [(item.serial, item.path, item.target, item.format) for item in config.disks] == [
        ("root", path, "vda", "qcow2")
    ]
    assert [(item.mac, item.network) for item in config.nics] == [(MAC.format(1), site.name("net"))]
    assert config.channels == ("org.vmstack.ready.0",)
    site.driver.set_domain_autostart(uuid, enabled=True)
    site.driver.start_domain(uuid)
    record = site.driver.domain(uuid)
    assert (record.state, record.autostart) == ("running", True)
    live = read_domain(record.live_xml or "")
    assert (live.name, live.uuid, live.vcpus, live.max_memory_kib) == (site.name("vm"), uuid, 1, 65536)
    assert [(item.serial, item.path) for item in live.disks] == [("root", path)]
    assert [item.mac for item in live.nics] == [MAC.format(1)]
    assert record.name in {domain.name for domain in site.driver.domains()}
    site.driver.power_off_domain(uuid)
    assert site.driver.domain(uuid).state == "shutoff"
    site.driver.undefine_domain(uuid)
    with pytest.raises(NotFoundError):
        site.driver.domain(uuid)


def test_lists_tell_the_same_as_single_looks(site: Site) -> None:
    uuids = [site.domain("one", start=True), site.domain("two")]
    listed = {domain.uuid: domain for domain in site.driver.domains()}
    for uuid in uuids:
        single = site.driver.domain(uuid)
        assert (listed[uuid].state, listed[uuid].xml, listed[uuid].persistent) == (
            single.state, single.xml, single.persistent,
        )  # fmt: skip
        assert read_domain(listed[uuid].xml) == read_domain(single.xml)


def test_persistent_definition_reads_the_same_after_a_redefinition(site: Site) -> None:
    uuid = site.domain("vm", ports=6)
    before = site.driver.domain(uuid).xml
    site.driver.define_domain(before)
    assert read_domain(site.driver.domain(uuid).xml) == read_domain(before)


@pytest.mark.parametrize(("name", "uuid"), [("vm", "other"), ("other", "vm")], ids=["name taken", "uuid taken"])
def test_domain_definition_that_clashes(site: Site, name: str, uuid: str) -> None:
    site.domain()
    with pytest.raises(ExistsError):
        site.driver.define_domain(documents.domain(site.name(name), site.uuid(uuid)))


@pytest.mark.parametrize(
    "change",
    [
        {"vcpus": (3, 2)},
        {"machine": "no-such-machine"},
        {"devices": (disk("/a"), disk("/b"))},
    ],
    ids=["more vcpus than the maximum", "unknown machine", "two disks in one slot"],
)
def test_domain_definition_that_makes_no_sense(site: Site, change: dict[str, object]) -> None:
    options = {name: value for name, value in change.items() if name != "devices"}
    with pytest.raises(HostError):
        site.domain("vm", *change.get("devices", ()), **options)
    with pytest.raises(NotFoundError):
        site.driver.domain(site.uuid("vm"))


def test_rename_keeps_all_else(site: Site) -> None:
    uuid = site.domain()
    site.driver.set_domain_autostart(uuid, enabled=True)
    before = site.driver.domain(uuid)
    for _ in range(2):
        site.driver.rename_domain(uuid, name=site.name("new"))
        record = site.driver.domain(uuid)
        assert (record.name, record.autostart, record.state) == (site.name("new"), True, "shutoff")
    assert read_domain(record.xml) == msgspec.structs.replace(read_domain(before.xml), name=site.name("new"))
    site.driver.define_domain(documents.domain(site.name("vm"), site.uuid("third")))


def test_rename_that_is_refused(site: Site) -> None:
    uuid = site.domain()
    site.domain("other")
    with pytest.raises(ExistsError):
        site.driver.rename_domain(uuid, name=site.name("other"))
    with pytest.raises(NotFoundError):
        site.driver.rename_domain(site.uuid("none"), name=site.name("new"))
    site.driver.start_domain(uuid)
    with pytest.raises(HostError):
        site.driver.rename_domain(uuid, name=site.name("new"))
    assert site.driver.domain(uuid).name == site.name("vm")


def test_memory_above_the_maximum_is_cut_to_it(site: Site) -> None:
    uuid = site.domain("vm", memory=(131072, 65536))
    assert read_domain(site.driver.domain(uuid).xml).memory_kib == 65536


def _starts_nothing(driver: Driver, uuid: str) -> None:
    with pytest.raises(HostError):
        driver.start_domain(uuid)
    assert driver.domain(uuid).state == "shutoff"


def test_start_without_its_disk(site: Site) -> None:
    _starts_nothing(site.driver, site.domain("vm", disk(site.path("none.qcow2"))))


def test_start_without_the_base_of_its_disk(site: Site) -> None:
    pool = site.pool()
    base = site.volume(pool, "base.qcow2")
    path = site.volume(pool, "top.qcow2", backing=base)
    site.driver.delete_volume(pool, "base.qcow2")
    _starts_nothing(site.driver, site.domain("vm", disk(path)))


def test_start_with_an_inactive_network(site: Site) -> None:
    site.network()
    _starts_nothing(site.driver, site.domain("vm", nic(MAC.format(1), site.name("net"))))


def test_start_without_its_network(site: Site) -> None:
    _starts_nothing(site.driver, site.domain("vm", nic(MAC.format(1), site.name("none"))))


def test_start_with_a_disk_that_another_guest_writes(site: Site) -> None:
    path = site.volume(site.pool(), "a.qcow2")
    site.domain("one", disk(path), start=True)
    _starts_nothing(site.driver, site.domain("two", disk(path)))


def test_running_domain_refuses(site: Site) -> None:
    uuid = site.domain(start=True)
    for call in (site.driver.start_domain, site.driver.resume_domain):
        with pytest.raises(HostError):
            call(uuid)


def test_stopped_domain_refuses(site: Site) -> None:
    uuid = site.domain()
    for call in (site.driver.power_off_domain, site.driver.shutdown_domain, site.driver.resume_domain):
        with pytest.raises(HostError):
            call(uuid)


@pytest.mark.parametrize(
    "call", ["domain", "start_domain", "resume_domain", "shutdown_domain", "power_off_domain", "undefine_domain"]
)
def test_domain_that_is_not_there(site: Site, call: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(site.driver, call)(site.uuid("none"))


def test_running_domain_outlives_its_definition_until_it_stops(site: Site) -> None:
    uuid = site.domain(start=True)
    site.driver.set_domain_autostart(uuid, enabled=True)
    site.driver.undefine_domain(uuid)
    record = site.driver.domain(uuid)
    assert (record.state, record.persistent, record.autostart) == ("running", False, False)
    site.driver.power_off_domain(uuid)
    with pytest.raises(NotFoundError):
        site.driver.domain(uuid)


def test_snapshots_are_counted_and_go_only_when_that_is_said(site: Site) -> None:
    uuid = site.domain()
    assert (site.driver.domain(uuid).snapshots, site.driver.domain(uuid).checkpoints) == (0, 0)
    site.snapshot(uuid)
    assert site.driver.domain(uuid).snapshots == 1
    assert {domain.uuid: domain.snapshots for domain in site.driver.domains()}[uuid] == 1
    with pytest.raises(HostError, match="1 snapshots"):
        site.driver.undefine_domain(uuid)
    site.domain(vcpus=(2, 2))  # a definition written anew keeps them
    assert site.driver.domain(uuid).snapshots == 1
    site.driver.undefine_domain(uuid, moments=True)
    assert site.domain() == uuid
    assert site.driver.domain(uuid).snapshots == 0


def test_redefinition_of_a_running_domain_waits_for_its_next_start(site: Site) -> None:
    uuid = site.domain(start=True)
    site.domain(vcpus=(3, 4))
    record = site.driver.domain(uuid)
    assert (read_domain(record.xml).vcpus, read_domain(record.live_xml or "").vcpus) == (3, 1)


def test_vcpus(site: Site) -> None:
    uuid = site.domain(start=True)
    site.driver.set_vcpus(uuid, 2, live=True, config=True)
    record = site.driver.domain(uuid)
    assert [read_domain(xml or "").vcpus for xml in (record.xml, record.live_xml)] == [2, 2]
    for live in (True, False):
        with pytest.raises(HostError):
            site.driver.set_vcpus(uuid, 3, live=live, config=not live)
    site.driver.set_vcpus(uuid, 1, live=False, config=True)
    record = site.driver.domain(uuid)
    assert [read_domain(xml or "").vcpus for xml in (record.xml, record.live_xml)] == [1, 2]


def test_memory(site: Site) -> None:
    uuid = site.domain()
    with pytest.raises(HostError):
        site.driver.set_memory(uuid, 131072, live=False, config=True)
    with pytest.raises(HostError):
        site.driver.set_memory(uuid, 40960, live=True, config=True)
    assert read_domain(site.driver.domain(uuid).xml).memory_kib == 32768
    site.driver.set_memory(uuid, 40960, live=False, config=True)
    assert read_domain(site.driver.domain(uuid).xml).memory_kib == 40960


def test_description(site: Site) -> None:
    uuid = site.domain(start=True)
    for words in ("one", "<two> & 'three'", None):
        site.driver.set_description(uuid, words, live=True)
        record = site.driver.domain(uuid)
        assert [read_domain(xml or "").description for xml in (record.xml, record.live_xml)] == [words, words]


def test_metadata_of_ours_is_replaced_and_others_stays(site: Site) -> None:
    uuid = site.domain(start=True)
    site.driver.set_domain_metadata(uuid, xml="<info owner='me'/>", namespace=OTHER, live=True)
    for digest in ("1", "2"):
        stamp = f'<stamp path="a/b/vm/d" digest="{digest}"/>'
        site.driver.set_domain_metadata(uuid, xml=stamp, namespace=NAMESPACE, live=True)
        record = site.driver.domain(uuid)
        for xml in (record.xml, record.live_xml or ""):
            found = read_stamp(xml)
            assert found is not None
            assert found.digest == digest
            assert OTHER in xml
    stamp = '<stamp path="a/b/vm/d" digest="3"/>'
    site.driver.set_domain_metadata(uuid, xml=stamp, namespace=NAMESPACE, live=True, config=False)
    record = site.driver.domain(uuid)
    found = [read_stamp(record.xml), read_stamp(record.live_xml or "")]
    assert [None if one is None else one.digest for one in found] == ["2", "3"]
    site.driver.set_domain_metadata(uuid, xml=None, namespace=NAMESPACE, live=True)
    site.driver.set_domain_metadata(uuid, xml=None, namespace=NAMESPACE, live=True)
    record = site.driver.domain(uuid)
    assert read_stamp(record.xml) is None
    assert OTHER in record.xml


@pytest.mark.parametrize("call", ["set_vcpus", "set_memory", "set_description", "set_domain_metadata"])
def test_live_change_of_a_stopped_domain(site: Site, call: str) -> None:
    uuid = site.domain()
    arguments: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
        "set_vcpus": ((2,), {"config": False}),
        "set_memory": ((40960,), {"config": False}),
        "set_description": (("x",), {}),
        "set_domain_metadata": ((), {"xml": "<a/>", "namespace": OTHER}),
    }
    positional, named = arguments[call]
    before = site.driver.domain(uuid).xml
    with pytest.raises(HostError):
        getattr(site.driver, call)(uuid, *positional, live=True, **named)
    assert site.driver.domain(uuid).xml == before


@pytest.mark.parametrize(("ports", "devices", "free"), [(0, 0, 1), (0, 2, 1), (1, 2, 0), (8, 2, 3), (10, 1, 6)])
def test_free_ports(site: Site, ports: int, devices: int, free: int) -> None:
    """USB, virtio-serial and the balloon take a port each; without spare ones libvirt adds just one."""
    path = site.volume(site.pool(), "a.qcow2")
    site.network(start=True)
    cards = [nic(MAC.format(number), site.name("net")) for number in range(devices - 1)]
    disks = [disk(path)] if devices else []
    uuid = site.domain("vm", *disks, *cards, ports=ports, start=True)
    assert count_free_ports(site.driver.domain(uuid).live_xml or "") == free


def test_wait_sees_what_is_so(site: Site) -> None:
    uuid = site.domain(start=True)
    record = site.driver.wait_for_domain(uuid, until=lambda now: now is not None and now.state == "running", timeout=5)
    assert record is not None
    assert record.uuid == uuid
    gone = site.driver.wait_for_domain(site.uuid("none"), until=lambda now: now is None, timeout=5)
    assert gone is None


def test_wait_has_an_end(site: Site) -> None:
    uuid = site.domain(start=True)
    site.driver.shutdown_domain(uuid)
    with pytest.raises(TimeoutError):
        site.driver.wait_for_domain(uuid, until=lambda now: now is None or now.state == "shutoff", timeout=0.3)


def test_channel_of_a_silent_guest(site: Site) -> None:
    uuid = site.domain(start=True)
    heard = list(site.driver.read_channel(uuid, "org.vmstack.ready.0", timeout=1.5))
    assert heard
    assert set(heard) == {b""}


def test_channel_that_is_not_there(site: Site) -> None:
    uuid = site.domain(start=True)
    with pytest.raises(HostError):
        list(site.driver.read_channel(uuid, "org.other.0", timeout=1.5))


@pytest.mark.parametrize("case", ["domain-hardware", "domain-tpm-passthrough", "domain-peripherals", "domain-compute"])
def test_every_kind_of_hardware_is_kept_as_it_was_written(site: Site, case: str) -> None:
    """But for the machine's version, and the model of the display's device where none was asked for."""
    written = msgspec.json.decode((CASES / f"{case}.json").read_bytes(), type=Written).config
    config = msgspec.structs.replace(
        written, name=site.name("vm"), uuid=site.uuid("vm"), nvram=None, nvram_template=None
    )
    site.driver.define_domain(write_domain(config, stamp=None))
    found = read_domain(site.driver.domain(config.uuid).xml)
    assert same_machine(config.machine, found.machine)
    kept = {"machine": found.machine, "pcie_ports": None, "video": config.video or found.video}
    # libvirt names the emulator and the order of booting where nothing is said, and its own model of a processor; every
    # machine has some devices and a clock.
    names = ("emulator", "boot", "rng", "balloon", "clock", "timers", "on_reboot", "on_crash", "cpu_model")
    kept |= {name: getattr(config, name) or getattr(found, name) for name in names}
    wanted = msgspec.structs.replace(config, **kept)
    found = msgspec.structs.replace(found, nvram=None, nvram_template=None)
    different = [name for name in wanted.__struct_fields__ if getattr(wanted, name) != getattr(found, name)]
    assert {name: (getattr(wanted, name), getattr(found, name)) for name in different} == {}
    site.driver.undefine_domain(config.uuid)


def test_limits_of_processors_are_set_live_and_for_good(site: Site) -> None:
    uuid = site.domain("vm", start=True)
    values = {"cpu_shares": 512, "vcpu_period": 100000, "vcpu_quota": 50000}
    site.driver.tune_domain(uuid, values, live=True, config=True)
    site.driver.pin_vcpu(uuid, 0, cpus="0", live=True, config=True)
    record = site.driver.domain(uuid)
    for config in map(read_domain, (record.xml, record.live_xml or "")):
        assert (config.shares, config.period, config.quota) == (512, 100000, 50000)
        assert config.pins == (PinSpec(vcpu=0, cpus="0"),)
    with pytest.raises(HostError):
        site.driver.pin_vcpu(uuid, 40, cpus="0", live=True, config=True)


def test_titles_come_and_go(site: Site) -> None:
    uuid = site.domain("vm", start=True)
    for title in ("one", None):
        site.driver.set_title(uuid, title, live=True)
        record = site.driver.domain(uuid)
        assert [read_domain(xml or "").title for xml in (record.xml, record.live_xml)] == [title, title]
