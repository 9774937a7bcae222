"""The ledger while a plan is applied."""

import threading

import pytest

from vmstack.apply.journal import Journal
from vmstack.errors import HostUnreachableError
from vmstack.model.identity import StackId
from vmstack.model.ownership import EntryState, Ledger, LedgerEntry, RunRecord, StoredOutput
from vmstack.model.plan import LedgerMark

STACK = StackId("shop", "prod")
RUN = RunRecord(run="r", who="me", where="here", when="2026-01-01T00:00:00+00:00")


class Store:
    """A ledger store in memory that can be made to fail."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger
        self.writes = 0
        self.failures = 0
        self.wrote = threading.Event()

    def read(self) -> Ledger | None:
        return self.ledger

    def write(self, ledger: Ledger) -> None:
        if self.failures:
            self.failures -= 1
            raise HostUnreachableError("gone")
        self.ledger = ledger
        self.writes += 1
        self.wrote.set()

    def remove(self) -> None:
        self.ledger = None


def entry(label: str, *, role: str = "volume", state: EntryState = EntryState.PENDING) -> LedgerEntry:
    return LedgerEntry(name=label, role=role, pool="web", label=label, state=state)


def ready(label: str) -> LedgerMark:
    return LedgerMark(action="ready", entry=entry(label))


def states(store: Store) -> dict[str, str]:
    assert store.ledger is not None
    return {one.label: one.state.value for one in store.ledger.entries}


def test_intents_are_on_the_host_at_once():
    store = Store(Ledger(stack=STACK, entries=(entry("old", state=EntryState.READY), entry("gone"))))
    journal = Journal(store, stack=STACK)
    journal.intend([entry("new")], forget=[entry("gone")])
    assert states(store) == {"old": "ready", "new": "pending"}


def test_a_durable_mark_is_written_before_it_is_confirmed():
    store = Store()
    journal = Journal(store, stack=STACK, debounce=60)
    confirmed = threading.Event()
    seen: list[object] = []

    def durable(error: object) -> None:
        seen.extend((error, states(store)))
        confirmed.set()

    journal.mark([ready("a")], durable=durable)
    assert confirmed.wait(1.5)
    assert seen == [None, {"a": "ready"}]
    journal.close()


def test_late_marks_are_gathered_into_one_write():
    store = Store()
    journal = Journal(store, stack=STACK, debounce=60)
    for number in range(50):
        journal.mark([ready(f"v{number}")])
    journal.close()
    assert store.writes == 1
    assert set(states(store).values()) == {"ready"}
    assert len(states(store)) == 50


def test_a_late_mark_is_written_without_waiting_for_the_end():
    store = Store()
    journal = Journal(store, stack=STACK, debounce=0.01)
    journal.mark([ready("a")])
    assert store.wrote.wait(1.5)
    journal.close()


def test_a_forgotten_entry_goes():
    store = Store(Ledger(stack=STACK, entries=(entry("a", state=EntryState.READY),)))
    journal = Journal(store, stack=STACK)
    journal.mark([LedgerMark(action="forget", entry=entry("a"))])
    journal.close()
    assert states(store) == {}


@pytest.mark.parametrize(("role", "built"), [("pool", True), ("volume", False)])
def test_only_a_pool_learns_that_its_directory_was_built(role, built):
    store = Store()
    journal = Journal(store, stack=STACK)
    journal.mark([LedgerMark(action="ready", entry=entry("x", role=role))], built=True)
    journal.close()
    assert store.ledger is not None
    assert store.ledger.entries[0].built is built


def test_a_write_that_fails_is_told_to_who_waits_and_tried_again():
    store = Store()
    store.failures = 1
    journal = Journal(store, stack=STACK, debounce=60)
    told = threading.Event()
    errors: list[object] = []

    def durable(error: object) -> None:
        errors.append(error)
        told.set()

    journal.mark([ready("a")], durable=durable)
    assert told.wait(1.5)
    assert isinstance(errors[0], HostUnreachableError)
    journal.close()
    assert states(store) == {"a": "ready"}


def test_the_last_write_raises_its_failure():
    store = Store()
    journal = Journal(store, stack=STACK, debounce=60)
    journal.mark([ready("a")])
    store.failures = 9
    with pytest.raises(HostUnreachableError):
        journal.close()


def test_concluding_stores_outputs_and_the_run():
    store = Store()
    journal = Journal(store, stack=STACK)
    journal.close()
    journal.conclude(outputs={"ip": StoredOutput(value="10.0.0.1")}, run=RUN, made={"vm.web-0": 1})
    assert store.ledger == Ledger(
        stack=STACK, outputs={"ip": StoredOutput(value="10.0.0.1")}, last_run=RUN, made={"vm.web-0": 1}
    )


def test_an_empty_ledger_is_released_and_another_is_kept():
    full, bare = Store(Ledger(stack=STACK, entries=(entry("a"),))), Store(Ledger(stack=STACK))
    for store, gone in ((full, False), (bare, True)):
        journal = Journal(store, stack=STACK)
        journal.close()
        assert journal.release() is gone
        assert (store.ledger is None) is gone
