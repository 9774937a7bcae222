"""`<route>` of a network: networks that the host reaches by a machine on this one."""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from vmstack.model.specs import Route
from vmstack.xmlio.codec import PREFIX
from vmstack.xmlio.safe import Element, replace_children
from vmstack.xmlio.subnet import assume_prefix
from vmstack.xmlio.table import Field, Table, new_root

_ROUTE: Final = Table(
    "route",
    Field("family", "@family"),
    Field("address", "@address"),
    Field("prefix", "@prefix", PREFIX, also=("@netmask",)),
    Field("gateway", "@gateway"),
)


def read_routes(root: Element) -> tuple[Route, ...]:
    """Read the routes that can be told. Raises `DocumentError`."""
    found = (_read(node) for node in root.findall("route"))
    return tuple(route for route in found if route is not None)


def put_routes(root: Element, routes: Iterable[Route]) -> None:
    """Make the network's routes `routes`; those that stay keep their metric."""
    routes = tuple(routes)
    if routes == read_routes(root):
        return
    nodes = root.findall("route")
    present = {_read(node): node for node in nodes}
    replace_children(root, nodes, [present[route] if route in present else _build(route) for route in routes])


def _read(element: Element) -> Route | None:
    values: dict[str, Any] = _ROUTE.read(element)
    if not {"address", "gateway"} <= values.keys():
        return None
    values.setdefault("prefix", assume_prefix(values.get("family", "ipv4"), values["address"]))
    try:
        network = ipaddress.ip_network(f"{values['address']}/{values['prefix']}", strict=False)
    except ValueError:
        return None  # other people's networks may hold what we would never write
    return Route(cidr=str(network), gateway=values["gateway"])


def _build(route: Route) -> Element:
    network = ipaddress.ip_network(route.cidr)
    return new_root(
        "route",
        family="ipv4" if network.version == 4 else "ipv6",
        address=str(network.network_address),
        prefix=str(network.prefixlen),
        gateway=route.gateway,
    )
