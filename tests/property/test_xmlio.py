"""Whatever the values: what is written is read back, nothing becomes markup, and patching does what it was told."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from vmstack.errors import DocumentError
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
from vmstack.xmlio.domain import patch_domain, read_domain, same_machine, write_domain
from vmstack.xmlio.fingerprint import fingerprint
from vmstack.xmlio.network import patch_network, read_network, write_network
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import read_stamp, write_stamp
from vmstack.xmlio.volume import read_volume, write_volume

CASES = Path(__file__).parents[1] / "cases" / "xml"
READ: dict[str, Any] = {"domain": read_domain, "network": read_network, "pool": read_pool, "volume": read_volume}

# What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets), and the carriage return, which libvirt loses.
UNFIT = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

PAYLOADS = (
    "<disk type='block'/>", "</name><name>x", "'/><a b='", '" x="', "]]>", "<![CDATA[", "<!-- -->", "&amp;", "&#0;",
    "&lt;", "<!DOCTYPE a>", "<?pi?>", " ", "\t\n", "xmlns:a='b'", "{urn:a}b", "\u202e", "\x7f", "\ufeff", "../..",
    "%s{}$x", "a\rb", "\0", "\x1b[2J", "\ud800", "\ufffe",
)  # fmt: skip
nasty = st.one_of(st.sampled_from(PAYLOADS), st.text(min_size=1, max_size=20))
# What can be written; the nasty texts that cannot are the business of `test_hostile_text_*`.
text = nasty.filter(lambda value: not UNFIT.search(value))
word = st.from_regex(r"[a-zA-Z0-9._\[\]:-]{1,12}", fullmatch=True)
maybe_text = st.none() | text
count = st.integers(min_value=0, max_value=2**50)
uuids = st.uuids().map(str)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: ":".join(f"{byte:02x}" for byte in raw))


@st.composite
def disk_lists(draw: st.DrawFn) -> tuple[DiskConfig, ...]:
    serials = draw(st.lists(text, max_size=4, unique=True))
    disks = []
    for index, serial in enumerate(serials):
        path = draw(maybe_text)
        backed = path is not None and draw(st.booleans())
        disks.append(
            DiskConfig(
                serial=serial,
                path=path,
                format=draw(text) if path else "raw",
                target=f"vd{'abcd'[index]}",
                bus=draw(st.sampled_from(["virtio", "scsi", "sata"])),
                cache=draw(maybe_text),
                discard=draw(maybe_text),
                readonly=draw(st.booleans()),
                backing_path=draw(text) if backed else None,
                backing_format=draw(text) if backed else None,
                device=draw(st.sampled_from(["disk", "cdrom"])),
            )
        )
    return tuple(disks)


@st.composite
def nics(draw: st.DrawFn, mac: str) -> NicConfig:
    bridged = draw(st.booleans())
    return NicConfig(
        mac=mac,
        network=None if bridged else draw(text),
        bridge=draw(text) if bridged else None,
        model=draw(maybe_text),
        mtu=draw(st.none() | count),
    )


@st.composite
def nic_lists(draw: st.DrawFn) -> tuple[NicConfig, ...]:
    return tuple(draw(nics(mac)) for mac in draw(st.lists(macs, max_size=3, unique=True)))


def domains(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[DomainConfig]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "name": text,
        "uuid": uuids,
        "type": text,
        "vcpus": count,
        "max_vcpus": count,
        "memory_kib": count,
        "max_memory_kib": count,
        "cpu_mode": maybe_text,
        "arch": st.sampled_from([None, "x86_64", "aarch64"]),
        "machine": st.sampled_from([None, "q35", "pc", "pc-q35-7.2", "virt"]),
        "firmware": st.sampled_from([None, "efi", "bios"]),
        "description": maybe_text,
        "smbios_serial": maybe_text,
        "disks": disk_lists(),
        "nics": nic_lists(),
        "graphics": st.none() | st.builds(GraphicsSpec, type=st.sampled_from(["vnc", "spice"]), listen=text),
        "serial_log": maybe_text,
        "channels": st.lists(text, max_size=3, unique=True).map(tuple),
        "pcie_ports": st.none() | st.integers(min_value=0, max_value=14),
    }
    return st.builds(DomainConfig, **fields | fixed)


subnets = st.builds(
    SubnetConfig,
    family=st.just("ipv4"),
    gateway=text,
    prefix=st.integers(min_value=0, max_value=32),
    ranges=st.lists(st.builds(DhcpRange, start=text, end=text), max_size=3, unique=True).map(tuple),
    reservations=st.lists(st.builds(Reservation, ip=text, mac=macs, name=maybe_text), max_size=3, unique=True).map(
        tuple
    ),
) | st.builds(
    SubnetConfig,
    family=st.just("ipv6"),
    gateway=text,
    prefix=st.integers(min_value=0, max_value=128),
    reservations=st.lists(st.builds(Reservation, ip=text, mac=st.none(), name=text), max_size=3, unique=True).map(
        tuple
    ),
)


def networks(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[NetworkConfig]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "name": text,
        "uuid": uuids,
        "forward": maybe_text,
        "bridge": text,
        "domain": maybe_text,
        "mtu": st.none() | count,
        "subnets": st.lists(subnets, max_size=3, unique_by=lambda net: (net.family, net.gateway)).map(tuple),
        "dns_hosts": st.lists(
            st.builds(DnsHost, ip=text, hostnames=st.lists(text, min_size=1, max_size=3).map(tuple)),
            max_size=3,
            unique=True,
        ).map(tuple),
    }
    return st.builds(NetworkConfig, **fields | fixed)


stamps = st.builds(
    Stamp,
    path=text,
    digest=text,
    fields=st.lists(word, max_size=4).map(tuple),
    generation=count,
    protect=st.booleans(),
    ready=st.sampled_from(["none", "pending", "ok", "failed"]),
    report=maybe_text,
)
# One example here takes about 10 ms: try more of them than of whole applies (see conftest).
examples = settings(max_examples=4 * settings.default.max_examples)
many_examples = settings(max_examples=8 * settings.default.max_examples)
replace = msgspec.structs.replace


def shape(xml: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every element with the names of its attributes, in order: all of a document but its values."""
    return [(str(node.tag), tuple(node.attrib)) for node in etree.fromstring(xml.encode()).iter()]


def check_formats(xml: str) -> None:
    """Every disk and every backing file names its format, so that none is ever probed."""
    root = etree.fromstring(xml.encode())
    for disk in root.iterfind("devices/disk"):
        assert disk.find("driver").get("type")
        assert disk.find("source") is None or disk.find("backingStore") is not None
    for backing in root.iter("backingStore"):
        assert len(backing) == 0 or backing.find("format").get("type")


@given(config=domains(), stamp=st.none() | stamps)
@examples
def test_domain_round_trips(config: DomainConfig, stamp: Stamp | None) -> None:
    xml = write_domain(config, stamp=stamp)
    found = read_domain(xml)
    # The video device behind a display, where none is asked for, is written too.
    assert found == replace(config, pcie_ports=None, video=config.video or found.video)
    assert read_stamp(xml) == stamp
    check_formats(xml)
    fingerprint(xml)


@given(config=networks(), stamp=st.none() | stamps)
@examples
def test_network_round_trips(config: NetworkConfig, stamp: Stamp | None) -> None:
    xml = write_network(config, stamp=stamp)
    assert read_network(xml) == config
    assert read_stamp(xml) == stamp


@given(config=st.builds(PoolConfig, name=text, uuid=uuids, type=st.just("dir"), path=text))
@examples
def test_pool_round_trips(config: PoolConfig) -> None:
    assert read_pool(write_pool(config)) == config


@given(
    config=st.builds(
        VolumeConfig, name=text, format=text.filter(lambda name: name != "iso"), capacity=count,
        allocation=st.none() | count, path=maybe_text,
    ),
    backing=st.none() | st.tuples(text, text),
)  # fmt: skip
@examples
def test_volume_round_trips(config: VolumeConfig, backing: tuple[str, str] | None) -> None:
    if backing is not None:
        config = replace(config, backing_path=backing[0], backing_format=backing[1])
    assert read_volume(write_volume(config)) == config


@given(stamp=stamps)
@examples
def test_stamp_round_trips(stamp: Stamp) -> None:
    assert read_stamp(write_stamp(stamp)) == stamp


PLAIN_DOMAIN = DomainConfig(
    name="x", uuid="x", type="x", vcpus=1, max_vcpus=1, memory_kib=1, max_memory_kib=1, cpu_mode="x", machine="x",
    description="x", smbios_serial="x", serial_log="x", channels=("x",), graphics=GraphicsSpec(listen="x"),
    disks=(DiskConfig(serial="x", path="x", format="x", target="x", cache="x", discard="x", backing_path="x",
                      backing_format="x"),),
    nics=(NicConfig(mac="x", network="x", model="x"),),
)  # fmt: skip
PLAIN_NETWORK = NetworkConfig(
    name="x", uuid="x", forward="x", bridge="x", domain="x", dns_hosts=(DnsHost(ip="x", hostnames=("x",)),),
    subnets=(SubnetConfig(family="ipv4", gateway="x", prefix=1, ranges=(DhcpRange(start="x", end="x"),),
                          reservations=(Reservation(ip="x", mac="x", name="x"),)),),
)  # fmt: skip
PLAIN_STAMP = Stamp(path="x", digest="x", report="x")


def substitute(value: Any, text: str) -> Any:
    """Put `text` into every string of a config that is `"x"`."""
    if value == "x":
        return text
    if isinstance(value, tuple):
        return tuple(substitute(item, text) for item in value)
    if isinstance(value, msgspec.Struct):
        return replace(value, **{name: substitute(getattr(value, name), text) for name in value.__struct_fields__})
    return value


@given(value=nasty)
@examples
def test_hostile_text_is_data_or_refused(value: str) -> None:
    unfit = UNFIT.search(value)
    for plain, write in (
        (PLAIN_DOMAIN, lambda config, stamp: write_domain(config, stamp=stamp)),
        (PLAIN_NETWORK, lambda config, stamp: write_network(config, stamp=stamp)),
    ):
        config, stamp = substitute(plain, value), substitute(PLAIN_STAMP, value)
        if unfit:
            with pytest.raises(DocumentError):
                write(config, stamp)
        else:
            assert shape(write(config, stamp)) == shape(write(plain, PLAIN_STAMP))


@given(value=nasty.filter(lambda value: UNFIT.search(value) is not None), data=st.data())
@examples
def test_one_unfit_text_in_any_field_is_refused(value: str, data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(
            ["name", "uuid", "type", "cpu_mode", "machine", "description", "smbios_serial", "serial_log", "channels"]
        )
    )
    with pytest.raises(DocumentError):
        write_domain(replace(PLAIN_DOMAIN, **{name: (value,) if name == "channels" else value}), stamp=None)


UUID = "6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b11"


def settled(config: DomainConfig, *, before: DomainConfig) -> DomainConfig:
    """What a patched domain reads as: identity decides, slots and libvirt's choices stay."""
    slots = {disk.serial: disk for disk in before.disks}
    disks = [
        replace(disk, target="" if disk.serial not in slots or slots[disk.serial].bus != disk.bus
                else slots[disk.serial].target)
        for disk in config.disks
    ]  # fmt: skip
    kept = [name for name in before.channels if name not in config.channels]
    return replace(
        config,
        type=config.type or before.type,
        arch=config.arch or before.arch,
        cpu_mode=config.cpu_mode or before.cpu_mode,
        machine=before.machine if same_machine(config.machine, before.machine) else config.machine,
        disks=tuple(sorted(disks, key=lambda disk: disk.serial or "")),
        nics=tuple(sorted(config.nics, key=lambda nic: nic.mac)),
        channels=tuple(sorted([*config.channels, *kept])),
        pcie_ports=None,
    )


@given(before=domains(uuid=st.just(UUID)), after=domains(uuid=st.just(UUID)), stamp=stamps, share=st.booleans())
@examples
def test_patched_domain_reads_as_told(before: DomainConfig, after: DomainConfig, stamp: Stamp, share: bool) -> None:
    if share:  # random devices hardly ever have the same identity
        disks = [replace(disk, serial=old.serial) for disk, old in zip(after.disks, before.disks, strict=False)]
        cards = [replace(nic, mac=old.mac) for nic, old in zip(after.nics, before.nics, strict=False)]
        after = replace(after, disks=tuple(disks), nics=tuple(cards))
    serials = {disk.serial for disk in after.disks}
    addresses = {nic.mac for nic in after.nics}
    xml = patch_domain(
        write_domain(before, stamp=None),
        config=after,
        stamp=stamp,
        drop_disks=frozenset(disk.serial for disk in before.disks if disk.serial not in serials),
        drop_nics=frozenset(nic.mac for nic in before.nics if nic.mac not in addresses),
    )
    found = read_domain(xml)
    expected = replace(settled(after, before=before), video=after.video or found.video)
    assert len({disk.target for disk in found.disks}) == len(found.disks)
    known = {disk.serial: disk.target for disk in expected.disks}
    disks = [disk if known[disk.serial] else replace(disk, target="") for disk in found.disks]
    assert (
        replace(
            found,
            disks=tuple(sorted(disks, key=lambda disk: disk.serial or "")),
            nics=tuple(sorted(found.nics, key=lambda nic: nic.mac)),
            channels=tuple(sorted(found.channels)),
        )
        == expected
    )
    assert read_stamp(xml) == stamp
    check_formats(xml)
    # Told the same again, it does nothing.
    again = patch_domain(xml, config=found, stamp=None)
    assert etree.canonicalize(again) == etree.canonicalize(xml)


@given(before=networks(uuid=st.just(UUID)), after=networks(uuid=st.just(UUID)), stamp=stamps, share=st.booleans())
@examples
def test_patched_network_reads_as_told(before: NetworkConfig, after: NetworkConfig, stamp: Stamp, share: bool) -> None:
    if share:
        nets = [
            replace(net, family=old.family, gateway=old.gateway, reservations=old.reservations[::-1])
            for net, old in zip(after.subnets, before.subnets, strict=False)
        ]
        after = replace(after, subnets=tuple(nets), dns_hosts=(*after.dns_hosts, *before.dns_hosts[1:]))
        after = replace(after, dns_hosts=tuple(dict.fromkeys(after.dns_hosts)))
    xml = patch_network(write_network(before, stamp=None), config=after, stamp=stamp)
    assert read_network(xml) == after
    assert read_stamp(xml) == stamp
    again = patch_network(xml, config=after, stamp=None)
    assert etree.canonicalize(again) == etree.canonicalize(xml)


DOCUMENTS = [(path.stem.partition("-")[0], path.read_text()) for path in sorted((CASES / "read").glob("*.xml"))]
PATCH: dict[str, Any] = {"domain": patch_domain, "network": patch_network}


@given(case=st.sampled_from(DOCUMENTS), data=st.data())
@many_examples
def test_damaged_documents_are_read_or_refused(case: tuple[str, str], data: st.DataObject) -> None:
    kind, xml = case
    root = etree.fromstring(xml.encode())
    for _ in range(data.draw(st.integers(min_value=1, max_value=4))):
        node = data.draw(st.sampled_from([node for node in root.iter() if isinstance(node.tag, str)]))
        match data.draw(st.sampled_from(["remove", "duplicate", "text", "attribute", "no-attribute"])):
            case "remove" if node is not root:
                node.getparent().remove(node)
            case "duplicate" if node is not root:
                node.addnext(etree.fromstring(etree.tostring(node, with_tail=False)))
            case "text":
                node.text = data.draw(text)
            case "attribute" if node.attrib:
                node.set(data.draw(st.sampled_from(sorted(node.attrib))), data.draw(text | st.just("")))
            case "no-attribute" if node.attrib:
                del node.attrib[data.draw(st.sampled_from(sorted(node.attrib)))]
    damaged = etree.tostring(root, encoding="unicode")
    fingerprint(damaged)
    read_stamp(damaged)
    try:
        config = READ[kind](damaged)
    except DocumentError:
        return
    if kind in PATCH:
        same = PATCH[kind](damaged, config=config, stamp=None)
        assert _without_scsi_controllers(same) == _without_scsi_controllers(damaged)


def _without_scsi_controllers(xml: str) -> str:
    """Patching gives a SCSI disk the controller it needs, where the damage took it away."""
    root = etree.fromstring(xml.encode())
    for node in root.xpath("devices/controller[@type='scsi']"):
        node.getparent().remove(node)
    for node in root.iter():
        node.tail = None
        if len(node):
            node.text = None
    return etree.canonicalize(etree.tostring(root, encoding="unicode"))


@given(
    case=st.sampled_from(DOCUMENTS),
    at=st.integers(min_value=0),
    length=st.integers(min_value=0, max_value=9),
    new=nasty,
)
@many_examples
def test_garbled_text_is_read_or_refused(case: tuple[str, str], at: int, length: int, new: str) -> None:
    kind, xml = case
    at %= len(xml)
    garbled = xml[:at] + new + xml[at + length :]
    for use in (READ[kind], fingerprint, read_stamp):
        try:
            use(garbled)
        except DocumentError:
            continue


@given(value=st.text(max_size=200))
@examples
def test_any_text_is_parsed_or_refused(value: str) -> None:
    try:
        parse_xml(value, what="a test")
    except DocumentError:
        return
    assert "<" in value


@pytest.mark.parametrize(("kind", "xml"), [case for case in DOCUMENTS if case[0] in PATCH])
def test_reading_writing_and_reading_is_a_fixpoint(kind: str, xml: str) -> None:
    """What vmstack can write of a foreign object, it reads back the same; the rest it refuses to write."""
    config = READ[kind](xml)
    try:
        match config:
            case DomainConfig():
                written = write_domain(config, stamp=None)
            case NetworkConfig():
                written = write_network(config, stamp=None)
            case _:
                raise AssertionError(config)
    except DocumentError:
        assert isinstance(config, DomainConfig) or not all(
            host.mac or host.name for subnet in config.subnets for host in subnet.reservations
        )
        return
    again = READ[kind](written)
    if isinstance(config, DomainConfig):
        config = replace(config, video=config.video or again.video)
    if isinstance(config, NetworkConfig):  # what a port group says more is what vmstack does not write
        config = replace(config, port_groups=tuple(replace(group, more=False) for group in config.port_groups))
    assert again == config
