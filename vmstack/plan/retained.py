"""What leaves the program and stays on the host (`retain_on_delete`): vmstack forgets it and touches nothing of it."""

from collections.abc import Iterator
from dataclasses import replace

from vmstack.errors import ConflictError
from vmstack.model.effects import StampDomain, StampNetwork
from vmstack.model.identity import Key
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, Operation
from vmstack.plan.cables import has_nic_on
from vmstack.plan.context import Context
from vmstack.plan.gates import check_loss
from vmstack.plan.index import HostIndex, entry_key
from vmstack.plan.remains import Remains

_REASON = "It stays on the host, and the stack forgets it: retain_on_delete."


def forget_retained(remains: Remains, *, index: HostIndex, context: Context) -> Remains:
    """Plan that the stack forgets what is to be retained, and return what is left to be deleted.

    Seeds and base images that it cannot do without stay with it. Reports what would be deleted from below it.
    """
    domains = [item for item in remains.domains if item[1].stamp is not None and item[1].stamp.retain]
    networks = [item for item in remains.networks if item[1].stamp is not None and item[1].stamp.retain]
    entries = [entry for entry in remains.entries if entry.retain]
    if not (domains or networks or entries):
        return remains
    used = _used_paths([domain for _, domain in domains], entries, index=index)
    carried = [
        entry
        for entry in remains.entries
        if not entry.retain and entry.role in ("seed", "base") and index.volume_path(entry.slot) in used
    ]
    forgotten = {entry.slot for entry in (*entries, *carried)}
    for key, domain in domains:
        _forget(key, index=index, context=context, protect=domain.stamp is not None and domain.stamp.protect)
        context.draft.expect(index.host, domain)
        unstamp = StampDomain(uuid=domain.uuid, name=domain.name, stamp_xml=None, live=domain.active)
        context.draft.step(key, "forget", unstamp, host=index.host)
    for key, network in networks:
        _forget(key, index=index, context=context, protect=network.stamp is not None and network.stamp.protect)
        context.draft.expect(index.host, network)
        release = StampNetwork(uuid=network.uuid, name=network.name, stamp_xml=None, live=network.active)
        context.draft.step(key, "forget", release, host=index.host)
    for entry in (*entries, *carried):
        _forget(entry_key(entry), index=index, context=context, protect=entry.protect)
        context.draft.forget(entry, host=index.host)
    left = replace(
        remains,
        domains=tuple(item for item in remains.domains if item not in domains),
        networks=tuple(item for item in remains.networks if item not in networks),
        entries=tuple(entry for entry in remains.entries if entry.slot not in forgotten),
    )
    for key, what in _taken(left, domains, used=used, forgotten=forgotten, index=index):
        context.draft.errors.append(
            ConflictError(
                f"{key} cannot be deleted: {what} stays on host {index.host} and needs it",
                resolution="set retain_on_delete=True on it too, and apply that before it leaves the program",
            )
        )
    return left


def _forget(key: Key, *, index: HostIndex, context: Context, protect: bool) -> None:
    check_loss(key, protect=protect, data=False, what="cannot leave the stack", context=context)
    if not context.draft.changed(key, host=index.host):
        field = FieldChange(path="stack", before=str(context.stack), after=None, disruption=Disruption.NONE)
        context.draft.change(key, host=index.host, operation=Operation.UPDATE, fields=[field], reasons=[_REASON])


def _used_paths(domains: list[ObservedDomain], entries: list[LedgerEntry], *, index: HostIndex) -> set[str]:
    """The files that the retained guests have, and those below the retained volumes."""
    used: set[str] = set()
    for domain in domains:
        for config in (domain.config, domain.live or domain.config):
            used |= {path for disk in config.disks for path in (disk.path, disk.backing_path) if path}
    grown = [path for entry in entries if (path := index.volume_path(entry.slot)) is not None] + list(used)
    while grown:
        path = grown.pop()
        below = [base for base, slots in index.backed.items() if any(index.volume_path(slot) == path for slot in slots)]
        grown += [base for base in below if base not in used]
        used.update(below)
    return used


def _taken(
    left: Remains,
    domains: list[tuple[Key, ObservedDomain]],
    *,
    used: set[str],
    forgotten: set[tuple[str, str]],
    index: HostIndex,
) -> Iterator[tuple[Key, str]]:
    for entry in left.entries:
        if entry.role == "volume" and index.volume_path(entry.slot) in used:
            yield entry_key(entry), "what is retained"
        if entry.role == "pool" and any(pool == entry.pool and label for pool, label in forgotten):
            yield entry_key(entry), "a retained volume"
    for key, network in left.networks:
        users = [str(user) for user, domain in domains if has_nic_on(domain, network)]
        if users:
            yield key, users[0]
