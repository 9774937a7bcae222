"""Hold the stack's lock on every host of a plan for as long as it is applied."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Final

from vmstack.apply.interruption import Interruption
from vmstack.errors import LockedError, VmstackError
from vmstack.hosts.driver import Driver
from vmstack.hosts.lock import HostLock, kept, read_lock
from vmstack.model.identity import StackId

_RETRY_SECONDS: Final = 0.5


class HeldLocks:
    """What became of the locks meanwhile: the errors by which they were lost."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self.losses: list[VmstackError] = []

    def lose(self, error: VmstackError) -> None:
        """Stop the apply: somebody else may be working on the stack now."""
        self.losses.append(error)
        self._interruption.request("the lock was lost")


@contextmanager
def hold_locks(
    drivers: Mapping[str, Driver],
    *,
    stack: StackId,
    operation: str,
    timeout: float,
    interruption: Interruption,
) -> Iterator[HeldLocks]:
    """Take the locks in the order of the hosts' names, renew them in the background, release them at the end.

    Tries for `timeout` seconds, then raises `LockedError`. A lock that cannot be released is no failure: it names a
    process that will be dead, and has a lease that ends.
    """
    held = HeldLocks(interruption)
    deadline = monotonic() + timeout
    with ExitStack() as releases:
        locks: list[HostLock] = []
        for host in sorted(drivers):
            lock = HostLock(drivers[host], stack, operation=operation)
            _acquire(lock, deadline=deadline, interruption=interruption)
            releases.callback(_release, lock)
            locks.append(lock)
        with kept(locks, on_loss=held.lose):
            yield held


def clear_stale_locks(drivers: Iterable[Driver], *, stack: StackId) -> None:
    """Remove the locks of runs that died; those of living ones stay."""
    for driver in drivers:
        if read_lock(driver, stack) is None:
            continue
        lock = HostLock(driver, stack, operation="clear a stale lock")
        try:
            lock.acquire()
        except LockedError:
            continue
        lock.release()


def _acquire(lock: HostLock, *, deadline: float, interruption: Interruption) -> None:
    pause = threading.Event()
    while True:
        try:
            lock.acquire()
        except LockedError:
            if monotonic() >= deadline or interruption.reason is not None:
                raise
            pause.wait(_RETRY_SECONDS)
        else:
            return


def _release(lock: HostLock) -> None:
    try:
        lock.release()
    except VmstackError:
        return
