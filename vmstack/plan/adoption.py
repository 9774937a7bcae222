"""Taking over what others made: stamps and ledger entries, and nothing else of any object."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from vmstack.errors import VmstackError, raise_all
from vmstack.model.claims import Claim, SeedContent, Unclaimed
from vmstack.model.effects import AnyEffect, StampDomain, StampNetwork
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts, Observed, ObservedDomain, ObservedNetwork
from vmstack.model.ownership import Ledger
from vmstack.model.plan import Disruption, FieldChange, Operation, Plan
from vmstack.model.specs import VolumeSource
from vmstack.plan.catalog import Catalog, catalogue
from vmstack.plan.check import check_plan
from vmstack.plan.claims import Matches
from vmstack.plan.draft import Draft
from vmstack.plan.index import Slot, index_host
from vmstack.plan.outputs import kept_outputs, stored_outputs
from vmstack.plan.planner import decide, make_plan, open_context
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.settling import settle
from vmstack.plan.takeover import Takeover, Taking, suppose
from vmstack.xmlio.stamp import write_stamp

# What the program would change afterwards is shown whatever it does; applying it asks for its own leave.
_SHOW_ALL = PlanPolicy(allow_data_loss=True)


@dataclass(frozen=True, slots=True)
class Adoption:
    """`plan` takes over; `after` is what a plan after it would do, or `trouble` why there would be none.

    `blocked`: the trouble is such that nothing can be taken over before it is mended, and `plan` is empty.
    `held` is the stack's already, `absent` is on no host, `missing` the state does not have, and `strangers` and
    `unclaimed` the program does not have or vmstack does not know.
    """

    plan: Plan
    after: Plan | None
    trouble: VmstackError | None
    blocked: bool
    takings: tuple[Taking, ...]
    held: tuple[Key, ...]
    absent: tuple[tuple[Key, Claim], ...]
    missing: tuple[Key, ...]
    strangers: tuple[Claim, ...]
    unclaimed: tuple[Unclaimed, ...]


@dataclass(frozen=True, slots=True)
class Supposed:
    """The hosts as they would be with everything taken over, and the graph as it would be then."""

    takeover: Takeover
    desired: DesiredGraph
    observed: Observed


def suppose_adoption(
    desired: DesiredGraph,
    observed: Observed,
    *,
    matches: Matches,
    contents: Mapping[tuple[str, Slot], SeedContent],
) -> Supposed:
    """Find everything that is claimed. Pure.

    `contents` are the documents on the disks that cloud-init reads, by host and volume. Raises `RefusedError` or
    `ConflictError` for what others own, or what cannot be taken over as the program has it.
    """
    indexes = {host: index_host(snapshot, stack=desired.stack) for host, snapshot in sorted(observed.hosts.items())}
    takeover = Takeover(catalog=catalogue(desired), indexes=indexes, matches=matches, contents=contents)
    takeover.find()
    raise_all(takeover.errors)
    supposed = suppose(observed, takeover.takings, ledger=Ledger(stack=desired.stack))
    return Supposed(takeover=takeover, desired=settle(desired, supposed), observed=supposed)


def plan_adoption(
    desired: DesiredGraph,
    observed: Observed,
    *,
    supposed: Supposed,
    images: Mapping[str, ImageFacts],
    only: frozenset[Key] | None = None,
) -> Adoption:
    """Plan the taking over of what was found. Pure.

    `images` holds the facts of the images that the supposed graph needs. `only` are the resources that must be right
    for it, where something else of the program may be taken over later.
    """
    takeover, stack = supposed.takeover, desired.stack
    takings = _with_digests(takeover, images=images)
    after = trouble = None
    plan = Plan(stack=stack)
    part = supposed.desired if only is None else part_of(supposed.desired, keys=only)
    try:
        takings = _as_wanted(takings, observed=observed, desired=part, images=images)
    except VmstackError as error:
        trouble, blocked = error, True
    else:
        blocked = False
        held = suppose(observed, takings, ledger=Ledger(stack=stack))
        final = settle(desired, held)
        ledgers = [snapshot.ledger for snapshot in observed.hosts.values() if snapshot.ledger is not None]
        final = msgspec.structs.replace(final, outputs=kept_outputs(final.outputs, ledgers=ledgers))
        after, trouble = _look_ahead(final, _concluded(held, final), images=images)
        plan = _plan(takings, takeover=takeover, desired=final, after=after)
        check_plan(plan)
    return Adoption(
        plan=plan,
        after=after,
        trouble=trouble,
        blocked=blocked,
        takings=tuple(sorted(takings, key=lambda taking: (taking.key, taking.host))),
        held=tuple(sorted(takeover.held)),
        absent=tuple(sorted(takeover.absent, key=lambda item: item[0])),
        missing=takeover.matches.missing,
        strangers=takeover.matches.strangers,
        unclaimed=takeover.matches.unclaimed,
    )


def part_of(desired: DesiredGraph, *, keys: frozenset[Key]) -> DesiredGraph:
    """The graph with these resources alone, and all that they need."""
    needs = {resource.key: resource.needs for resource in desired.resources}
    found: set[Key] = set()
    left = [key for key in keys if key in needs]
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += needs[key]
    return msgspec.structs.replace(
        desired, resources=tuple(resource for resource in desired.resources if resource.key in found)
    )


def _as_wanted(
    takings: list[Taking], *, observed: Observed, desired: DesiredGraph, images: Mapping[str, ImageFacts]
) -> list[Taking]:
    """The takings with the stamps and entries that a plan would want. Raises what such a plan raises."""
    supposed = suppose(observed, takings, ledger=Ledger(stack=desired.stack))
    context = open_context(desired, supposed, policy=_SHOW_ALL, images=images)
    decided = decide(context)
    context.draft.raise_errors()
    entries = {(fate.host, fate.slot): fate.entry for fate in decided.volumes.values()}
    result = []
    for taking in takings:
        name = taking.key.name
        if taking.stamp is not None:
            of_network = isinstance(taking.thing, ObservedNetwork)
            wanted = decided.around.networks[name].stamp if of_network else decided.machines[name].stamp
            result.append(replace(taking, stamp=msgspec.structs.replace(wanted, protect=taking.stamp.protect)))
        elif taking.entry is not None and taking.entry.role == "volume":
            entry = entries[taking.host, taking.entry.slot]
            entry = msgspec.structs.replace(entry, protect=taking.entry.protect, adopted=True)
            result.append(replace(taking, entry=entry))
        else:
            result.append(taking)
    return result


def _with_digests(takeover: Takeover, *, images: Mapping[str, ImageFacts]) -> list[Taking]:
    """The takings, whose volumes hold what the program says that they were made from: nobody can tell otherwise."""
    return [
        replace(taking, entry=msgspec.structs.replace(taking.entry, sha256=digest))
        if taking.entry is not None and (digest := _digest(taking, catalog=takeover.catalog, images=images)) is not None
        else taking
        for taking in takeover.takings
    ]


def _digest(taking: Taking, *, catalog: Catalog, images: Mapping[str, ImageFacts]) -> str | None:
    """The digest of the image that a volume came from, by way of the volumes that it is over."""
    volume = taking.key.name if taking.key.kind is Kind.VOLUME else None
    while volume is not None:
        spec = catalog.volumes[volume]
        if spec.image is not None:
            return images[spec.image].sha256
        volume = spec.base if spec.source is VolumeSource.OVERLAY else None
    return None


def _concluded(observed: Observed, desired: DesiredGraph) -> Observed:
    """The hosts with the outputs in their ledgers, as a finished run leaves them."""
    outputs = stored_outputs(desired.outputs)
    return Observed(
        hosts={
            host: snapshot
            if snapshot.ledger is None
            else msgspec.structs.replace(snapshot, ledger=msgspec.structs.replace(snapshot.ledger, outputs=outputs))
            for host, snapshot in observed.hosts.items()
        }
    )


def _look_ahead(
    desired: DesiredGraph, observed: Observed, *, images: Mapping[str, ImageFacts]
) -> tuple[Plan | None, VmstackError | None]:
    try:
        return make_plan(desired, observed, policy=_SHOW_ALL, images=images), None
    except VmstackError as error:
        return None, error


def _plan(takings: list[Taking], *, takeover: Takeover, desired: DesiredGraph, after: Plan | None) -> Plan:
    draft = Draft()
    for taking in takings:
        _take(taking, draft=draft, catalog=takeover.catalog)
    hosts = sorted({taking.host for taking in takings})
    for host in hosts:
        draft.expect_ledger(host, name=str(desired.stack), digest=takeover.indexes[host].ledger_digest)
    return Plan(
        stack=desired.stack,
        changes=draft.changes(),
        steps=draft.steps(),
        intents=draft.intents(),
        expectations=draft.expectations(),
        outputs=dict(sorted(desired.outputs.items())),
        ledgers=(after.ledgers if after is not None else tuple(hosts)) if takings else (),
        diagnostics=draft.diagnostics(),
        unchanged=len(takeover.held),
    )


def _take(taking: Taking, *, draft: Draft, catalog: Catalog) -> None:
    key, host, thing = taking.key, taking.host, taking.thing
    draft.expect(host, thing)
    if taking.entry is not None:
        draft.intend(taking.entry, host=host)
    if taking.stamp is not None:
        effect: AnyEffect
        xml = write_stamp(taking.stamp)
        if isinstance(thing, ObservedDomain):
            effect = StampDomain(uuid=thing.uuid, name=thing.name, stamp_xml=xml, live=thing.active)
            draft.step(key, "stamp", effect, host=host)
        elif isinstance(thing, ObservedNetwork):
            effect = StampNetwork(uuid=thing.uuid, name=thing.name, stamp_xml=xml, live=thing.active)
            draft.step(key, "stamp", effect, host=host)
    draft.change(
        key,
        host=host,
        operation=Operation.ADOPT,
        fields=(FieldChange(path="name", before=None, after=thing.name, disruption=Disruption.NONE),),
        place=catalog.place(*key),
    )
