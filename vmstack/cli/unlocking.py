"""`vmstack unlock`."""

import sys

from vmstack.apply import pipeline
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, EXIT_ERROR, InputError


def break_locks(target: Target, terminal: Terminal, *, yes: bool) -> int:
    """Show who holds the stack's lock on each host and, when agreed, remove it."""
    desired = study(target, curious=False).desired
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=False)) as drivers:
        locks = pipeline.read_locks(drivers, stack=desired.stack)
        if not locks:
            terminal.say(f"Stack {escape(str(desired.stack))} is not locked.")
            return EXIT_DONE
        for host, lock in sorted(locks.items()):
            holder = f"{lock.who} on {lock.where} (process {lock.pid})"
            terminal.say(
                escape(f"host.{host}: locked for {lock.operation} by {holder} since {lock.since}, until {lock.expires}")
            )
        if not yes:
            if not terminal.interactive:
                raise InputError("there is no terminal to ask at", resolution="add --yes to break the lock")
            terminal.out.flush()
            terminal.err.write("Break it only when that apply is gone. Break it? Only 'yes' is accepted: ")
            terminal.err.flush()
            if sys.stdin.readline().strip() != "yes":
                terminal.tell("Cancelled; the lock stays.")
                return EXIT_ERROR
        pipeline.break_locks(drivers, stack=desired.stack, hosts=sorted(locks))
    terminal.say("Unlocked.")
    return EXIT_DONE
