"""Functions of the program around the steps of a resource."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from vmstack.model.effects import RunHook
from vmstack.model.hooks import Hook, HookEvent
from vmstack.model.identity import Key
from vmstack.model.plan import Change, Operation, Plan, Step

_BEFORE: Final[Mapping[Operation, tuple[HookEvent, ...]]] = {
    Operation.CREATE: ("before_create",),
    Operation.UPDATE: ("before_update",),
    Operation.REPLACE: ("before_delete", "before_create"),
    Operation.DELETE: ("before_delete",),
}
_AFTER: Final[Mapping[Operation, tuple[HookEvent, ...]]] = {
    Operation.CREATE: ("after_create",),
    Operation.UPDATE: ("after_update",),
    Operation.REPLACE: ("after_delete", "after_create"),
    Operation.DELETE: ("after_delete",),
}


def with_hooks(plan: Plan, *, hooks: Mapping[Key, tuple[Hook, ...]]) -> Plan:
    """The plan with the hooks of the resources that it changes, one after the other, as steps of theirs.

    Those before it run when all is there that its first step waits for, and nothing of it happens unless they succeed.
    Those after it run when all of it is done, and whatever needs any of it and comes later waits for them.
    """
    if not hooks:
        return plan
    changes = []
    for change in plan.changes:
        wanted = hooks.get(change.key, ())
        first, last = (_chosen(change, wanted, events=events) for events in (_BEFORE, _AFTER))
        if (first or last) and any(_of(change, step) for step in plan.steps):
            plan = msgspec.structs.replace(plan, steps=_around(plan.steps, change, first=first, last=last))
            change = msgspec.structs.replace(change, reasons=(*change.reasons, *_reasons(first + last)))
        changes.append(change)
    return msgspec.structs.replace(plan, changes=tuple(changes))


def _chosen(
    change: Change, hooks: tuple[Hook, ...], *, events: Mapping[Operation, tuple[HookEvent, ...]]
) -> tuple[Hook, ...]:
    return tuple(hook for event in events.get(change.operation, ()) for hook in hooks if hook.event == event)


def _reasons(hooks: tuple[Hook, ...]) -> Iterator[str]:
    for hook in hooks:
        moment, _, _ = hook.event.partition("_")
        yield f"the program's hook {hook.name!r} runs {moment} it ({hook.event})"


def _of(change: Change, step: Step) -> bool:
    return (step.host, step.key) == (change.host, change.key)


def _around(
    steps: tuple[Step, ...], change: Change, *, first: tuple[Hook, ...], last: tuple[Hook, ...]
) -> tuple[Step, ...]:
    """The steps, in their order, with those of the hooks around the change's own."""
    own = [index for index, step in enumerate(steps) if _of(change, step)]
    earlier = {step.id for step in steps[: own[0]]}
    before = tuple(sorted({need for index in own for need in steps[index].needs if need in earlier}))
    opening = _chain(first, change, needs=before)
    mine = {steps[index].id for index in own}
    closing = _chain(last, change, needs=tuple(sorted(mine)))
    done: list[Step] = []
    for index, step in enumerate(steps):
        if index == own[0]:
            done += opening
        if opening and step.id in mine:
            step = _waiting(step, opening[-1])
        elif closing and index > own[-1] and mine & set(step.needs):
            step = _waiting(step, closing[-1])
        done.append(step)
        if index == own[-1]:
            done += closing
    return tuple(done)


def _chain(hooks: tuple[Hook, ...], change: Change, *, needs: tuple[str, ...]) -> list[Step]:
    chain: list[Step] = []
    for hook in hooks:
        effect = RunHook(hook=hook)
        id = f"{change.host}/{change.key}/hook:{hook.event}:{hook.name}"
        chain.append(Step(id=id, host=change.host, key=change.key, effect=effect, needs=needs))
        needs = (id,)
    return chain


def _waiting(step: Step, other: Step) -> Step:
    return msgspec.structs.replace(step, needs=tuple(sorted({*step.needs, other.id})))
