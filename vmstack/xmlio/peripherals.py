"""Small devices of which a machine has one: random numbers, watchdog, balloon, vsock, panic notifier.

Formats: https://libvirt.org/formatdomain.html#devices
"""

from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from vmstack.model.base import Data
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import BalloonSpec, RngSpec, VsockSpec, WatchdogSpec
from vmstack.xmlio.codec import INTEGER, Codec
from vmstack.xmlio.safe import Element, add, drop_children, serialise
from vmstack.xmlio.table import Field, Table, new_root

_ON_OFF: Final = Codec(lambda text: text == "on", lambda value: "on" if value else "off")


class Kind(NamedTuple):
    """One kind: its element, its rows, what a config calls it and what every new machine has of it."""

    tag: str
    table: Table
    spec: type[Data]
    usual: Data | None = None


KINDS: Final[Mapping[str, Kind]] = {
    "balloon": Kind(
        "memballoon",
        Table(
            "memballoon",
            Field("model", "@model"),
            Field("autodeflate", "@autodeflate", _ON_OFF),
            Field("free_page_reporting", "@freePageReporting", _ON_OFF),
            Field("stats_period", "stats/@period", INTEGER),
        ),
        BalloonSpec,
        BalloonSpec(stats_period=10),
    ),
    "rng": Kind(
        "rng",
        Table(
            "rng",
            Field("model", "@model"),
            Field("rate_bytes", "rate/@bytes", INTEGER),
            Field("rate_period", "rate/@period", INTEGER),
            Field("source", "backend"),
            Field("backend", "backend/@model"),
        ),
        RngSpec,
        RngSpec(),
    ),
    "watchdog": Kind("watchdog", Table("watchdog", Field("model", "@model"), Field("action", "@action")), WatchdogSpec),
    "vsock": Kind("vsock", Table("vsock", Field("model", "@model")), VsockSpec),
}


def read_peripherals(found: Mapping[str, list[Element]]) -> dict[str, Any]:
    """Return the first of each kind, by the names of a config. `found` are the devices by their tags."""
    values: dict[str, Any] = {}
    for name, kind in KINDS.items():
        elements = found.get(kind.tag)
        if elements:
            values[name] = _read(elements[0], kind)
    panic = found.get("panic")
    if panic:
        values["panic"] = panic[0].get("model") or "isa"
    return values


def build_peripherals(devices: Element, config: DomainConfig) -> None:
    """Add what the config says, or what every new machine has."""
    for name, kind in KINDS.items():
        spec = getattr(config, name) or kind.usual
        if spec is not None:
            devices.append(build_peripheral(name, spec))
    if config.panic is not None:
        add(devices, "panic", model=config.panic)


def build_peripheral(name: str, spec: Data) -> Element:
    """Build one device. `name` is what a config calls it."""
    kind = KINDS[name]
    element = new_root(kind.tag)
    kind.table.write(element, spec)
    if isinstance(spec, VsockSpec):
        add(element, "cid", auto="yes") if spec.cid is None else add(element, "cid", auto="no", address=str(spec.cid))
    return element


def write_peripheral(name: str, spec: Data) -> str:
    """Write one device, as for attaching it."""
    return serialise(build_peripheral(name, spec))


def patch_peripherals(devices: Element, *, before: DomainConfig, after: DomainConfig, drop: Container[str]) -> None:
    """Bring the first of each kind to the config. One to `drop` becomes the usual one, or goes.

    A device that changes is built anew: what else it said belonged to the old one.
    """
    for name, kind in KINDS.items():
        old, new = getattr(before, name), getattr(after, name)
        if old == new or (new is None and name not in drop):
            continue
        spec = new or kind.usual
        _exchange(devices, kind.tag, None if spec is None else build_peripheral(name, spec))
    if before.panic != after.panic and (after.panic is not None or "panic" in drop):
        _exchange(devices, "panic", None if after.panic is None else new_root("panic", model=after.panic))


def read_shared_memory(root: Element) -> bool | None:
    """Return whether processes of the host can map the guest's memory."""
    access = root.find("memoryBacking/access")
    return True if access is not None and access.get("mode") == "shared" else None


def put_shared_memory(root: Element, *, wanted: bool | None) -> None:
    """Let processes of the host map the guest's memory, or not; other backing stays."""
    if read_shared_memory(root) == wanted:
        return
    backing = root.find("memoryBacking")
    if backing is None:
        backing = add(root, "memoryBacking")
    drop_children(backing, "access")
    if wanted:
        if backing.find("source") is None:
            add(backing, "source", type="memfd")
        add(backing, "access", mode="shared")
        return
    drop_children(backing, "source")
    if not len(backing):
        root.remove(backing)


def _read(element: Element, kind: Kind) -> Data:
    values = kind.table.read(element)
    if kind.spec is RngSpec:
        values.setdefault("source", None)
    if kind.spec is VsockSpec:
        cid = element.find("cid")
        if cid is not None and cid.get("auto") != "yes" and cid.get("address"):
            values["cid"] = int(cid.get("address", "0"), 0)
    return kind.spec(**values)


def _exchange(devices: Element, tag: str, new: Element | None) -> None:
    old = devices.find(tag)
    if old is None:
        if new is not None:
            devices.append(new)
        return
    at = devices.index(old)
    devices.remove(old)
    if new is not None:
        address = old.find("address")
        if address is not None and old.get("model") == new.get("model"):
            new.append(address)  # the guest finds it where it was
        devices.insert(at, new)
