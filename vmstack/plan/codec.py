"""The plan as JSON, for people and machines: deterministic, without XML, seeds and secrets."""

import re
from typing import Any, Final

import msgspec

from vmstack.model.effects import AnyEffect
from vmstack.model.plan import HIDDEN, Change, Diagnostic, FieldChange, Operation, Plan, Step
from vmstack.plan.summary import summarise

FORMAT_VERSION: Final = "1.0"
_ACTIONS: Final = {
    Operation.CREATE: ["create"],
    Operation.UPDATE: ["update"],
    Operation.REPLACE: ["delete", "create"],
    Operation.DELETE: ["delete"],
    Operation.ADOPT: ["adopt"],
    Operation.NOOP: ["no-op"],
}
# Documents, which are long and may hold what should not be in a log.
_DOCUMENTS: Final = ("xml", "stamp_xml")
_CAMEL: Final = re.compile(r"(?<!^)(?=[A-Z])")


def encode_plan(plan: Plan) -> bytes:
    """Return UTF-8 JSON, ended by a newline; equal plans give equal bytes. Nothing can be applied from it."""
    hidden = {change.key for change in plan.changes if any(HIDDEN in (one.before, one.after) for one in change.fields)}
    document = {
        "format_version": FORMAT_VERSION,
        "stack": {"project": plan.stack.project, "stack": plan.stack.stack},
        "summary": {**msgspec.structs.asdict(summarise(plan)), "unchanged": plan.unchanged},
        "changes": [_encode_change(change) for change in plan.changes],
        "steps": [_encode_step(step, hidden=step.key in hidden) for step in plan.steps],
        "rolls": [
            {"group": roll.group, "limit": roll.limit, "addresses": [str(key) for key in roll.keys]}
            for roll in plan.rolls
        ],
        "diagnostics": [_encode_diagnostic(found) for found in plan.diagnostics],
        "gaps": [
            {"what": gap.what, "hides": gap.hides, "address": None if gap.key is None else str(gap.key)}
            for gap in plan.gaps
        ],
        "outputs": {
            name: {"value": None if output.secret else output.value, "secret": output.secret}
            for name, output in sorted(plan.outputs.items())
        },
        "outputs_differ": plan.stored_outputs_differ,
        "partial": plan.partial,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def name_effect(effect: AnyEffect) -> str:
    """What an effect is called in JSON, such as `create_volume`."""
    return _CAMEL.sub("_", type(effect).__name__).lower()


def _encode_change(change: Change) -> dict[str, Any]:
    return {
        "address": str(change.key),
        "kind": change.key.kind.value,
        "name": change.key.name,
        "host": change.host,
        "actions": _ACTIONS[change.operation],
        "disruption": change.disruption.value,
        "fields": [_encode_field(field) for field in change.fields],
        "reasons": change.reasons,
        "place": None if change.place is None else {"file": change.place.file, "line": change.place.line},
    }


def _encode_field(field: FieldChange) -> dict[str, Any]:
    encoded = {
        "path": field.path,
        "before": field.before,
        "after": field.after,
        "disruption": field.disruption.value,
    }
    return encoded if field.note is None else {**encoded, "note": field.note}


def _encode_step(step: Step, *, hidden: bool) -> dict[str, Any]:
    values = msgspec.structs.asdict(step.effect)
    return {
        "id": step.id,
        "host": step.host,
        "address": str(step.key),
        "effect": name_effect(step.effect),
        # What changes a hidden field may carry its value.
        "arguments": {
            name: HIDDEN if hidden and value is not None else value
            for name, value in values.items()
            if name not in _DOCUMENTS
        },
        "needs": step.needs,
    }


def _encode_diagnostic(found: Diagnostic) -> dict[str, Any]:
    return {
        "severity": found.severity,
        "text": found.text,
        "address": None if found.key is None else str(found.key),
        "place": None if found.place is None else {"file": found.place.file, "line": found.place.line},
    }
