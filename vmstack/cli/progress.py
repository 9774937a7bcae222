"""What a command shows while it works: plain lines, a live table, or events for machines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Any, Final

import msgspec

from vmstack.apply.events import (
    Beat,
    Event,
    Finished,
    Listener,
    PlanStarted,
    StepDone,
    StepFailed,
    StepProgress,
    StepStarted,
    Stopping,
)
from vmstack.apply.result import count_changes
from vmstack.cli.failures import describe_failure, flatten
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.tracker import Activity, Tracker, Turn, describe_effect
from vmstack.cli.values import show_duration, show_value
from vmstack.errors import VmstackError
from vmstack.model.identity import Kind
from vmstack.model.plan import Step

# How often lines without a terminal repeat that a resource is still worked on: Terraform's interval, and less often the
# longer it takes, because such lines end up in logs. Seconds after the start from which on, and between two times.
_STILL_SECONDS: Final = ((300.0, 60.0), (60.0, 30.0), (0.0, 10.0))
_STILL_LINES: Final = 10
_STILL_NAMES: Final = 3
_IMAGE_SECONDS: Final = 2.0


class LineProgress:
    """A line when a resource begins and ends, and now and then in between."""

    def __init__(self, terminal: Terminal, *, clock: Callable[[], float] = monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._tracker = Tracker()
        self._began = self._still = clock()

    def __call__(self, event: Event) -> None:
        now = self._clock()
        turn = self._tracker.follow(event, now=now)
        if turn is not None:
            self._terminal.tell(render_turn(turn, self._terminal, now=now))
        for line in render_remarks(event, self._terminal):
            self._terminal.tell(line)
        if isinstance(event, (Beat, StepProgress)) and now - self._still >= self._pause():
            self._still = now
            for line in self._remind(now):
                self._terminal.tell(line)

    def _pause(self) -> float:
        return next(pause for since, pause in _STILL_SECONDS if self._still - self._began >= since)

    def _remind(self, now: float) -> Iterator[str]:
        old = [one for one in self._tracker.working() if now - one.began >= _STILL_SECONDS[-1][1]]
        machines: dict[str, list[Activity]] = {}
        for activity in old:
            if activity.key.kind is Kind.VM:
                machines.setdefault(activity.doing.partition(",")[0], []).append(activity)
        told: set[int] = set()
        for doing, group in machines.items():
            if len(group) > _STILL_LINES:
                names = ", ".join(escape(one.key.name) for one in group[:_STILL_NAMES])
                elapsed = show_duration(now - group[0].began)
                yield f"still {doing}: {len(group)} VMs ({names}, ...) [{elapsed} elapsed]"
                told.update(id(one) for one in group)
        old = [one for one in old if id(one) not in told]
        for activity in old[:_STILL_LINES]:
            elapsed = show_duration(now - activity.began)
            yield f"{escape(str(activity.key))}: still {describe_activity(activity)} [{elapsed} elapsed]"
        if len(old) > _STILL_LINES:
            yield f"... and {len(old) - _STILL_LINES} more"


class JsonProgress:
    """One JSON object per line, with the keys and types of Terraform's machine-readable UI where it has them."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def write(self, kind: str, message: str, *, level: str = "info", **fields: Any) -> None:
        """Write one line."""
        line = {
            "@level": level,
            "@message": message,
            "@module": "vmstack",
            "@timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "type": kind,
            **fields,
        }
        self._terminal.say(msgspec.json.encode(line).decode())
        self._terminal.out.flush()

    def __call__(self, event: Event) -> None:
        match event:
            case PlanStarted(plan=plan):
                for change in plan.changes:
                    resource = {"addr": str(change.key), "host": change.host}
                    described = {
                        "resource": resource,
                        "action": change.operation.value,
                        "disruption": change.disruption.value,
                    }
                    self.write("planned_change", f"{change.key}: plan to {change.operation.value}", change=described)
                add, change_, remove = count_changes(plan.changes)
                counts = {"add": add, "change": change_, "remove": remove, "operation": "plan"}
                self.write(
                    "change_summary", f"Plan: {add} to add, {change_} to change, {remove} to destroy", changes=counts
                )
            case StepStarted(step=step):
                self.write("apply_start", f"{step.key}: {describe_effect(step.effect)}", hook=_hook(step))
            case StepProgress(step=step, what=what, done=done, total=total):
                hook = _hook(step) | {"what": what, "done": done, "total": total}
                self.write("apply_progress", f"{step.key}: {done} of {total} {what}", hook=hook)
            case StepDone(step=step, seconds=seconds, notes=notes):
                hook = _hook(step) | {"elapsed_seconds": round(seconds, 3), "notes": list(notes)}
                self.write("apply_complete", f"{step.key}: {describe_effect(step.effect)}: done", hook=hook)
            case StepFailed(step=step, seconds=seconds, error=error):
                hook = _hook(step) | {"elapsed_seconds": round(seconds, 3)}
                self.write("apply_errored", f"{step.key}: {error.brief}", level="error", hook=hook)
                tell_failure(error, self)
            case Stopping(reason=reason, running=running):
                self.write("log", f"stopping ({reason}): {running} steps are being finished", level="warn")
            case Finished() | Beat():
                return


def tell_failure(error: VmstackError, events: JsonProgress) -> None:
    """A `diagnostic` line for each failure."""
    for single in flatten(error):
        described = describe_failure(single)
        events.write("diagnostic", f"Error: {single.brief}", level="error", diagnostic=described)


def render_turn(turn: Turn, terminal: Terminal, *, now: float) -> str:
    """One line about a resource that began or ended."""
    activity = turn.activity
    name = terminal.paint_err(f"{escape(str(activity.key))}:", "bold")
    elapsed = show_duration(now - activity.began)
    if turn.what == "began":
        return f"{name} {activity.starting}"
    if turn.what == "ended":
        return f"{name} {activity.complete} after {elapsed}"
    return f"{name} {terminal.paint_err('failed', 'red')} after {elapsed}"


def render_remarks(event: Event, terminal: Terminal) -> Iterator[str]:
    """What must be said of an event whatever else is shown."""
    match event:
        case StepDone(step=step, notes=notes):
            yield from (f"{escape(str(step.key))}: {escape(note)}" for note in notes)
        case StepFailed(step=step, error=error):
            yield f"{escape(str(step.key))}: {terminal.paint_err(escape(error.brief), 'red')}"
        case Stopping(reason=reason, running=running):
            yield terminal.paint_err(
                f"Stopping ({escape(reason)}): nothing new starts, {running} running steps are being finished. "
                "Interrupt again to stop at once.",
                "yellow",
            )


def describe_activity(activity: Activity) -> str:
    """What is being done to a resource, with how far it is."""
    if activity.progress is None:
        return activity.doing
    what, done, total = activity.progress
    if total <= 0:
        return f"{activity.doing} ({escape(what)})"
    if what == "bytes":
        return f"{activity.doing} {100 * done // total}% of {show_value(total, path='size')}"
    return f"{activity.doing} ({done}/{total} {escape(what)})"


class ImageProgress:
    """Tells how far images are while they are fetched and verified; called from several threads."""

    def __init__(self, terminal: Terminal, *, clock: Callable[[], float] = monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._guard = Lock()
        self._told: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        with self._guard:
            now = self._clock()
            # The first report starts the clock: what takes less than the interval needs no words.
            if now - self._told.setdefault(what, now) < _IMAGE_SECONDS:
                return
            self._told[what] = now
            share = f"{100 * done // total}%" if total else f"{done // 2**20} MiB"
            self._terminal.tell(f"{escape(what)}: {share}")


@contextmanager
def following(terminal: Terminal, *, json: bool) -> Iterator[Listener]:
    """The listener that fits: events for machines, a live table on a terminal, plain lines elsewhere."""
    if json:
        yield JsonProgress(terminal)
        return
    if not terminal.animated:
        yield LineProgress(terminal)
        return
    from vmstack.cli.live import LiveProgress  # here, because it loads rich

    with LiveProgress(terminal) as live:
        yield live


def _hook(step: Step) -> dict[str, Any]:
    resource = {"addr": str(step.key), "host": step.host, "resource_type": step.key.kind.value}
    return {"resource": resource, "action": type(step.effect).__name__, "step": step.id}
