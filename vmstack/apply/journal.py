"""The ledgers while a plan is applied: intents before the first effect, marks after each, outputs at the end."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from vmstack.errors import InternalError, VmstackError
from vmstack.hosts.ledger import LedgerStore
from vmstack.model.identity import StackId
from vmstack.model.ownership import EntryState, Ledger, LedgerEntry, RunRecord, StoredOutput
from vmstack.model.plan import LedgerMark

# A mark may be this late: what is pending in the ledger and complete on the host is recognised or redone.
DEBOUNCE_SECONDS: Final = 0.5

Durable = Callable[[VmstackError | None], None]


class Journal:
    """One host's ledger, written by a thread of its own, so that no effect waits for a mark that may be late.

    Between `open` and `close` all methods may be called from any thread.
    """

    def __init__(self, store: LedgerStore, *, stack: StackId, debounce: float = DEBOUNCE_SECONDS) -> None:
        """Read the ledger as it is now."""
        self._store = store
        found = store.read()
        self._stack = stack
        self._exists = found is not None
        self._ledger = found or Ledger(stack=stack)
        self._entries = {entry.slot: entry for entry in self._ledger.entries}
        self._debounce = debounce
        self._wake = threading.Condition()
        self._dirty = False
        self._closing = False
        self._waiters: list[Durable] = []
        self._thread: threading.Thread | None = None

    def intend(self, entries: Iterable[LedgerEntry], *, forget: Iterable[LedgerEntry] = ()) -> None:
        """Record, durably before it returns, what is about to be made and what is gone."""
        for entry in forget:
            self._entries.pop(entry.slot, None)
        self._entries.update({entry.slot: entry for entry in entries})
        self._write()

    def announce(self, entries: Iterable[LedgerEntry]) -> None:
        """Like `intend`, while effects run: durable before it returns. Raises the failure of the write."""
        self._write_now(lambda: self._entries.update({entry.slot: entry for entry in entries}))

    def disown(self, slot: tuple[str, str]) -> None:
        """Take out what was announced and turned out to be somebody else's. Durable, and raises, as `announce`."""
        self._write_now(lambda: self._entries.pop(slot, None))

    def mark(
        self,
        marks: Sequence[LedgerMark],
        *,
        built: bool = False,
        modified: str | None = None,
        durable: Durable | None = None,
    ) -> None:
        """Record what a finished step means; `durable` is called once it is on the host, with an error if it is not.

        `built` and `modified` are what the step's effect told. Without `durable` the write may be late, and its failure
        shows at `close`.
        """
        with self._wake:
            for mark in marks:
                if mark.action == "forget":
                    self._entries.pop(mark.entry.slot, None)
                elif mark.action == "pending":
                    self._entries[mark.entry.slot] = mark.entry
                else:
                    self._entries[mark.entry.slot] = _ready(mark.entry, built=built, modified=modified)
            self._write_soon(durable)

    def close(self) -> None:
        """Write what is not written yet. Raises the error of that write."""
        self.stop()
        if self._dirty:
            self._write()

    def stop(self) -> None:
        """End the thread without writing the rest."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def conclude(self, *, outputs: dict[str, StoredOutput], run: RunRecord, made: dict[str, int]) -> None:
        """After `close`: store the outputs, who applied last, and which VMs and networks are there now."""
        self._ledger = msgspec.structs.replace(self._ledger, outputs=outputs, last_run=run, made=made)
        self._write()

    def release(self) -> bool:
        """After `close`: remove the ledger, unless it still lists something. Returns whether it is gone."""
        if self._entries:
            return False
        if self._exists:
            self._store.remove()
        return True

    def _write_now(self, change: Callable[[], object]) -> None:
        written = threading.Event()
        failures: list[VmstackError] = []

        def durable(error: VmstackError | None) -> None:
            failures.extend([error] if error else [])
            written.set()

        with self._wake:
            change()
            self._write_soon(durable)
        written.wait()
        if failures:
            raise failures[0]

    def _write_soon(self, durable: Durable | None) -> None:
        self._dirty = True
        if durable is not None:
            self._waiters.append(durable)
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_writing, name="ledger", daemon=True)
            self._thread.start()
        self._wake.notify()

    def _compose(self) -> Ledger:
        entries = tuple(self._entries[slot] for slot in sorted(self._entries))
        self._ledger = msgspec.structs.replace(self._ledger, entries=entries)
        return self._ledger

    def _write(self) -> None:
        self._store.write(self._compose())
        self._exists = True
        self._dirty = False

    def _keep_writing(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._dirty or self._closing)
                self._wake.wait_for(lambda: self._waiters or self._closing, timeout=self._debounce)
                if self._closing and not self._waiters:
                    return  # close() writes the rest and reports how that went
                waiters, self._waiters = self._waiters, []
                ledger = self._compose()
                self._dirty = False
            error = self._try_to_write(ledger)
            for waiter in waiters:
                waiter(error)

    def _try_to_write(self, ledger: Ledger) -> VmstackError | None:
        try:
            self._store.write(ledger)
        except VmstackError as error:
            failure = error
        except BaseException as error:  # noqa: BLE001 - somebody waits for the answer; a dead thread would hang it
            failure = InternalError(f"the ledger could not be written: {error!r}")
        else:
            self._exists = True
            return None
        with self._wake:
            self._dirty = True
        return failure


def _ready(entry: LedgerEntry, *, built: bool, modified: str | None) -> LedgerEntry:
    made = entry.built or (built and entry.role == "pool")
    written = modified if entry.role == "seed" else None
    return msgspec.structs.replace(entry, state=EntryState.READY, built=made, modified=written)
