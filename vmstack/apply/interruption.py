"""Ctrl-C once: start nothing new and finish what runs. Ctrl-C twice: stop now."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from vmstack.errors import EXIT_INTERRUPTED

_STDERR: Final = 2


class Interruption:
    """A wish to stop, which anybody may express and a running apply obeys. The first reason counts."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._hearers: list[Callable[[], None]] = []

    @property
    def reason(self) -> str | None:
        """Why to stop; `None` while nobody wants to."""
        return self._reason

    def request(self, reason: str) -> None:
        """Ask to stop. Safe in a signal handler: it takes no lock."""
        if self._reason is None:
            self._reason = reason
        for hear in tuple(self._hearers):
            hear()

    def subscribe(self, hear: Callable[[], None]) -> None:
        """Have `hear` called on every request, possibly in a signal handler."""
        self._hearers.append(hear)


def _die() -> None:
    os._exit(EXIT_INTERRUPTED)


@contextmanager
def obey_signals(interruption: Interruption, *, die: Callable[[], None] = _die) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a request and the second into the end of the process.

    The process ends without cleaning up: the journal on the hosts is what the next run goes on from. Outside the
    main thread, where Python has no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interruption.reason is None:
            interruption.request(signal.Signals(number).name)
            return
        # A live table may have hidden the cursor (DECTCEM), and nobody will clean up.
        show_cursor = b"\x1b[?25h" if os.isatty(_STDERR) else b""
        os.write(_STDERR, show_cursor + b"\nInterrupted twice: stopping now. Run it again to go on.\n")
        die()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
