import msgspec
import pytest
from lxml import etree

from vmstack.errors import DocumentError
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.xmlio.disk import free_target
from vmstack.xmlio.domain import (
    count_free_ports,
    patch_domain,
    read_disk,
    read_domain,
    read_nic,
    same_machine,
    write_disk,
    write_domain,
    write_nic,
)

DISK = DiskConfig(serial="data", path="/srv/d.qcow2", format="qcow2", target="vdb")
NIC = NicConfig(mac="52:00:00:00:00:01", network="lan", model="virtio")
DOMAIN = DomainConfig(
    name="a", uuid="6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b11", type="qemu", vcpus=1, max_vcpus=2, memory_kib=1024,
    max_memory_kib=2048, arch="x86_64", machine="q35", disks=(DISK,), nics=(NIC,),
)  # fmt: skip
replace = msgspec.structs.replace


def patch(config: DomainConfig, *, xml: str | None = None, **options: frozenset[str]) -> DomainConfig:
    return read_domain(patch_domain(xml or write_domain(DOMAIN, stamp=None), config=config, stamp=None, **options))


@pytest.mark.parametrize(
    ("change", "brief"),
    [
        ({"format": None}, "does not state its format"),
        ({"backing_path": "/b"}, "belong together"),
        ({"backing_format": "raw"}, "belong together"),
        ({"path": None, "backing_path": "/b", "backing_format": "raw"}, "no file"),
        ({"serial": ""}, "serial is empty"),
        ({"path": "/srv/\0"}, "cannot hold"),
    ],
)
def test_disk_that_cannot_be_written(change: dict[str, str | None], brief: str) -> None:
    with pytest.raises(DocumentError, match=brief):
        write_disk(replace(DISK, **change))
    with pytest.raises(DocumentError, match=brief):
        patch(replace(DOMAIN, disks=(replace(DISK, **change),)))


@pytest.mark.parametrize("change", [{"network": None}, {"bridge": "br0"}])
def test_nic_is_on_one_network_or_bridge(change: dict[str, str | None]) -> None:
    with pytest.raises(DocumentError, match="one network, one bridge or one interface"):
        write_nic(replace(NIC, **change))
    with pytest.raises(DocumentError, match="one network, one bridge or one interface"):
        patch(replace(DOMAIN, nics=(replace(NIC, **change),)))


def test_device_xml_stands_alone() -> None:
    assert read_disk(write_disk(DISK)) == DISK
    assert read_nic(write_nic(NIC)) == NIC


@pytest.mark.parametrize("change", [{"type": None}, {"firmware": "uefi"}, {"name": ""}, {"vcpus": -1}])
def test_domain_that_cannot_be_written(change: dict[str, object]) -> None:
    with pytest.raises(DocumentError):
        write_domain(replace(DOMAIN, **change), stamp=None)


@pytest.mark.parametrize("missing", ["name", "uuid", "memory", "vcpu"])
def test_domain_without_the_essentials_is_refused(missing: str) -> None:
    root = etree.fromstring(write_domain(DOMAIN, stamp=None))
    for tag in (missing, "currentMemory") if missing == "memory" else (missing,):
        root.remove(root.find(tag))
    with pytest.raises(DocumentError, match="has no"):
        read_domain(root)


def test_patch_refuses_another_domain() -> None:
    with pytest.raises(DocumentError, match="is not that of"):
        patch(replace(DOMAIN, uuid="6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b12"))


def test_new_disk_gets_a_free_slot_and_old_ones_keep_theirs() -> None:
    new = replace(DISK, serial="new", path="/srv/n.qcow2", target="vdb")
    after = patch(replace(DOMAIN, disks=(replace(DISK, target="vda"), new)))
    assert [(disk.serial, disk.target) for disk in after.disks] == [("data", "vdb"), ("new", "vda")]


def test_slot_of_a_dropped_disk_is_free() -> None:
    new = replace(DISK, serial="new", path="/srv/n.qcow2")
    assert patch(replace(DOMAIN, disks=(new,)), drop_disks=frozenset({"data"})).disks == (new,)


def test_disk_can_be_dropped_and_made_anew() -> None:
    new = replace(DISK, path="/srv/n.qcow2", cache="none")
    assert patch(replace(DOMAIN, disks=(new,)), drop_disks=frozenset({"data"})).disks == (new,)


def test_same_serial_twice_matches_the_same_file() -> None:
    twin = replace(DISK, path="/srv/twin.qcow2", target="vdc")
    xml = write_domain(replace(DOMAIN, disks=(DISK, twin)), stamp=None)
    assert patch(replace(DOMAIN, disks=(replace(twin, cache="none"),)), xml=xml).disks == (
        DISK,
        replace(twin, cache="none"),
    )


def test_disks_without_serial_are_matched_by_file_or_slot() -> None:
    drive = DiskConfig(serial=None, path=None, format="raw", target="sdb", bus="sata", device="cdrom")
    other = replace(drive, target="sda")
    bare = replace(DISK, serial=None)
    xml = write_domain(replace(DOMAIN, disks=(other, drive, bare)), stamp=None)
    after = patch(replace(DOMAIN, disks=(replace(drive, readonly=True), replace(bare, cache="none"))), xml=xml)
    assert after.disks == (other, replace(drive, readonly=True), replace(bare, cache="none"))


BARE = (
    "<domain type='qemu'><name>a</name><uuid>6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b11</uuid><memory>2048</memory>"
    "<currentMemory>1024</currentMemory><vcpu current='1'>2</vcpu>{}</domain>"
)


def test_domain_without_devices_gets_them() -> None:
    xml = BARE.format("<os><type arch='x86_64' machine='q35'>hvm</type></os>")
    assert patch(DOMAIN, xml=xml) == DOMAIN
    untouched = patch_domain(xml, config=read_domain(xml), stamp=None)
    assert "devices" not in untouched


def test_domain_without_cpu_gets_one() -> None:
    assert patch(replace(DOMAIN, cpu_mode="maximum")).cpu_mode == "maximum"


def test_disk_without_driver_gets_one_that_names_the_format() -> None:
    disk = "<disk type='file'><source file='/srv/d.qcow2'/><target dev='vdb'/><serial>data</serial></disk>"
    xml = BARE.format(f"<devices>{disk}</devices>")
    assert patch(replace(DOMAIN, nics=()), xml=xml).disks == (DISK,)


def test_log_goes_to_the_serial_console_only() -> None:
    ports = "<devices><serial type='pty'/><console type='pty'><target type='virtio'/></console></devices>"
    after = patch_domain(BARE.format(ports), config=replace(DOMAIN, serial_log="/l", disks=(), nics=()), stamp=None)
    assert after.count("<log ") == 1
    assert read_domain(after).serial_log == "/l"


def test_a_paravirtual_console_comes_after_the_serial_one_and_goes_again() -> None:
    wanted = replace(DOMAIN, virtio_console=True)
    made = write_domain(wanted, stamp=None)
    consoles = etree.fromstring(made).findall("devices/console")
    assert [node.find("target").get("type") if node.find("target") is not None else None for node in consoles] == [
        None, "virtio",
    ]  # fmt: skip
    assert read_domain(made).virtio_console is True
    assert patch(wanted).virtio_console is True
    assert patch(DOMAIN, xml=made).virtio_console is None
    assert patch(read_domain(made), xml=made) == read_domain(made)


@pytest.mark.parametrize(
    ("arch", "firmware", "features"),
    [("x86_64", None, ["acpi", "apic"]), ("aarch64", "efi", ["acpi"]), ("aarch64", None, []), ("riscv64", None, [])],
)
def test_features_are_what_the_machine_has(arch: str, firmware: str | None, features: list[str]) -> None:
    root = etree.fromstring(write_domain(replace(DOMAIN, arch=arch, firmware=firmware), stamp=None))
    assert [node.tag for node in root.findall("features/*")] == features
    assert bool(root.findall("clock/timer")) == (arch == "x86_64")


def test_machine_alias_never_replaces_its_version() -> None:
    xml = write_domain(replace(DOMAIN, machine="pc-q35-7.2"), stamp=None)
    assert patch(replace(DOMAIN, machine="q35"), xml=xml).machine == "pc-q35-7.2"
    assert patch(replace(DOMAIN, machine="pc"), xml=xml).machine == "pc"
    assert patch(replace(DOMAIN, machine="pc-q35-8.0"), xml=xml).machine == "pc-q35-8.0"


@pytest.mark.parametrize(
    ("wanted", "actual", "same"),
    [
        (None, "pc-q35-7.2", True),
        ("q35", "pc-q35-7.2", True),
        ("pc", "pc-i440fx-7.2", True),
        ("virt", "virt-7.2", True),
        ("pc-q35-7.2", "pc-q35-7.2", True),
        ("q35", "pc-i440fx-7.2", False),
        ("pc", "pc-q35-7.2", False),
        ("pc-q35-7.1", "pc-q35-7.2", False),
        ("q35", None, False),
        ("s390-ccw-virtio", "s390-ccw-virtio-7.2", False),
    ],
)
def test_same_machine(wanted: str | None, actual: str | None, same: bool) -> None:
    assert same_machine(wanted, actual) is same


def ports(*controllers: str, devices: str = "") -> str:
    return f"<domain><devices>{''.join(controllers)}{devices}</devices></domain>"


def port(index: int, model: str = "pcie-root-port", bus: str = "0x00") -> str:
    address = f"<address type='pci' domain='0x0000' bus='{bus}' slot='0x01' function='0x{index}'/>"
    return f"<controller type='pci' index='{index}' model='{model}'>{address}</controller>"


ROOT = "<controller type='pci' index='0' model='pcie-root'/>"
AT_2 = "<disk><address type='pci' bus='0x02' slot='0x00'/></disk>"


@pytest.mark.parametrize(
    ("xml", "free"),
    [
        ("<domain/>", 0),
        (ports(ROOT), 0),
        (ports(ROOT, port(1), port(2)), 2),
        (ports(ROOT, port(1), port(2), devices=AT_2), 1),
        # A host device's own address counts, the one on the host does not.
        (ports(ROOT, port(1), devices="<hostdev><source><address bus='0x01'/></source></hostdev>"), 1),
        (ports(ROOT, port(1), devices="<disk><address type='drive' bus='0x01'/></disk>"), 1),
        (ports(ROOT, port(1), port(2, "pcie-to-pci-bridge", "0x01")), 0),
        (ports("<controller type='pci' index='0' model='pci-root'/>"), 31),
        (ports("<controller type='pci' index='0' model='pci-root'/>", port(1, "usb")), 30),
        (ports("<controller type='pci' index='x' model='pcie-root-port'/>", devices="<a><address bus='q'/></a>"), 1),
    ],
)
def test_count_free_ports(xml: str, free: int) -> None:
    assert count_free_ports(xml) == free


@pytest.mark.parametrize(
    ("disk", "taken", "target"),
    [
        (DISK, set(), "vdb"),
        (DISK, {"vdb"}, "vda"),
        (DISK, {"vda", "vdb"}, "vdc"),
        (replace(DISK, bus="sata", target="sda"), {"sda", "sdb"}, "sdc"),
        (DISK, {f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"}, "vdaa"),
    ],
)
def test_free_target(disk: DiskConfig, taken: set[str], target: str) -> None:
    assert free_target(disk, taken=taken) == target
