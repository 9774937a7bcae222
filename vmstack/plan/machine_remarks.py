"""What a plan remarks on a VM without changing it: warnings and notes."""

from collections.abc import Iterable, Mapping

from vmstack.model.configs import DomainConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.specs import VmSpec
from vmstack.plan.context import Context
from vmstack.plan.machine_state import boot_disk
from vmstack.plan.network_updates import Lease
from vmstack.plan.networks import NetworkDecision


def remark(
    spec: VmSpec,
    found: ObservedDomain,
    *,
    target: DomainConfig,
    stamp: Stamp,
    starts: bool,
    changed: Iterable[str],
    context: Context,
) -> None:
    """Remark on an existing VM. `starts`: the plan starts it; `changed` are the fields that it changes."""
    key, draft = Key(Kind.VM, spec.name), context.draft
    if found.stamp is not None and found.stamp.ready == "failed" and stamp.ready == "failed":
        draft.warn(_failure(found.stamp.report, name=found.name), key=key, place=context.catalog.place(*key))
    if found.state == "pmsuspended":
        draft.note("the guest has suspended itself; wake it up to have it running", key=key)
    if found.has_managed_save and not found.active:
        _remark_saved(spec, starts=starts, changed=tuple(changed), context=context)
    first = spec.disks[0].name if spec.disks else None
    boot = boot_disk(target)
    if boot is not None and boot.serial != first and _bus(target, serial=first) == boot.bus:
        draft.warn(
            f"its firmware boots from the disk {boot.serial}, which came first to it, and not from {first}, the first "
            "one of the program; only a VM that is made anew has its disks in the program's order",
            key=key,
        )
    for disk in spec.disks:
        if all(disk.name != other.serial for other in target.disks):
            draft.note(f"the disk {disk.name} is not attached to it, because ignore_changes says so", key=key)
    for nic in spec.nics:
        if all(nic.mac != other.mac for other in target.nics):
            draft.note(f"the NIC {nic.name} is not attached to it, because ignore_changes says so", key=key)


def _remark_saved(spec: VmSpec, *, starts: bool, changed: tuple[str, ...], context: Context) -> None:
    """Saved memory goes on with what it was saved with, so that an apply alone does not bring about what changed."""
    text = "it has a saved state, from which it goes on"
    if changed and not starts:
        text = "it has a saved state: its next start resumes that, and changes wait for a restart"
    elif changed:
        deferred = spec.restarts.policy == "defer"
        how = "and what needs a restart waits for one by others" if deferred else "with a restart where one is needed"
        text += (
            f" without what changes: {', '.join(changed)}. Apply once more to bring it that, {how}; or drop what was "
            f"saved first (virsh managedsave-remove {spec.label})"
        )
    if changed or starts:
        context.draft.note(text, key=Key(Kind.VM, spec.name))


def remark_leases(
    going_on: Mapping[str, ObservedDomain], *, networks: Mapping[str, NetworkDecision], context: Context
) -> None:
    """Remark on reserved addresses that change under guests that go on running: they keep the leases they have.

    `going_on` are those guests, by their names in the program.
    """
    for name, network in networks.items():
        olds: dict[str, str] = {}
        news: dict[str, str] = {}
        for update in network.diff.updates if network.diff is not None else ():
            if isinstance(update.before, Lease):
                olds[update.path] = update.before.reservation.ip
            if isinstance(update.after, Lease):
                news[update.path] = update.after.reservation.ip
        for vm, nic in context.catalog.nic_users.get(name, ()) if news else ():
            found, path = going_on.get(vm), f"reservations[{nic.mac}]"
            old, new = olds.get(path), news.get(path)
            plugged = found is not None and any(nic.mac == item.mac for item in (found.live or found.config).nics)
            if plugged and new is not None and old != new:
                context.draft.note(
                    f"its NIC {nic.name} gets the address {new} when the guest asks for a new lease, or is restarted"
                    + (f"; until then it keeps {old}" if old is not None else ""),
                    key=Key(Kind.VM, vm),
                )


def _bus(config: DomainConfig, *, serial: str | None) -> str | None:
    return next((disk.bus for disk in config.disks if disk.serial == serial), None)


def _failure(report: str | None, *, name: str) -> str:
    return (
        f"THE GUEST IS NOT AS THE PROGRAM SAYS: cloud-init failed in it ({report or 'it gave no reason'}). "
        "No later plan repairs that by itself. Look at /var/log/cloud-init-output.log in the guest "
        f"(virsh console {name}), mend the cloud-init content, and have it run again with "
        'on_seed_change="reseed" (at the next start) or "replace" (on a new root disk)'
    )
