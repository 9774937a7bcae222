"""Networks: read any, write new ones, patch existing ones, and the snippets for live updates."""

from collections.abc import Iterable
from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import NetworkConfig
from vmstack.model.ownership import Stamp
from vmstack.model.specs import DnsHost
from vmstack.xmlio.codec import INTEGER, LOWER
from vmstack.xmlio.safe import Element, add, as_root, drop_children, parse_xml, replace_children, serialise
from vmstack.xmlio.stamp import put_stamp
from vmstack.xmlio.subnet import build_subnet, patch_subnets, read_subnet, write_dhcp_host
from vmstack.xmlio.table import Field, Table, new_root

__all__ = ["patch_network", "read_network", "write_dhcp_host", "write_dns_host", "write_network"]

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
    hosts = (_read_dns_host(node) for node in root.findall("dns/host"))
    return NetworkConfig(
        subnets=tuple(read_subnet(node) for node in root.findall("ip")),
        dns_hosts=tuple(host for host in hosts if host is not None),
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
    _keep_domain_local(root)
    _patch_dns(root, before=(), after=config.dns_hosts)
    root.extend([build_subnet(subnet) for subnet in config.subnets])
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root, indent=True)


def patch_network(xml: str, *, config: NetworkConfig, stamp: Stamp | None) -> str:
    """Bring persistent XML, as libvirt gave it, to `config`; what the config does not speak of survives.

    Where the config equals what the XML says nothing is touched. Subnets, ranges, reservations and DNS hosts become
    exactly the config's. A bridge of `None` keeps libvirt's choice, a stamp of `None` the stamp that is there.
    Raises `DocumentError`, also when `xml` is another network's.
    """
    root = parse_xml(xml, what=f"the XML of network {config.name}")
    before = read_network(root)
    if before.uuid != config.uuid:
        raise DocumentError(f"the XML of network {before.name} ({before.uuid}) is not that of {config.uuid}")
    if before.forward != config.forward:
        drop_children(root, "forward")  # address and port ranges, interfaces: all of it belongs to the old mode
        before = read_network(root)
    changed = _NETWORK.patch(root, before=before, after=config)
    if "domain" in changed and config.domain is None:
        drop_children(root, "domain")
    elif "domain" in changed:
        _keep_domain_local(root)
    _patch_dns(root, before=before.dns_hosts, after=config.dns_hosts)
    patch_subnets(root, config.subnets)
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root)


def write_dns_host(host: DnsHost) -> str:
    """Write `<host>` for `<dns>`, as for a live update. Raises `DocumentError`."""
    return serialise(_build_dns_host(host))


def _build_dns_host(host: DnsHost) -> Element:
    if not host.hostnames:
        raise DocumentError(f"the DNS host {host.ip} has no names")
    element = new_root("host", ip=host.ip)
    for hostname in host.hostnames:
        add(element, "hostname", text=hostname)
    return element


def _read_dns_host(element: Element) -> DnsHost | None:
    names = tuple(node.text for node in element.findall("hostname") if node.text)
    ip = element.get("ip")
    return DnsHost(ip=ip, hostnames=names) if ip and names else None


def _patch_dns(root: Element, *, before: Iterable[DnsHost], after: Iterable[DnsHost]) -> None:
    before, after = tuple(before), tuple(after)
    if before == after:
        return
    dns = root.find("dns")
    if dns is None:
        dns = add(root, "dns")
    nodes = dns.findall("host")
    present = {_read_dns_host(node): node for node in nodes}
    replace_children(dns, nodes, [present[host] if host in present else _build_dns_host(host) for host in after])
    if not len(dns) and not dns.attrib:
        root.remove(dns)


def _keep_domain_local(root: Element) -> None:
    """Names of the network's own domain are answered here or not at all, never asked of the outside."""
    domain = root.find("domain")
    if domain is not None and domain.get("name"):
        domain.set("localOnly", "yes")
