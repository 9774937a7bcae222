"""`<bandwidth>` and `<portgroup>` of a network."""

from collections.abc import Iterable
from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.traffic import PortGroup, Traffic
from vmstack.xmlio.codec import INTEGER
from vmstack.xmlio.safe import Element, add, drop_attributes, replace_children, serialise
from vmstack.xmlio.table import Field, Table, new_root

_RATE: Final = Table(
    "bandwidth",
    Field("average", "@average", INTEGER),
    Field("peak", "@peak", INTEGER),
    Field("burst", "@burst", INTEGER),
)
_DIRECTIONS: Final = ("inbound", "outbound")


def read_bandwidth(parent: Element) -> Traffic | None:
    """Read the `<bandwidth>` of a network or port group; a direction without an average limits nothing that is known.

    Raises `DocumentError`.
    """
    values: dict[str, BandwidthSpec] = {}
    for direction in _DIRECTIONS:
        node = parent.find(f"bandwidth/{direction}")
        rate: dict[str, Any] = {} if node is None else _RATE.read(node)
        if "average" in rate:
            values[direction] = BandwidthSpec(**rate)
    return Traffic(**values) if values else None


def put_bandwidth(parent: Element, bandwidth: Traffic | None) -> None:
    """Make it the parent's. Raises `DocumentError`."""
    if bandwidth == read_bandwidth(parent):
        return
    nodes = parent.findall("bandwidth")
    replace_children(parent, nodes, [] if bandwidth is None else [_build_bandwidth(bandwidth)])


def read_port_groups(root: Element) -> tuple[PortGroup, ...]:
    """Read those that have a name. Raises `DocumentError`."""
    found = (read_port_group(node) for node in root.findall("portgroup"))
    return tuple(group for group in found if group is not None)


def read_port_group(element: Element) -> PortGroup | None:
    """Read a `<portgroup>`; `None` without a name. Raises `DocumentError`."""
    name = element.get("name")
    if not name:
        return None
    more = not {*element.keys()} <= {"name", "default"} or any(child.tag != "bandwidth" for child in element)
    return PortGroup(name=name, default=element.get("default") == "yes", bandwidth=read_bandwidth(element), more=more)


def put_port_groups(root: Element, groups: Iterable[PortGroup]) -> None:
    """Make the network's groups these, found by name; what the config does not speak of survives in those that stay.

    Raises `DocumentError`.
    """
    groups = tuple(groups)
    if groups == read_port_groups(root):
        return
    nodes = root.findall("portgroup")
    present = {node.get("name"): node for node in nodes}
    replace_children(root, nodes, [_fit(present.get(group.name), group) for group in groups])


def write_port_group(group: PortGroup) -> str:
    """Write `<portgroup>`, as for a live update. Raises `DocumentError`."""
    return serialise(_fit(None, group))


def _fit(element: Element | None, group: PortGroup) -> Element:
    if not group.name:
        raise DocumentError("a port group needs a name")
    if element is None:
        element = new_root("portgroup", name=group.name)
    drop_attributes(element, "default")
    if group.default:
        element.set("default", "yes")
    put_bandwidth(element, group.bandwidth)
    return element


def _build_bandwidth(bandwidth: Traffic) -> Element:
    element = new_root("bandwidth")
    for direction in _DIRECTIONS:
        rate: BandwidthSpec | None = getattr(bandwidth, direction)
        if rate is not None:
            _RATE.write(add(element, direction), rate)
    return element
