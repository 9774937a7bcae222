"""Drift: what others changed of a stack's objects since it was last applied."""

import enum

from vmstack.errors import Place
from vmstack.model.base import Data
from vmstack.model.identity import Key, StackId
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Disruption

DRIFT_FORMAT = 1


class DriftKind(enum.StrEnum):
    """What sort of thing was changed.

    field: a value that the stack wrote. extra: a device, entry or value that the stack did not write. power, autostart:
    the object's own. definition: gone, while the object still runs. missing: the whole object. inactive: a network or
    pool that was stopped. stamp: removed or changed. content: a seed that was written into. ledger: the stack's
    record on the host. pending: a guest that runs with something else than it is to get at its next
    start.
    """

    FIELD = "field"
    EXTRA = "extra"
    POWER = "power"
    AUTOSTART = "autostart"
    DEFINITION = "definition"
    MISSING = "missing"
    INACTIVE = "inactive"
    STAMP = "stamp"
    CONTENT = "content"
    LEDGER = "ledger"
    PENDING = "pending"


class Remedy(enum.StrEnum):
    """What apply does about it: puts it right, leaves it as it is and only reports it, or refuses to go on at all."""

    REPAIR = "repair"
    REPORT = "report"
    REFUSED = "refused"


class Drift(Data, frozen=True, kw_only=True):
    """One thing that was changed. `was` is as it was applied last and `now` as it is, JSON-able and as people read it;
    `None` is absent, or (`was`) not known. `disruption` is what its repair does to the guest. `note` explains."""

    key: Key
    host: str
    kind: DriftKind
    path: str
    was: object = None
    now: object = None
    remedy: Remedy = Remedy.REPORT
    disruption: Disruption = Disruption.NONE
    note: str | None = None
    place: Place | None = None


class DriftReport(Data, frozen=True, kw_only=True):
    """All drift of a stack, sorted. `runs` says who applied last on each host, and when; `refusals` why apply would do
    nothing at all, as sentences; `unknown` are objects of which it cannot be told what was applied last."""

    stack: StackId
    items: tuple[Drift, ...] = ()
    runs: dict[str, RunRecord | None] = {}
    refusals: tuple[str, ...] = ()
    unknown: tuple[Key, ...] = ()
    format: int = DRIFT_FORMAT
