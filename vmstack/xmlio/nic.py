"""`<interface>`: found by its MAC."""

from collections.abc import Container, Iterable
from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import NicConfig
from vmstack.model.hardware import BandwidthSpec
from vmstack.xmlio.codec import INTEGER, LOWER, Codec
from vmstack.xmlio.safe import Element, add, as_root, drop_children, replace_children, serialise, set_attribute
from vmstack.xmlio.table import Field, Table, new_root

# A cable that is in is what an interface has that says nothing.
LINK: Final = Codec(lambda text: "down" if text == "down" else None, lambda value: str(value))
_NIC: Final = Table(
    "interface",
    Field("mac", "mac/@address", LOWER),
    Field("network", "source/@network"),
    Field("bridge", "source/@bridge"),
    Field("device", "source/@dev"),
    Field("mode", "source/@mode"),
    Field("model", "model/@type"),
    Field("mtu", "mtu/@size", INTEGER),
    Field("link", "link/@state", LINK),
    Field("queues", "driver/@queues", INTEGER),
    Field("filter", "filterref/@filter"),
    Field("portgroup", "source/@portgroup"),
)
_BANDWIDTH: Final = Table("bandwidth", *(Field(name, f"@{name}", INTEGER) for name in ("average", "peak", "burst")))


def read_nic(xml: str | Element) -> NicConfig:
    """Read an `<interface>` of any kind; what it is not on is `None`."""
    nic = as_root(xml, what="an interface", tag="interface")
    values = _NIC.read(nic)
    if "network" in values:
        # A running guest's interface also names the bridge or the host's interface behind its network.
        values = {name: value for name, value in values.items() if name not in ("bridge", "device", "mode")}
    return NicConfig(**{"mac": ""} | values | _read_rest(nic))


def write_nic(config: NicConfig) -> str:
    """Write an `<interface>`, as for attaching it. Raises `DocumentError` unless it is on one thing."""
    return serialise(build_nic(config))


def build_nic(config: NicConfig) -> Element:
    """Build an `<interface>`. Raises `DocumentError` unless it is on one network, bridge or interface of the host."""
    nic = new_root("interface", type=_type(config))
    _NIC.write(nic, config)
    _put_rest(nic, config)
    return nic


def patch_nics(devices: Element, nics: Iterable[NicConfig], *, drop: Container[str]) -> None:
    """Bring the interfaces under `<devices>` to `nics`, matched by MAC.

    Interfaces that are not wanted stay, except those whose MAC is in `drop`. Raises `DocumentError`.
    """
    existing: list[tuple[Element, NicConfig]] = []
    for element in devices.findall("interface"):
        found = read_nic(element)
        if found.mac in drop:
            devices.remove(element)
        else:
            existing.append((element, found))
    for config in nics:
        match = next((pair for pair in existing if pair[1].mac == config.mac), None)
        if match is not None:
            existing.remove(match)
            _patch(match[0], before=match[1], after=config)
            continue
        present = devices.findall("interface") or devices.findall("disk")
        devices.insert(devices.index(present[-1]) + 1 if present else 0, build_nic(config))


def _patch(nic: Element, *, before: NicConfig, after: NicConfig) -> None:
    if _where(before) != _where(after):
        nic.set("type", _type(after))
        # Port group, port id and virtual port belong to the old network.
        replace_children(nic, nic.findall("source"), build_nic(after).findall("source"))
        drop_children(nic, "virtualport")
        before = read_nic(nic)
    _NIC.patch(nic, before=before, after=after)
    if _rest(before) != _rest(after):
        _put_rest(nic, after)


def _rest(config: NicConfig) -> tuple[object, ...]:
    return (config.inbound, config.outbound, config.filter, config.filter_parameters)


def _read_rest(nic: Element) -> dict[str, Any]:
    """The limits of both directions, and the parameters of the filter."""
    found: dict[str, Any] = {}
    bandwidth, filter_ = nic.find("bandwidth"), nic.find("filterref")
    for way in ("inbound", "outbound") if bandwidth is not None else ():
        element = None if bandwidth is None else bandwidth.find(way)
        values = {} if element is None else _BANDWIDTH.read(element)
        if "average" in values:
            found[way] = BandwidthSpec(**values)
    parameters = () if filter_ is None else filter_.findall("parameter")
    if parameters:
        found["filter_parameters"] = tuple(sorted((item.get("name", ""), item.get("value", "")) for item in parameters))
    return found


def _put_rest(nic: Element, config: NicConfig) -> None:
    drop_children(nic, "bandwidth")
    limits = {"inbound": config.inbound, "outbound": config.outbound}
    if any(limits.values()):
        bandwidth = add(nic, "bandwidth")
        for way, limit in limits.items():
            if limit is not None:
                _BANDWIDTH.write(add(bandwidth, way), limit)
    filter_ = nic.find("filterref")
    if filter_ is not None and config.filter is None:
        nic.remove(filter_)
    elif filter_ is not None:
        drop_children(filter_, "parameter")
        for name, value in config.filter_parameters:
            set_attribute(add(filter_, "parameter", name=name), "value", value)


def _where(config: NicConfig) -> tuple[str | None, ...]:
    return (config.network, config.bridge, config.device, config.mode)


def _type(config: NicConfig) -> str:
    kinds = {"network": config.network, "bridge": config.bridge, "direct": config.device}
    found = [kind for kind, value in kinds.items() if value]
    if len(found) != 1:
        raise DocumentError(f"interface {config.mac} must be on one network, one bridge or one interface of the host")
    return found[0]
