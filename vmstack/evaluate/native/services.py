"""What a network serves besides addresses: forwarders and service records of its DNS, routes, options of dnsmasq."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_int, check_list, check_type
from vmstack.evaluate.native.subnets import IpNetwork, read_address
from vmstack.model.specs import DnsForwarder as ForwarderSpec
from vmstack.model.specs import DnsSrv as SrvSpec
from vmstack.model.specs import DnsTxt, Route

# Names of services and zones may begin with an underscore, and "." is a target that says "no such service".
_LABELS: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_OPTION: Final = re.compile(r"[a-z0-9][a-z0-9-]*(?:=.*)?")
_PORTS: Final = 65535


class DnsForwarder:
    """A DNS server to ask: for all names, or for those of `domain`; without an address, the host's own servers."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, address: str | None = None, *, domain: str | None = None) -> None:
        self.spec = forwarder(address=address, domain=domain)


class DnsSrv:
    """A service record: `service` and `protocol` without underscores, for `domain` (default: the network's)."""

    __slots__ = ("spec",)

    @validated
    def __init__(
        self,
        service: str,
        protocol: str = "tcp",
        *,
        domain: str | None = None,
        target: str | None = None,
        port: int | None = None,
        priority: int | None = None,
        weight: int | None = None,
    ) -> None:
        self.spec = service_record(
            service=service,
            protocol=protocol,
            domain=domain,
            target=target,
            numbers={"port": port, "priority": priority, "weight": weight},
        )


def forwarder(*, address: str | None, domain: str | None) -> ForwarderSpec:
    """Check a forwarder. Raises `InputError`."""
    if not address and not domain:
        raise InputError("address: a forwarder needs an address, a domain, or both")
    return ForwarderSpec(
        address=str(read_address(address, field="address")) if address else None,
        domain=_check_zone(domain, field="domain") if domain else None,
    )


def service_record(
    *, service: object, protocol: object, domain: object, target: object, numbers: Mapping[str, int | None]
) -> SrvSpec:
    """Check a service record. Raises `InputError`; libvirt knows no numbers without a target."""
    checked = {
        name: check_int(value, field=name, low=0, high=_PORTS) or None
        for name, value in numbers.items()
        if value is not None
    }
    if not target and checked:
        raise InputError(f"target: it is missing, and {', '.join(checked)} means nothing without it")
    return SrvSpec(
        service=_check_zone(service, field="service"),
        protocol=_check_zone(protocol, field="protocol"),
        domain=_check_zone(domain, field="domain") if domain else None,
        target=(target if target == "." else _check_zone(target, field="target")) if target else None,
        **checked,
    )


def route(cidr: object, gateway: object, *, subnets: Iterable[IpNetwork], at: str) -> Route:
    """Check a route: libvirt starts no network whose routes lead to somewhere that is not on it."""
    try:
        network = ipaddress.ip_network(check_type(cidr, str, field=at), strict=False)
    except ValueError:
        raise InputError(f"{at}: {cidr!r} is not a network", resolution='write it as "10.30.0.0/24"') from None
    via = read_address(gateway, field=at)
    if via.version != network.version or not any(via in subnet for subnet in subnets):
        raise InputError(
            f"{at}: the gateway {via} of {network} is not on the network",
            resolution="name a machine on the network that leads there",
        )
    return Route(cidr=str(network), gateway=str(via))


def dnsmasq_option(text: object, *, field: str) -> str:
    """Check a line of dnsmasq's configuration, `name` or `name=value`."""
    if not isinstance(text, str) or not _OPTION.fullmatch(text) or not text.isprintable():
        raise InputError(f"{field}: {text!r} is no option of dnsmasq", resolution='write "name" or "name=value"')
    return text


def check_dark(*, dns_enabled: object, served: Mapping[str, object], field: str) -> None:
    """Refuse what only a DNS that is off would serve."""
    if dns_enabled is not False:
        return
    for name, value in served.items():
        if value:
            raise InputError(
                f"{name}: nobody would answer for it: {field} is False", resolution="leave one of them out"
            )


def read_forwarders(value: object) -> tuple[ForwarderSpec, ...]:
    """A native network's forwarders: addresses, or `DnsForwarder`s."""
    items = check_list(value, field="dns_forwarders")
    wanted = (DnsForwarder(item) if isinstance(item, str) else item for item in items)
    return tuple(check_type(item, DnsForwarder, field="dns_forwarders").spec for item in wanted)


def read_srvs(value: object) -> tuple[SrvSpec, ...]:
    """A native network's service records, each once."""
    records = tuple(check_type(item, DnsSrv, field="dns_srvs").spec for item in check_list(value, field="dns_srvs"))
    check_srvs(records, field="dns_srvs")
    return records


def read_txts(value: object) -> tuple[DnsTxt, ...]:
    """A native network's texts by name."""
    found = []
    for name, text in check_type(value or {}, dict, field="dns_txts").items():
        if not isinstance(text, str) or not text or not text.isprintable():
            raise InputError(
                f"dns_txts: the text of {name!r} must be one line that is not empty",
                resolution="separate several strings of one record by commas",
            )
        found.append(DnsTxt(name=_check_zone(name, field="dns_txts"), value=text))
    return tuple(sorted(found, key=lambda item: item.name))


def check_srvs(records: Sequence[SrvSpec], *, field: str) -> None:
    """Refuse two records of one service to one place: libvirt and the plan know them by that."""
    seen = set()
    for record in records:
        identity = (record.service, record.protocol, record.domain, record.target, record.port)
        if identity in seen:
            raise InputError(f"{field}: two records of _{record.service}._{record.protocol} lead to the same place")
        seen.add(identity)


def _check_zone(value: object, *, field: str) -> str:
    if not isinstance(value, str) or not _LABELS.fullmatch(value) or ".." in value:
        raise InputError(f"{field}: {value!r} is not a name of DNS")
    return value
