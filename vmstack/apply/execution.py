"""One run over the steps of a plan: workers execute, one thread decides."""

from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final

import msgspec

from vmstack.apply.crew import Crew
from vmstack.apply.events import (
    Beat,
    Event,
    Listener,
    StepDone,
    StepFailed,
    StepProgress,
    StepStarted,
    Stopping,
)
from vmstack.apply.frontier import Frontier, Limits
from vmstack.apply.interruption import Interruption
from vmstack.apply.journal import Journal
from vmstack.apply.result import Failure
from vmstack.errors import ErrorGroup, ExistsError, InternalError, VmstackError
from vmstack.hosts.driver import Driver
from vmstack.hosts.execute import EffectResult, Supply, execute
from vmstack.hosts.expectations import Guards
from vmstack.hosts.health import Workplace
from vmstack.model.base import Data
from vmstack.model.effects import WATCHING, CopyVolume, CreateVolume, StartPool
from vmstack.model.identity import Key
from vmstack.model.ownership import EntryState
from vmstack.model.plan import Roll, Step
from vmstack.model.readiness import GuestReport

_BEAT_SECONDS: Final = 1.0
# A progress report is worth showing a few times a second, and an upload makes thousands.
_PROGRESS_SECONDS: Final = 0.2


class Abandoned(Exception):
    """Raised inside a wait for a guest when the user has interrupted the apply."""


class _Progress(Data, frozen=True, kw_only=True):
    step: Step
    what: str
    done: int
    total: int


class _Ended(Data, frozen=True, kw_only=True):
    step: Step
    seconds: float
    result: EffectResult | None = None
    error: VmstackError | None = None


class _Sealed(Data, frozen=True, kw_only=True):
    """The marks of an ended step are on the host, or could not be written."""

    ended: _Ended
    error: VmstackError | None


class _Died(Data, frozen=True, kw_only=True):
    """A worker met what is no failure of a step (the interpreter is going down, a test kills the process)."""

    error: BaseException


_Message = _Progress | _Ended | _Sealed | _Died | None


class Execution:
    """One run over the steps of a plan. Workers only execute; every decision and event is the caller's thread's."""

    def __init__(
        self,
        steps: tuple[Step, ...],
        drivers: Mapping[str, Driver],
        *,
        rolls: tuple[Roll, ...] = (),
        journals: Mapping[str, Journal],
        guards: Guards,
        supply: Supply,
        listener: Listener,
        interruption: Interruption,
        limits: Limits,
    ) -> None:
        self._frontier = Frontier(steps, limits=limits, rolls=rolls)
        self._drivers = drivers
        self._journals = journals
        self._guards = guards
        self._supply = supply
        self._workplace = Workplace.here()
        self._listener = listener
        self._interruption = interruption
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._crew = Crew("effect")
        self._began = monotonic()
        self._stopping = False
        self.done: list[Step] = []
        self.failed: list[Failure] = []
        self.abandoned: list[Step] = []
        self.guests: dict[Key, GuestReport] = {}
        self.notes: list[str] = []
        self.trouble: Exception | None = None
        # SimpleQueue.put is reentrant, so that a signal handler may call it.
        interruption.subscribe(partial(self._inbox.put, None))

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that never started."""
        return self._frontier.left

    def run(self) -> None:
        """Run until nothing runs and nothing more may start. Failures are kept, not raised."""
        try:
            while self._advance():
                self._wait()
        finally:
            self._crew.dismiss()

    def _tell(self, event: Event) -> None:
        """Tell the listener. One that fails is told nothing more, and what runs is finished, as on an interruption.

        Its failure is left in `trouble`: effects must not outlive the run and its locks.
        """
        if self.trouble is not None:
            return
        try:
            self._listener(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it later
            self.trouble = error
            self._interruption.request("its progress could not be shown")

    def _advance(self) -> bool:
        """Start what may start; tell whether there is something to wait for."""
        if self._interruption.reason is None:
            for step in self._frontier.take():
                self._tell(StepStarted(step=step))
                self._crew.run(partial(self._work, step))
        elif not self._stopping:
            self._stopping = True
            running = sum(not isinstance(step.effect, WATCHING) for step in self._frontier.running)
            self._tell(Stopping(reason=self._interruption.reason, running=running))
        running_steps = self._frontier.running
        if self._stopping and all(isinstance(step.effect, WATCHING) for step in running_steps):
            self.abandoned += running_steps
            return False
        return bool(running_steps)

    def _wait(self) -> None:
        """Take in one message, or let a beat pass."""
        try:
            message = self._inbox.get(timeout=_BEAT_SECONDS)
        except Empty:
            self._tell(Beat(elapsed=monotonic() - self._began))
            return
        match message:
            case None:
                return
            case _Progress(step=step, what=what, done=done, total=total):
                self._tell(StepProgress(step=step, what=what, done=done, total=total))
            case _Ended():
                self._take_in(message)
            case _Died(error=error):
                raise error
            case _Sealed(ended=ended, error=None):
                self._succeed(ended)
            case _Sealed(ended=ended, error=failure):
                self._fail(ended, failure)

    def _take_in(self, ended: _Ended) -> None:
        step = ended.step
        if ended.result is None:
            self._fail(ended, ended.error)
            return
        if not step.marks:
            self._succeed(ended)
            return
        journal = self._journals[step.host]
        if step.flush:
            journal.mark(
                step.marks,
                built=ended.result.built,
                modified=ended.result.modified,
                durable=partial(self._seal, ended),
            )
            return
        journal.mark(step.marks, built=ended.result.built, modified=ended.result.modified)
        self._succeed(ended)

    def _seal(self, ended: _Ended, error: VmstackError | None) -> None:
        self._inbox.put(_Sealed(ended=ended, error=error))

    def _succeed(self, ended: _Ended) -> None:
        step, result = ended.step, ended.result
        self._frontier.finish(step, success=True)
        self.done.append(step)
        notes = result.notes if result else ()
        guest = result.guest if result else None
        self.notes += [f"{step.key}: {note}" for note in notes]
        if guest is not None:
            self.guests[step.key] = guest
        self._tell(StepDone(step=step, seconds=ended.seconds, notes=notes, guest=guest))

    def _fail(self, ended: _Ended, error: VmstackError | None) -> None:
        self._frontier.finish(ended.step, success=False)
        if error is None:
            self.abandoned.append(ended.step)
            return
        self.failed.append(Failure(step=ended.step, error=error))
        self._tell(StepFailed(step=ended.step, seconds=ended.seconds, error=error))

    def _work(self, step: Step) -> None:
        """Execute one step on a worker's thread and post how it ended; `error` `None` without a result: abandoned."""
        began = monotonic()
        result: EffectResult | None = None
        failure: VmstackError | None = None
        try:
            self._guards.check(step)
            report = self._reporter(step)
            driver = self._drivers[step.host]
            result = execute(step.effect, driver, supply=self._supply, report=report, workplace=self._workplace)
        except VmstackError as error:
            _name_object(error, step)
            failure = self._disown(step, error) if isinstance(error, ExistsError) else error
        except Abandoned:
            failure = None
        except Exception as error:  # noqa: BLE001 - whatever it is, it must end this step and no other
            failure = InternalError(f"{type(step.effect).__name__} raised {error!r}")
            failure.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it; here it would be lost
            self._inbox.put(_Died(error=error))
            return
        self._inbox.put(_Ended(step=step, seconds=monotonic() - began, result=result, error=failure))

    def _disown(self, step: Step, error: ExistsError) -> VmstackError:
        """Take a volume out of the ledger that is there already, and not by this stack: else it would pass for ours.

        Returns what went wrong in all.
        """
        effect = step.effect
        if isinstance(effect, CopyVolume) or (isinstance(effect, CreateVolume) and not effect.resume):
            try:
                self._journals[step.host].disown((effect.pool, effect.volume))
            except VmstackError as failure:
                return ErrorGroup([error, failure])
        return error

    def _announce_directory(self, step: Step) -> None:
        """Before a pool's directory is built: say in the ledger that it will be ours to remove."""
        self._journals[step.host].announce(
            msgspec.structs.replace(mark.entry, state=EntryState.PENDING, built=True)
            for mark in step.marks
            if mark.entry.role == "pool"
        )

    def _reporter(self, step: Step) -> Callable[[str, int, int], None]:
        patient = not isinstance(step.effect, WATCHING)
        shown = 0.0

        def report(what: str, done: int, total: int) -> None:
            nonlocal shown
            if isinstance(step.effect, StartPool):
                self._announce_directory(step)
                return
            if not patient and self._interruption.reason is not None:
                raise Abandoned
            now = monotonic()
            if now - shown >= _PROGRESS_SECONDS or done >= total > 0:
                shown = now
                self._inbox.put(_Progress(step=step, what=what, done=done, total=total))

        return report


def _name_object(error: VmstackError, step: Step) -> None:
    """Say the name of a domain or network in place of the UUID by which hypervisors and drivers know it."""
    uuid, name = getattr(step.effect, "uuid", None), getattr(step.effect, "name", None)
    if not uuid or not name:
        return
    error.brief = error.brief.replace(uuid, repr(name)) if uuid in error.brief else error.brief
    error.details = tuple(line.replace(uuid, repr(name)) for line in error.details)
    if repr(name) not in error.brief and name not in error.brief:
        error.brief = f"{step.key} ({name!r}): {error.brief}"
