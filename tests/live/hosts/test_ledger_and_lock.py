"""The ledger and the lock, kept in secrets of the real daemon."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.live.hosts.conftest import Corner
from vmstack.errors import DocumentError, HostError, LockedError, VmstackError
from vmstack.hosts.holder import start_of, this_process
from vmstack.hosts.ledger import HostLedger, ledger_usage
from vmstack.hosts.lock import HostLock, break_lock, kept, read_lock
from vmstack.model.identity import StackId, derive_ledger_uuid
from vmstack.model.ownership import EntryState, Ledger, LedgerEntry, RunRecord, StoredOutput

pytestmark = pytest.mark.libvirt


@pytest.fixture
def stack(corner: Corner) -> Iterator[StackId]:
    found = StackId(corner.prefix, "dev")
    yield found
    break_lock(corner.driver, found)
    HostLedger(corner.driver, found).remove()


def entry(number: int) -> LedgerEntry:
    return LedgerEntry(
        name=f"web-{number}", role="volume", pool="web", label=f"web-{number}-root.qcow2", state=EntryState.READY
    )


def test_ledger_is_replaced_whole(corner: Corner, stack: StackId) -> None:
    store = HostLedger(corner.driver, stack)
    assert store.read() is None
    store.remove()
    first = Ledger(
        stack=stack,
        entries=(entry(1), entry(2)),
        outputs={"tricky": StoredOutput(value={"a": [None, False, "", "<&]]>\x7f\ufffe\u0000ü"]})},
        last_run=RunRecord(run="r", who="w", where="x", when="2026-01-01T00:00:00+00:00"),
    )
    store.write(first)
    assert store.read() == first
    second = Ledger(stack=stack, entries=(entry(3),))
    store.write(second)
    assert store.read() == second
    assert HostLedger(corner.driver, StackId(corner.prefix, "de")).read() is None
    store.remove()
    assert store.read() is None


def test_ledger_of_fifteen_thousand_volumes_fits_and_a_larger_one_is_refused(corner: Corner, stack: StackId) -> None:
    store = HostLedger(corner.driver, stack)
    ledger = Ledger(stack=stack, entries=tuple(entry(number) for number in range(15_000)))
    store.write(ledger)
    assert store.read() == ledger
    with pytest.raises(HostError, match="carries"):
        store.write(Ledger(stack=stack, entries=tuple(entry(number) for number in range(60_000))))
    assert store.read() == ledger


def test_ledger_that_nobody_understands_is_an_error(corner: Corner, stack: StackId) -> None:
    for description in ("", "{", "[]", '{"format": 99}', '{"stack": ["a", "b"], "surprise": 1}'):
        corner.driver.define_secret(uuid=derive_ledger_uuid(stack), usage=ledger_usage(stack), description=description)
        with pytest.raises(DocumentError):
            HostLedger(corner.driver, stack).read()


def test_second_lock_is_refused_and_says_who(corner: Corner, stack: StackId) -> None:
    first = HostLock(corner.driver, stack, operation="apply")
    info = first.acquire()
    with pytest.raises(LockedError) as caught:
        HostLock(corner.driver, stack, operation="apply").acquire()
    assert info.who in str(caught.value)
    assert info.where in str(caught.value)
    assert caught.value.exit_code == 4
    other = HostLock(corner.driver, StackId(corner.prefix, "prod"), operation="apply")
    other.acquire()
    other.release()
    first.release()
    first.release()
    assert read_lock(corner.driver, stack) is None


def test_lease_is_renewed_and_an_expired_one_taken_over(corner: Corner, stack: StackId) -> None:
    time = [datetime(2026, 1, 1, tzinfo=UTC)]
    elsewhere = msgspec.structs.replace(this_process(), machine="another")
    first = HostLock(corner.driver, stack, operation="apply", holder=elsewhere, now=lambda: time[0])
    second = HostLock(corner.driver, stack, operation="apply", now=lambda: time[0])
    first.acquire()
    time[0] += timedelta(seconds=50)
    first.renew()
    time[0] += timedelta(seconds=50)
    with pytest.raises(LockedError):
        second.acquire()
    time[0] += timedelta(seconds=20)
    taken = second.acquire()
    with pytest.raises(LockedError, match="taken away"):
        first.renew()
    first.release()
    assert read_lock(corner.driver, stack) == taken
    second.release()


def test_lock_of_a_dead_process_is_free_at_once(corner: Corner, stack: StackId) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = msgspec.structs.replace(this_process(), pid=child.pid, pid_start=start_of(child.pid))
    HostLock(corner.driver, stack, operation="apply", holder=holder).acquire()
    with pytest.raises(LockedError):
        HostLock(corner.driver, stack, operation="apply").acquire()
    child.kill()
    child.wait()
    HostLock(corner.driver, stack, operation="apply").acquire()


def test_lock_is_broken(corner: Corner, stack: StackId) -> None:
    assert break_lock(corner.driver, stack) is None
    lock = HostLock(corner.driver, stack, operation="apply")
    info = lock.acquire()
    assert break_lock(corner.driver, stack) == info
    with pytest.raises(LockedError):
        lock.renew()
    corner.driver.define_secret(uuid=corner.uuid("x"), usage=f"vmstack:lock:{stack}", description="no lock at all")
    lock.acquire()
    lock.release()


def test_one_of_many_wins_even_over_a_stale_lock(corner: Corner, stack: StackId) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    for _ in range(5):
        stale = msgspec.structs.replace(this_process(), machine="another")
        HostLock(corner.driver, stack, operation="old", holder=stale, now=lambda: past).acquire()
        gate = threading.Barrier(6)

        def run(_: int, gate: threading.Barrier = gate) -> HostLock | None:
            lock = HostLock(corner.driver, stack, operation="apply")
            gate.wait()
            try:
                lock.acquire()
            except LockedError:
                return None
            return lock

        with ThreadPoolExecutor(6) as threads:
            winners = [lock for lock in threads.map(run, range(6)) if lock is not None]
        assert len(winners) == 1
        winners[0].release()


def test_kept_lock_is_renewed_and_its_loss_is_told(corner: Corner, stack: StackId) -> None:
    lock = HostLock(corner.driver, stack, operation="apply", lease=1)
    first = lock.acquire()
    lost = threading.Event()
    errors: list[VmstackError] = []

    def on_loss(error: VmstackError) -> None:
        errors.append(error)
        lost.set()

    with kept([lock], on_loss=on_loss):
        assert not lost.wait(1.5)
        assert read_lock(corner.driver, stack).expires > first.expires
        break_lock(corner.driver, stack)
        assert lost.wait(5)
    assert isinstance(errors[0], LockedError)
