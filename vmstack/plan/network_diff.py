"""Networks compared: what libvirt can change in place, and what needs the network made anew."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from vmstack.model.base import Data
from vmstack.model.configs import NetworkConfig, SubnetConfig
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.specs import DhcpRange, DnsForwarder, DnsHost, DnsSrv, DnsTxt, Route
from vmstack.model.traffic import PortGroup, Traffic
from vmstack.plan.ignore import is_ignored
from vmstack.plan.network_updates import (
    LISTS,
    Entry,
    Lease,
    Update,
    entry_path,
    is_blocked,
    lease_path,
    lease_updates,
    leases,
    list_updates,
    range_updates,
    with_leases,
)


class NetworkDiff(NamedTuple):
    """`target` is the whole config to aim at. `fields` (path, before, after) need a replacement, `updates` do not.

    `extras` are entries that somebody else added and that stay. `waiting` are fields that the running network has
    otherwise, and gets at its next start.
    """

    target: NetworkConfig
    fields: tuple[tuple[str, object, object], ...]
    updates: tuple[Update, ...]
    extras: tuple[str, ...]
    waiting: tuple[str, ...] = ()


# What the network gets only at its start, by path.
_FIELDS: Final = {
    "label": "name", "mode": "forward", "bridge": "bridge", "domain": "domain", "domain_local": "domain_local",
    "mtu": "mtu", "dns_enabled": "dns_enabled", "dns_forwarders": "dns_forwarders", "routes": "routes",
    "dnsmasq_options": "dnsmasq_options", "bandwidth": "bandwidth",
}  # fmt: skip
# What a program need not say; without a word of it somebody else's choice stays.
_OPTIONAL: Final = ("domain", "mtu", "dns_enabled", "dns_forwarders", "routes", "dnsmasq_options", "bandwidth")
_UNSAID: Final = (None, ())


def written_fields(config: NetworkConfig) -> tuple[str, ...]:
    """The fields that the config writes, as a stamp lists them."""
    # Whether a domain is local is a part of it.
    paths = {path: name for path, name in _FIELDS.items() if path != "domain_local"}
    fields = [path for path, name in paths.items() if getattr(config, name) not in _UNSAID]
    fields += [lease_path(identity) for identity in leases(config)]
    fields += [entry_path(entry) for name in LISTS for entry in getattr(config, name)]
    return tuple(sorted(fields))


def services(config: NetworkConfig) -> list[tuple[str, object]]:
    """What of the network's services a new one is described by: path and value, as far as something is said."""
    paths = (
        "dns_enabled", "dns_forwarders", "dns_srvs", "dns_txts", "routes", "dnsmasq_options", "bandwidth",
        "port_groups",
    )  # fmt: skip
    values = ((path, getattr(config, path)) for path in paths)
    return [(path, _value(path, value)) for path, value in values if value not in _UNSAID]


def compare_networks(
    design: NetworkConfig,
    observed: NetworkConfig,
    *,
    live: NetworkConfig | None,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> NetworkDiff:
    """Compare a designed network with the persistent and, where active, the live one."""
    target, fields = _settle(design, observed, owned=owned, ignored=ignored)
    lives = live if live is not None else observed
    reserved = lease_updates(target, observed, lives, owned=owned, ignored=ignored)
    listed = {name: list_updates(name, target, observed, lives, owned=owned, ignored=ignored) for name in LISTS}
    ranges = range_updates(target, observed, lives, ignored=ignored)
    extras = [*reserved.extras, *(extra for found in listed.values() for extra in found.extras)]
    target = _complete(target, observed, extras=extras, ignored=ignored)
    updates = [*reserved.updates, *ranges]
    for name, found in listed.items():
        if any(is_blocked(update, target=target, observed=observed) for update in found.updates):
            fields.append((name, _shown(getattr(observed, name)), _shown(getattr(target, name))))
        else:
            updates += found.updates
    updates.sort(key=_order)
    if target.dns_enabled is False:
        extras = [extra for extra in extras if isinstance(extra, Lease | PortGroup)]
    waiting = () if live is None or fields else tuple(_waiting(target, live))
    return NetworkDiff(target, tuple(fields), tuple(updates), tuple(map(_name, extras)), waiting)


def _order(update: Update) -> tuple[int, bool, str]:
    """What goes makes room for what comes, the default port group of before for that of now."""
    takes_over = isinstance(update.after, PortGroup) and update.after.default
    return {"delete": 0, "modify": 1, "add": 2}[update.command], takes_over, update.path


def _settle(
    design: NetworkConfig, observed: NetworkConfig, *, owned: frozenset[str], ignored: frozenset[str]
) -> tuple[NetworkConfig, list[tuple[str, object, object]]]:
    """The design with what is kept as it is, and the fields in which it differs."""
    fields: list[tuple[str, object, object]] = []
    kept: dict[str, object] = {}
    for path, name in _FIELDS.items():
        wanted, found = getattr(design, name), getattr(observed, name)
        owner = "domain" if path == "domain_local" else path
        said = getattr(design, owner if owner in _OPTIONAL else name)
        foreign = owner in _OPTIONAL and said in _UNSAID and owner not in owned
        # A bridge of `None` leaves the choice to libvirt, and so does DNS, which is on then.
        same = wanted == found or (path == "bridge" and wanted is None)
        same = same or (path == "dns_enabled" and (wanted is not False) == (found is not False))
        if foreign or same or is_ignored(owner, ignored=ignored) or is_ignored(path, ignored=ignored):
            kept[name] = found
        else:
            fields.append((path, _value(path, found), _value(path, wanted)))
    subnets = observed.subnets if is_ignored("subnets", ignored=ignored) else design.subnets
    if _frames(subnets) != _frames(observed.subnets):
        fields.append(("subnets", _shown(observed.subnets), _shown(subnets)))
    if is_ignored("dhcp", ignored=ignored):
        subnets = _graft(subnets, observed, name="ranges")
    return msgspec.structs.replace(design, **kept, subnets=subnets), fields


def _complete(
    target: NetworkConfig, observed: NetworkConfig, *, extras: Iterable[Entry], ignored: frozenset[str]
) -> NetworkConfig:
    """The target with what other people added and with what is ignored. With DNS off there is nothing of it."""
    extras = tuple(extras)
    subnets = with_leases(target, observed, kept=extras)
    if is_ignored("reservations", ignored=ignored):
        subnets = _graft(subnets, observed, name="reservations")
    lists = {
        name: getattr(observed, name)
        if is_ignored(name, ignored=ignored)
        else (*getattr(target, name), *(extra for extra in extras if isinstance(extra, kind)))
        for name, kind in LISTS.items()
    }
    if target.dns_enabled is False:
        lists |= {"dns_hosts": (), "dns_srvs": (), "dns_txts": (), "dns_forwarders": ()}
    return msgspec.structs.replace(target, subnets=subnets, **lists)


def _waiting(target: NetworkConfig, live: NetworkConfig) -> Iterator[str]:
    for path, name in _FIELDS.items():
        wanted, running = getattr(target, name), getattr(live, name)
        if path == "dns_enabled":
            wanted, running = wanted is not False, running is not False
        if wanted != running and not (path == "bridge" and wanted is None):
            yield path
    if _frames(target.subnets) != _frames(live.subnets):
        yield "subnets"


def _frames(subnets: Iterable[SubnetConfig]) -> list[tuple[object, ...]]:
    return sorted((subnet.family, subnet.gateway, subnet.prefix) for subnet in subnets)


def _graft(subnets: Iterable[SubnetConfig], observed: NetworkConfig, *, name: str) -> tuple[SubnetConfig, ...]:
    """The subnets with ranges or reservations as they are."""
    found: dict[tuple[str, str], tuple[object, ...]] = {
        (subnet.family, subnet.gateway): getattr(subnet, name) for subnet in observed.subnets
    }
    return tuple(
        msgspec.structs.replace(subnet, **{name: found.get((subnet.family, subnet.gateway), ())}) for subnet in subnets
    )


def _value(path: str, value: object) -> object:
    """A field as people read it."""
    if path == "mode":
        return value or "isolated"
    if path == "dns_enabled":
        return value is not False
    if path == "domain_local":
        return value
    if isinstance(value, Traffic):
        return describe_traffic(value)
    return _shown(value) if isinstance(value, tuple) else value or None


def describe_traffic(traffic: Traffic) -> str:
    """The limits as people read them."""
    directions = (("in", traffic.inbound), ("out", traffic.outbound))
    return ", ".join(f"{name} {_say_rate(rate)}" for name, rate in directions if rate is not None)


def _say_rate(rate: BandwidthSpec) -> str:
    extra = (("peak", rate.peak), ("burst", rate.burst))
    return " ".join((f"{rate.average} KiB/s", *(f"{name} {value}" for name, value in extra if value is not None)))


def describe_port_group(group: PortGroup) -> str:
    """A port group as people read it, without its name."""
    limits = describe_traffic(group.bandwidth) if group.bandwidth is not None else "no limit"
    return f"{limits}, the default" if group.default else limits


def _shown(items: Iterable[Data | str]) -> list[str]:
    return [_say(item) for item in items]


def _say(item: Data | str) -> str:
    match item:
        case SubnetConfig(gateway=gateway, prefix=prefix, ranges=ranges):
            return f"{gateway}/{prefix}" + "".join(f", DHCP {_range(span)}" for span in ranges)
        case DnsHost(ip=ip, hostnames=names):
            return f"{ip} {' '.join(names)}"
        case DnsSrv():
            return f"{entry_path(item)[len('dns_srvs[') : -1]} {item.priority or 0} {item.weight or 0}"
        case DnsTxt(name=name, value=value):
            return f"{name} {value!r}"
        case PortGroup(name=name):
            return f"{name}: {describe_port_group(item)}"
        case DnsForwarder(address=address, domain=domain):
            return " for ".join(part for part in (address or "the host's own", domain) if part)
        case Route(cidr=cidr, gateway=gateway):
            return f"{cidr} by {gateway}"
    return str(item)


def _range(span: DhcpRange) -> str:
    return f"{span.start} to {span.end}"


def _name(extra: Entry) -> str:
    match extra:
        case Lease(reservation=reservation):
            return f"reservation {reservation.ip}"
        case DnsHost(ip=ip):
            return f"DNS host {ip}"
        case DnsSrv():
            return f"DNS record {entry_path(extra)[len('dns_srvs[') : -1]}"
        case DnsTxt(name=name):
            return f"DNS text {name}"
        case PortGroup(name=name):
            return f"port group {name}"
    return str(extra)
