"""Ledger entries as the planner restates them."""

import msgspec

from vmstack.model.ownership import EntryState, LedgerEntry


def pending(entry: LedgerEntry) -> LedgerEntry:
    """The entry as the ledger must hold it before the thing is made."""
    return msgspec.structs.replace(entry, state=EntryState.PENDING)
