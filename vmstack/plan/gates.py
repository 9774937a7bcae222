"""What the planner refuses: emptying by accident, losing data that is protected, and taking guests off their disks."""

from collections.abc import Iterable, Mapping

from vmstack.errors import Place, RefusedError
from vmstack.model.identity import Key, Kind
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import disk_path
from vmstack.plan.index import HostIndex
from vmstack.plan.machines import MachineDecision
from vmstack.plan.seeds import SEED_SERIAL
from vmstack.plan.volumes import Fate, VolumeFate


def check_empty(context: Context) -> None:
    """Refuse to delete everything because a program is empty. Raises `RefusedError`."""
    policy = context.policy
    if policy.destroy or policy.allow_empty or any(key.kind is not Kind.HOST for key in context.catalog.resources):
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


def check_renames(context: Context) -> None:
    """Refuse a resource that has another name than on the host: it would be made anew, and the old one deleted."""
    for key, resource in context.catalog.resources.items():
        for name in resource.options.aliases:
            old = Key(key.kind, name)
            if old in context.catalog.resources or not any(
                _holds(index, old) and not _holds(index, key) for index in context.indexes.values()
            ):
                continue
            context.draft.errors.append(
                RefusedError(
                    f"{key} was {old} before, and a resource cannot change its name: it would be deleted and made anew",
                    resolution=f"keep the name {name!r}",
                    place=resource.place,
                )
            )


def _holds(index: HostIndex, key: Key) -> bool:
    if key.kind is Kind.VM:
        return key.name in index.own_domains
    if key.kind is Kind.NETWORK:
        return key.name in index.own_networks
    return key in index.named_entries


def check_replacements(fates: Mapping[str, VolumeFate], *, context: Context) -> None:
    """Report volumes whose content would be lost against their protection."""
    for fate in fates.values():
        if fate.fate is not Fate.REPLACE:
            continue
        name = fate.spec.name
        guards = [vm for vm, _ in context.catalog.disk_users.get(name, ()) if _guarded(vm, context=context)]
        why = fate.reasons[0] if fate.reasons else ", ".join(path for path, _, _ in fate.fields)
        check_loss(
            fate.key,
            protect=fate.entry.protect or bool(guards),
            data=fate.entry.data,
            what=f"cannot be made anew ({why})",
            place=context.catalog.place(Kind.VOLUME, name),
            context=context,
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


def _guarded(vm: str, *, context: Context) -> bool:
    return context.catalog.options(Kind.VM, vm).protect is True


def check_loss(key: Key, *, protect: bool, data: bool, what: str, context: Context, place: Place | None = None) -> None:
    """Report the loss of something protected, or of data without the policy's leave."""
    if protect:
        context.draft.errors.append(
            RefusedError(
                f"{key} is protected and {what}",
                resolution="set protect=False on it in the program and apply that first",
                place=place,
            )
        )
    elif data and not context.policy.allow_data_loss:
        context.draft.errors.append(
            RefusedError(
                f"{key} holds data and {what}",
                resolution="allow it with --allow-data-loss, or keep it in the program",
                place=place,
            )
        )
