"""What the planner refuses: emptying by accident, losing data that is protected, and taking guests off their disks."""

from collections.abc import Iterable, Mapping

from vmstack.errors import ConflictError, Place, RefusedError, UnallowedLossError
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.plan.base_plan import Base
from vmstack.plan.changes.row import Outcome, VmState
from vmstack.plan.changes.table import row_of
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import disk_path
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.seed_plan import SeedDecision
from vmstack.plan.seeds import SEED_SERIAL
from vmstack.plan.volume_fate import Fate, VolumeFate


def check_empty(context: Context) -> None:
    """Refuse to delete everything because a program is empty. Raises `RefusedError`."""
    policy = context.policy
    if policy.destroy or policy.allow_empty or any(key.kind is not Kind.HOST for key in context.order):
        return
    held = [
        host
        for host, index in sorted(context.indexes.items())
        if index.entries or index.own_domains or index.own_networks
    ]
    if held:
        raise RefusedError(
            f"the program defines nothing, and stack {context.stack} has objects on {', '.join(held)}",
            resolution="use destroy to remove the stack, or --allow-empty if an empty stack is what you want",
        )


def check_replacements(fates: Mapping[str, VolumeFate], *, context: Context) -> None:
    """Report volumes whose content would be lost against their protection, or that others use."""
    for fate in fates.values():
        if fate.fate in (Fate.REPLACE, Fate.REDO):
            _check_users(fate, context=context)
        if fate.fate is Fate.REPLACE:
            _check_replaced(fate, context=context)
        elif fate.fate is Fate.REMAKE:
            # What it held is gone already, if it is gone: it may only be out of sight.
            check_loss(
                fate.key,
                protect=fate.entry.protect,
                data=fate.entry.data,
                what="is missing on its host, so that an empty one would be made",
                resolution="bring it back (is its file system mounted?)",
                place=context.catalog.place(Kind.VOLUME, fate.spec.name),
                context=context,
            )


def _check_replaced(fate: VolumeFate, *, context: Context) -> None:
    """What the ledger and the stamps say counts as well as the program: protection goes in an apply of its own."""
    index = context.indexes[fate.host]
    held = index.entries.get(fate.slot) if fate.moved is None else fate.moved
    if fate.entry.retain or (held is not None and held.retain):
        context.draft.errors.append(
            RefusedError(
                f"{fate.key} is to be retained, and it would be made anew in its own place",
                resolution="give the new one another name, or take retain_on_delete off and apply that first",
                place=context.catalog.place(Kind.VOLUME, fate.spec.name),
            )
        )
    guards = [
        vm
        for vm, _ in context.catalog.disk_users.get(fate.spec.name, ())
        if context.catalog.options(Kind.VM, vm).protect is True or _was_guarded(index.own_domains.get(vm))
    ]
    why = fate.reasons[0] if fate.reasons else ", ".join(path for path, _, _ in fate.fields)
    check_loss(
        fate.key,
        protect=fate.entry.protect or bool(guards) or (held is not None and held.protect),
        data=fate.entry.data or (held is not None and held.data),
        what=f"cannot be made anew ({why})",
        place=context.catalog.place(Kind.VOLUME, fate.spec.name),
        context=context,
    )


def _check_users(fate: VolumeFate, *, context: Context) -> None:
    index = context.indexes[fate.host]
    path = index.volume_path(fate.slot) if fate.moved is None else fate.moved.path
    users = [f"the domain {domain.name!r}" for domain in index.foreign_users(path)]
    users += [f"the volume {slot[1]!r}" for slot in index.backed.get(path or "", ()) if slot not in index.entries]
    if users:
        context.draft.errors.append(
            ConflictError(
                f"{fate.key} cannot be made anew: {min(users)} on host {fate.host}, "
                "which is not of this stack, uses it",
                resolution="remove it there first, or leave the volume as it is in the program",
                place=context.catalog.place(Kind.VOLUME, fate.spec.name),
            )
        )


def check_remade(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report domains that would be made anew against their protection, or lose what only their definition keeps."""
    for machine in machines:
        if machine.remade:
            before = machine.observed.stamp if machine.observed is not None else None
            lost = f": {' and '.join(machine.loses)} would go" if machine.loses else ""
            check_loss(
                machine.key,
                protect=machine.stamp.protect or (before is not None and before.protect),
                data=bool(machine.loses),
                what=f"cannot be made anew{lost}",
                place=context.catalog.place(Kind.VM, machine.spec.name),
                context=context,
            )


def check_saved_states(
    machines: Iterable[MachineDecision], *, volumes: Mapping[str, VolumeFate], context: Context
) -> None:
    """Report guests whose saved memory would be resumed on another disk than it was saved with."""
    for machine in machines:
        if machine.observed is None or not machine.observed.has_managed_save:
            continue
        made = [disk.name for disk in machine.spec.disks if volumes[disk.volume].disturbs]
        if made:
            context.draft.errors.append(
                ConflictError(
                    f"{machine.key}: its memory is saved on host {machine.host}, and would be resumed on disks "
                    f"made anew ({', '.join(made)})",
                    resolution=_way_on(machine.observed.name),
                    place=context.catalog.place(Kind.VM, machine.spec.name),
                )
            )
        for reason, paths in _refused(machine, state=VmState.SAVED).items():
            context.draft.errors.append(
                ConflictError(
                    f"{machine.key}: its memory is saved on host {machine.host}, so that {', '.join(paths)} cannot "
                    f"change. {reason}",
                    resolution=_way_on(machine.observed.name),
                    place=context.catalog.place(Kind.VM, machine.spec.name),
                )
            )


def check_refused(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report changes that the table refuses whatever state the guest is in."""
    for machine in machines:
        refused = {} if machine.state is VmState.SAVED else _refused(machine, state=machine.state)
        for reason, paths in refused.items():
            context.draft.errors.append(
                ConflictError(
                    f"{machine.key}: {', '.join(paths)} cannot change. {reason}",
                    resolution="keep what it has, or make the VM anew under another name",
                    place=context.catalog.place(Kind.VM, machine.spec.name),
                )
            )


def _refused(machine: MachineDecision, *, state: VmState) -> dict[str, list[str]]:
    """What a guest in that state cannot take, by the reason. A definition that is made anew may be any other, and what
    it drops with the old one is told there. A rename is looked at where the name is."""
    found: dict[str, list[str]] = {}
    for item in () if machine.remade or machine.state is not state else machine.differences:
        row = row_of(item.path, case=item.case)
        if row.classes.of(state) is Outcome.REFUSED and item.path != "label":
            found.setdefault(row.refusal or row.why, []).append(item.path)
    return found


def _way_on(name: str) -> str:
    return f"start and shut it down, or drop what was saved: virsh managedsave-remove {name}"


def check_slots(
    *, bases: Iterable[Base], seeds: Iterable[SeedDecision], volumes: Iterable[VolumeFate], context: Context
) -> None:
    """Report volumes that would be the same file as a base image or a seed."""
    held = {(base.host, base.slot): base.key for base in bases}
    held |= {(seed.host, seed.slot): seed.key for seed in seeds}
    for fate in volumes:
        other = held.get((fate.host, fate.slot))
        if other is not None:
            context.draft.errors.append(
                ConflictError(
                    f"{fate.key} and {other} have the same name {fate.slot[1]!r} in pool {fate.slot[0]!r}",
                    resolution="give the volume another name",
                    place=context.catalog.place(Kind.VOLUME, fate.spec.name),
                )
            )


def check_files(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report disks that have a file which this stack did not give them, in the definition or the running guest.

    An external snapshot or a block copy puts a guest on another file; writing the definition with ours would take it
    back to the state before.
    """
    for machine in machines:
        found = machine.observed
        if found is None:
            continue
        index = context.indexes[machine.host]
        owned = found.stamp.fields if found.stamp is not None else ()
        wanted = {disk.serial: disk for disk in machine.target.disks if f"disks[{disk.serial}]" in owned}
        wanted.pop(SEED_SERIAL, None)
        strayed: set[tuple[str, str]] = set()
        for config in (found.config, found.live or found.config):
            for disk in config.disks:
                ours = wanted.get(disk.serial)
                if disk.device == "cdrom":
                    continue  # nobody writes to a medium
                if ours is not None and disk.path not in (None, ours.path):
                    strayed.add((disk_path(disk), disk.path or ""))
        if strayed:
            known = {index.volume_path(slot) for slot in index.entries}
            known |= {entry.path for entry in index.entries.values()}
            strayed = {(disk, path) for disk, path in strayed if path not in known}
        if strayed:
            context.draft.errors.append(
                RefusedError(
                    f"{machine.key}: a disk is on another file than vmstack gave it, by a snapshot or by hand",
                    details=[f"{disk} has {path}" for disk, path in sorted(strayed)],
                    resolution="commit or pivot it back to its own file first, such as with virsh blockcommit",
                    place=context.catalog.place(Kind.VM, machine.spec.name),
                )
            )


def _was_guarded(domain: ObservedDomain | None) -> bool:
    return domain is not None and domain.stamp is not None and domain.stamp.protect


def check_loss(
    key: Key,
    *,
    protect: bool,
    data: bool,
    what: str,
    context: Context,
    place: Place | None = None,
    resolution: str | None = None,
    left: bool = False,
) -> None:
    """Report the loss of something protected, or of data without the policy's leave.

    `resolution` is what to do other than to give that leave; `left`: it is not in the program any more.
    """
    keep = "leave it out by --exclude" if context.policy.destroy else "keep it in the program"
    unprotect = "set protect=False on it in the program"
    if left and not context.policy.destroy:
        unprotect = "put it back into the program with protect=False"
    if protect:
        context.draft.errors.append(
            RefusedError(
                f"{key} is protected and {what}",
                resolution=f"{resolution}, or {unprotect}" if resolution else f"{unprotect} and apply that first",
                place=place,
            )
        )
    elif data and not context.policy.allow_data_loss:
        context.draft.errors.append(
            UnallowedLossError(
                f"{key} holds data and {what}",
                resolution=f"{resolution or keep}, or allow it with --allow-data-loss",
                place=place,
            )
        )
