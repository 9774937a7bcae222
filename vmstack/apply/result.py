"""What an apply did, what failed and what it left undone."""

from collections.abc import Mapping
from typing import Final

from vmstack.errors import InterruptedApplyError, PartialApplyError, VmstackError
from vmstack.model.base import Data
from vmstack.model.effects import WATCHING
from vmstack.model.identity import Key
from vmstack.model.plan import Change, Operation, Plan, Step
from vmstack.model.readiness import GuestReport

# More lines than this of one sort only hide the others.
_LISTED: Final = 20


class Failure(Data, frozen=True, kw_only=True):
    """A step that failed, and why."""

    step: Step
    error: VmstackError


class ApplyResult(Data, frozen=True, kw_only=True):
    """The end of an apply. `left` never started, `abandoned` was only waiting when the user stopped it.

    `troubles` are failures outside of any step: a ledger that could not be written, a lock that was lost.
    """

    plan: Plan
    done: tuple[Step, ...] = ()
    failed: tuple[Failure, ...] = ()
    abandoned: tuple[Step, ...] = ()
    left: tuple[Step, ...] = ()
    troubles: tuple[VmstackError, ...] = ()
    interrupted: str | None = None
    guests: Mapping[Key, GuestReport] = {}
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Everything that the plan says is so."""
        return not (self.failed or self.abandoned or self.left or self.troubles)

    @property
    def converged(self) -> bool:
        """The hosts hold what the plan wants, though guests may not be ready."""
        unfinished = [failure.step for failure in self.failed] + list(self.abandoned) + list(self.left)
        return not self.troubles and all(isinstance(step.effect, WATCHING) for step in unfinished)

    def finished_changes(self) -> tuple[Change, ...]:
        """The changes whose every step was done."""
        undone = [failure.step for failure in self.failed] + list(self.abandoned) + list(self.left)
        keys = {(step.host, step.key) for step in undone}
        return tuple(change for change in self.plan.changes if (change.host, change.key) not in keys)

    def counts(self) -> tuple[int, int, int]:
        """How many resources were added, changed and destroyed; a replacement is one of the first and the last."""
        return count_changes(self.finished_changes())

    def error(self) -> VmstackError | None:
        """That the apply is not complete, with what was done and what was not; `None` if it is. Failures tell why."""
        if self.complete:
            return None
        done = [f"{change.operation.value} {change.key}" for change in self.finished_changes()]
        details = [f"{len(self.done)} of {len(self.plan.steps)} steps were done"]
        details += _list("done: ", done)
        details += _list("failed: ", [_describe(one.step) for one in self.failed])
        details += _list("failed: ", [trouble.brief for trouble in self.troubles])
        details += self._halted_rolls()
        details += _list("not waited for: ", [_describe(step) for step in self.abandoned])
        details += _list("not done: ", [_describe(step) for step in self.left])
        if self.interrupted is not None:
            return InterruptedApplyError(
                f"apply was interrupted ({self.interrupted})",
                details=details,
                resolution="run it again: it goes on from here",
            )
        return PartialApplyError(
            "apply ended partly", details=details, resolution="mend the cause and run it again: it goes on from here"
        )

    def _halted_rolls(self) -> list[str]:
        """A line for each group whose rolling a failure stopped."""
        failed, left = {one.step.id for one in self.failed}, {step.id for step in self.left}
        lines: list[str] = []
        for roll in self.plan.rolls:
            untouched = [key for key, unit in zip(roll.keys, roll.units, strict=True) if left.issuperset(unit)]
            if untouched and any(failed.intersection(unit) for unit in roll.units):
                names = ", ".join(map(str, untouched[:_LISTED])) + (" and more" if len(untouched) > _LISTED else "")
                head = f"group {roll.group} stopped at the first failure: {len(untouched)} of {len(roll.keys)}"
                lines.append(f"{head} were not begun and run on as they were: {names}")
        return lines


def count_changes(changes: tuple[Change, ...]) -> tuple[int, int, int]:
    """How many resources the changes add, change and destroy; a replacement counts as added and destroyed."""
    added = sum(change.operation in (Operation.CREATE, Operation.REPLACE) for change in changes)
    changed = sum(change.operation is Operation.UPDATE for change in changes)
    destroyed = sum(change.operation in (Operation.DELETE, Operation.REPLACE) for change in changes)
    return added, changed, destroyed


def _list(head: str, items: list[str]) -> list[str]:
    lines = [f"{head}{item}" for item in items[:_LISTED]]
    return lines if len(items) <= _LISTED else [*lines, f"{head}and {len(items) - _LISTED} more"]


def _describe(step: Step) -> str:
    return f"{step.key} ({type(step.effect).__name__})"
