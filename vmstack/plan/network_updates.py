"""What libvirt changes in a running network, entry by entry: leases, DHCP ranges, what DNS answers, port groups."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

import msgspec

from vmstack.model.configs import NetworkConfig, SubnetConfig
from vmstack.model.specs import DhcpRange, DnsHost, DnsSrv, DnsTxt, Reservation
from vmstack.model.traffic import PortGroup
from vmstack.plan.ignore import is_ignored

Identity = tuple[str, str]
Command = Literal["delete", "modify", "add"]
_Entry = TypeVar("_Entry", DnsHost, DnsSrv, DnsTxt, PortGroup)


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


Entry = Lease | Span | DnsHost | DnsSrv | DnsTxt | PortGroup


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


def dns_host_path(host: DnsHost) -> str:
    return f"dns_hosts[{host.ip}]"


def dns_txt_path(text: DnsTxt) -> str:
    return f"dns_txts[{text.name}]"


def port_group_path(group: PortGroup) -> str:
    return f"port_groups[{group.name}]"


def dns_srv_path(record: DnsSrv) -> str:
    """Two records of one service are different ones where they lead to different places."""
    name = f"_{record.service}._{record.protocol}" + (f".{record.domain}" if record.domain else "")
    place = ":".join(str(part) for part in (record.target, record.port) if part is not None)
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


def dns_host_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare the names that DNS answers with the persistent and the running network's."""
    if is_ignored("dns_hosts", ignored=ignored):
        return Updates([], [])
    wanted, held, running = ({host.ip: host for host in side.dns_hosts} for side in (target, observed, live))
    return _compare(wanted, held, running, path=dns_host_path, owned=owned)


def dns_srv_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare the service records with the persistent and the running network's."""
    if is_ignored("dns_srvs", ignored=ignored):
        return Updates([], [])
    wanted, held, running = (
        {dns_srv_path(record): record for record in side.dns_srvs} for side in (target, observed, live)
    )
    return _compare(wanted, held, running, path=dns_srv_path, owned=owned)


def dns_txt_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare the texts that DNS answers with the persistent and the running network's."""
    if is_ignored("dns_txts", ignored=ignored):
        return Updates([], [])
    wanted, held, running = ({text.name: text for text in side.dns_txts} for side in (target, observed, live))
    return _compare(wanted, held, running, path=dns_txt_path, owned=owned)


def port_group_updates(
    target: NetworkConfig,
    observed: NetworkConfig,
    live: NetworkConfig,
    *,
    owned: frozenset[str],
    ignored: frozenset[str],
) -> Updates:
    """Compare the port groups with the persistent and the running network's."""
    if is_ignored("port_groups", ignored=ignored):
        return Updates([], [])
    wanted = {group.name: group for group in target.port_groups}
    held, running = (
        {group.name: _known_part(group, wanted.get(group.name)) for group in side.port_groups}
        for side in (observed, live)
    )
    return _compare(wanted, held, running, path=port_group_path, owned=owned, modifies=True)


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


def _known_part(group: PortGroup, wanted: PortGroup | None) -> PortGroup:
    """The wanted group where the one on the host is it and says more, which is somebody else's and stays."""
    return wanted if wanted is not None and group == msgspec.structs.replace(wanted, more=group.more) else group


def _says_more(entry: Entry | None) -> bool:
    return isinstance(entry, PortGroup) and entry.more


def _fits(record: DnsSrv, other: DnsSrv) -> bool:
    # libvirt looks at nothing else (virNetworkDefUpdateDNSSrv).
    fields = ("service", "protocol", "domain", "target")
    return all(getattr(record, name) in (None, getattr(other, name)) for name in fields)


def _compare(
    wanted: Mapping[str, _Entry],
    held: Mapping[str, _Entry],
    running: Mapping[str, _Entry],
    *,
    path: Callable[[_Entry], str],
    owned: frozenset[str],
    modifies: bool = False,
) -> Updates:
    """`modifies`: libvirt puts an entry in the place of the one that it has, where it has one."""
    updates: list[Update] = []
    for identity, entry in wanted.items():
        present = [side[identity] for side in (held, running) if identity in side]
        if len(present) == 2 and all(old == entry for old in present):
            continue
        different = next((old for old in present if old != entry), None)
        if different is not None and modifies and len(present) == 2:
            updates.append(Update("modify", path(entry), different, entry))
            continue
        if different is not None:
            updates.append(Update("delete", path(different), different, None))
        updates.append(Update("add", path(entry), None, entry))
    extras: list[Entry] = []
    for identity, entry in {**running, **held}.items():
        if identity in wanted:
            continue
        if path(entry) in owned:
            updates.append(Update("delete", path(entry), entry, None))
        else:
            extras.append(entry)
    return Updates(updates, extras)


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
