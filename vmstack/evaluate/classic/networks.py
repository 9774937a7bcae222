"""Network: what it answers, and what it is in the graph."""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.classic.declared import Declared, label_of
from vmstack.evaluate.classic.inputs import read_inputs, within
from vmstack.evaluate.classic.scene import Scene
from vmstack.evaluate.classic.schema import NETWORK
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.native.fields import check_host_name, check_int, check_interface, check_label
from vmstack.evaluate.native.services import (
    check_dark,
    check_srvs,
    dnsmasq_option,
    forwarder,
    route,
    service_record,
)
from vmstack.evaluate.native.stylesheets import read_stylesheet
from vmstack.evaluate.native.subnets import read_address
from vmstack.model.identity import Key, Kind, derive_bridge, derive_uuid
from vmstack.model.specs import DhcpRange, DnsForwarder, DnsHost, DnsSrv, NetworkMode, NetworkSpec, Reservation, Subnet

_MODES: Final = {
    "nat": NetworkMode.NAT,
    "route": NetworkMode.ROUTE,
    "none": NetworkMode.ISOLATED,
    "open": NetworkMode.OPEN,
    "bridge": NetworkMode.BRIDGE,
}
# The old provider keeps a DHCP range within 16 bits of host part; libvirt refuses larger ones.
_RANGE_BITS: Final = 16
# What it calls "netmask seems to be too strict".
_LEAST_BITS: Final = 3


def declare_network(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, dict[str, Any]]:
    """All of a network is known at once: its UUID and bridge are derived."""
    values = read_inputs(registration, NETWORK)
    key = Key(Kind.NETWORK, registration.name)
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.NETWORK, values=values), field="name")
    mode = (values.get("mode") or "nat").lower()
    if mode not in _MODES:
        raise InputError(f"mode: {mode!r} is not one of {', '.join(_MODES)}")
    values["mode"] = mode
    if mode == "bridge":
        _check_bridge(values)
    dns = values.get("dns", {})
    answers = {f"dns.{name}": dns.get(name) for name in ("forwarders", "srvs", "hosts")}
    check_dark(dns_enabled=dns.get("enabled"), served=answers, field="dns.enabled")
    values["bridge"] = (
        check_interface(values["bridge"], field="bridge") if values.get("bridge") else derive_bridge(scene.stack, key)
    )
    values["subnets"] = tuple(
        _read_subnet(text, dhcp=values.get("dhcp", {}).get("enabled") is not False, at=f"addresses[{index}]")
        for index, text in enumerate(values.get("addresses", ()))
    )
    declared = Declared(registration, key, uri, label, derive_uuid(scene.stack, key), values)
    served = any(subnet.dhcp for subnet in values["subnets"])
    return declared, {
        "name": label,
        "mode": mode,
        "bridge": values["bridge"],
        "autostart": values.get("autostart", False),
        "dhcp": {"enabled": served},
        "dns": {"enabled": True, "localOnly": bool(values.get("domain"))} | values.get("dns", {}),
    }


def network_spec(declared: Declared, *, host: str, reservations: Iterable[Reservation]) -> NetworkSpec:
    """The network in the model's words."""
    values = declared.values
    mode = _MODES[values["mode"]]
    dns = values.get("dns", {})
    domain = check_host_name(values["domain"], field="domain") if values.get("domain") else None
    subnets = [ipaddress.ip_network(subnet.cidr) for subnet in values["subnets"]]
    return NetworkSpec(
        name=declared.name,
        label=declared.label,
        host=host,
        mode=mode,
        bridge=values["bridge"],
        subnets=values["subnets"],
        reservations=tuple(sorted(reservations, key=_by_address)),
        dns_hosts=_dns_hosts(dns.get("hosts", ())),
        dns_enabled=dns.get("enabled"),
        dns_forwarders=_forwarders(dns.get("forwarders", ())),
        dns_srvs=_srvs(dns.get("srvs", ())),
        routes=tuple(
            route(block.get("cidr"), block.get("gateway"), subnets=subnets, at=f"routes[{index}]")
            for index, block in enumerate(values.get("routes", ()))
        ),
        dnsmasq_options=_options(values.get("dnsmasqOptions", {}).get("options", ())),
        domain=domain,
        domain_local=domain is None or dns.get("localOnly") is not False,
        mtu=check_int(values["mtu"], field="mtu", low=576, high=65535) if values.get("mtu") else None,
        autostart=values.get("autostart", False),
        xslt=read_stylesheet(values.get("xml", {}).get("xslt"), field="xml.xslt"),
    )


def _by_address(item: Reservation) -> tuple[bool, int]:
    return ":" in item.ip, int(ipaddress.ip_address(item.ip))


def _check_bridge(values: dict[str, Any]) -> None:
    if not values.get("bridge"):
        raise InputError("bridge: it is missing", resolution="name the bridge on the host")
    for name in ("addresses", "domain", "dns", "mtu", "routes", "dnsmasqOptions"):
        if values.get(name):
            raise InputError(f"{name}: libvirt serves nothing on a bridge of the host", resolution="leave it out")


def _read_subnet(text: str, *, dhcp: bool, at: str) -> Subnet:
    """The host has the first address; DHCP has all others."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InputError(f"{at}: {text!r} is not a network", resolution='write it as "10.20.0.0/24"') from None
    bits = network.max_prefixlen - network.prefixlen
    if bits < _LEAST_BITS:
        raise InputError(f"{at}: {network} has no room for guests", resolution="use a larger network")
    first = int(network.network_address)
    last = first + 2 ** min(bits, _RANGE_BITS) - 1
    address = type(network.network_address)
    served = DhcpRange(start=str(address(first + 2)), end=str(address(last - 1))) if dhcp else None
    return Subnet(cidr=str(network), gateway=str(address(first + 1)), dhcp=served)


def _dns_hosts(blocks: Iterable[dict[str, Any]]) -> tuple[DnsHost, ...]:
    """Names of one address are one entry."""
    names: dict[str, set[str]] = {}
    for block in blocks:
        if not block.get("ip") or not block.get("hostname"):
            raise InputError("dns.hosts: an entry needs ip and hostname")
        address = str(read_address(block["ip"], field="dns.hosts.ip"))
        names.setdefault(address, set()).add(check_host_name(block["hostname"], field="dns.hosts.hostname"))
    return tuple(
        DnsHost(ip=ip, hostnames=tuple(sorted(found)))
        for ip, found in sorted(names.items(), key=lambda item: (":" in item[0], item[0]))
    )


def _forwarders(blocks: Iterable[dict[str, Any]]) -> tuple[DnsForwarder, ...]:
    found = []
    for index, block in enumerate(blocks):
        with within(f"dns.forwarders[{index}]"):
            found.append(forwarder(address=block.get("address"), domain=block.get("domain")))
    return tuple(found)


def _srvs(blocks: Iterable[dict[str, Any]]) -> tuple[DnsSrv, ...]:
    found = []
    for index, block in enumerate(blocks):
        names = {name: block.get(name) for name in ("service", "protocol", "domain", "target")}
        numbers = {name: block.get(name) or None for name in ("port", "priority", "weight")}
        with within(f"dns.srvs[{index}]"):
            found.append(service_record(**names, numbers=numbers))
    check_srvs(found, field="dns.srvs")
    return tuple(found)


def _options(blocks: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """A line each: the value is left out where there is none."""
    found = []
    for index, block in enumerate(blocks):
        name, value = block.get("optionName") or "", block.get("optionValue")
        field = f"dnsmasqOptions.options[{index}]"
        found.append(dnsmasq_option(f"{name}={value}" if value else name, field=field))
    return tuple(found)
