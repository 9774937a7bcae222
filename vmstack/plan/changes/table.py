"""The change table as a whole, and how the differs look a class up in it.

What is possible in place is said here and nowhere else: a change whose row is missing is not planned at all.
"""

import re
from collections.abc import Mapping
from typing import Final

from vmstack.model.plan import Disruption
from vmstack.plan.changes import devices, machine, network, storage
from vmstack.plan.changes.row import Case, Noun, Row, VmState

TABLE: Final[Mapping[Noun, tuple[Row, ...]]] = {
    Noun.VM: (*machine.ROWS, *devices.ROWS),
    Noun.NETWORK: network.ROWS,
    Noun.POOL: storage.POOL_ROWS,
    Noun.VOLUME: storage.VOLUME_ROWS,
}
_ANY: Final = "*"
_ROWS: Final = {(noun, row.field, row.case): row for noun, rows in TABLE.items() for row in rows}
_CASES: Final = {
    (noun, row.field): {other.case for other in rows if other.field == row.field}
    for noun, rows in TABLE.items()
    for row in rows
}
# Keys may hold brackets themselves.
_KEY: Final = re.compile(r"\[.*\]")


def without_keys(path: str) -> str:
    """A path of any of the objects of its kind: `disks[data].cache` is `disks[].cache`."""
    return _KEY.sub("[]", path)


def field_of(path: str) -> str:
    """The field that a path of a plan names. That of a VM which starts with `network.` names one of the networks."""
    return "network.*" if path.startswith("network.") else without_keys(path)


def row_of(path: str, *, case: Case, noun: Noun = Noun.VM) -> Row:
    """The row of a change. Raises `LookupError` for one that the table does not know: that is a defect."""
    field = field_of(path)
    row = _ROWS.get((noun, field, case)) or _ROWS.get((noun, _ANY, case))
    if row is None:
        raise LookupError(f"the change table has no row for {noun.value} {field}: {case.value}")
    return row


def only_case(path: str, *, noun: Noun = Noun.VM) -> Case:
    """The case of a field that has just one, whatever the circumstances. Raises `LookupError`."""
    cases = _CASES.get((noun, field_of(path)), set())
    if len(cases) != 1:
        raise LookupError(f"the change table has {len(cases)} cases for {noun.value} {field_of(path)}")
    return next(iter(cases))


def disruption_of(path: str, *, case: Case, state: VmState, noun: Noun = Noun.VM) -> Disruption:
    """Look the class up."""
    return row_of(path, case=case, noun=noun).disruption(state)


def worst(classes: tuple[Disruption, ...]) -> Disruption:
    """The most disruptive of some classes; `NONE` of none."""
    return max(classes, key=lambda disruption: disruption.rank, default=Disruption.NONE)
