"""Addresses of a desired graph: subnets, ranges, reservations, NICs."""

import ipaddress
from collections.abc import Iterator

from vmstack.errors import ConflictError, InputError, Place, VmstackError
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import NetworkMode, NetworkSpec, Subnet
from vmstack.plan.catalog import Catalog

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = ipaddress.IPv4Network | ipaddress.IPv6Network

_CIDR = "write the network as 10.20.0.0/24 or fd00:20::/64, and its gateway as an address of it"
# On these the program does not decide who else is there.
_REFERENCES = (NetworkMode.EXISTING, NetworkMode.BRIDGE)
# Without addresses libvirt defines no such network.
_ADDRESSED = (NetworkMode.NAT, NetworkMode.ROUTE, NetworkMode.OPEN)


def check_addresses(catalog: Catalog) -> Iterator[VmstackError]:
    """Yield everything that is wrong with subnets, addresses and MACs."""
    ranges: dict[str, list[Range]] = {}
    for network in catalog.networks.values():
        errors, found = _check_subnets(network, place=catalog.place(Kind.NETWORK, network.name))
        yield from errors
        ranges[network.name] = found
    yield from _overlaps(catalog, ranges=ranges)
    yield from _bridges(catalog)
    yield from _shared_bridges(catalog)
    yield from _macs(catalog)
    for network in catalog.networks.values():
        yield from _check_network(network, ranges=ranges[network.name], catalog=catalog)


def _check_subnets(network: NetworkSpec, *, place: Place | None) -> tuple[list[VmstackError], list[Range]]:
    key = Key(Kind.NETWORK, network.name)
    errors: list[VmstackError] = []
    found: list[Range] = []
    if network.mode is NetworkMode.BRIDGE and not network.bridge:
        errors.append(
            InputError(
                f"{key}: a network over a bridge needs the bridge's name",
                resolution="give it bridge=..., the name of a bridge that the host has",
                place=place,
            )
        )
    if network.mode in _ADDRESSED and not network.subnets and network.xslt is None:
        errors.append(
            InputError(
                f"{key}: a network of mode {network.mode.value} needs addresses, and it has none",
                resolution='give it some, such as 10.20.0.0/24, or make it isolated (mode "none" of pulumi_libvirt)',
                place=place,
            )
        )
    for subnet in network.subnets:
        try:
            whole = ipaddress.ip_network(subnet.cidr, strict=False)
            gateway = ipaddress.ip_address(subnet.gateway)
        except ValueError as error:
            errors.append(InputError(f"{key}: {error}", resolution=_CIDR, place=place))
            continue
        found.append(whole)
        if gateway not in whole or _is_edge(gateway, whole):
            errors.append(
                InputError(
                    f"{key}: the gateway {gateway} is no host address of {whole}",
                    resolution=f"use an address of {whole} that is neither its first nor its last, or give no gateway",
                    place=place,
                )
            )
        errors += _check_range(subnet, whole, key=key, place=place)
    return errors, found


def _check_range(subnet: Subnet, whole: Range, *, key: Key, place: Place | None) -> Iterator[VmstackError]:
    if subnet.dhcp is None:
        return
    try:
        start, end = ipaddress.ip_address(subnet.dhcp.start), ipaddress.ip_address(subnet.dhcp.end)
    except ValueError as error:
        yield InputError(
            f"{key}: {error}", resolution="give the DHCP range as its first and its last address", place=place
        )
        return
    shown = f"the DHCP range {start} to {end}"
    if start not in whole or end not in whole:
        yield InputError(f"{key}: {shown} is not inside {whole}", resolution=f"use addresses of {whole}", place=place)
    elif int(start) > int(end):
        yield InputError(f"{key}: {shown} ends before it begins", resolution="swap its ends", place=place)
    elif _is_edge(start, whole) or _is_edge(end, whole):
        yield InputError(
            f"{key}: {shown} includes the network's own or its broadcast address",
            resolution=f"leave the first and the last address of {whole} out of it",
            place=place,
        )


def _overlaps(catalog: Catalog, *, ranges: dict[str, list[Range]]) -> Iterator[VmstackError]:
    """Overlapping networks of one host, found by a sweep over their sorted starts."""
    found: dict[tuple[str, int], list[tuple[int, int, str, Range]]] = {}
    for name, network in catalog.networks.items():
        for whole in ranges[name]:
            at = (network.host, whole.version)
            span = (int(whole.network_address), int(whole.broadcast_address), name, whole)
            found.setdefault(at, []).append(span)
    for (host, _), spans in sorted(found.items()):
        spans.sort(key=lambda span: (span[0], span[1], span[2]))
        widest = spans[0]
        for span in spans[1:]:
            if span[0] <= widest[1] and not _both_references(span[2], widest[2], catalog=catalog):
                yield ConflictError(
                    f"network.{span[2]} ({span[3]}) and network.{widest[2]} ({widest[3]}) overlap on host {host}",
                    resolution="give one of them another subnet",
                    place=catalog.place(Kind.NETWORK, span[2]),
                )
            if span[1] > widest[1]:
                widest = span


def _both_references(one: str, other: str, *, catalog: Catalog) -> bool:
    return all(catalog.networks[name].mode in _REFERENCES for name in (one, other))


def _bridges(catalog: Catalog) -> Iterator[VmstackError]:
    seen: dict[tuple[str, str], str] = {}
    for name, network in catalog.networks.items():
        if network.bridge is None or network.mode in _REFERENCES:
            continue
        first = seen.setdefault((network.host, network.bridge), name)
        if first != name:
            yield ConflictError(
                f"network.{name} and network.{first} both want the bridge {network.bridge} on host {network.host}",
                resolution="give one of them another bridge",
                place=catalog.place(Kind.NETWORK, name),
            )


def _shared_bridges(catalog: Catalog) -> Iterator[VmstackError]:
    """libvirt makes no change to a network whose bridge another one names (virNetworkObjBridgeInUse)."""
    for name, network in catalog.networks.items():
        maker = catalog.bridges.get((network.host, network.bridge or ""))
        if network.mode is NetworkMode.BRIDGE and maker is not None:
            yield ConflictError(
                f"network.{name} is over the bridge {network.bridge}, which network.{maker} of this stack makes: "
                "libvirt would not let that one be defined after it, nor changed",
                resolution=f"put the guests on network.{maker} itself",
                place=catalog.place(Kind.NETWORK, name),
            )


def _macs(catalog: Catalog) -> Iterator[VmstackError]:
    seen: dict[str, tuple[str, str]] = {}
    for vm in catalog.vms.values():
        for nic in vm.nics:
            first = seen.setdefault(nic.mac, (vm.name, nic.name))
            if first != (vm.name, nic.name):
                yield ConflictError(
                    f"vm.{vm.name} (NIC {nic.name}) and vm.{first[0]} (NIC {first[1]}) have the same MAC {nic.mac}",
                    resolution="give one of them another MAC",
                    place=catalog.place(Kind.VM, vm.name),
                )


def _check_network(network: NetworkSpec, *, ranges: list[Range], catalog: Catalog) -> Iterator[VmstackError]:
    """Who has which address on one network: the gateways, the reservations and the VMs' NICs."""
    key = Key(Kind.NETWORK, network.name)
    place = catalog.place(Kind.NETWORK, network.name)
    gateways = {subnet.gateway for subnet in network.subnets}
    holders: dict[str, tuple[str | None, str]] = {}
    reserved: dict[str, str] = {}
    for vm, nic in catalog.nic_users.get(network.name, ()):
        for address in nic.addresses:
            at = catalog.place(Kind.VM, vm)
            who = f"vm.{vm} (NIC {nic.name})"
            yield from _check_address(address, who, ranges=ranges, gateways=gateways, key=key, place=at)
            _, first = holders.setdefault(address, (nic.mac, who))
            if first != who:
                yield ConflictError(
                    f"{who} and {first} have the same address {address} on {key}",
                    resolution="give one of them another address",
                    place=at,
                )
    for reservation in network.reservations:
        who = f"the reservation for {reservation.mac or reservation.name}"
        yield from _check_address(reservation.ip, who, ranges=ranges, gateways=gateways, key=key, place=place)
        mac, first = holders.setdefault(reservation.ip, (reservation.mac, who))
        if first != who and mac != reservation.mac and reservation.mac is not None:
            yield ConflictError(
                f"{key}: {who} and {first} have the same address {reservation.ip}",
                resolution="give one of them another address",
                place=place,
            )
        identity = f"{reservation.mac} {_version(reservation.ip)}" if reservation.mac else None
        if identity is not None and reserved.setdefault(identity, reservation.ip) != reservation.ip:
            yield ConflictError(
                f"{key}: {reservation.mac} has two reservations, {reserved[identity]} and {reservation.ip}",
                resolution="keep one of them: a MAC has one address of each family",
                place=place,
            )


def _check_address(
    text: str, who: str, *, ranges: list[Range], gateways: set[str], key: Key, place: Place | None
) -> Iterator[VmstackError]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        yield InputError(f"{who}: {error}", resolution="write an address such as 10.20.0.10", place=place)
        return
    whole = next((found for found in ranges if address in found), None)
    if whole is None:
        if ranges:
            shown = ", ".join(str(found) for found in ranges)
            yield InputError(
                f"{who}: the address {address} is outside {key} ({shown})",
                resolution="use an address of the network",
                place=place,
            )
    elif _is_edge(address, whole):
        yield InputError(
            f"{who}: {address} is the network's own or its broadcast address on {key}",
            resolution=f"use an address of {whole} that is neither its first nor its last",
            place=place,
        )
    elif text in gateways:
        yield InputError(
            f"{who}: {address} is the gateway of {key}", resolution="use another address of the network", place=place
        )


def _is_edge(address: Address, whole: Range) -> bool:
    """Whether the address is the network's own or its broadcast address; IPv6 and point-to-point ones have none."""
    if whole.version == 6:
        return address == whole.network_address and whole.prefixlen < 127
    return whole.prefixlen < 31 and address in (whole.network_address, whole.broadcast_address)


def _version(text: str) -> int:
    return 6 if ":" in text else 4
