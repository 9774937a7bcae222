"""A saved plan: an approval of one plan, which holds nothing that could be executed, and no secret.

Applying it makes the plan again, from the program and from what the hosts hold then, and goes on only where that is the
very same plan. So whoever alters a file can make it be refused, and cannot make vmstack do anything else.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from vmstack.model.base import Data
from vmstack.model.graph import DesiredGraph, Output, Resource
from vmstack.model.identity import Key, StackId
from vmstack.model.plan import Change, Expectation, Payload, Plan
from vmstack.model.specs import ImageSpec
from vmstack.plan.limits import Limits
from vmstack.plan.policy import PlanPolicy

# What depends on where the program stands and on when it was planned, and not on what is planned.
_INCIDENTAL: Final = ("place", "timestamp", "diagnostics")


class HostMark(Data, frozen=True, kw_only=True):
    """Which machine a host of the program is. `uuid` is the machine's own, empty where it is not known."""

    uri: str
    uuid: str


class SavedPlan(Data, frozen=True, kw_only=True):
    """What a plan file says. `version` is vmstack's, `made` RFC 3339, UTC.

    `config` are the keys that `-c` set, whose values are not kept; `connect` tells whether `--connect` was given.
    `program` and `work` are proofs (`apply.seal`) of all that the program wants and of all that apply would do, made
    with `salt`. `view` is the plan as it is shown, `document` the same as JSON.
    """

    version: str
    made: str
    stack: StackId
    hosts: dict[str, HostMark]
    policy: PlanPolicy
    limits: Limits
    config: tuple[str, ...]
    connect: bool
    salt: str
    program: str
    work: str
    view: Plan
    document: dict[str, Any]


def view_of(plan: Plan) -> Plan:
    """The plan as it may be shown to anybody: without steps and payload, which may hold secrets, and secret outputs."""
    return msgspec.structs.replace(plan, steps=(), payload=Payload(), outputs=_public(plan.outputs))


def program_content(desired: DesiredGraph) -> bytes:
    """All that a program wants, for a proof: equal for equal wishes, wherever the project folder stands."""
    plain = msgspec.structs.replace(
        desired,
        resources=tuple(map(_unplaced, desired.resources)),
        outputs=_public(desired.outputs),
        warnings=(),
        gaps=tuple(msgspec.structs.replace(gap, place=None) for gap in desired.gaps),
    )
    return msgspec.json.encode(plain, order="deterministic")


def work_content(plan: Plan, *, policy: PlanPolicy, limits: Limits) -> bytes:
    """All that apply would do and go by, for a proof. Where an image's file is does not matter: its digest is there."""
    images = {name: msgspec.structs.replace(facts, path=None) for name, facts in plan.payload.images.items()}
    plain = msgspec.structs.replace(
        plan,
        changes=tuple(msgspec.structs.replace(change, place=None) for change in plan.changes),
        gaps=tuple(msgspec.structs.replace(gap, place=None) for gap in plan.gaps),
        outputs=_public(plan.outputs),
        diagnostics=(),
        unchanged=0,
        payload=msgspec.structs.replace(plan.payload, images=images),
    )
    return msgspec.json.encode((plain, policy, limits), order="deterministic")


def differences(saved: SavedPlan, now: SavedPlan) -> tuple[str, ...]:
    """What is another thing now, a line each; nothing for the very same plan. Both are of one program."""
    lines = (*_moved(saved.view, now.view), *_changed(saved.view, now.view))
    if lines:
        return lines
    same = (saved.work, _lasting(saved.view), _lasting(saved.document)) == (
        now.work,
        _lasting(now.view),
        _lasting(now.document),
    )
    return () if same else ("how it would be done, or what it was decided by, is not what it was",)


def _public(outputs: Mapping[str, Output]) -> dict[str, Output]:
    return {
        name: msgspec.structs.replace(output, value=None) if output.secret else output
        for name, output in sorted(outputs.items())
    }


def _unplaced(resource: Resource) -> Resource:
    spec = resource.spec
    if isinstance(spec, ImageSpec) and "://" not in spec.source:
        spec = msgspec.structs.replace(spec, source=spec.source.rpartition("/")[2])
    return msgspec.structs.replace(resource, spec=spec, place=None)


def _moved(saved: Plan, now: Plan) -> Iterator[str]:
    """What the plans expect of the objects that they touch."""
    before, after = _expected(saved), _expected(now)
    for at in sorted(before.keys() | after.keys()):
        old, new = before.get(at), after.get(at)
        known = old or new
        if known is None or old == new or known.object == "unused":
            continue
        noun = "number of snapshots and checkpoints of" if known.object == "moments" else known.object
        what = f"{known.host}: {noun} {known.name}"
        if old is None or new is None:
            yield f"{what} {'would be touched now, too' if old is None else 'would not be touched any more'}"
        elif new.fingerprint is None:
            yield f"{what} is gone"
        else:
            yield f"{what} has {'appeared' if old.fingerprint is None else 'changed'}"


def _expected(plan: Plan) -> dict[tuple[str, str, str], Expectation]:
    return {(one.host, one.object, one.id): one for one in plan.expectations}


def _changed(saved: Plan, now: Plan) -> Iterator[str]:
    """What the plans say of each resource."""
    before, after = _changes(saved), _changes(now)
    for at in sorted(before.keys() | after.keys()):
        old, new = before.get(at), after.get(at)
        subject = f"{at[0]}: {at[1]}"
        if old is None and new is not None:
            yield f"{subject}: {new.operation.value} would come in addition"
        elif new is None and old is not None:
            yield f"{subject}: {old.operation.value} is not wanted any more"
        elif old is not None and new is not None and _lasting(old) != _lasting(new):
            if old.operation is not new.operation:
                yield f"{subject}: {old.operation.value} would be {new.operation.value} now"
            else:
                yield f"{subject}: {old.operation.value} would be another one now"


def _changes(plan: Plan) -> dict[tuple[str, Key], Change]:
    return {(change.host, change.key): change for change in plan.changes}


def _lasting(value: Any) -> Any:
    """As JSON has it, without what is incidental."""
    return _strip(msgspec.json.decode(msgspec.json.encode(value)))


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strip(member) for name, member in value.items() if name not in _INCIDENTAL}
    return [_strip(member) for member in value] if isinstance(value, list) else value
