"""What happens, for machines: one JSON object a line, as Terraform's and OpenTofu's machine-readable UI has them.

https://developer.hashicorp.com/terraform/internals/machine-readable-ui tells the format. A resource's beginning and end
are `apply_*`; the steps between are told as those of provisioners (`provision_*`), which are named by their effects.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, TextIO

import msgspec

from vmstack import __version__
from vmstack.apply.events import (
    Beat,
    Event,
    PlanStarted,
    StepDone,
    StepFailed,
    StepProgress,
    StepStarted,
    Stopping,
)
from vmstack.apply.result import count_changes
from vmstack.cli.failures import describe_failure
from vmstack.cli.terminal import Terminal
from vmstack.cli.tracker import Activity, Tracker, Turn, describe_effect
from vmstack.errors import InputError, VmstackError, flatten
from vmstack.model.graph import Output
from vmstack.model.plan import Change, Diagnostic, Operation, Plan, Step
from vmstack.plan.outputs import stored_outputs
from vmstack.plan.terraform import TERRAFORM_VERSION, action_reason, output_action, type_of
from vmstack.plan.terraform_address import address_of, resource_object

UI_VERSION: Final = "1.2"
# How often a resource that is worked on is told of: Terraform's interval.
_STILL_SECONDS: Final = 10.0
_ACTIONS: Final = {
    Operation.CREATE: "create",
    Operation.UPDATE: "update",
    Operation.REPLACE: "replace",
    Operation.DELETE: "delete",
    Operation.ADOPT: "import",
    Operation.NOOP: "noop",
}
_NOUNS: Final = {
    Operation.CREATE: "Creation",
    Operation.UPDATE: "Modifications",
    Operation.REPLACE: "Replacement",
    Operation.DELETE: "Destruction",
    Operation.ADOPT: "Import",
    Operation.NOOP: "Work",
}
_REASONS: Final = {
    "replace_because_cannot_update": "cannot_update",
    "replace_by_request": "requested",
    "replace_by_triggers": "replace_triggered_by",
}


class EventStream:
    """Writes events to a text file as they come. Called from one thread. `destroy`: all of the stack is to go."""

    def __init__(self, out: TextIO, *, destroy: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self._out = out
        self._destroy = destroy
        self._clock = clock
        self._tracker = Tracker()
        self._told: dict[int, float] = {}

    def write(self, kind: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line."""
        line = {
            "@level": level,
            "@message": message,
            "@module": "vmstack.ui",
            "@timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "type": kind,
            **fields,
        }
        self._out.write(msgspec.json.encode(line).decode() + "\n")
        self._out.flush()

    def begin(self) -> None:
        """The first line: who writes, and which formats these are."""
        self.write("version", f"vmstack {__version__}", vmstack=__version__, terraform=TERRAFORM_VERSION, ui=UI_VERSION)

    def tell_plan(self, plan: Plan) -> None:
        """What is planned: a line for each change, and the sum."""
        for change in plan.changes:
            self.write(
                "planned_change",
                f"{address_of(change.key)}: Plan to {_ACTIONS[change.operation]}",
                change=_planned(change, destroy=self._destroy),
            )
        add, modify, remove = count_changes(plan.changes)
        counts = {"add": add, "change": modify, "remove": remove, "operation": "plan"}
        self.write("change_summary", f"Plan: {add} to add, {modify} to change, {remove} to destroy.", changes=counts)

    def tell_planned_outputs(self, plan: Plan) -> None:
        """What is planned for the outputs."""
        before, after = plan.outputs_before, stored_outputs(plan.outputs)
        shown = {}
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            action = output_action(old, new).replace("no-op", "noop")
            shown[name] = {"action": action, "sensitive": any(one is not None and one.secret for one in (old, new))}
        self.write("outputs", f"Outputs: {len(shown)}", outputs=shown)

    def tell_outputs(self, outputs: dict[str, Output]) -> None:
        """The outputs after an apply; secret ones, and those that are still not known, without value."""
        shown: dict[str, dict[str, Any]] = {}
        for name, output in sorted(outputs.items()):
            shown[name] = {"sensitive": output.secret}
            if not output.secret and output.known:
                shown[name] |= {"type": type_of(output.value), "value": output.value}
        self.write("outputs", f"Outputs: {len(shown)}", outputs=shown)

    def tell_diagnostics(self, diagnostics: Iterable[Diagnostic]) -> None:
        """The warnings of a plan, its notes (as warnings: Terraform knows no notes), and why apply would refuse it."""
        for found in diagnostics:
            severity = "error" if found.severity == "error" else "warning"
            subject = "" if found.key is None else f"{found.key}: "
            described: dict[str, Any] = {"severity": severity, "summary": f"{subject}{found.text}", "detail": ""}
            if found.key is not None:
                described["address"] = str(found.key)
            if found.place is not None:
                start = {"line": found.place.line, "column": 1, "byte": 0}
                described["range"] = {"filename": found.place.file, "start": start, "end": start}
            level = "error" if severity == "error" else "warn"
            message = f"{severity.capitalize()}: {subject}{found.text}"
            self.write("diagnostic", message, level=level, diagnostic=described)

    def tell_failure(self, error: VmstackError) -> None:
        """A line for each failure."""
        for single in flatten(error):
            self.write("diagnostic", f"Error: {single.brief}", level="error", diagnostic=describe_failure(single))

    def __call__(self, event: Event) -> None:
        """Listen to an apply."""
        now = self._clock()
        turn = self._tracker.follow(event, now=now)
        if turn is not None and turn.what == "began":
            self._tell_turn(turn, now=now)
        match event:
            case PlanStarted(plan=plan):
                self.tell_plan(plan)
            case StepStarted(step=step):
                self.write("provision_start", f"{_name(step)}: {describe_effect(step.effect)}", hook=_hook(step))
            case StepProgress(step=step, what=what, done=done, total=total):
                output = f"{done} of {total} {what}"
                hook = _hook(step) | {"output": output, "what": what, "done": done, "total": total}
                self.write("provision_progress", f"{_name(step)}: {output}", hook=hook)
            case StepDone(step=step, seconds=seconds, notes=notes):
                hook = _hook(step) | {"elapsed_seconds": round(seconds, 3), "notes": list(notes)}
                self.write("provision_complete", f"{_name(step)}: {describe_effect(step.effect)}: done", hook=hook)
            case StepFailed(step=step, seconds=seconds, error=error):
                hook = _hook(step) | {"elapsed_seconds": round(seconds, 3)}
                self.write("provision_errored", f"{_name(step)}: {error.brief}", level="error", hook=hook)
                self.tell_failure(error)
            case Stopping(reason=reason, running=running):
                self.write("log", f"stopping ({reason}): {running} steps are being finished", level="warn")
            case Beat():
                self._remind(now)
            case _:
                pass
        if turn is not None and turn.what != "began":
            self._tell_turn(turn, now=now)

    def _tell_turn(self, turn: Turn, *, now: float) -> None:
        """A resource began or ended."""
        activity = turn.activity
        address, seconds = address_of(activity.key), int(now - activity.began)
        if turn.what == "began":
            self._told[id(activity)] = now
            self.write("apply_start", f"{address}: {activity.starting}", hook=_activity(activity))
            return
        hook = _activity(activity) | {"elapsed_seconds": seconds}
        if turn.what == "ended":
            self.write("apply_complete", f"{address}: {activity.complete} after {seconds}s", hook=hook)
            return
        message = f"{address}: {_NOUNS[activity.operation]} errored after {seconds}s"
        self.write("apply_errored", message, level="error", hook=hook)

    def _remind(self, now: float) -> None:
        """Now and then, of what is still worked on."""
        for activity in self._tracker.working():
            if now - self._told.get(id(activity), activity.began) >= _STILL_SECONDS:
                self._told[id(activity)] = now
                seconds = int(now - activity.began)
                message = f"{address_of(activity.key)}: Still {activity.doing}... [{seconds}s elapsed]"
                self.write("apply_progress", message, hook=_activity(activity) | {"elapsed_seconds": seconds})


@contextmanager
def streaming(
    terminal: Terminal, *, json: bool, into: Path | None = None, destroy: bool = False
) -> Iterator[EventStream | None]:
    """The stream that was asked for, begun: to `out` with `json`, or to a file beside what people are shown.

    A failure inside is told in it, too. Raises `InputError` where the file cannot be written.
    """
    if into is None:
        stream = EventStream(terminal.out, destroy=destroy) if json else None
        with _failing(stream):
            yield stream
        return
    if json:
        raise InputError("--json and --json-into both ask for the events", resolution="leave one of them out")
    try:
        file = into.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--json-into: {into} cannot be written: {error.strerror}") from None
    with file:
        stream = EventStream(file, destroy=destroy)
        with _failing(stream):
            yield stream


@contextmanager
def _failing(stream: EventStream | None) -> Iterator[None]:
    if stream is not None:
        stream.begin()
    try:
        yield
    except VmstackError as error:
        if stream is not None:
            stream.tell_failure(error)
        raise


def _planned(change: Change, *, destroy: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "resource": resource_object(change.key, host=change.host),
        "action": _ACTIONS[change.operation],
        "disruption": change.disruption.value,
    }
    reason = action_reason(change, destroy=destroy)
    return described if reason is None else {**described, "reason": _REASONS.get(reason, reason)}


def _activity(activity: Activity) -> dict[str, Any]:
    resource = resource_object(activity.key, host=activity.host)
    return {"resource": resource, "action": _ACTIONS[activity.operation]}


def _hook(step: Step) -> dict[str, Any]:
    resource = resource_object(step.key, host=step.host)
    return {"resource": resource, "provisioner": type(step.effect).__name__, "step": step.id}


def _name(step: Step) -> str:
    return f"{address_of(step.key)} ({type(step.effect).__name__})"
