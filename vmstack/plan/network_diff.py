"""Networks compared: what libvirt can change in place, and what needs the network made anew."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import msgspec

from vmstack.model.configs import NetworkConfig, SubnetConfig
from vmstack.model.specs import DnsHost, Reservation
from vmstack.plan.ignore import is_ignored

Identity = tuple[str, str]
Command = Literal["delete", "modify", "add"]


class Lease(NamedTuple):
    """A reservation and where it stands: the family and the position of its `<ip>` element."""

    reservation: Reservation
    family: Literal["ipv4", "ipv6"]
    parent: int


class Update(NamedTuple):
    """One update in place. `before` or `after` is `None` for an addition or a removal."""

    command: Command
    path: str
    before: Lease | DnsHost | None
    after: Lease | DnsHost | None


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


_SCALARS = {"label": "name", "mode": "forward", "bridge": "bridge", "domain": "domain", "mtu": "mtu"}
_OPTIONAL = ("domain", "mtu")


def written_fields(config: NetworkConfig) -> tuple[str, ...]:
    """The fields that the config writes, as a stamp lists them."""
    fields = [path for path, name in _SCALARS.items() if getattr(config, name) is not None]
    fields += [f"reservations[{_name(identity)}]" for identity in leases(config)]
    fields += [f"dns_hosts[{host.ip}]" for host in config.dns_hosts]
    return tuple(sorted(fields))


def compare_networks(
    design: NetworkConfig,
    observed: NetworkConfig,
    *,
    live: NetworkConfig | None,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> NetworkDiff:
    """Compare a designed network with the persistent and, where active, the live one."""
    fields: list[tuple[str, object, object]] = []
    scalars: dict[str, object] = {}
    for path, name in _SCALARS.items():
        wanted, found = getattr(design, name), getattr(observed, name)
        foreign = path in _OPTIONAL and wanted is None and path not in owned
        # A bridge of `None` leaves the choice to libvirt.
        if foreign or is_ignored(path, ignored=ignored) or (path == "bridge" and wanted is None):
            scalars[name] = found
        elif wanted != found:
            fields.append((path, found or _absent(path), wanted or _absent(path)))
    subnets = observed.subnets if is_ignored("subnets", ignored=ignored) else design.subnets
    if _frames(subnets) != _frames(observed.subnets):
        fields.append(("subnets", _shown(observed.subnets), _shown(subnets)))
    target = msgspec.structs.replace(design, **scalars, subnets=subnets)
    lives = live if live is not None else observed
    reservations, extra_leases = _reservation_updates(target, observed, lives, owned=owned, ignored=ignored)
    hosts, extra_hosts = _dns_updates(target, observed, lives, owned=owned, ignored=ignored)
    target = _with_leases(target, observed, kept=extra_leases)
    target = msgspec.structs.replace(
        target, dns_hosts=tuple(sorted({*target.dns_hosts, *extra_hosts}, key=lambda host: host.ip))
    )
    if is_ignored("reservations", ignored=ignored):
        target = msgspec.structs.replace(target, subnets=_graft(target.subnets, observed))
    if is_ignored("dns_hosts", ignored=ignored):
        target = msgspec.structs.replace(target, dns_hosts=observed.dns_hosts)
    order = {"delete": 0, "modify": 1, "add": 2}
    updates = sorted([*reservations, *hosts], key=lambda update: (order[update.command], update.path))
    if any(_blocked(update, target=target, observed=observed) for update in hosts):
        fields.append(("dns_hosts", _hosts_shown(observed.dns_hosts), _hosts_shown(target.dns_hosts)))
        updates = []
    extras = [f"reservation {lease.reservation.ip}" for lease in extra_leases]
    extras += [f"DNS host {host.ip}" for host in extra_hosts]
    waiting = () if live is None or fields else tuple(_waiting(target, live))
    return NetworkDiff(target, tuple(fields), tuple(updates), tuple(extras), waiting)


def _waiting(target: NetworkConfig, live: NetworkConfig) -> Iterator[str]:
    for path, name in _SCALARS.items():
        wanted = getattr(target, name)
        if wanted != getattr(live, name) and not (path == "bridge" and wanted is None):
            yield path
    if _frames(target.subnets) != _frames(live.subnets):
        yield "subnets"


def leases(config: NetworkConfig) -> dict[Identity, Lease]:
    """The reservations by what libvirt finds them by: the MAC for IPv4, else the name, else the address."""
    found: dict[Identity, Lease] = {}
    for position, subnet in enumerate(config.subnets):
        for reservation in subnet.reservations:
            found[_identity(reservation, subnet)] = Lease(reservation, subnet.family, position)
    return found


def _identity(reservation: Reservation, subnet: SubnetConfig) -> Identity:
    if reservation.mac is not None and subnet.family == "ipv4":
        return ("mac", reservation.mac)
    return ("name", reservation.name) if reservation.name else ("ip", reservation.ip)


def _name(identity: Identity) -> str:
    return identity[1]


def _reservation_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> tuple[list[Update], list[Lease]]:
    wanted, held, running = leases(target), leases(observed), leases(live)
    positions = {(subnet.family, subnet.gateway): position for position, subnet in enumerate(observed.subnets)}
    updates: list[Update] = []
    extras: list[Lease] = []
    if is_ignored("reservations", ignored=ignored):
        return [], []
    for identity, lease in wanted.items():
        subnet = target.subnets[lease.parent]
        new = lease._replace(parent=positions.get((subnet.family, subnet.gateway), lease.parent))
        path = f"reservations[{_name(identity)}]"
        olds = [side.get(identity) for side in (held, running)]
        present = [old for old in olds if old is not None]
        if len(present) == 2 and all(old.reservation == new.reservation for old in present):
            continue
        different = next((old for old in present if old.reservation != new.reservation), None)
        if different is None:
            updates.append(Update("add", path, None, new))
        elif len(present) == 2 and identity[0] == "mac" and different.parent == new.parent:
            updates.append(Update("modify", path, different, new))
        else:
            updates.append(Update("delete", path, different, None))
            updates.append(Update("add", path, None, new))
    for identity, lease in {**running, **held}.items():
        if identity in wanted:
            continue
        path = f"reservations[{_name(identity)}]"
        if path in owned:
            updates.append(Update("delete", path, lease, None))
        else:
            extras.append(lease)
    return updates, extras


def _dns_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> tuple[list[Update], list[DnsHost]]:
    if is_ignored("dns_hosts", ignored=ignored):
        return [], []
    wanted, held, running = ({host.ip: host for host in side.dns_hosts} for side in (target, observed, live))
    updates: list[Update] = []
    for ip, host in wanted.items():
        present = [side[ip] for side in (held, running) if ip in side]
        if len(present) == 2 and all(old == host for old in present):
            continue
        different = next((old for old in present if old != host), None)
        if different is not None:
            updates.append(Update("delete", f"dns_hosts[{ip}]", different, None))
        updates.append(Update("add", f"dns_hosts[{ip}]", None, host))
    extras: list[DnsHost] = []
    for ip, host in {**running, **held}.items():
        if ip in wanted:
            continue
        if f"dns_hosts[{ip}]" in owned:
            updates.append(Update("delete", f"dns_hosts[{ip}]", host, None))
        else:
            extras.append(host)
    return updates, extras


def _blocked(update: Update, *, target: NetworkConfig, observed: NetworkConfig) -> bool:
    """Whether libvirt would refuse the update: it takes no DNS host that shares a name with another one."""
    host = update.after or update.before
    if not isinstance(host, DnsHost):
        return False
    names = set(host.hostnames)
    others = {other for other in (*target.dns_hosts, *observed.dns_hosts) if other.ip != host.ip}
    return any(names & set(other.hostnames) for other in others)


def _frames(subnets: Iterable[SubnetConfig]) -> list[tuple[object, ...]]:
    return sorted((subnet.family, subnet.gateway, subnet.prefix, _ranges(subnet)) for subnet in subnets)


def _ranges(subnet: SubnetConfig) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((found.start, found.end) for found in subnet.ranges))


def _with_leases(target: NetworkConfig, observed: NetworkConfig, *, kept: Iterable[Lease]) -> NetworkConfig:
    """The target with other people's reservations kept, as long as their subnet is."""
    extra: dict[tuple[str, str], list[Reservation]] = {}
    for lease in kept:
        if lease.parent < len(observed.subnets):
            subnet = observed.subnets[lease.parent]
            extra.setdefault((subnet.family, subnet.gateway), []).append(lease.reservation)
    if not extra:
        return target
    subnets = tuple(
        msgspec.structs.replace(
            subnet, reservations=(*subnet.reservations, *extra.get((subnet.family, subnet.gateway), ()))
        )
        for subnet in target.subnets
    )
    return msgspec.structs.replace(target, subnets=subnets)


def _graft(subnets: Iterable[SubnetConfig], observed: NetworkConfig) -> tuple[SubnetConfig, ...]:
    found = {(subnet.family, subnet.gateway): subnet.reservations for subnet in observed.subnets}
    return tuple(
        msgspec.structs.replace(subnet, reservations=found.get((subnet.family, subnet.gateway), ()))
        for subnet in subnets
    )


def _absent(path: str) -> str | None:
    return "isolated" if path == "mode" else None


def _shown(subnets: Iterable[SubnetConfig]) -> list[str]:
    shown = []
    for subnet in subnets:
        ranges = "".join(f", DHCP {found.start} to {found.end}" for found in subnet.ranges)
        shown.append(f"{subnet.gateway}/{subnet.prefix}{ranges}")
    return sorted(shown)


def _hosts_shown(hosts: Iterable[DnsHost]) -> list[str]:
    return sorted(f"{host.ip} {' '.join(host.hostnames)}" for host in hosts)
