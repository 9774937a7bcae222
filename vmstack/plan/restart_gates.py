"""What the planner refuses for guests that are not to be restarted (`restart="defer"`)."""

from collections.abc import Iterable

from vmstack.errors import RefusedError
from vmstack.model.effects import (
    AttachDevice,
    DeleteVolume,
    DetachDevice,
    PlugNics,
    PowerOffDomain,
    ResizeVolume,
    ShutdownDomain,
    StopNetwork,
    UpdateDevice,
    UploadImage,
)
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, Step
from vmstack.plan.cables import is_plugged
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.index import stamped_name
from vmstack.plan.machine_decision import MachineDecision


def check_deferred(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report guests that would be restarted against `restart="defer"`."""
    for machine in machines:
        if machine.spec.restarts.policy != "defer" or not (machine.stops and machine.starts):
            continue
        found = machine.observed
        if found is None or found.state == "crashed":
            continue
        state = machine.state
        paths = [
            one.path
            for one in machine.differences
            if disruption_of(one.path, case=one.case, state=state) is Disruption.RESTART
        ]
        context.draft.errors.append(
            RefusedError(
                f'{machine.key} is not to be restarted (restart="defer"), and this cannot wait for its next start: '
                f"{', '.join(paths) or 'its definition is made anew'}",
                resolution='take the change back, shut the guest down, or say restart="now" while this is applied',
                place=context.catalog.place(Kind.VM, machine.spec.name),
            )
        )


def check_taken(steps: Iterable[Step], *, context: Context) -> None:
    """Report what would be deleted or stopped under guests of the stack that go on running with it."""
    steps = tuple(steps)
    let_go = {effect.uuid for step in steps if isinstance(effect := step.effect, ShutdownDomain | PowerOffDomain)}
    _check_volumes(steps, let_go=let_go, context=context)
    moved = {
        (effect.uuid, effect.device)
        for step in steps
        if isinstance(effect := step.effect, DetachDevice | UpdateDevice | AttachDevice)
    }
    plugged = {
        (effect.uuid, mac) for step in steps if isinstance(effect := step.effect, PlugNics) for mac in effect.macs
    }
    for step in steps:
        effect = step.effect
        if not isinstance(effect, StopNetwork):
            continue
        index = context.indexes[step.host]
        network = index.networks[effect.uuid]
        for name, domain in sorted(index.own_domains.items()):
            on_it = [nic.mac for nic in (domain.live.nics if domain.live else ()) if is_plugged(nic, network)]
            left = [mac for mac in on_it if not {(domain.uuid, mac)} & (moved | plugged)]
            if left and domain.uuid not in let_go:
                _refuse_taken(step.key, Key(Kind.VM, name), context=context)


def _check_volumes(steps: Iterable[Step], *, let_go: set[str], context: Context) -> None:
    """Files under guests that run on with them. Their own growing is QEMU's work, and is no step on the volume."""
    steps = tuple(steps)
    out = {
        (effect.uuid, effect.device)
        for step in steps
        if isinstance(effect := step.effect, DetachDevice | UpdateDevice) and effect.live
    }
    brought = {(step.host, one.pool, one.volume) for step in steps if isinstance(one := step.effect, UploadImage)}
    for step in steps:
        effect, index = step.effect, context.indexes[step.host]
        if not isinstance(effect, DeleteVolume | ResizeVolume) or step.key.kind is Kind.SEED:
            continue
        if step.key.kind is Kind.IMAGE and (step.host, effect.pool, effect.volume) in brought:
            continue  # a base image that was never whole, or is gone, is brought back
        path = index.volume_path((effect.pool, effect.volume))
        users = [*index.own_users(path), *(index.own_chain_users(path) if isinstance(effect, DeleteVolume) else ())]
        for domain in {user.uuid: user for user in users}.values():
            if domain.live is None or domain.uuid in let_go:
                continue
            disks = [disk for disk in domain.live.disks if (domain.uuid, disk.serial) not in out]
            if any(path in (disk.path, disk.backing_path) for disk in disks):
                name = stamped_name(domain.stamp, stack=context.stack, kind=Kind.VM) or domain.name
                _refuse_taken(step.key, Key(Kind.VM, name), context=context)


def _refuse_taken(key: Key, holder: Key, *, context: Context) -> None:
    context.draft.errors.append(
        RefusedError(
            f"{key} is taken from {holder}, which runs with it until its next start",
            resolution=f'keep {key} as it is until {holder} was restarted (restart="now" has apply do that)',
            place=context.catalog.place(holder.kind, holder.name),
        )
    )
