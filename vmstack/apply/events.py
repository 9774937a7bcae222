"""What happens while a plan is applied, as frozen events for whoever shows it.

All events of one apply come from one thread, in order. `seconds` is the time that the step took.
"""

from collections.abc import Callable

from vmstack.errors import VmstackError
from vmstack.model.base import Data
from vmstack.model.plan import Plan, Step
from vmstack.model.readiness import GuestReport


class Event(Data, frozen=True, kw_only=True):
    """The root of all events."""


class PlanStarted(Event, frozen=True, kw_only=True):
    """The locks are held, nothing moved, the first effects follow."""

    plan: Plan


class StepStarted(Event, frozen=True, kw_only=True):
    step: Step


class StepProgress(Event, frozen=True, kw_only=True):
    """A long step moved on: `done` of `total` in the unit `what` names (`bytes`, `seconds`, ...)."""

    step: Step
    what: str
    done: int
    total: int


class StepDone(Event, frozen=True, kw_only=True):
    step: Step
    seconds: float
    notes: tuple[str, ...] = ()
    guest: GuestReport | None = None


class StepFailed(Event, frozen=True, kw_only=True):
    step: Step
    seconds: float
    error: VmstackError


class Stopping(Event, frozen=True, kw_only=True):
    """No new effect starts; `running` steps are still being finished."""

    reason: str
    running: int


class Beat(Event, frozen=True, kw_only=True):
    """About once a second, so that somebody who waits can be told that it goes on."""

    elapsed: float


class Finished(Event, frozen=True, kw_only=True):
    """The last event. `done`, `failed` and `left` count steps."""

    done: int
    failed: int
    left: int
    elapsed: float


Listener = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """A listener for those who only want the result."""
