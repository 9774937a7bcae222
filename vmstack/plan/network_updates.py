"""What libvirt changes in a running network, entry by entry: leases, DHCP ranges, what DNS answers, port groups."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from vmstack.model.configs import NetworkConfig, SubnetConfig
from vmstack.model.specs import DhcpRange, DnsHost, DnsSrv, DnsTxt, Reservation
from vmstack.model.traffic import PortGroup
from vmstack.plan.ignore import is_ignored

Identity = tuple[str, str]
Command = Literal["delete", "modify", "add"]
ListEntry = DnsHost | DnsSrv | DnsTxt | PortGroup
# The lists of a network whose entries libvirt changes one by one, and what each holds.
LISTS: Final[Mapping[str, type[ListEntry]]] = {
    "dns_hosts": DnsHost, "dns_srvs": DnsSrv, "dns_txts": DnsTxt, "port_groups": PortGroup,
}  # fmt: skip


class Lease(NamedTuple):
    """A reservation and where it stands: the family and the position of its `<ip>` element."""

    reservation: Reservation
    family: Literal["ipv4", "ipv6"]
    parent: int


class Span(NamedTuple):
    """A DHCP range and the position of its `<ip>` element."""

    range: DhcpRange
    parent: int

    def __str__(self) -> str:
        return f"{self.range.start} to {self.range.end}"


Entry = Lease | Span | ListEntry


class Update(NamedTuple):
    """One update in place. `before` or `after` is `None` for an addition or a removal."""

    command: Command
    path: str
    before: Entry | None
    after: Entry | None


class Updates(NamedTuple):
    """The updates of one sort of entries, and those that somebody else added and that stay."""

    updates: list[Update]
    extras: list[Entry]


def leases(config: NetworkConfig) -> dict[Identity, Lease]:
    """The reservations by what libvirt finds them by: the MAC for IPv4, else the name, else the address."""
    found: dict[Identity, Lease] = {}
    for position, subnet in enumerate(config.subnets):
        for reservation in subnet.reservations:
            found[_identity(reservation, subnet)] = Lease(reservation, subnet.family, position)
    return found


def lease_path(identity: Identity) -> str:
    return f"reservations[{identity[1]}]"


def entry_path(entry: ListEntry) -> str:
    """A field by what tells it apart: two records of one service are different ones where they lead elsewhere."""
    match entry:
        case DnsHost(ip=ip):
            return f"dns_hosts[{ip}]"
        case DnsTxt(name=name):
            return f"dns_txts[{name}]"
        case PortGroup(name=name):
            return f"port_groups[{name}]"
    name = f"_{entry.service}._{entry.protocol}" + (f".{entry.domain}" if entry.domain else "")
    place = ":".join(str(part) for part in (entry.target, entry.port) if part is not None)
    return f"dns_srvs[{name}{'/' if place else ''}{place}]"


def lease_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare the reservations with the persistent and the running network's."""
    wanted, held, running = leases(target), leases(observed), leases(live)
    positions = _positions(observed)
    updates: list[Update] = []
    extras: list[Entry] = []
    if is_ignored("reservations", ignored=ignored):
        return Updates([], [])
    for identity, lease in wanted.items():
        subnet = target.subnets[lease.parent]
        new = lease._replace(parent=positions.get((subnet.family, subnet.gateway), lease.parent))
        path = lease_path(identity)
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
        path = lease_path(identity)
        if path in owned:
            updates.append(Update("delete", path, lease, None))
        else:
            extras.append(lease)
    return Updates(updates, extras)


def range_updates(
    target: NetworkConfig, observed: NetworkConfig, live: NetworkConfig, *, ignored: frozenset[str]
) -> list[Update]:
    """Compare the DHCP ranges of subnets that stay: they are the program's alone, and nobody else's are kept."""
    updates: list[Update] = []
    if is_ignored("dhcp", ignored=ignored) or is_ignored("subnets", ignored=ignored):
        return updates
    positions = _positions(observed)
    running = {(subnet.family, subnet.gateway): subnet.ranges for subnet in live.subnets}
    for subnet in target.subnets:
        slot = (subnet.family, subnet.gateway)
        position = positions.get(slot)
        if position is None:
            continue
        path, held, lives = f"dhcp[{subnet.gateway}]", observed.subnets[position].ranges, running.get(slot, ())
        gone = [span for span in dict.fromkeys((*held, *lives)) if span not in subnet.ranges]
        new = [span for span in subnet.ranges if span not in held or span not in lives]
        updates += [Update("delete", path, Span(span, position), None) for span in gone]
        updates += [Update("add", path, None, Span(span, position)) for span in new]
    return updates


def list_updates(
    name: str,
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare one of the `LISTS` with the persistent and the running network's."""
    if is_ignored(name, ignored=ignored):
        return Updates([], [])
    wanted, held, running = (
        {entry_path(entry): entry for entry in getattr(side, name)} for side in (target, observed, live)
    )
    if name == "port_groups":
        held, running = (
            {path: _known_part(group, wanted.get(path)) for path, group in side.items()} for side in (held, running)
        )
    return _compare(wanted, held, running, owned=owned, modifies=name == "port_groups")


def is_blocked(update: Update, *, target: NetworkConfig, observed: NetworkConfig) -> bool:
    """Whether libvirt would refuse the update, since it finds another entry by it too.

    It takes no DNS host that shares a name with another one, and of a service record what is not said fits any. A port
    group that says more than is known here would lose that.
    """
    entry = update.after or update.before
    if isinstance(entry, PortGroup):
        return update.command == "modify" and update.before != entry and _says_more(update.before)
    if isinstance(entry, DnsHost):
        names = set(entry.hostnames)
        sharing = {other for other in (*target.dns_hosts, *observed.dns_hosts) if other.ip != entry.ip}
        return any(names & set(other.hostnames) for other in sharing)
    if isinstance(entry, DnsSrv):
        # Deletions go first, so that an addition meets only what stays.
        others = target.dns_srvs if update.command == "add" else observed.dns_srvs
        return any(other != entry and _fits(entry, other) for other in others)
    return False


def _known_part(group: ListEntry, wanted: ListEntry | None) -> ListEntry:
    """The wanted group where the one on the host is it and says more, which is somebody else's and stays."""
    if not isinstance(group, PortGroup) or not isinstance(wanted, PortGroup):
        return group
    return wanted if group == msgspec.structs.replace(wanted, more=group.more) else group


def _says_more(entry: Entry | None) -> bool:
    return isinstance(entry, PortGroup) and entry.more


def _fits(record: DnsSrv, other: DnsSrv) -> bool:
    # libvirt looks at nothing else (virNetworkDefUpdateDNSSrv).
    fields = ("service", "protocol", "domain", "target")
    return all(getattr(record, name) in (None, getattr(other, name)) for name in fields)


def _compare(
    wanted: Mapping[str, ListEntry],
    held: Mapping[str, ListEntry],
    running: Mapping[str, ListEntry],
    *,
    owned: frozenset[str],
    modifies: bool,
) -> Updates:
    """Compare entries by path. `modifies`: libvirt puts one in the place of that which it has, where it has one."""
    updates: list[Update] = []
    for path, entry in wanted.items():
        present = [side[path] for side in (held, running) if path in side]
        if len(present) == 2 and all(old == entry for old in present):
            continue
        different = next((old for old in present if old != entry), None)
        if different is not None and modifies and len(present) == 2:
            updates.append(Update("modify", path, different, entry))
            continue
        if different is not None:
            updates.append(Update("delete", path, different, None))
        updates.append(Update("add", path, None, entry))
    others = {path: entry for path, entry in {**running, **held}.items() if path not in wanted}
    updates += [Update("delete", path, entry, None) for path, entry in others.items() if path in owned]
    return Updates(updates, [entry for path, entry in others.items() if path not in owned])


def _positions(config: NetworkConfig) -> dict[tuple[str, str], int]:
    return {(subnet.family, subnet.gateway): position for position, subnet in enumerate(config.subnets)}


def _identity(reservation: Reservation, subnet: SubnetConfig) -> Identity:
    if reservation.mac is not None and subnet.family == "ipv4":
        return ("mac", reservation.mac)
    return ("name", reservation.name) if reservation.name else ("ip", reservation.ip)


def with_leases(target: NetworkConfig, observed: NetworkConfig, *, kept: Iterable[Entry]) -> tuple[SubnetConfig, ...]:
    """The target's subnets with other people's reservations kept, as long as their subnet is."""
    extra: dict[tuple[str, str], list[Reservation]] = {}
    for lease in kept:
        if isinstance(lease, Lease) and lease.parent < len(observed.subnets):
            subnet = observed.subnets[lease.parent]
            extra.setdefault((subnet.family, subnet.gateway), []).append(lease.reservation)
    if not extra:
        return target.subnets
    kept_in = ((subnet, extra.get((subnet.family, subnet.gateway), [])) for subnet in target.subnets)
    return tuple(
        msgspec.structs.replace(subnet, reservations=(*subnet.reservations, *others)) for subnet, others in kept_in
    )
