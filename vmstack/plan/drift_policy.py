"""`on_drift`: what a program wants done about what others change, per field."""

from collections.abc import Mapping
from typing import Final, Literal

from vmstack.errors import InputError
from vmstack.model.graph import Resource
from vmstack.model.identity import Key, Kind
from vmstack.plan.context import Context
from vmstack.plan.ignore import field_choices, ignored_fields, is_field

Policy = Literal["repair", "report", "ignore"]
POLICIES: Final = ("repair", "report", "ignore")
# What others added, devices and values; everything that has no word of its own.
EXTRA: Final = "extra"
EVERYTHING: Final = "*"
_CAPACITY: Final = "capacity"


def check_policies(resource: Resource) -> list[InputError]:
    """Return an error for every path of the resource's `on_drift` that names no field of it."""
    return [
        InputError(
            f"{resource.key}: on_drift names {path!r}, which is no field of it",
            resolution=f"use one of: {', '.join((EXTRA, *field_choices(resource)))}",
            place=resource.place,
        )
        for path in resource.options.on_drift
        if path != EXTRA and not is_field(resource, path)
    ]


def policies_of(key: Key, *, context: Context) -> Mapping[str, Policy]:
    """What the program says of a resource, by canonical paths; of a volume, what it says of the VM's disk."""
    said: dict[str, Policy] = {}
    for path, word in context.catalog.options(key.kind, key.name).on_drift.items():
        said[path if path == EXTRA else next(iter(ignored_fields((path,))))] = word
    for vm, disk in context.catalog.disk_users.get(key.name, ()) if key.kind is Kind.VOLUME else ():
        said[_CAPACITY] = policy_of(f"disks[{disk.name}].{_CAPACITY}", policies_of(Key(Kind.VM, vm), context=context))
    return said


def left_so(told: str) -> str:
    """The note on what others changed and the program only wants reported."""
    return f"changed outside vmstack, and left so, as on_drift says: {told}"


def policy_of(path: str, policies: Mapping[str, Policy]) -> Policy:
    """The policy of a field: its own, else that of what it is part of (`disks[data]`, `disks`), else that of all."""
    owner = path.partition(".")[0]
    for name in (path, owner, owner.partition("[")[0], EVERYTHING):
        if name in policies:
            return policies[name]
    return "repair"


def policy_of_extra(path: str, policies: Mapping[str, Policy]) -> Policy:
    """The policy of what others added. Unless the program says so in so many words, it stays, and is reported."""
    for name in (path, EXTRA):
        if name in policies:
            return policies[name]
    return "ignore" if policies.get(EVERYTHING) == "ignore" else "report"
