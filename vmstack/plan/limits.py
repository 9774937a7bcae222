"""Limits of what a plan may do at most: `--max-disruption` and `--max-deletes`, or the stack's configuration."""

import difflib
from typing import Final

from vmstack.errors import InputError, RefusedError
from vmstack.model.base import Data
from vmstack.model.plan import Change, Disruption, Operation, Plan

_LISTED: Final = 20


class Limits(Data, frozen=True, kw_only=True):
    """`disruption`: no change may be of a worse class. `deletes`: how many resources may be destroyed, those that are
    made anew among them, as the summary of a plan counts. `None`: as many or bad as they are."""

    disruption: Disruption | None = None
    deletes: int | None = None

    def over(self, other: "Limits") -> "Limits":
        """These limits, and those of `other` where these say nothing."""
        return Limits(
            disruption=other.disruption if self.disruption is None else self.disruption,
            deletes=other.deletes if self.deletes is None else self.deletes,
        )


NO_LIMITS: Final = Limits()


def read_limits(disruption: str | None, deletes: str | None, *, what: tuple[str, str]) -> Limits:
    """Read the limits as they are written; `what` names the two for errors. Raises `InputError`."""
    return Limits(
        disruption=None if disruption is None else _read_class(disruption, what=what[0]),
        deletes=None if deletes is None else _read_count(deletes, what=what[1]),
    )


def check_limits(plan: Plan, *, limits: Limits) -> tuple[RefusedError, ...]:
    """What of the plan goes beyond the limits: a refusal for each limit, naming the changes."""
    refusals = []
    if limits.disruption is not None:
        worse = [change for change in plan.changes if change.disruption.rank > limits.disruption.rank]
        if worse:
            worst = max((change.disruption for change in worse), key=lambda found: found.rank)
            refusals.append(
                RefusedError(
                    f"the plan does worse than {limits.disruption.value} to {_count(worse)}",
                    details=_list([f"{change.key}: {change.disruption.value}" for change in worse]),
                    resolution=f"leave them out (--exclude), or allow it with --max-disruption {worst.value}",
                )
            )
    if limits.deletes is not None:
        gone = [change for change in plan.changes if change.operation in (Operation.DELETE, Operation.REPLACE)]
        if len(gone) > limits.deletes:
            refusals.append(
                RefusedError(
                    f"the plan destroys {_count(gone)}, and at most {limits.deletes} may be",
                    details=_list([f"{change.operation.value} {change.key}" for change in gone]),
                    resolution=f"keep them in the program, or allow it with --max-deletes {len(gone)}",
                )
            )
    return tuple(refusals)


def _read_class(text: str, *, what: str) -> Disruption:
    names = [disruption.value for disruption in Disruption]
    if text not in names:
        close = difflib.get_close_matches(text, names, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise InputError(
            f"{what}: {text!r} is no class of disruption",
            resolution=f"{hint}from harmless to final they are {', '.join(names)}",
        )
    return Disruption(text)


def _read_count(text: str, *, what: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InputError(f"{what}: {text!r} is no number of resources", resolution="write 0 or more, such as 3")
    return int(text)


def _count(changes: list[Change]) -> str:
    return f"{len(changes)} resource{'s' if len(changes) > 1 else ''}"


def _list(lines: list[str]) -> list[str]:
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return [*lines[:_LISTED], *more]
