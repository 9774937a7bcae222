"""The lock of a stack on a host: a libvirt secret whose usage id libvirt admits only once.

A lock has a fresh UUID, so that whoever removes a stale one removes that one and no newer. It is advice with a lease;
the fence is the fingerprint check before the first effect.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from vmstack.errors import ExistsError, LockedError, NotFoundError, VmstackError
from vmstack.hosts.driver import Driver, SecretRecord
from vmstack.hosts.holder import Holder, is_dead, this_process
from vmstack.hosts.ledger import LOCK_PREFIX
from vmstack.model.identity import StackId
from vmstack.model.ownership import LockInfo

LEASE_SECONDS: Final = 60
# Losing the race for a stale lock more often than this means that somebody else is working.
_TRIES: Final = 3


def _now() -> datetime:
    return datetime.now(UTC)


class HostLock:
    """One stack's lock on one host, as one process holds it. `now` gives the time, in UTC."""

    def __init__(
        self,
        driver: Driver,
        stack: StackId,
        *,
        operation: str,
        lease: int = LEASE_SECONDS,
        holder: Holder | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._driver = driver
        self._stack = stack
        self._operation = operation
        self._lease = timedelta(seconds=lease)
        self._holder = holder or this_process()
        self._now = now
        self._held: LockInfo | None = None

    @property
    def lease(self) -> float:
        """Seconds for which the lock holds after it was acquired or renewed."""
        return self._lease.total_seconds()

    def acquire(self) -> LockInfo:
        """Take the lock, over from a holder that is dead or whose lease expired. Raises `LockedError`."""
        for _ in range(_TRIES):
            info = self._fresh()
            try:
                self._write(info)
            except ExistsError:
                self._clear_stale()
            else:
                self._held = info
                return info
        raise LockedError(f"the lock of {self._stack} is being taken by others", resolution="try again")

    def renew(self) -> None:
        """Extend the lease. Raises `LockedError` when the lock was broken or taken over."""
        if self._held is None:
            raise LockedError(f"the lock of {self._stack} is not held")
        current = read_lock(self._driver, self._stack)
        if current is None or current.token != self._held.token:
            raise LockedError(
                f"the lock of {self._stack} was taken away during {self._operation}",
                details=(describe(current),) if current else (),
                resolution="see who works on the stack, then run the command again",
            )
        renewed = msgspec.structs.replace(self._held, expires=self._expiry())
        self._write(renewed)
        self._held = renewed

    def release(self) -> None:
        """Give the lock back; one that is gone already is no error."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            self._driver.undefine_secret(held.token)
        except NotFoundError:
            return

    def _fresh(self) -> LockInfo:
        return LockInfo(
            stack=self._stack,
            token=str(uuid.uuid4()),
            who=self._holder.who,
            where=self._holder.where,
            operation=self._operation,
            since=self._now().isoformat(timespec="seconds"),
            expires=self._expiry(),
            machine=self._holder.machine,
            pid=self._holder.pid,
            pid_start=self._holder.pid_start,
        )

    def _expiry(self) -> str:
        return (self._now() + self._lease).isoformat(timespec="milliseconds")

    def _write(self, info: LockInfo) -> None:
        description = json.dumps(msgspec.to_builtins(info), ensure_ascii=True, sort_keys=True)
        self._driver.define_secret(uuid=info.token, usage=lock_usage(self._stack), description=description)

    def _clear_stale(self) -> None:
        record = _find(self._driver, self._stack)
        if record is None:
            return
        info = decode_lock(record)
        if info is not None and not is_stale(info, now=self._now()):
            raise LockedError(
                f"{self._stack} is locked",
                details=(describe(info),),
                resolution="wait for it to end; if nobody works on the stack any more, run `vmstack unlock`",
            )
        _remove(self._driver, record.uuid)


def is_stale(info: LockInfo, *, now: datetime | None = None) -> bool:
    """Whether the lock protects nothing any more: its holder died, or did not renew it in time."""
    if is_dead(machine=info.machine, pid=info.pid, pid_start=info.pid_start):
        return True
    try:
        return datetime.fromisoformat(info.expires) < (now or _now())
    except (ValueError, TypeError):
        return True


def lock_usage(stack: StackId) -> str:
    """The usage id of the stack's lock secret."""
    return f"{LOCK_PREFIX}{stack}"


def read_lock(driver: Driver, stack: StackId) -> LockInfo | None:
    """Who holds the stack's lock on the host; `None` for nobody."""
    record = _find(driver, stack)
    return None if record is None else decode_lock(record)


def break_lock(driver: Driver, stack: StackId) -> LockInfo | None:
    """Remove the stack's lock, whoever holds it; return what it said."""
    record = _find(driver, stack)
    if record is None:
        return None
    _remove(driver, record.uuid)
    return decode_lock(record)


def decode_lock(record: SecretRecord) -> LockInfo | None:
    """Read a lock; one that cannot be understood protects nothing and is `None`."""
    try:
        info = msgspec.json.decode(record.description, type=LockInfo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return msgspec.structs.replace(info, token=record.uuid)


def describe(info: LockInfo) -> str:
    """A line for people: who, where, what and since when."""
    return (
        f"by {info.who} on {info.where} (process {info.pid}): {info.operation} since {info.since}, "
        f"lease until {info.expires}"
    )


@contextmanager
def kept(locks: Iterable[HostLock], *, on_loss: Callable[[VmstackError], None]) -> Iterator[None]:
    """Renew the locks from a thread until the block ends; they are not released.

    `on_loss` is called, from that thread, with the first error that means a lock is or may be lost. A host that does
    not answer costs nothing until the lease is over.
    """
    held = tuple(locks)
    done = threading.Event()
    pause = min((lock.lease for lock in held), default=float(LEASE_SECONDS)) / 4

    def run() -> None:
        misses = 0
        while not done.wait(pause):
            try:
                for lock in held:
                    lock.renew()
                misses = 0
            except VmstackError as error:
                misses += 1
                if isinstance(error, LockedError) or misses >= 3:
                    on_loss(error)
                    return

    thread = threading.Thread(target=run, name="vmstack-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _find(driver: Driver, stack: StackId) -> SecretRecord | None:
    usage = lock_usage(stack)
    return next((record for record in driver.secrets(usage_prefix=usage) if record.usage == usage), None)


def _remove(driver: Driver, token: str) -> None:
    try:
        driver.undefine_secret(token)
    except NotFoundError:
        return
