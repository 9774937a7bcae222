"""Networks: read any, write new ones, patch existing ones, and the snippets for live updates."""

from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import NetworkConfig
from vmstack.model.ownership import Stamp
from vmstack.xmlio.codec import INTEGER, LOWER
from vmstack.xmlio.dns import patch_dns, read_dns, write_dns_host, write_dns_srv, write_dns_txt
from vmstack.xmlio.dnsmasq import put_dnsmasq_options, read_dnsmasq_options
from vmstack.xmlio.route import put_routes, read_routes
from vmstack.xmlio.safe import Element, as_root, drop_attributes, drop_children, parse_xml, serialise
from vmstack.xmlio.stamp import put_stamp
from vmstack.xmlio.subnet import build_subnet, patch_subnets, read_subnet, write_dhcp_host, write_dhcp_range
from vmstack.xmlio.table import Field, Table, new_root
from vmstack.xmlio.traffic import put_bandwidth, put_port_groups, read_bandwidth, read_port_groups, write_port_group

__all__ = [
    "patch_network",
    "read_network",
    "write_dhcp_host",
    "write_dhcp_range",
    "write_dns_host",
    "write_dns_srv",
    "write_dns_txt",
    "write_network",
    "write_port_group",
]

_NETWORK: Final = Table(
    "network",
    Field("name", "name"),
    Field("uuid", "uuid", LOWER),
    Field("forward", "forward/@mode"),
    Field("bridge", "bridge/@name", keep=True),
    Field("mtu", "mtu/@size", INTEGER),
    Field("domain", "domain/@name"),
)
# Forward modes in which libvirt makes the bridge itself, and may set it up.
_OWN_BRIDGE: Final = (None, "nat", "route", "open")


def read_network(xml: str | Element) -> NetworkConfig:
    """Read a network's XML, live or persistent, ours or not. Raises `DocumentError`."""
    root = as_root(xml, what="a network's XML", tag="network")
    values: dict[str, Any] = _NETWORK.read(root)
    if not {"name", "uuid"} <= values.keys():
        raise DocumentError(f"network {values.get('name', '')!r} has no name or no UUID in its XML")
    if "forward" not in values and root.find("forward") is not None:
        values["forward"] = "nat"  # libvirt's default of the mode
    domain = root.find("domain")
    return NetworkConfig(
        subnets=tuple(read_subnet(node) for node in root.findall("ip")),
        domain_local="domain" not in values or (domain is not None and domain.get("localOnly") == "yes"),
        routes=read_routes(root),
        dnsmasq_options=read_dnsmasq_options(root),
        bandwidth=read_bandwidth(root),
        port_groups=read_port_groups(root),
        **read_dns(root),
        **values,
    )


def write_network(config: NetworkConfig, *, stamp: Stamp | None) -> str:
    """Write the complete XML of a new network. Raises `DocumentError` for a value that XML or libvirt cannot hold."""
    root = new_root("network")
    _NETWORK.write(root, config)
    bridge = root.find("bridge")
    if bridge is not None and config.forward in _OWN_BRIDGE:
        bridge.set("stp", "on")
        bridge.set("delay", "0")
    _put_locality(root, config)
    patch_dns(root, before=NetworkConfig(name=config.name, uuid=config.uuid), after=config)
    root.extend([build_subnet(subnet) for subnet in config.subnets])
    put_routes(root, config.routes)
    put_dnsmasq_options(root, config.dnsmasq_options)
    put_bandwidth(root, config.bandwidth)
    put_port_groups(root, config.port_groups)
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root, indent=True)


def patch_network(xml: str, *, config: NetworkConfig, stamp: Stamp | None) -> str:
    """Bring persistent XML, as libvirt gave it, to `config`; what the config does not speak of survives.

    Where the config equals what the XML says nothing is touched. Subnets, ranges, reservations, routes, what DNS
    answers, the options of dnsmasq, bandwidth and port groups become exactly the config's. A bridge of `None` keeps
    libvirt's choice, a stamp of `None` the stamp that is there.
    Raises `DocumentError`, also when `xml` is another network's.
    """
    root = parse_xml(xml, what=f"the XML of network {config.name}")
    before = read_network(root)
    if before.uuid != config.uuid:
        raise DocumentError(f"the XML of network {before.name} ({before.uuid}) is not that of {config.uuid}")
    if before.forward != config.forward:
        drop_children(root, "forward")  # address and port ranges, interfaces: all of it belongs to the old mode
        if config.forward == "bridge":
            _leave_bridge_to_host(root)
        before = read_network(root)
    changed = _NETWORK.patch(root, before=before, after=config)
    if "domain" in changed and config.domain is None:
        drop_children(root, "domain")
    elif "domain" in changed or before.domain_local != config.domain_local:
        _put_locality(root, config)
    patch_dns(root, before=before, after=config)
    patch_subnets(root, config.subnets)
    put_routes(root, config.routes)
    put_dnsmasq_options(root, config.dnsmasq_options)
    put_bandwidth(root, config.bandwidth)
    put_port_groups(root, config.port_groups)
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root)


def _leave_bridge_to_host(root: Element) -> None:
    """Drop what only a bridge that libvirt makes has; it refuses a network over one of the host that says such."""
    drop_children(root, "mac")
    bridge = root.find("bridge")
    if bridge is not None:
        drop_attributes(bridge, "stp", "delay", "macTableManager")


def _put_locality(root: Element, config: NetworkConfig) -> None:
    """Whether names of the network's own domain are answered here or not at all, never asked of the outside."""
    domain = root.find("domain")
    if domain is not None and domain.get("name"):
        domain.set("localOnly", "yes" if config.domain_local else "no")
