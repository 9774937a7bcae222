"""Trying again where libvirt was only busy, and finding out whether a refused effect is there anyway."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from vmstack.errors import HostBusyError, HostError
from vmstack.model.base import Data

_T = TypeVar("_T")

# "pool has asynchronous jobs running" lasts as long as somebody's volume is being allocated: seconds, seldom more.
_FIRST: Final = 0.05
_LONGEST: Final = 2.0
_TOGETHER: Final = 60.0


class Patience(Data, frozen=True, kw_only=True):
    """How long to go on after `HostBusyError`; `sleep` is there for tests, which have no time to wait."""

    sleep: Callable[[float], None] = time.sleep
    seconds: float = _TOGETHER

    def insist(self, call: Callable[[], _T]) -> _T:
        """Make the call until it is not refused as busy; after `seconds` of pauses the last refusal is raised."""
        for pause in self._pauses():
            try:
                return call()
            except HostBusyError:
                self.sleep(pause)
        return call()

    def settle(self, call: Callable[[], None], *, done: Callable[[], bool]) -> None:
        """Make the call; a refusal counts for nothing when the object is as the call would leave it."""
        try:
            self.insist(call)
        except HostError:
            if not done():
                raise

    def _pauses(self) -> Iterator[float]:
        pause, spent = _FIRST, 0.0
        while spent < self.seconds:
            yield pause
            spent += pause
            pause = min(pause * 2, _LONGEST)
