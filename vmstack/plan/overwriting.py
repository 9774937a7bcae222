"""What a domain loses that others gave it, when its definition is written whole."""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

import msgspec

from vmstack.errors import DocumentError
from vmstack.model.observed import ObservedDomain
from vmstack.plan.adopted import adopted_of
from vmstack.plan.changes.row import Case
from vmstack.plan.domain_diff import SCALARS, Difference, differences, settle_target
from vmstack.plan.machine_wish import Wish
from vmstack.plan.styling import write_whole
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.losses import find_gains, find_losses, plain_path
from vmstack.xmlio.peripherals import KINDS

# libvirt says these of a machine whose definition does not. Whether it did, their XML tells.
_FILLED_IN: Final = frozenset({
    "emulator", "loader", "nvram", "nvram_template", "boot", "cpu_model", "secure_boot", "on_reboot", "on_crash",
    "watchdog", "panic", "consoles",
})  # fmt: skip
_CARRIED: Final = ("description", "metadata[")


class _Ours(frozenset[str]):
    """The fields of a definition that is written whole: all but what libvirt fills in and what is carried over, which
    are the domain's own where its stamp lists them."""

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str) and not item.startswith(_CARRIED):
            return item.partition("[")[0] not in _FILLED_IN
        return super().__contains__(item)


def survives(path: str) -> bool:
    """Whether something that others gave a domain stays when its definition is written whole."""
    return path.startswith(_CARRIED) or (path.startswith(("disks[", "nics[")) and path.endswith("]"))


def find_overwritten(
    wish: Wish,
    found: ObservedDomain,
    *,
    stylesheet: str | None,
    ignored: frozenset[str],
    dropped: frozenset[str],
    nic_names: Mapping[str, str],
    known: Collection[str],
) -> tuple[Difference, ...]:
    """Everything that goes with the old definition or comes back with the new one, by path, but for what is `known` to
    change: values that only others gave it or took, and XML that no field stands for. Their disks, NICs, description
    and metadata stay, but for disks and NICs that are `dropped` (by serial and MAC), of which the plan tells already.
    """
    names, owned = dict(nic_names), found.stamp.fields if found.stamp is not None else ()
    plain = read_domain(write_whole(wish.design, stamp=wish.stamp, stylesheet=None))
    said = read_domain(write_whole(wish.design, stamp=wish.stamp, stylesheet=stylesheet))
    # What a stylesheet makes is compared as its work.
    styled = {item.path for item in differences(said, plain, nic_names=names)}
    # What every machine has, and a stylesheet took away: libvirt may have put it back.
    removed = {path for path, kind in KINDS.items() if kind.usual is not None and getattr(said, path) is None}
    ours = settle_target(said, observed=found.config, owned=_Ours(owned), ignored=ignored, nic_names=names)
    lost: dict[str, Difference] = {}
    for item in differences(ours, found.config, nic_names=names):
        if item.path not in {*known, *styled, *removed}:
            after = None if item.after == "" else item.after
            lost[item.path] = item._replace(after=after, case=Case.OVERWRITTEN, device=None)
    gone = {f"/devices/disk[{disk.target}]" for disk in found.config.disks if disk.serial in dropped}
    gone |= {f"/devices/interface[{nic.mac}]" for nic in found.config.nics if nic.mac in dropped}
    kept = _all_fields_kept(wish, found, stylesheet=stylesheet, known={*known, *lost}, dropped=dropped)
    for fact in find_losses(kept, held=found.xml):
        if f"stylesheet[{plain_path(fact.path)}]" not in known and fact.path not in gone:
            lost[f"xml[{fact.path}]"] = Difference(f"xml[{fact.path}]", fact.value, None, Case.OVERWRITTEN)
    for fact in find_gains(kept, held=found.xml):
        path = f"xml[{fact.path}]"
        if f"stylesheet[{plain_path(fact.path)}]" not in known:
            before = lost[path].before if path in lost else None
            lost[path] = Difference(path, before, fact.value, Case.OVERWRITTEN)
    return tuple(lost[path] for path in sorted(lost))


def _all_fields_kept(
    wish: Wish, found: ObservedDomain, *, stylesheet: str | None, known: Collection[str], dropped: frozenset[str]
) -> str:
    """The definition as it would be if all that fields stand for were to stay, so that only the rest is missing.

    What may be libvirt's own is as the program has it, unless that is `known` to change.
    """
    design = wish.design
    serials, macs = {disk.serial for disk in design.disks}, {nic.mac for nic in design.nics}
    ours = {name: getattr(design, SCALARS.get(name, name)) for name in _FILLED_IN - {*known}}
    config = msgspec.structs.replace(
        found.config,
        disks=tuple(disk for disk in found.config.disks if disk.serial in serials),
        nics=tuple(nic for nic in found.config.nics if nic.mac in macs),
        **{SCALARS.get(name, name): value for name, value in ours.items()},
    )
    write = partial(
        write_whole,
        stamp=wish.stamp,
        stylesheet=stylesheet,
        held=found.xml,
        dropped=dropped,
        adopted=adopted_of(found),
    )
    try:
        return write(config)
    except DocumentError:  # others made of a device of ours what vmstack cannot write
        return write(msgspec.structs.replace(config, disks=design.disks, nics=design.nics))
