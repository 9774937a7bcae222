"""Networks, as a program says them."""

import ipaddress
from collections.abc import Iterable
from typing import Final, get_args

from vmstack.errors import InputError
from vmstack.evaluate.authoring.source import Call, Value
from vmstack.evaluate.authoring.storage import size_of
from vmstack.evaluate.native.devices import NicMode, NicModel
from vmstack.evaluate.native.fields import check_host_name, check_interface, check_label
from vmstack.evaluate.native.subnets import read_subnet
from vmstack.model.configs import NetworkConfig, NicConfig, SubnetConfig
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.observed import ObservedNetwork
from vmstack.model.sizes import KIB
from vmstack.model.specs import DnsForwarder, DnsSrv, Reservation
from vmstack.model.traffic import PortGroup, Traffic

_NIC_MODELS: Final = get_args(NicModel)
_NIC_MODES: Final = get_args(NicMode)
_MODES: Final = {"nat": "nat", "route": "route", "open": "open", None: "isolated", "bridge": "bridge"}


def why_not_network(network: ObservedNetwork) -> str | None:
    """Why a program cannot say what the network is; `None` when it can."""
    config = network.config
    if config.forward not in _MODES:
        return f"its mode is {config.forward}"
    if config.forward == "bridge" and config.bridge is None:
        return "it is over interfaces of the host, without a bridge"
    families = [subnet.family for subnet in config.subnets]
    if len(set(families)) != len(families):
        return "it has several subnets of one family"
    if any(len(subnet.ranges) > 1 for subnet in config.subnets):
        return "a subnet of it has several ranges for DHCP"
    if not config.subnets and config.forward in ("nat", "route", "open"):
        return "it has no addresses"
    try:
        check_label(network.name, field="label")
        for subnet in config.subnets:
            _check(subnet)
        if config.domain is not None:
            check_host_name(config.domain, field="domain")
    except InputError as error:
        return error.brief
    return None


def why_not_model(nic: NicConfig) -> str | None:
    """Why a program cannot speak of such a card; `None` when it can."""
    return None if nic.model in _NIC_MODELS else f"its model is {nic.model}"


def why_not_host_nic(nic: NicConfig) -> str | None:
    """Why a program cannot speak of a NIC without a network; `None` when it can."""
    where = nic.bridge or nic.device
    if where is None:
        return "on neither a network of libvirt nor an interface of the host"
    try:
        check_interface(where, field="interface")
    except InputError:
        return f"on {where}, whose name is none of an interface"
    if nic.device is not None and nic.mode not in _NIC_MODES:
        return f"on {where} of the host in the mode {nic.mode}"
    return why_not_model(nic)


def _check(subnet: SubnetConfig) -> None:
    read_subnet(
        str(_network(subnet)),
        version=6 if subnet.family == "ipv6" else 4,
        gateway=subnet.gateway,
        dhcp=_range(subnet),
        default_dhcp=False,
    )


def write_network(
    name: str,
    *,
    network: ObservedNetwork,
    reference: bool,
    found: str,
    told: frozenset[Reservation],
) -> Call:
    """The network's constructor. `told` are reservations that the machines which have them say themselves."""
    label = network.name if network.name != name else None
    if reference:
        return Call("Network.existing", (name,), (("label", label),))
    config = network.config
    named: list[tuple[str, Value | None]] = [("mode", None if config.forward == "nat" else _MODES[config.forward])]
    if config.forward == "bridge":
        named.append(("bridge", config.bridge))
    else:
        for subnet in config.subnets:
            named += _subnet(subnet)
        named += _services(config, told=told)
    named += [
        ("label", label),
        ("autostart", None if network.autostart else False),
        ("opts", Call(found, (network.name,))),
    ]
    return Call("Network", (name,), tuple(named))


def kept_reservations(config: NetworkConfig) -> tuple[Reservation, ...]:
    """The reservations that a program can say."""
    return tuple(
        item
        for subnet in config.subnets
        for item in subnet.reservations
        if (item.mac is not None if subnet.family == "ipv4" else item.name is not None)
    )


def _subnet(subnet: SubnetConfig) -> Iterable[tuple[str, Value | None]]:
    end = "6" if subnet.family == "ipv6" else ""
    network = _network(subnet)
    first = str(network.network_address + 1)
    yield f"cidr{end}", str(network)
    yield f"gateway{end}", None if subnet.gateway == first else subnet.gateway
    span = _range(subnet)
    # Without a word DHCP is on for IPv4, and off for IPv6.
    yield f"dhcp{end}", span or (None if end else False)


def _services(config: NetworkConfig, *, told: frozenset[Reservation]) -> Iterable[tuple[str, Value | None]]:
    reservations = [_reservation(item) for item in kept_reservations(config) if item not in told]
    yield "reservations", reservations or None
    yield "dns", False if config.dns_enabled is False else None
    hosts: dict[str, Value] = {
        item.ip: item.hostnames[0] if len(item.hostnames) == 1 else list(item.hostnames) for item in config.dns_hosts
    }
    yield "dns_hosts", hosts or None
    yield "dns_forwarders", [_forwarder(item) for item in config.dns_forwarders] or None
    yield "dns_srvs", [_srv(item) for item in config.dns_srvs] or None
    texts: dict[str, Value] = {item.name: item.value for item in config.dns_txts}
    yield "dns_txts", texts or None
    routes: dict[str, Value] = {item.cidr: item.gateway for item in config.routes}
    yield "routes", routes or None
    yield "dnsmasq_options", list(config.dnsmasq_options) or None
    yield "domain", config.domain
    yield "domain_local", False if config.domain is not None and not config.domain_local else None
    yield "mtu", config.mtu
    yield from _traffic(config.bandwidth)
    yield "port_groups", [_port_group(item) for item in config.port_groups if not item.more] or None


def _traffic(limits: Traffic | None) -> Iterable[tuple[str, Value | None]]:
    yield "inbound", None if limits is None else write_bandwidth(limits.inbound)
    yield "outbound", None if limits is None else write_bandwidth(limits.outbound)


def _port_group(item: PortGroup) -> Call:
    return Call("PortGroup", (item.name,), (*_traffic(item.bandwidth), ("default", True if item.default else None)))


def write_bandwidth(limit: BandwidthSpec | None) -> Value | None:
    """The limits of one direction."""
    if limit is None:
        return None
    average = size_of(limit.average * KIB)
    if limit.peak is None and limit.burst is None:
        return average
    peak = None if limit.peak is None else size_of(limit.peak * KIB)
    burst = None if limit.burst is None else size_of(limit.burst * KIB)
    return Call("Bandwidth", (average,), (("peak", peak), ("burst", burst)))


def _reservation(item: Reservation) -> Call:
    return Call("Reservation", (item.ip,), (("mac", item.mac), ("name", item.name)))


def _forwarder(item: DnsForwarder) -> Value:
    if item.domain is None and item.address is not None:
        return item.address
    arguments: tuple[Value, ...] = () if item.address is None else (item.address,)
    return Call("DnsForwarder", arguments, (("domain", item.domain),))


def _srv(item: DnsSrv) -> Call:
    return Call(
        "DnsSrv",
        (item.service,),
        (
            ("protocol", None if item.protocol == "tcp" else item.protocol),
            ("domain", item.domain),
            ("target", item.target),
            ("port", item.port),
            ("priority", item.priority),
            ("weight", item.weight),
        ),
    )


def _network(subnet: SubnetConfig) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(f"{subnet.gateway}/{subnet.prefix}", strict=False)
    except ValueError as error:
        raise InputError(f"its address {subnet.gateway!r} is none") from error


def _range(subnet: SubnetConfig) -> tuple[str, str] | None:
    return (subnet.ranges[0].start, subnet.ranges[0].end) if subnet.ranges else None
