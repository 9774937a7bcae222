"""A live table of what is being worked on, below the lines of what is done."""

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vmstack.apply.events import Event
from vmstack.cli.progress import describe_activity, render_remarks, render_turn
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.tracker import Tracker
from vmstack.cli.values import show_duration

_REFRESH_SECONDS: Final = 0.12
_ROWS: Final = 16


class LiveProgress:
    """Draws only when events come (beats come every second), all of it in the apply's own thread."""

    def __init__(
        self, terminal: Terminal, *, console: Console | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._terminal = terminal
        self._clock = clock
        self._tracker = Tracker()
        self._began = clock()
        self._drawn = 0.0
        self._console = console or Console(
            file=terminal.err, no_color=not terminal.colour_err, markup=False, highlight=False, emoji=False
        )
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Text(""), refresh=True)
        self._live.stop()

    def __call__(self, event: Event) -> None:
        now = self._clock()
        turn = self._tracker.follow(event, now=now)
        lines = [render_turn(turn, self._terminal, now=now)] if turn is not None and turn.what != "began" else []
        lines += render_remarks(event, self._terminal)
        for line in lines:
            self._live.console.print(Text.from_ansi(line))
        if lines or now - self._drawn >= _REFRESH_SECONDS:
            self._drawn = now
            self._live.update(self._draw(now), refresh=True)

    def _draw(self, now: float) -> Group:
        table = Table.grid(padding=(0, 2))
        rows = max(3, min(_ROWS, self._console.height - 4))
        active = self._tracker.working()
        for activity in active[:rows]:
            table.add_row(
                Text(f"  {escape(str(activity.key))}", style="bold"),
                Text(describe_activity(activity)),
                Text(show_duration(now - activity.began), style="dim"),
            )
        if len(active) > rows:
            table.add_row(Text(f"  ... and {len(active) - rows} more", style="dim"))
        done = f"{self._tracker.ended} of {self._tracker.total} resources, {show_duration(now - self._began)}"
        return Group(table, Text(done, style="cyan"))
