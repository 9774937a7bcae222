"""The real libvirt is asked what it makes of the XML that vmstack writes."""

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt
import msgspec
import pytest
from lxml import etree

from vmstack.model.configs import (
    DiskConfig,
    DomainConfig,
    NetworkConfig,
    NicConfig,
    PoolConfig,
    SubnetConfig,
    VolumeConfig,
)
from vmstack.model.ownership import Stamp
from vmstack.model.specs import DhcpRange, DnsHost, GraphicsSpec, Reservation
from vmstack.xmlio.domain import count_free_ports, patch_domain, read_domain, same_machine, write_domain
from vmstack.xmlio.fingerprint import fingerprint
from vmstack.xmlio.network import patch_network, read_network, write_network
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.stamp import NAMESPACE, PREFIX, read_stamp, write_stamp
from vmstack.xmlio.volume import read_volume, write_volume

pytestmark = pytest.mark.libvirt

CASES = Path(__file__).parents[2] / "cases" / "xml"
NAME = f"xio-{os.getpid()}"
UUID = str(uuid.uuid5(uuid.NAMESPACE_OID, NAME))
BRIDGE = f"xio{os.getpid() % 10**9}"
STAMP = Stamp(path="p/s/vm/a", digest="d", fields=("memory", "disks[root]"), report="<it>\n& 'broke'")
INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
replace = msgspec.structs.replace


@dataclass
class Here:
    """The daemon, and a folder that QEMU's user can read."""

    connection: Any
    folder: Path


@pytest.fixture
def here() -> Iterator[Here]:
    if not os.environ.get("CI") and shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open("qemu:///system")
    folder = Path("/var/tmp") / NAME
    folder.mkdir(exist_ok=True)
    try:
        yield Here(connection, folder)
    finally:
        with suppress(libvirt.libvirtError):
            domain = connection.lookupByUUIDString(UUID)
            with suppress(libvirt.libvirtError):
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        with suppress(libvirt.libvirtError):
            network = connection.networkLookupByUUIDString(UUID)
            with suppress(libvirt.libvirtError):
                network.destroy()
            network.undefine()
        with suppress(libvirt.libvirtError):
            pool = connection.storagePoolLookupByUUIDString(UUID)
            with suppress(libvirt.libvirtError):
                pool.destroy()
            pool.undefine()
        shutil.rmtree(folder)
        connection.close()


def disks(folder: str) -> tuple[DiskConfig, ...]:
    return (
        DiskConfig(
            serial="root", path=f"{folder}/root.qcow2", format="qcow2", target="vda", discard="unmap",
            backing_path=f"{folder}/base.qcow2", backing_format="qcow2",
        ),
        DiskConfig(serial="data", path=f"{folder}/data.qcow2", format="qcow2", target="vdb", cache="none"),
        DiskConfig(serial="seed", path=f"{folder}/seed.iso", format="raw", target="vdc", readonly=True),
    )  # fmt: skip


FOLDER = f"/var/tmp/{NAME}"
BASE = DomainConfig(
    name=NAME, uuid=UUID, type="qemu", vcpus=1, max_vcpus=4, memory_kib=131072, max_memory_kib=262144,
    cpu_mode="maximum", arch="x86_64", machine="q35", description="Web <front>\nof \"the\" 'shop' & co",
    smbios_serial="ds=nocloud", disks=disks(FOLDER),
    nics=(NicConfig(mac="52:78:69:6f:00:01", network=NAME, model="virtio"),),
    # Not <name>.log, which is libvirt's own for the domain: it would not start.
    serial_log=f"/var/log/libvirt/qemu/{NAME}-serial.log", channels=("org.vmstack.ready.0", "org.qemu.guest_agent.0"),
    pcie_ports=6,
)  # fmt: skip
DOMAINS = {
    "usual": BASE,
    "display": replace(BASE, graphics=GraphicsSpec(type="vnc", listen="127.0.0.1"), channels=()),
    "display-everywhere": replace(BASE, graphics=GraphicsSpec(type="vnc", listen="0.0.0.0"), nics=()),
    "conventional-cards": replace(
        BASE,
        pcie_ports=2,
        nics=(
            NicConfig(mac="52:78:69:6f:00:01", network=NAME, model="e1000", mtu=1300),
            NicConfig(mac="52:78:69:6f:00:02", network=NAME, model="e1000e"),
        ),
    ),
    "uefi": replace(BASE, firmware="efi"),
    "i440fx": replace(BASE, machine="pc", pcie_ports=None),
    "other-buses": replace(
        BASE,
        disks=(
            replace(BASE.disks[0], bus="scsi", target="sda"),
            replace(BASE.disks[1], bus="sata", target="sdb"),
            replace(BASE.disks[2], bus="sata", target="sdc", device="cdrom"),
        ),
    ),
    "bare": replace(BASE, serial_log=None, description=None, smbios_serial=None, max_vcpus=1, disks=(), channels=()),
}


def domain_ids() -> list[object]:
    has_uefi = any(Path("/usr/share/qemu/firmware").glob("*.json"))
    needs = pytest.mark.skipif(not has_uefi, reason="no UEFI firmware is installed")
    return [pytest.param(config, id=name, marks=needs if name == "uefi" else ()) for name, config in DOMAINS.items()]


def expected(config: DomainConfig, found: DomainConfig) -> DomainConfig:
    assert same_machine(config.machine, found.machine)
    # Where nothing is said, libvirt and vmstack choose: the emulator, the order of booting, files of the firmware, the
    # processor that is emulated, the clock, and the balloon that every machine has.
    names = (
        "emulator",
        "boot",
        "video",
        "loader",
        "nvram",
        "nvram_template",
        "cpu_model",
        "clock",
        "timers",
        "balloon",
    )
    names += ("on_reboot", "on_crash", "rng")
    chosen = {name: getattr(config, name) or getattr(found, name) for name in names}
    return replace(config, machine=found.machine, pcie_ports=None, **chosen)


def canonical(xml: str) -> str:
    return etree.canonicalize(xml)


@pytest.mark.parametrize("config", domain_ids())
def test_defined_domain_reads_as_written(here: Here, config: DomainConfig) -> None:
    domain = here.connection.defineXML(write_domain(config, stamp=STAMP))
    xml = domain.XMLDesc(INACTIVE)
    found = read_domain(xml)
    assert found == expected(config, found)
    assert read_stamp(xml) == STAMP
    config = replace(expected(config, found), pcie_ports=config.pcie_ports)
    assert canonical(patch_domain(xml, config=config, stamp=None)) == canonical(xml)
    if config.pcie_ports is not None:
        assert count_free_ports(xml) == config.pcie_ports
    here.connection.defineXML(patch_domain(xml, config=config, stamp=STAMP))
    assert fingerprint(domain.XMLDesc(INACTIVE)) == fingerprint(xml)


@pytest.fixture
def files(here: Here) -> None:
    def create(*arguments: str) -> None:
        subprocess.run(["qemu-img", "create", *arguments], check=True, stdout=subprocess.DEVNULL, cwd=here.folder)

    create("-f", "qcow2", "base.qcow2", "8M")
    create("-f", "qcow2", "-b", f"{here.folder}/base.qcow2", "-F", "qcow2", "root.qcow2")
    create("-f", "qcow2", "data.qcow2", "8M")
    create("-f", "raw", "seed.iso", "1M")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", ["usual", "display", "conventional-cards"])
def test_running_domain_reads_as_defined(here: Here, name: str) -> None:
    network = NetworkConfig(name=NAME, uuid=UUID, bridge=BRIDGE, mtu=1300)
    here.connection.networkDefineXML(write_network(network, stamp=None)).create()
    config = DOMAINS[name]
    domain = here.connection.defineXML(write_domain(config, stamp=STAMP))
    prints = set()
    for _ in range(2):
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        live = domain.XMLDesc(0)
        found = read_domain(live)
        # A guest has all of its memory until its balloon driver runs.
        assert replace(found, memory_kib=config.memory_kib) == expected(config, found)
        assert count_free_ports(live) == config.pcie_ports
        prints.add(fingerprint(domain.XMLDesc(INACTIVE), live))
        domain.destroy()
    assert len(prints) == 1
    Path(config.serial_log or "").unlink(missing_ok=True)


def renamed(xml: str) -> str:
    """Another's XML under this test's names, with nothing that this machine lacks."""
    xml = re.sub(r"<name>[^<]*</name>", f"<name>{NAME}</name>", xml, count=1)
    xml = re.sub(r"<uuid>[^<]*</uuid>", f"<uuid>{UUID}</uuid>", xml, count=1)
    xml = re.sub(r"(<bridge name=['\"])(?!br0)[^'\"]*", rf"\1{BRIDGE}", xml)
    xml = re.sub(r"<domain type=['\"]kvm['\"]", "<domain type='qemu'", xml)
    xml = re.sub(r"<cpu mode=['\"]host-passthrough['\"]", "<cpu mode='maximum'", xml)
    return xml.replace("/var/lib/libvirt/qemu/nvram/", f"{FOLDER}/")


PATCHED = sorted((CASES / "patch").glob("domain-*/after.xml"))


@pytest.mark.parametrize("path", PATCHED, ids=lambda path: path.parent.name)
def test_libvirt_takes_patched_domains(here: Here, path: Path) -> None:
    xml = renamed(path.read_text())
    if "firmware=" in xml and not any(Path("/usr/share/qemu/firmware").glob("*.json")):
        pytest.skip("no UEFI firmware is installed")
    wanted = read_domain(xml)
    found = read_domain(here.connection.defineXML(xml).XMLDesc(INACTIVE))
    wanted = expected(wanted, found)
    for name in found.__struct_fields__:
        told, meant = getattr(found, name), getattr(wanted, name)
        if name == "disks":
            told, meant = (sorted(disks, key=lambda disk: disk.target) for disks in (told, meant))
        assert told == meant, name


NETWORK_FILES = [
    *sorted((CASES / "patch").glob("network-*/after.xml")),
    *sorted((CASES / "write").glob("network-*.xml")),
]


@pytest.mark.parametrize("path", NETWORK_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_libvirt_takes_networks(here: Here, path: Path) -> None:
    xml = renamed(path.read_text())
    found = here.connection.networkDefineXML(xml).XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    assert read_network(found) == read_network(xml)
    assert read_stamp(found) == read_stamp(xml)
    assert canonical(patch_network(found, config=read_network(xml), stamp=None)) == canonical(found)


def test_running_network_reads_as_defined(here: Here) -> None:
    third = 100 + os.getpid() % 100
    config = NetworkConfig(
        name=NAME, uuid=UUID, bridge=BRIDGE, domain="xio.example", mtu=1400,
        subnets=(
            SubnetConfig(
                family="ipv4", gateway=f"10.215.{third}.1", prefix=24,
                ranges=(DhcpRange(start=f"10.215.{third}.100", end=f"10.215.{third}.200"),),
                reservations=(Reservation(ip=f"10.215.{third}.10", mac="52:78:69:6f:00:01", name="web"),),
            ),
            SubnetConfig(
                family="ipv6", gateway=f"fd00:215:{third}::1", prefix=64,
                ranges=(DhcpRange(start=f"fd00:215:{third}::100", end=f"fd00:215:{third}::200"),),
                reservations=(Reservation(ip=f"fd00:215:{third}::10", mac=None, name="web"),),
            ),
        ),
        dns_hosts=(DnsHost(ip=f"10.215.{third}.5", hostnames=("a", "b.xio.example")),),
    )  # fmt: skip
    network = here.connection.networkDefineXML(write_network(config, stamp=STAMP))
    network.create()
    assert read_network(network.XMLDesc(0)) == config
    assert read_stamp(network.XMLDesc(0)) == STAMP


def test_pool_and_volumes_read_as_written(here: Here) -> None:
    config = PoolConfig(name=NAME, uuid=UUID, type="dir", path=str(here.folder))
    pool = here.connection.storagePoolDefineXML(write_pool(config))
    pool.create()
    found = read_pool(pool.XMLDesc(0))
    assert found == replace(config, permissions=found.permissions)  # those that the directory has
    before = fingerprint(pool.XMLDesc(0))
    base = VolumeConfig(name="base.qcow2", format="qcow2", capacity=10 << 20)
    for volume in (
        base,
        VolumeConfig(
            name="over.qcow2", format="qcow2", capacity=20 << 20, backing_path=f"{here.folder}/base.qcow2",
            backing_format="qcow2",
        ),
        VolumeConfig(name="sparse.raw", format="raw", capacity=20 << 20, allocation=0),
    ):  # fmt: skip
        made = pool.createXML(write_volume(volume))
        found = read_volume(made.XMLDesc(0))
        assert found == replace(volume, path=f"{here.folder}/{volume.name}", allocation=found.allocation)
        assert volume.allocation in (None, found.allocation)
        kept = fingerprint(made.XMLDesc(0))
        pool.refresh()
        assert fingerprint(made.XMLDesc(0)) == kept
    assert fingerprint(pool.XMLDesc(0)) == before


def test_stamp_goes_through_libvirts_call(here: Here) -> None:
    domain = here.connection.defineXML(write_domain(DOMAINS["bare"], stamp=None))
    element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain.setMetadata(element, write_stamp(STAMP), PREFIX, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert read_stamp(domain.XMLDesc(INACTIVE)) == STAMP
    assert read_stamp(domain.metadata(element, NAMESPACE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)) == STAMP
