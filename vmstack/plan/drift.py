"""Drift of a whole stack: what others changed since the last apply, and what the next one would do about it."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from vmstack.errors import ErrorGroup, VmstackError
from vmstack.model.drift import Drift, DriftKind, DriftReport, Remedy
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.ownership import Stamp
from vmstack.model.plan import HIDDEN, Change, Disruption, Operation, Plan
from vmstack.model.specs import NetworkMode
from vmstack.plan.applied import AppliedDomain, AppliedNetwork, read_applied
from vmstack.plan.changes.table import worst
from vmstack.plan.context import Context
from vmstack.plan.drift_policy import Policy, policies_of, policy_of, policy_of_extra
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import HostIndex
from vmstack.plan.machine_drift import Found, find_machine_drift
from vmstack.plan.network_drift import find_network_drift
from vmstack.plan.overwriting import survives
from vmstack.plan.planner import make_plan, open_context
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.renames import find_renames, rename
from vmstack.plan.stamps import BY_HAND
from vmstack.plan.storage_drift import find_storage_drift
from vmstack.plan.styling import bears_stylesheet

_FOR_GOOD: Final = "it is made anew, with --allow-data-loss, and what was in it is gone"
_STRICT: Final = PlanPolicy()
_LENIENT: Final = PlanPolicy(allow_data_loss=True)
# What the plan changes, by host and key.
_Changes = Mapping[tuple[str, Key], Change]
# A maximum that only follows its field is told by that field alone in a plan.
_MAXIMA: Final = {"max_vcpus": "vcpus", "max_memory": "memory"}
# What a plan names by a field of its own when it is put right.
_HAVE_FIELDS: Final = frozenset(
    {DriftKind.FIELD, DriftKind.POWER, DriftKind.AUTOSTART, DriftKind.EXTRA, DriftKind.PENDING}
)


def find_drift(desired: DesiredGraph, observed: Observed, *, images: Mapping[str, ImageFacts]) -> DriftReport:
    """Find what others changed since the last apply. Pure; nothing that the program changed is in it.

    `desired` is placed and settled. A plan that is refused is no error here: the report says so. What the program has
    under another name by an alias is told of by that.
    """
    named = rename(observed, find_renames(desired, observed), desired=desired)
    context = open_context(desired, named, policy=_STRICT, images=images)
    plan, refusals = _try_to_plan(desired, observed, images=images)
    changes = None if plan is None else {(change.host, change.key): change for change in plan.changes}
    items: list[Drift] = []
    unknown: list[Key] = []
    for host, index in context.indexes.items():
        for key, found in _on_host(index, context=context, changes=changes, unknown=unknown):
            item = _judge(key, found, host=host, changes=changes, context=context)
            if item is not None:
                items.append(item)
    return DriftReport(
        stack=desired.stack,
        items=tuple(sorted(items, key=lambda item: (item.key, item.host, item.kind, item.path))),
        runs={
            host: snapshot.ledger.last_run if snapshot.ledger is not None else None
            for host, snapshot in sorted(observed.hosts.items())
        },
        refusals=refusals,
        unknown=tuple(sorted(unknown)),
    )


def _try_to_plan(
    desired: DesiredGraph, observed: Observed, *, images: Mapping[str, ImageFacts]
) -> tuple[Plan | None, tuple[str, ...]]:
    """What apply would do, and why it would not: what it refuses for the loss of data alone, it does with leave."""
    refusals: tuple[str, ...] = ()
    for policy in (_STRICT, _LENIENT):
        try:
            return make_plan(desired, observed, policy=policy, images=images), refusals
        except VmstackError as error:
            errors = error.errors if isinstance(error, ErrorGroup) else (error,)
            refusals = refusals or tuple(one.brief for one in errors)
    return None, refusals


def _on_host(
    index: HostIndex, *, context: Context, changes: _Changes | None, unknown: list[Key]
) -> Iterator[tuple[Key, Found]]:
    owned = [*index.own_domains.items(), *index.own_networks.items()]
    if not index.has_ledger and owned:
        lost = Found(DriftKind.LEDGER, "ledger", "present", None, note="nothing says which volumes are the stack's")
        yield Key(Kind.HOST, index.host), lost
    yield from find_storage_drift(index, catalog=context.catalog)
    yield from _machines(index, context=context, changes=changes, unknown=unknown)
    yield from _networks(index, context=context, unknown=unknown)


def _machines(
    index: HostIndex, *, context: Context, changes: _Changes | None, unknown: list[Key]
) -> Iterator[tuple[Key, Found]]:
    for name, spec in context.catalog.vms.items():
        key, domain = Key(Kind.VM, name), index.own_domains.get(name)
        if spec.host != index.host:
            continue
        if domain is None:
            if str(key) in index.made:
                yield key, Found(DriftKind.MISSING, "domain", spec.label, None)
            continue
        yield from ((key, found) for found in _stamp(domain.stamp))
        ignored = ignored_fields(context.catalog.options(Kind.VM, name).ignore_changes)
        applied = read_applied(domain.stamp, AppliedDomain)
        change = (changes or {}).get((index.host, key))
        if applied is None and domain.stamp is not None and not domain.stamp.intact:
            # Nothing tells what was applied; what is not as the program says is taken for a change by the same hands.
            yield from ((key, found) for found in _planned(change))
        elif applied is None:
            # By the digest the plan knows whether the program is still what was applied.
            if change is not None and BY_HAND in change.reasons:
                yield from ((key, found) for found in _planned(change))
            elif change is not None:
                unknown.append(key)
        else:
            names = {nic.mac: nic.name for nic in spec.nics}
            found_here = find_machine_drift(domain, applied, ignored=ignored, nic_names=names)
            yield from ((key, found) for found in found_here)
            if change is not None and BY_HAND in change.reasons:
                yield from ((key, found) for found in _planned(change) if found.path.startswith("stylesheet"))


def _networks(index: HostIndex, *, context: Context, unknown: list[Key]) -> Iterator[tuple[Key, Found]]:
    for name, spec in context.catalog.networks.items():
        key, network = Key(Kind.NETWORK, name), index.own_networks.get(name)
        if spec.host != index.host or spec.mode is NetworkMode.EXISTING:
            continue
        if network is None:
            if str(key) in index.made:
                yield key, Found(DriftKind.MISSING, "network", spec.label, None)
            continue
        yield from ((key, found) for found in _stamp(network.stamp))
        ignored = ignored_fields(context.catalog.options(Kind.NETWORK, name).ignore_changes)
        applied = read_applied(network.stamp, AppliedNetwork)
        if applied is not None:
            yield from ((key, found) for found in find_network_drift(network, applied, ignored=ignored))
        elif network.stamp is not None and network.stamp.intact:
            unknown.append(key)


def _stamp(stamp: Stamp | None) -> Iterator[Found]:
    if stamp is not None and not stamp.intact:
        now = "changed" if stamp.digest else None
        yield Found(DriftKind.STAMP, "stamp", "as vmstack wrote it", now, note="no field that it lists is believed")


def _planned(change: Change | None) -> Iterator[Found]:
    """What the plan changes of an object, as what others changed of it."""
    for field in change.fields if change is not None else ():
        kind = {"power": DriftKind.POWER, "autostart": DriftKind.AUTOSTART}.get(field.path, DriftKind.FIELD)
        yield Found(kind, field.path, field.after, field.before)


def _judge(key: Key, found: Found, *, host: str, changes: _Changes | None, context: Context) -> Drift | None:
    """The drift with what apply does about it; `None` where the program says the same, or wants to hear nothing."""
    policies = policies_of(key, context=context)
    policy = _policy(found, policies)
    if policy == "ignore":
        return None
    item = Drift(
        key=key,
        host=host,
        kind=found.kind,
        path=found.path,
        was=found.was,
        now=found.now,
        note=found.note,
        place=context.catalog.place(key.kind, key.name),
    )
    hidden = ignored_fields(context.catalog.options(key.kind, key.name).hide_diffs)
    if is_ignored(found.path, ignored=hidden):
        hide = {name: None if getattr(item, name) is None else HIDDEN for name in ("was", "now")}
        item = msgspec.structs.replace(item, **hide, note=None)
    if policy == "report" and found.kind is DriftKind.EXTRA:
        return _extra(item, change=(changes or {}).get((host, key)), context=context)
    if policy == "report" and found.kind is DriftKind.PENDING:
        return item
    if changes is None:
        return msgspec.structs.replace(item, remedy=Remedy.REFUSED)
    change = changes.get((host, key))
    if change is None:
        # Either the program has come to say the same, or it says that this is left alone.
        return item if policy == "report" else _left(item, context=context)
    told_by = (found.path, _MAXIMA.get(found.path))
    field = next((field for field in change.fields if field.path in told_by), None)
    if field is not None:
        return _repaired(item, worst((field.disruption, _loss_of(change))))
    if found.kind in (DriftKind.STAMP, DriftKind.DEFINITION):
        return _repaired(item, Disruption.NONE)  # whatever else happens to it
    restarts = found.kind is DriftKind.POWER and change.disruption is Disruption.RESTART
    if (
        restarts
        or found.kind not in _HAVE_FIELDS
        or change.operation in (Operation.CREATE, Operation.REPLACE, Operation.DELETE)
    ):
        return _repaired(item, change.disruption)
    return item if policy == "report" else _left(item, context=context)


def _extra(item: Drift, *, change: Change | None, context: Context) -> Drift:
    """What others added, with what becomes of it when a definition is written whole, which keeps not all of it."""
    domain = context.indexes[item.host].own_domains.get(item.key.name) if item.key.kind is Kind.VM else None
    if domain is None or survives(item.path):
        return item
    note = None
    field = None if change is None else next((one for one in change.fields if one.path == item.path), None)
    if field is not None:
        return _repaired(item, field.disruption)
    if bears_stylesheet(domain):
        note = "goes when a change has its definition written whole"
    return msgspec.structs.replace(item, note=note)


def _loss_of(change: Change) -> Disruption:
    """The class of a volume that is made anew, whichever of its fields asks for that."""
    lost = change.key.kind is Kind.VOLUME and change.disruption is Disruption.DATA_LOSS
    return Disruption.DATA_LOSS if lost else Disruption.NONE


def _repaired(item: Drift, disruption: Disruption) -> Drift:
    note = item.note
    if disruption is Disruption.DATA_LOSS:
        note = "; ".join(
            filter(None, (note, "what is gone does not come back: it is made anew, with --allow-data-loss"))
        )
    return msgspec.structs.replace(item, remedy=Remedy.REPAIR, disruption=disruption, note=note)


def _policy(found: Found, policies: Mapping[str, Policy]) -> Policy:
    """What the program says of it. An object that is gone or off, or has lost its stamp, is always put right."""
    if found.kind is DriftKind.EXTRA:
        return policy_of_extra(found.path, policies)
    if found.kind in (DriftKind.FIELD, DriftKind.POWER, DriftKind.AUTOSTART, DriftKind.PENDING):
        return policy_of(found.path, policies)
    return "repair"


def _left(item: Drift, *, context: Context) -> Drift | None:
    """What apply leaves as it is: nothing that the program has come to say itself is drift."""
    wanted = item.key in context.catalog.resources
    if wanted and item.kind in (DriftKind.FIELD, DriftKind.POWER, DriftKind.AUTOSTART):
        return None
    return item
