"""`<ip>` of a network: one address range with its leases."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from vmstack.errors import DocumentError
from vmstack.model.configs import SubnetConfig
from vmstack.model.specs import DhcpRange, Reservation
from vmstack.xmlio.codec import LOWER, PREFIX
from vmstack.xmlio.safe import Element, add, drop_attributes, replace_children, serialise
from vmstack.xmlio.table import Field, Table, new_root

Family = Literal["ipv4", "ipv6"]

_IP: Final = Table(
    "ip",
    Field("family", "@family"),
    Field("gateway", "@address"),
    Field("prefix", "@prefix", PREFIX, also=("@netmask",)),
)
_RANGE: Final = Table("range", Field("start", "@start"), Field("end", "@end"))
_HOST: Final = Table("host", Field("mac", "@mac", LOWER), Field("name", "@name"), Field("ip", "@ip"))


def read_subnet(element: Element) -> SubnetConfig:
    """Read an `<ip>`. A prefix that it leaves out is the one that libvirt assumes. Raises `DocumentError`."""
    values: dict[str, Any] = {"family": "ipv4"} | _IP.read(element)
    if values["family"] not in ("ipv4", "ipv6"):
        raise DocumentError(f"ip: the family {values['family']!r} is not known")
    values.setdefault("gateway", "")
    values.setdefault("prefix", assume_prefix(values["family"], values["gateway"]))
    dhcp = element.find("dhcp")
    if dhcp is None:
        return SubnetConfig(**values)
    ranges = (_read_range(node) for node in dhcp.findall("range"))
    hosts = (_read_reservation(node) for node in dhcp.findall("host"))
    return SubnetConfig(
        ranges=tuple(found for found in ranges if found is not None),
        reservations=tuple(found for found in hosts if found is not None),
        **values,
    )


def build_subnet(config: SubnetConfig) -> Element:
    """Build an `<ip>`. Raises `DocumentError`."""
    element = new_root("ip")
    _IP.write(element, config)
    _put_dhcp(element, config)
    return element


def patch_subnets(root: Element, subnets: Iterable[SubnetConfig]) -> None:
    """Make the network's subnets `subnets`, matched by family and gateway; those not listed go."""
    nodes = root.findall("ip")
    readings = [(node, read_subnet(node)) for node in nodes]
    subnets = tuple(subnets)
    if tuple(found for _, found in readings) == subnets:
        return
    existing = {(found.family, found.gateway): (node, found) for node, found in readings}
    wanted = []
    for config in subnets:
        match = existing.pop((config.family, config.gateway), None)
        if match is not None:
            _patch(match[0], before=match[1], after=config)
        wanted.append(build_subnet(config) if match is None else match[0])
    replace_children(root, nodes, wanted)


def write_dhcp_host(reservation: Reservation, *, family: Family) -> str:
    """Write `<host>` for a fixed lease, as for a live update.

    For IPv6 libvirt knows no MAC (it matches by name), so none is written. Raises `DocumentError` when nothing is
    left to know the guest by.
    """
    return serialise(_build_host(reservation, family=family))


def write_dhcp_range(span: DhcpRange) -> str:
    """Write `<range>`, as for a live update. Raises `DocumentError`."""
    return serialise(_build_range(span))


def _build_host(reservation: Reservation, *, family: Family) -> Element:
    host = new_root("host")
    mac = reservation.mac if family == "ipv4" else None
    if not (mac or reservation.name):
        known_by = "a MAC or a name" if family == "ipv4" else "a name"
        raise DocumentError(f"the reservation of {reservation.ip} needs {known_by}")
    _HOST.write(host, Reservation(ip=reservation.ip, mac=mac, name=reservation.name))
    return host


def _read_range(element: Element) -> DhcpRange | None:
    values = _RANGE.read(element)
    return DhcpRange(**values) if len(values) == 2 else None


def _read_reservation(element: Element) -> Reservation | None:
    values = {"mac": None, "name": None} | _HOST.read(element)
    return Reservation(**values) if "ip" in values else None


def _patch(element: Element, *, before: SubnetConfig, after: SubnetConfig) -> None:
    if before.prefix != after.prefix:
        drop_attributes(element, "netmask")
        _IP.patch(element, before=before, after=after)
    if (before.ranges, before.reservations) != (after.ranges, after.reservations):
        _put_dhcp(element, after)


def _put_dhcp(element: Element, config: SubnetConfig) -> None:
    """Make ranges and hosts the config's; the elements of those that stay are kept, with their lease times."""
    dhcp = element.find("dhcp")
    if dhcp is None:
        dhcp = add(element, "dhcp")
    nodes = dhcp.findall("range")
    ranges = {_read_range(node): node for node in nodes}
    replace_children(
        dhcp, nodes, [ranges[wanted] if wanted in ranges else _build_range(wanted) for wanted in config.ranges]
    )
    nodes = dhcp.findall("host")
    hosts = {_read_reservation(node): node for node in nodes}
    family = config.family
    kept_or_new = [
        hosts[wanted] if wanted in hosts else _build_host(wanted, family=family) for wanted in config.reservations
    ]
    replace_children(dhcp, nodes, kept_or_new)
    if not len(dhcp):
        element.remove(dhcp)


def _build_range(config: DhcpRange) -> Element:
    element = new_root("range")
    _RANGE.write(element, config)
    return element


def assume_prefix(family: Family, gateway: str) -> int:
    """The prefix of an address without one: its class in IPv4, 64 in IPv6 (libvirt's virSocketAddrGetIPPrefix)."""
    if family == "ipv6":
        return 64
    first = gateway.partition(".")[0]
    number = int(first) if first.isdecimal() else 0
    return 8 if number < 128 else 16 if number < 192 else 24
