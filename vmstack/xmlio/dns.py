"""`<dns>` of a network: its switch, forwarders, texts, service records and hosts."""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from vmstack.errors import DocumentError
from vmstack.model.configs import NetworkConfig
from vmstack.model.specs import DnsForwarder, DnsHost, DnsSrv, DnsTxt
from vmstack.xmlio.codec import TEXT, Codec
from vmstack.xmlio.safe import Element, add, drop_attributes, replace_children, serialise
from vmstack.xmlio.table import Field, Table, new_root

_T = TypeVar("_T")


def _decode_number(text: str) -> int | None:
    if not text.isdecimal():
        raise ValueError("is not a number")
    return int(text) or None  # libvirt leaves zeros out


_NUMBER: Final = Codec(_decode_number, str)
_FORWARDER: Final = Table("forwarder", Field("domain", "@domain"), Field("address", "@addr"))
_SRV: Final = Table(
    "srv",
    Field("service", "@service"),
    Field("protocol", "@protocol"),
    Field("domain", "@domain", TEXT),
    Field("target", "@target"),
    Field("port", "@port", _NUMBER),
    Field("priority", "@priority", _NUMBER),
    Field("weight", "@weight", _NUMBER),
)
_TXT: Final = Table("txt", Field("name", "@name"), Field("value", "@value"))


def read_dns(root: Element) -> dict[str, Any]:
    """Return the fields of a network's config that its `<dns>` states. Raises `DocumentError`."""
    dns = root.find("dns")
    if dns is None:
        return {}
    values: dict[str, Any] = {
        "dns_forwarders": _read_all(dns, "forwarder", _read_forwarder),
        "dns_txts": _read_all(dns, "txt", _read_txt),
        "dns_srvs": _read_all(dns, "srv", _read_srv),
        "dns_hosts": _read_all(dns, "host", _read_host),
    }
    enable = dns.get("enable")
    return values if enable is None else {"dns_enabled": enable != "no", **values}


def patch_dns(root: Element, *, before: NetworkConfig, after: NetworkConfig) -> None:
    """Make switch, forwarders, texts, records and hosts the config's. With DNS off nothing else may stand there."""
    dns = root.find("dns")
    if dns is None:
        dns = add(root, "dns")
    if after.dns_enabled != before.dns_enabled:
        drop_attributes(dns, "enable")
        if after.dns_enabled is not None:
            dns.set("enable", "yes" if after.dns_enabled else "no")
    if after.dns_enabled is False:
        drop_attributes(dns, "forwardPlainNames")
        del dns[:]
    else:
        _patch(dns, "forwarder", after.dns_forwarders, before=before.dns_forwarders, read=_read_forwarder,
               build=_build_forwarder)  # fmt: skip
        _patch(dns, "txt", after.dns_txts, before=before.dns_txts, read=_read_txt, build=_build_txt)
        _patch(dns, "srv", after.dns_srvs, before=before.dns_srvs, read=_read_srv, build=_build_srv)
        _patch(dns, "host", after.dns_hosts, before=before.dns_hosts, read=_read_host, build=_build_host)
    if not len(dns) and not dns.attrib:
        root.remove(dns)


def write_dns_host(host: DnsHost) -> str:
    """Write `<host>` for `<dns>`, as for a live update. Raises `DocumentError`."""
    return serialise(_build_host(host))


def write_dns_srv(record: DnsSrv) -> str:
    """Write `<srv>` for `<dns>`, as for a live update. Raises `DocumentError`."""
    return serialise(_build_srv(record))


def write_dns_txt(text: DnsTxt) -> str:
    """Write `<txt>` for `<dns>`, as for a live update. Raises `DocumentError`."""
    return serialise(_build_txt(text))


def _read_all(dns: Element, tag: str, read: Callable[[Element], _T | None]) -> tuple[_T, ...]:
    return tuple(found for found in map(read, dns.findall(tag)) if found is not None)


def _patch(
    dns: Element,
    tag: str,
    after: Iterable[_T],
    *,
    before: Iterable[_T],
    read: Callable[[Element], _T | None],
    build: Callable[[_T], Element],
) -> None:
    """Make the children of that tag the listed ones; those that stay keep what else they say."""
    if tuple(after) == tuple(before):
        return
    nodes = dns.findall(tag)
    present = {read(node): node for node in nodes}
    replace_children(dns, nodes, [present[item] if item in present else build(item) for item in after])


def _read_forwarder(element: Element) -> DnsForwarder | None:
    values = _FORWARDER.read(element)
    return DnsForwarder(**values) if values else None


def _build_forwarder(forwarder: DnsForwarder) -> Element:
    element = new_root("forwarder")
    _FORWARDER.write(element, forwarder)
    return element


def _read_txt(element: Element) -> DnsTxt | None:
    values = {"value": ""} | _TXT.read(element)
    return DnsTxt(**values) if "name" in values else None


def _build_txt(text: DnsTxt) -> Element:
    element = new_root("txt")
    _TXT.write(element, text)
    return element


def _read_srv(element: Element) -> DnsSrv | None:
    values = _SRV.read(element)
    return DnsSrv(**values) if {"service", "protocol"} <= values.keys() else None


def _build_srv(record: DnsSrv) -> Element:
    element = new_root("srv")
    _SRV.write(element, record)
    return element


def _read_host(element: Element) -> DnsHost | None:
    names = tuple(node.text for node in element.findall("hostname") if node.text)
    ip = element.get("ip")
    return DnsHost(ip=ip, hostnames=names) if ip and names else None


def _build_host(host: DnsHost) -> Element:
    if not host.hostnames:
        raise DocumentError(f"the DNS host {host.ip} has no names")
    element = new_root("host", ip=host.ip)
    for hostname in host.hostnames:
        add(element, "hostname", text=hostname)
    return element
