"""The case files under tests/cases/xml: XML as libvirt gives it, and XML as vmstack writes it.

read/<kind>-<case>.xml      is read as the config in <kind>-<case>.json
write/<kind>-<case>.json    holds a config and a stamp, and is written as <kind>-<case>.xml
patch/<kind>-<case>/        before.xml, brought to what wanted.json says, is after.xml
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

from vmstack.model import configs
from vmstack.model.base import Data
from vmstack.model.compute import CellSpec, CpuFeatureSpec, PinSpec, TimerSpec, TopologySpec
from vmstack.model.configs import DomainConfig, NetworkConfig, PoolConfig, VolumeConfig
from vmstack.model.hardware import (
    BalloonSpec,
    BandwidthSpec,
    ConsoleSpec,
    FilesystemSpec,
    FwCfgSpec,
    GraphicsSpec,
    HostDeviceSpec,
    IoTuneSpec,
    MetadataSpec,
    RngSpec,
    TpmSpec,
    VsockSpec,
    WatchdogSpec,
)
from vmstack.model.ownership import Stamp
from vmstack.model.specs import DhcpRange, DnsForwarder, DnsHost, DnsSrv, DnsTxt, Permissions, Reservation, Route
from vmstack.model.traffic import PortGroup, Traffic
from vmstack.xmlio.domain import patch_domain, read_domain, write_domain
from vmstack.xmlio.network import patch_network, read_network, write_network
from vmstack.xmlio.pool import read_pool, write_pool
from vmstack.xmlio.stamp import read_stamp
from vmstack.xmlio.volume import read_volume, write_volume

_GIVEN = ("clock", "timers", "on_reboot", "on_crash")
CASES = Path(__file__).parents[2] / "cases" / "xml"
SCHEMAS = Path("/usr/share/libvirt/schemas")
SCHEMA_FILES = {"domain": "domain.rng", "network": "network.rng", "pool": "storagepool.rng", "volume": "storagevol.rng"}

READ: dict[str, Callable[[str], Any]] = {
    "domain": read_domain, "network": read_network, "pool": read_pool, "volume": read_volume,
}  # fmt: skip
TYPES: dict[str, type[Data]] = {
    "domain": DomainConfig, "network": NetworkConfig, "pool": PoolConfig, "volume": VolumeConfig,
}  # fmt: skip


class Wanted(Data, frozen=True, kw_only=True):
    config: dict[str, Any]
    stamp: Stamp | None
    drop_disks: frozenset[str] = frozenset()
    drop_nics: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()


def kind_of(path: Path) -> str:
    return path.stem.partition("-")[0]


def decode(path: Path) -> tuple[Any, Wanted]:
    wanted = msgspec.json.decode(path.read_bytes(), type=Wanted)
    kind = kind_of(path.parent if path.stem == "wanted" else path)
    return msgspec.convert(wanted.config, TYPES[kind]), wanted


def write(config: Data, stamp: Stamp | None) -> str:
    match config:
        case DomainConfig():
            return write_domain(config, stamp=stamp)
        case NetworkConfig():
            return write_network(config, stamp=stamp)
        case PoolConfig():
            return write_pool(config)
        case VolumeConfig():
            return write_volume(config)
    raise AssertionError(config)


def canonical(xml: str) -> str:
    return etree.canonicalize(xml, strip_text=False)


READ_CASES = sorted((CASES / "read").glob("*.xml"))
WRITE_CASES = sorted((CASES / "write").glob("*.json"))
PATCH_CASES = sorted((CASES / "patch").iterdir())
WRITTEN = [*sorted((CASES / "write").glob("*.xml")), *(case / "after.xml" for case in PATCH_CASES)]


def by_name(path: Path) -> str:
    return path.parent.name if path.stem == "after" else path.stem


@pytest.fixture(scope="module")
def schemas() -> dict[str, etree.RelaxNG]:
    return {kind: etree.RelaxNG(file=str(SCHEMAS / name)) for kind, name in SCHEMA_FILES.items()}


@pytest.mark.parametrize("path", READ_CASES, ids=by_name)
def test_read(path: Path) -> None:
    expected = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=TYPES[kind_of(path)])
    assert READ[kind_of(path)](path.read_text()) == expected


@pytest.mark.parametrize("path", WRITE_CASES, ids=by_name)
def test_write(path: Path) -> None:
    config, wanted = decode(path)
    written = write(config, wanted.stamp)
    assert written == path.with_suffix(".xml").read_text()
    back = READ[kind_of(path)](written)
    if isinstance(config, DomainConfig):
        config = msgspec.structs.replace(config, pcie_ports=None)
        # An empty drive names a format too.
        disks = tuple(msgspec.structs.replace(disk, format=disk.format or "raw") for disk in config.disks)
        usual = {name: getattr(config, name) or getattr(back, name) for name in ("video", "rng", "balloon", *_GIVEN)}
        # Every new domain has a clock, timers and answers to its guest's power events.
        config = msgspec.structs.replace(config, disks=disks, **usual)
    assert back == config
    assert read_stamp(written) == wanted.stamp


@pytest.mark.parametrize("path", PATCH_CASES, ids=by_name)
def test_patch(path: Path) -> None:
    config, wanted = decode(path / "wanted.json")
    before = (path / "before.xml").read_text()
    if isinstance(config, DomainConfig):
        after = patch_domain(
            before,
            config=config,
            stamp=wanted.stamp,
            drop_disks=wanted.drop_disks,
            drop_nics=wanted.drop_nics,
            dropped=wanted.dropped,
        )
    else:
        after = patch_network(before, config=config, stamp=wanted.stamp)
    assert canonical(after) == canonical((path / "after.xml").read_text())
    assert read_stamp(after) == (wanted.stamp or read_stamp(before))


@pytest.mark.parametrize("path", [case for case in PATCH_CASES if case.name.endswith("nothing")], ids=by_name)
def test_patch_without_a_difference_changes_nothing(path: Path) -> None:
    assert canonical((path / "after.xml").read_text()) == canonical((path / "before.xml").read_text())


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="libvirt's schemas are not installed")
@pytest.mark.parametrize("path", WRITTEN, ids=by_name)
def test_libvirt_schema_accepts(path: Path, schemas: dict[str, etree.RelaxNG]) -> None:
    schema = schemas[kind_of(path.parent if path.stem == "after" else path)]
    assert schema.validate(etree.parse(path)), schema.error_log


def collect(value: object, into: dict[type, dict[str, list[object]]]) -> None:
    """Sort the values of all fields of all structs in `value` by struct and field."""
    if isinstance(value, msgspec.Struct):
        fields = into.setdefault(type(value), {})
        for name in value.__struct_fields__:
            item = getattr(value, name)
            fields.setdefault(name, []).append(item)
            collect(item, into)
    elif isinstance(value, tuple):
        for item in value:
            collect(item, into)


def config_structs() -> list[type[msgspec.Struct]]:
    own = [
        found
        for found in vars(configs).values()
        if isinstance(found, type) and issubclass(found, Data) and found.__module__ == configs.__name__
    ]
    shared = (
        BalloonSpec, BandwidthSpec, CellSpec, ConsoleSpec, CpuFeatureSpec, FilesystemSpec, FwCfgSpec, GraphicsSpec,
        HostDeviceSpec, IoTuneSpec, MetadataSpec, PinSpec, RngSpec, TimerSpec, TopologySpec, TpmSpec, VsockSpec,
        WatchdogSpec,
    )  # fmt: skip
    served = (DhcpRange, DnsForwarder, DnsHost, DnsSrv, DnsTxt, Permissions, PortGroup, Reservation, Route, Traffic)
    return [*own, *served, *shared]


def test_every_field_of_every_config_is_in_a_case() -> None:
    seen: dict[type, dict[str, list[object]]] = {}
    for path in READ_CASES:
        collect(msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=TYPES[kind_of(path)]), seen)
    for path in [*WRITE_CASES, *(case / "wanted.json" for case in PATCH_CASES)]:
        collect(decode(path)[0], seen)
    never = [
        f"{struct.__name__}.{field.name}"
        for struct in config_structs()
        for field in msgspec.structs.fields(struct)
        # Whatever a field's default is, some case must have another value.
        if not any(
            value not in (None, ()) and value != field.default and (value is not False or field.default is True)
            for value in seen.get(struct, {}).get(field.name, [])
        )
    ]
    assert never == []
