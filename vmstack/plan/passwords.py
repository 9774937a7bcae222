"""Passwords of displays. No host tells what one is, so the stamp notes a mark that tells one from another.

The mark is made by scrypt, with the domain's UUID as the salt, so that guessing by it is as slow as the guesser's
machine, and equal passwords of two VMs have nothing in common. The password itself travels in the plan's payload only.
"""

import hashlib
from typing import Final

import msgspec

from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.plan import HIDDEN
from vmstack.model.specs import VmSpec
from vmstack.plan.changes.row import Case
from vmstack.plan.domain_diff import Difference

PATH: Final = "graphics.password"
_DIGITS: Final = 16


def mark_of(spec: VmSpec) -> str | None:
    """The word for a stamp that tells the password from another; `None` without one."""
    if spec.password is None:
        return None
    key = hashlib.scrypt(spec.password.encode(), salt=spec.uuid.encode(), n=1 << 13, r=8, p=1, dklen=_DIGITS // 2)
    return f"{PATH}={key.hex()}"


def mark_in(stamp: Stamp | None) -> str | None:
    """The word of the password in a stamp."""
    fields = stamp.fields if stamp is not None else ()
    return next((field for field in fields if field.startswith(f"{PATH}=")), None)


def unmarked(stamp: Stamp) -> Stamp:
    """The stamp of a domain whose password is not set yet."""
    return msgspec.structs.replace(stamp, fields=tuple(item for item in stamp.fields if item != mark_in(stamp)))


def password_difference(found: ObservedDomain, *, stamp: Stamp) -> tuple[Difference, ...]:
    """What differs. A display that asks for a password goes on asking for one; only which one can change live."""
    before, mark = mark_in(found.stamp), mark_in(stamp)
    if before == mark:
        return ()
    live = found.live if found.active else None
    keeps = before is not None and mark is not None and live is not None and live.graphics is not None
    case = Case.DISPLAY_PASSWORD if keeps else Case.DEFINITION
    return (Difference(PATH, before and HIDDEN, mark and HIDDEN, case),)
