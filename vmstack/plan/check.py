"""The validity check of a finished plan: what must hold of every plan, whatever made it.

It judges the result by itself, from other ends than the planning, so that a slip there becomes an error here and not
a deed on a host.
"""

from collections.abc import Iterator
from typing import Final

from vmstack.errors import InternalError
from vmstack.model.effects import (
    CopyVolume,
    CreateVolume,
    DefineDomain,
    DefineNetwork,
    DefinePool,
    DeleteVolume,
    PowerOffDomain,
    RemovePool,
    UndefineDomain,
    UndefineNetwork,
    UploadImage,
    UploadSeed,
)
from vmstack.model.identity import Kind
from vmstack.model.ownership import EntryState
from vmstack.model.plan import Change, Disruption, Operation, Plan, Step

_REMOVALS: Final = (RemovePool, UndefineNetwork, UndefineDomain)
_SHOWN_FAULTS: Final = 20


def check_plan(plan: Plan) -> None:
    """Raise `InternalError` naming every rule that the plan breaks."""
    faults = list(_faults(plan))
    if faults:
        raise InternalError(
            "the plan fails its own validity check, so it is not used",
            details=faults[:_SHOWN_FAULTS],
            resolution="report this with the program and the output of --json",
        )


def _faults(plan: Plan) -> Iterator[str]:
    yield from _order_faults(plan)
    changes = {(change.host, change.key): change for change in plan.changes}
    if len(changes) != len(plan.changes):
        yield "two changes speak of one resource on one host"
    pending = {(intent.host, entry.slot) for intent in plan.intents for entry in intent.entries}
    for step in plan.steps:
        change = changes.get((step.host, step.key))
        if change is None:
            yield f"step {step.id}: no change says that {step.key} is touched"
            continue
        yield from _step_faults(step, change, plan=plan, pending=pending)
    for change in plan.changes:
        if change.operation is Operation.NOOP:
            yield f"{change.key}: a change that changes nothing"
        if any(field.disruption.rank > change.disruption.rank for field in change.fields):
            yield f"{change.key}: a field is more disruptive than its change says"
    yield from _roll_faults(plan)
    hosts = set(plan.ledgers) & set(plan.releases)
    if hosts:
        yield f"the ledger of {', '.join(sorted(hosts))} is both kept and removed"


def _roll_faults(plan: Plan) -> Iterator[str]:
    steps = {step.id: step for step in plan.steps}
    held: set[str] = set()
    for roll in plan.rolls:
        if roll.limit < 1 or len(roll.keys) != len(roll.units):
            yield f"group {roll.group}: its roll is not well formed"
        for key, unit in zip(roll.keys, roll.units, strict=False):
            if held.intersection(unit) or not steps.keys() >= set(unit):
                yield f"group {roll.group}: the steps of {key} are not its own"
                continue
            held.update(unit)
            within = frozenset(unit)
            outside = [frozenset(steps[id_].needs) - within for id_ in unit]
            first = [needs for id_, needs in zip(unit, outside, strict=True) if needs == frozenset(steps[id_].needs)]
            if any(frozenset().union(*outside) - needs for needs in first):
                yield f"group {roll.group}: {key} would wait for something else while it is down"


def _order_faults(plan: Plan) -> Iterator[str]:
    seen: set[str] = set()
    for step in plan.steps:
        if step.id in seen:
            yield f"step {step.id} is there twice"
        for need in step.needs:
            if need not in seen:
                yield f"step {step.id} needs {need}, which does not come before it"
        seen.add(step.id)


def _step_faults(step: Step, change: Change, *, plan: Plan, pending: set[tuple[str, tuple[str, str]]]) -> Iterator[str]:
    effect = step.effect
    if isinstance(effect, DeleteVolume) and not _may_delete(step, change):
        yield f"step {step.id}: deletes volume {effect.volume}, and no change of class data-loss says so"
    if isinstance(effect, CreateVolume | CopyVolume):
        slot = (effect.pool, effect.volume)
        replaced = change.operation is Operation.REPLACE
        if (step.host, slot) not in pending and not replaced:
            yield f"step {step.id}: creates volume {effect.volume}, which no ledger expects"
    if isinstance(effect, UploadImage) and effect.image not in plan.payload.images:
        yield f"step {step.id}: uploads image {effect.image}, of which the plan has nothing"
    if isinstance(effect, UploadSeed) and effect.digest not in plan.payload.seeds:
        yield f"step {step.id}: uploads a seed of which the plan has nothing"
    if isinstance(effect, UploadImage) and step.key.kind is not Kind.IMAGE and not _made_before(step, plan=plan):
        yield f"step {step.id}: writes over a volume that is no base image"
    if isinstance(effect, UploadSeed) and step.key.kind is not Kind.SEED:
        yield f"step {step.id}: writes over a volume that is no seed"
    if isinstance(effect, _REMOVALS) and change.operation is not Operation.DELETE and not _redefined(step, plan=plan):
        yield f"step {step.id}: removes {step.key}, and its change says {change.operation.value}"
    harmless = (Disruption.NONE, Disruption.LIVE, Disruption.NEXT_BOOT)
    if isinstance(effect, PowerOffDomain) and change.disruption in harmless:
        yield f"step {step.id}: powers a guest off, and its change says {change.disruption.value}"
    for mark in step.marks:
        if mark.action == "ready" and mark.entry.state is not EntryState.READY:
            yield f"step {step.id}: marks a pending entry as ready"
        if mark.action == "pending" and mark.entry.state is not EntryState.PENDING:
            yield f"step {step.id}: marks a ready entry as pending"


def _may_delete(step: Step, change: Change) -> bool:
    """Seeds, base images and volumes that never became ready hold nothing of a guest's."""
    if step.key.kind in (Kind.SEED, Kind.IMAGE) or change.disruption is Disruption.DATA_LOSS:
        return True
    forgotten = [mark.entry for mark in step.marks if mark.action == "forget"]
    unfinished = bool(forgotten) and all(entry.state is EntryState.PENDING for entry in forgotten)
    # An interrupted copy is deleted and copied again.
    redone = change.operation is Operation.CREATE and not forgotten
    return unfinished or redone


def _made_before(step: Step, *, plan: Plan) -> bool:
    """Whether the volume that an upload writes to is made by the step right before it."""
    effect = step.effect
    return isinstance(effect, UploadImage) and any(
        isinstance(other.effect, CreateVolume)
        and (other.host, other.effect.pool, other.effect.volume) == (step.host, effect.pool, effect.volume)
        and other.id in step.needs
        and other.key == step.key
        for other in plan.steps
    )


def _redefined(step: Step, *, plan: Plan) -> bool:
    """Whether an object is defined again after its removal, as a rename does, or the move of an empty pool."""
    return any(
        isinstance(other.effect, DefineNetwork | DefineDomain | DefinePool)
        and step.id in other.needs
        and other.key == step.key
        for other in plan.steps
    )
