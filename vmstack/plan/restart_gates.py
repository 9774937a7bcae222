"""What the planner refuses for guests that are not to be restarted (`restart="defer"`)."""

from collections.abc import Iterable

from vmstack.errors import RefusedError
from vmstack.model.effects import (
    AttachDevice,
    DeleteVolume,
    DetachDevice,
    PlugNics,
    PowerOffDomain,
    ShutdownDomain,
    StopNetwork,
    UpdateDevice,
)
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, Step
from vmstack.plan.changes.row import Case
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
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


def check_taken(machines: Iterable[MachineDecision], steps: Iterable[Step], *, context: Context) -> None:
    """Report what would be deleted or stopped under guests of the stack that go on running with it."""
    steps = tuple(steps)
    _check_volumes(machines, steps, context=context)
    let_go = {effect.uuid for step in steps if isinstance(effect := step.effect, ShutdownDomain | PowerOffDomain)}
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
        for name, domain in sorted(index.own_domains.items()):
            on_it = [nic.mac for nic in (domain.live.nics if domain.live else ()) if nic.network == effect.name]
            left = [mac for mac in on_it if not {(domain.uuid, mac)} & (moved | plugged)]
            if left and domain.uuid not in let_go:
                _refuse_taken(step.key, Key(Kind.VM, name), context=context)


def _check_volumes(machines: Iterable[MachineDecision], steps: Iterable[Step], *, context: Context) -> None:
    volumes: dict[tuple[str, str], Key] = {}
    for machine in machines:
        live = machine.observed.live if machine.observed is not None else None
        if live is None or all(item.case is not Case.DEFERRED for item in machine.differences):
            continue
        for disk in live.disks:
            volumes |= {(machine.host, path): machine.key for path in (disk.path, disk.backing_path) if path}
    for step in steps if volumes else ():
        effect = step.effect
        if isinstance(effect, DeleteVolume) and step.key.kind is not Kind.SEED:
            path = context.indexes[step.host].volume_path((effect.pool, effect.volume))
            holder = volumes.get((step.host, path or ""))
            if holder is not None:
                _refuse_taken(step.key, holder, context=context)


def _refuse_taken(key: Key, holder: Key, *, context: Context) -> None:
    context.draft.errors.append(
        RefusedError(
            f"{key} is taken from {holder}, which runs with it until its next start",
            resolution=f'keep {key} in the program until {holder} was restarted (restart="now" has apply do that)',
            place=context.catalog.place(holder.kind, holder.name),
        )
    )
