"""What a command shows to people while it works: plain lines, or a live table."""

from collections.abc import Callable, Iterator
from threading import Lock
from time import monotonic
from typing import Final

from vmstack.apply.events import Beat, Event, StepDone, StepFailed, StepProgress, Stopping
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.tracker import Activity, Tracker, Turn
from vmstack.cli.values import show_duration, show_value
from vmstack.model.identity import Kind

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
