"""One change as data: a field, the arguments before and after, and the class that each state of the guest is to see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

# So many guests at once: more would only wait for each other.
TOGETHER = 24

State = Literal["running", "paused", "stopped", "saved"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A row. `field` is named as the change table names it; `before` and `after` are arguments of `VirtualMachine`.

    `also` are statements of the program that the arguments use; `{name}` is the machine's name, `$prefix`, `$subnet`
    and `$folder` are the stack's own.
    """

    field: str
    before: str
    after: str
    expect: Mapping[State, str]
    also: str = ""


@dataclass(frozen=True)
class Trial:
    """A row in one state, under a name of its own."""

    name: str
    change: Change
    state: State

    @property
    def expected(self) -> str:
        return self.change.expect[self.state]

    def statement(self, *, after: bool) -> str:
        arguments = self.change.after if after else self.change.before
        running = self.state in ("running", "paused")
        also = self.change.also.format(name=self.name)
        return f"{also}\nvm({self.name!r}, running={running}, {arguments.format(name=self.name)})"

    def __str__(self) -> str:
        return f"{self.name}: {self.change.field} of a {self.state} guest"


def batches(kind: str, changes: tuple[Change, ...]) -> list[object]:
    """A trial for each change and state of a guest, as many at a time as run well together."""
    pairs = [(change, state) for change in changes for state in change.expect]
    trials = [Trial(f"{kind[0]}{number}", *pair) for number, pair in enumerate(pairs, 1)]
    return [
        pytest.param(trials[start : start + TOGETHER], id=f"{kind}-{start // TOGETHER + 1}")
        for start in range(0, len(trials), TOGETHER)
    ]


def live(*, saved: str = "next-boot") -> dict[State, str]:
    """What libvirt changes while the guest runs."""
    return {"running": "live", "paused": "live", "stopped": "none", "saved": saved}


def restart(*, saved: str = "next-boot") -> dict[State, str]:
    """What is fixed at start. A paused guest is a running one here: the row of one field stands for all."""
    return {"running": "restart", "stopped": "none", "saved": saved}


def note() -> dict[State, str]:
    """What no guest notices."""
    return {"running": "none", "stopped": "none"}
