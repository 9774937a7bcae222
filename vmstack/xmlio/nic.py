"""`<interface>`: found by its MAC."""

from collections.abc import Container, Iterable
from typing import Final

from vmstack.errors import DocumentError
from vmstack.model.configs import NicConfig
from vmstack.xmlio.codec import INTEGER, LOWER
from vmstack.xmlio.safe import Element, as_root, drop_children, replace_children, serialise
from vmstack.xmlio.table import Field, Table, new_root

_NIC: Final = Table(
    "interface",
    Field("mac", "mac/@address", LOWER),
    Field("network", "source/@network"),
    Field("bridge", "source/@bridge"),
    Field("device", "source/@dev"),
    Field("mode", "source/@mode"),
    Field("model", "model/@type"),
    Field("mtu", "mtu/@size", INTEGER),
)


def read_nic(xml: str | Element) -> NicConfig:
    """Read an `<interface>` of any kind; what it is not on is `None`."""
    values = _NIC.read(as_root(xml, what="an interface", tag="interface"))
    if "network" in values:
        # A running guest's interface also names the bridge or the host's interface behind its network.
        values = {name: value for name, value in values.items() if name not in ("bridge", "device", "mode")}
    return NicConfig(**{"mac": ""} | values)


def write_nic(config: NicConfig) -> str:
    """Write an `<interface>`, as for attaching it. Raises `DocumentError` unless it is on one thing."""
    return serialise(build_nic(config))


def build_nic(config: NicConfig) -> Element:
    """Build an `<interface>`. Raises `DocumentError` unless it is on one network, bridge or interface of the host."""
    nic = new_root("interface", type=_type(config))
    _NIC.write(nic, config)
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


def _where(config: NicConfig) -> tuple[str | None, ...]:
    return (config.network, config.bridge, config.device, config.mode)


def _type(config: NicConfig) -> str:
    kinds = {"network": config.network, "bridge": config.bridge, "direct": config.device}
    found = [kind for kind, value in kinds.items() if value]
    if len(found) != 1:
        raise DocumentError(f"interface {config.mac} must be on one network, one bridge or one interface of the host")
    return found[0]
