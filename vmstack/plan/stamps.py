"""Stamps compared: what there is to write, and why."""

from typing import Final

import msgspec

from vmstack.model.ownership import Stamp

# Why something is put right that the program did not change.
BY_HAND: Final = "It was changed outside vmstack."


def is_stamped_so(old: Stamp | None, new: Stamp) -> bool:
    """Whether the object has the stamp already. One of an early version, without a record of what was applied, is as
    good: it gets that with the next change."""
    if old is None or not old.intact:
        return False
    return old == (new if old.applied is not None else msgspec.structs.replace(new, applied=None))


def why_stamped_anew(old: Stamp | None) -> tuple[str, ...]:
    """Why a stamp is written though what it says is not new, as a sentence; nothing of one that is intact."""
    if old is None or old.intact:
        return ()
    what = "changed" if old.digest else "removed"
    return (f"Its stamp, by which vmstack knows it, was {what} outside vmstack.",)
