"""Telling of a run that holds the stack's lock while a command looks at the hosts."""

from vmstack.cli.terminal import Terminal, escape
from vmstack.hosts.lock import describe, is_stale
from vmstack.model.observed import Observed


def tell_locks(observed: Observed, terminal: Terminal) -> None:
    """Warn on `err` that what was seen may be half-way: reading takes no lock, and another run may be at work.

    A lock whose holder died is no sign of that; the next apply takes it over.
    """
    for name, snapshot in sorted(observed.hosts.items()):
        if snapshot.lock is None or is_stale(snapshot.lock):
            continue
        head = terminal.paint_err("Warning:", "bold", "yellow")
        terminal.tell(
            f"{head} stack {escape(str(snapshot.lock.stack))} is locked on host.{escape(name)} "
            f"{escape(describe(snapshot.lock))}"
        )
        terminal.tell("  what follows may be half-way: it is as the hosts were when they were read")
