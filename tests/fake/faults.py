"""Faults on demand: what may go wrong around any call to a FakeHost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from vmstack.errors import HostUnreachableError

Moment = Literal["before", "during", "after"]


class CrashNow(BaseException):
    """The process dies here. No handler may outlive it: after it, the connection answers nothing any more."""


@dataclass(frozen=True)
class Call:
    """One call of a driver method. `number` counts all calls of the connection, `change` the mutating ones (from 1)."""

    number: int
    change: int
    method: str
    arguments: dict[str, object] = field(hash=False)
    mutates: bool

    def __str__(self) -> str:
        shown = {name: value for name, value in self.arguments.items() if name not in {"chunks", "until"}}
        return f"{self.method}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


Hook = Callable[[Call], None]


def nothing(call: Call) -> None:
    """No fault."""


@dataclass
class Faults:
    """Hooks around each call; a hook raises what the call shall raise.

    `before`: nothing has happened yet. `during`: half of an upload or copy has. `after`: the effect is
    done and the reply is lost.
    """

    before: Hook = nothing
    during: Hook = nothing
    after: Hook = nothing
    dead: bool = False

    def fire(self, moment: Moment, call: Call) -> None:
        """Run the hook of that moment; a crash also kills the connection for good."""
        if self.dead:
            raise CrashNow(f"the process is dead: {call}")
        try:
            getattr(self, moment)(call)
        except CrashNow:
            self.dead = True
            raise


def at_change(number: int, *, moment: Moment, error: Callable[[], BaseException]) -> Faults:
    """Raise at the `number`-th mutating call (from 1), once."""

    def hook(call: Call) -> None:
        if call.mutates and call.change == number:
            raise error()

    return Faults(**{moment: hook})


def crash_at(number: int, *, moment: Moment) -> Faults:
    """Kill the process at the `number`-th mutating call."""
    return at_change(number, moment=moment, error=CrashNow)


def lose_reply_at(number: int) -> Faults:
    """The `number`-th mutating call is done, and its reply never arrives."""
    return at_change(number, moment="after", error=lambda: HostUnreachableError("connection reset by the fault test"))


def fail_change(number: int, error: Callable[[], BaseException]) -> Faults:
    """The `number`-th mutating call is refused, and nothing happens."""
    return at_change(number, moment="before", error=error)


def fail_method(method: str, error: Callable[[], BaseException], *, times: int = 1) -> Faults:
    """The first `times` calls of `method` fail before they do anything."""
    left = [times]

    def hook(call: Call) -> None:
        if call.method == method and left[0] > 0:
            left[0] -= 1
            raise error()

    return Faults(before=hook)
