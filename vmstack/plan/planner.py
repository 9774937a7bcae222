"""Make a plan: the difference between what a stack wants and what the hosts hold, as ordered steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.plan import HIDDEN, Change, Payload, Plan
from vmstack.plan.base_plan import Base, plan_bases
from vmstack.plan.capacity import check_capacity
from vmstack.plan.catalog import catalogue
from vmstack.plan.check import check_plan
from vmstack.plan.context import Context
from vmstack.plan.deletions import plan_deletions
from vmstack.plan.gates import (
    check_empty,
    check_files,
    check_refused,
    check_remade,
    check_replacements,
    check_saved_states,
    check_slots,
)
from vmstack.plan.held import check_held
from vmstack.plan.hooks import with_hooks
from vmstack.plan.host_limits import check_limits
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import index_host
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.machine_steps import plan_machines, plan_stops, stops_by_network
from vmstack.plan.machine_wish import Surroundings
from vmstack.plan.machines import decide_machines
from vmstack.plan.made import made_by_host
from vmstack.plan.network_steps import plan_networks
from vmstack.plan.networks import NetworkFate, decide_networks
from vmstack.plan.outputs import last_outputs, outputs_after, stored_outputs
from vmstack.plan.placement import place
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.pools import plan_pools
from vmstack.plan.premises import check_premises
from vmstack.plan.proposals import propose_aliases
from vmstack.plan.remains import Wanted, wanted_slots
from vmstack.plan.remaking import find_followers, find_remade
from vmstack.plan.renames import find_renames, plan_renames, rename
from vmstack.plan.restart_gates import check_deferred, check_taken
from vmstack.plan.rolling import group_sizes, plan_rolls
from vmstack.plan.seed_plan import decide_ignitions, decide_seeds, plan_seeds, reseeded_volumes
from vmstack.plan.selection import Chosen, choose, describe_selection
from vmstack.plan.settling import settle
from vmstack.plan.space import check_space
from vmstack.plan.unheeded import check_cells, check_port_groups
from vmstack.plan.volume_fate import Fate, VolumeFate
from vmstack.plan.volume_steps import plan_volumes
from vmstack.plan.volumes import decide_volumes


def make_plan(
    desired: DesiredGraph, observed: Observed, *, policy: PlanPolicy, images: Mapping[str, ImageFacts]
) -> Plan:
    """Plan everything that makes the hosts what the stack wants. Pure and deterministic.

    `desired` has passed `check_graph`; `images` holds the facts of all images that volumes are made from (none are
    needed to destroy). Raises `ConflictError`, `InputError` or `RefusedError`, several of them as an `ErrorGroup`.
    """
    place(desired, observed)
    renames = find_renames(desired, observed)
    observed = rename(observed, renames, desired=desired)
    desired = settle(desired, observed)
    chosen = choose(desired, observed, policy=policy)
    context, decided = _decide_all(desired, observed, policy=policy, images=images, chosen=chosen)
    draft, machines, volumes = context.draft, decided.machines, decided.volumes
    check_capacity(machines.values(), context=context)
    check_limits(machines.values(), context=context)
    check_files(machines.values(), context=context)
    check_refused(machines.values(), context=context)
    check_cells(machines.values(), context=context)
    check_port_groups(decided.around.networks, context=context)
    check_saved_states(machines.values(), volumes=volumes, context=context)
    check_replacements(volumes, context=context)
    check_remade(machines.values(), context=context)
    check_deferred(machines.values(), context=context)
    draft.raise_errors()

    for warning in desired.warnings:
        draft.warn(warning)
    around = decided.around
    networks = around.networks
    carriers = (*around.seeds.values(), *around.ignitions.values())
    plan_stops(machines, around=around, context=context)
    plan_volumes(volumes, machines=machines, context=context)
    plan_seeds(carriers, context=context)
    plan_networks(networks, stops=stops_by_network(machines, networks=networks), context=context)
    releases = plan_machines(machines, context=context)
    slots = wanted_slots(context, bases=decided.bases.values(), volumes=volumes.values(), seeds=carriers)
    wanted = Wanted(stack=desired.stack, slots=slots, machines=machines, releases=releases)
    kept = plan_deletions(wanted, context=context)
    draft.check_relied()
    if chosen is not None or not context.whole:
        check_held(wanted, context=context)
    propose_aliases(context)
    draft.raise_errors()

    plan_renames(renames, context=context)
    if chosen is not None:
        describe_selection(chosen, context=context)
    made = made_by_host(
        decided.machines.values(), networks=networks.values(), context=context, observed=observed, renames=renames
    )
    hooks = {resource.key: resource.options.hooks for resource in desired.resources if resource.options.hooks}
    plan = with_hooks(_close(context, desired, observed, kept=kept, made=made), hooks=hooks)
    check_taken(plan.steps, context=context)
    plan = plan_rolls(plan, machines, sizes=group_sizes(desired), context=context)
    draft.raise_errors()
    check_plan(plan)
    return plan


@dataclass(frozen=True, slots=True)
class Decided:
    """What must happen to each resource, before it is said how."""

    bases: Mapping[tuple[str, str], Base]
    around: Surroundings
    machines: Mapping[str, MachineDecision]

    @property
    def volumes(self) -> Mapping[str, VolumeFate]:
        return self.around.volumes

    @property
    def replaced(self) -> frozenset[Key]:
        """What is there and is made anew."""
        return frozenset(
            (
                *(fate.key for fate in self.volumes.values() if fate.fate is Fate.REPLACE),
                *(net.key for net in self.around.networks.values() if net.fate is NetworkFate.REPLACE),
                *(machine.key for machine in self.machines.values() if machine.remade),
            )
        )


def _decide_all(
    desired: DesiredGraph,
    observed: Observed,
    *,
    policy: PlanPolicy,
    images: Mapping[str, ImageFacts],
    chosen: Chosen | None,
) -> tuple[Context, Decided]:
    """Decide, and again until nothing more is made anew together with something else that is (`replace_with`)."""
    followers: Mapping[Key, tuple[Key, ...]] = {}
    while True:
        context = open_context(desired, observed, policy=policy, images=images, followers=followers, chosen=chosen)
        decided = decide(context)
        found = find_followers(decided.replaced, context=context)
        if found == followers:
            return context, decided
        followers = found


def decide(context: Context) -> Decided:
    """Decide on everything that the program wants. Raises as `make_plan`, but for losses that were not allowed."""
    draft = context.draft
    check_premises(context)
    draft.raise_errors()
    check_empty(context)
    plan_pools(context)
    seeds = decide_seeds(context)
    ignitions = decide_ignitions(context)
    reseeded = reseeded_volumes(seeds, context=context)
    bases = plan_bases(context, reseeded=reseeded)
    volumes = decide_volumes(context, bases=bases, reseeded=reseeded)
    carriers = (*seeds.values(), *ignitions.values())
    check_slots(bases=bases.values(), seeds=carriers, volumes=volumes.values(), context=context)
    check_space(volumes.values(), bases=bases.values(), context=context)
    networks = decide_networks(context)
    draft.raise_errors()
    around = Surroundings(volumes=volumes, seeds=seeds, ignitions=ignitions, networks=networks)
    return Decided(bases=bases, around=around, machines=decide_machines(context, around=around))


def open_context(
    desired: DesiredGraph,
    observed: Observed,
    *,
    policy: PlanPolicy,
    images: Mapping[str, ImageFacts],
    followers: Mapping[Key, tuple[Key, ...]] | None = None,
    chosen: Chosen | None = None,
) -> Context:
    """Index the inputs of a planning. `desired` is settled, and `chosen` is what of it the plan is about."""
    wanted = desired if chosen is None else chosen.reduce(desired)
    selected = None if chosen is None else chosen.keys
    if policy.destroy:
        hosts = tuple(resource for resource in desired.resources if resource.key.kind is Kind.HOST)
        wanted = msgspec.structs.replace(desired, resources=hosts, outputs={})
    return Context(
        catalog=catalogue(wanted),
        indexes={host: index_host(snapshot, stack=desired.stack) for host, snapshot in sorted(observed.hosts.items())},
        policy=policy,
        images=images,
        whole=policy.destroy or desired.whole,
        order={resource.key: resource.needs for resource in desired.resources},
        followers=followers or {},
        remade=find_remade(desired, policy=policy, selected=selected),
        selected=selected,
    )


def _close(
    context: Context,
    desired: DesiredGraph,
    observed: Observed,
    *,
    kept: Mapping[str, int],
    made: Mapping[str, dict[str, int]],
) -> Plan:
    draft, catalog = context.draft, context.catalog
    ledgers_before = [snapshot.ledger for snapshot in observed.hosts.values() if snapshot.ledger is not None]
    partial = context.selected is not None
    outputs = outputs_after(desired.outputs, ledgers=ledgers_before, partial=partial, destroy=context.policy.destroy)
    inhabited = {pool.host for pool in catalog.pools.values()}
    inhabited |= {network.host for network in catalog.networks.values()}
    inhabited |= {vm.host for vm in catalog.vms.values()}
    ledgers = tuple(host for host in context.indexes if host in inhabited or kept[host])
    touched = draft.hosts()
    releases = tuple(
        host for host, index in context.indexes.items() if host not in ledgers and (index.has_ledger or host in touched)
    )
    stored = stored_outputs(outputs)
    intents = draft.intents()
    for host in touched | {intent.host for intent in intents}:
        draft.expect_ledger(host, name=str(context.stack), digest=context.indexes[host].ledger_digest)
    differ = False
    for host in ledgers:
        ledger = observed.hosts[host].ledger
        differ = differ or (not partial and (ledger is None or ledger.outputs != stored))
    return Plan(
        stack=desired.stack,
        changes=tuple(_masked(change, context=context) for change in draft.changes()),
        steps=draft.steps(),
        intents=intents,
        expectations=draft.expectations(),
        outputs=outputs,
        outputs_before=last_outputs(ledgers_before),
        stored_outputs_differ=differ,
        ledgers=ledgers,
        releases=releases,
        made={host: made[host] for host in ledgers if made.get(host)},
        diagnostics=draft.diagnostics(),
        unchanged=draft.unchanged,
        gaps=() if context.policy.destroy else desired.gaps,
        partial=partial,
        payload=Payload(
            images={name: draft.images[name] for name in sorted(draft.images)},
            seeds={digest: draft.seeds[digest] for digest in sorted(draft.seeds)},
            passwords=dict(sorted(draft.passwords.items())),
        ),
    )


def _masked(change: Change, *, context: Context) -> Change:
    """The change without the values that the program hides."""
    options = context.catalog.options(change.key.kind, change.key.name)
    hidden = ignored_fields(options.hide_diffs)
    if not hidden:
        return change
    fields = tuple(
        msgspec.structs.replace(
            field,
            before=None if field.before is None else HIDDEN,
            after=None if field.after is None else HIDDEN,
        )
        if is_ignored(field.path, ignored=hidden)
        else field
        for field in change.fields
    )
    return msgspec.structs.replace(change, fields=fields)
