"""The progress of an apply, shown in the way that fits where it is looked at."""

from collections.abc import Iterator
from contextlib import contextmanager

from vmstack.apply.events import Event, Listener, ignore_events
from vmstack.cli.progress import LineProgress
from vmstack.cli.terminal import Terminal


@contextmanager
def following(terminal: Terminal, *, quiet: bool = False, events: Listener | None = None) -> Iterator[Listener]:
    """The listener that fits: a live table on a terminal, plain lines elsewhere, or (`quiet`) nothing for people.

    `events` is told everything, too.
    """
    with _showing(terminal, quiet=quiet) as show:
        if events is None:
            yield show
            return
        stream = events

        def tell_both(event: Event) -> None:
            stream(event)
            show(event)

        yield tell_both


@contextmanager
def _showing(terminal: Terminal, *, quiet: bool) -> Iterator[Listener]:
    if quiet:
        yield ignore_events
        return
    if not terminal.animated:
        yield LineProgress(terminal)
        return
    from vmstack.cli.live import LiveProgress  # here, because it loads rich

    with LiveProgress(terminal) as live:
        yield live
