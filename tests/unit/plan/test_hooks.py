"""Hooks in every plan of the cases: it stays valid, and they come before and after all of their resource."""

import json
from pathlib import Path
from typing import get_args

import pytest

from tests.unit.plan.test_cases import CASES, plan_of
from vmstack.errors import VmstackError
from vmstack.model.effects import RunHook
from vmstack.model.hooks import Hook, HookEvent
from vmstack.model.plan import Operation, Plan
from vmstack.plan.check import check_plan
from vmstack.plan.hooks import with_hooks

HOOKS = tuple(Hook(event=event, name="h", urn="urn") for event in get_args(HookEvent))
EVENTS = {
    Operation.CREATE: ["before_create", "after_create"],
    Operation.UPDATE: ["before_update", "after_update"],
    Operation.REPLACE: ["before_delete", "before_create", "after_delete", "after_create"],
    Operation.DELETE: ["before_delete", "after_delete"],
}


def needed(plan: Plan, step: str) -> set[str]:
    """All that a step needs, and what that needs."""
    needs = {one.id: one.needs for one in plan.steps}
    found: set[str] = set()
    todo = [step]
    while todo:
        todo += [need for need in needs[todo.pop()] if need not in found and not found.add(need)]
    return found


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_hooks_enclose_their_resource(path: Path) -> None:
    try:
        bare = plan_of(json.loads(path.read_text()))
    except VmstackError:
        return
    plan = with_hooks(bare, hooks={change.key: HOOKS for change in bare.changes})
    check_plan(plan)
    assert [step.id for step in plan.steps if not isinstance(step.effect, RunHook)] == [step.id for step in bare.steps]
    for change in bare.changes:
        own = [step.id for step in bare.steps if (step.host, step.key) == (change.host, change.key)]
        ran = [step for step in plan.steps if (step.host, step.key) == (change.host, change.key) and step.id not in own]
        assert [step.effect.hook.event for step in ran] == (EVENTS.get(change.operation, []) if own else [])
        for step in ran:
            if step.effect.hook.event.startswith("before"):
                assert all(step.id in needed(plan, other) for other in own)
            else:
                assert set(own) <= needed(plan, step.id)
    assert with_hooks(bare, hooks={}) is bare
