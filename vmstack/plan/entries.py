"""Ledger entries as the planner restates them."""

import msgspec

from vmstack.model.ownership import EntryState, LedgerEntry


def resumes(entry: LedgerEntry | None) -> bool:
    """Whether an interrupted run may have made the thing: the ledger has expected it since before this plan."""
    return entry is not None and entry.state is EntryState.PENDING


def pending(entry: LedgerEntry, *, anew: bool = False) -> LedgerEntry:
    """The entry as the ledger must hold it before the thing is made.

    `anew`: something has its file already, so that being in use will not prove it complete.
    """
    return msgspec.structs.replace(entry, state=EntryState.PENDING, anew=anew)
