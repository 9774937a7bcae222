"""What the planner refuses for guests that are not to be restarted (`restart="defer"`)."""

from collections.abc import Iterable

from vmstack.errors import RefusedError
from vmstack.model.effects import DeleteVolume, StopNetwork
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, Step
from vmstack.plan.changes.row import Case
from vmstack.plan.changes.table import disruption_of
from vmstack.plan.context import Context
from vmstack.plan.machines import MachineDecision


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
    """Report what would be deleted or stopped under guests that go on running with it until their next start."""
    volumes: dict[tuple[str, str], Key] = {}
    networks: dict[tuple[str, str], Key] = {}
    for machine in machines:
        live = machine.observed.live if machine.observed is not None else None
        if live is None or all(item.case is not Case.DEFERRED for item in machine.differences):
            continue
        for disk in live.disks:
            volumes |= {(machine.host, path): machine.key for path in (disk.path, disk.backing_path) if path}
        networks |= {(machine.host, nic.network): machine.key for nic in live.nics if nic.network}
    for step in steps if volumes or networks else ():
        effect, holder = step.effect, None
        if isinstance(effect, DeleteVolume) and step.key.kind is not Kind.SEED:
            path = context.indexes[step.host].volume_path((effect.pool, effect.volume))
            holder = volumes.get((step.host, path or ""))
        elif isinstance(effect, StopNetwork):
            holder = networks.get((step.host, effect.name))
        if holder is not None:
            context.draft.errors.append(
                RefusedError(
                    f'{step.key} is taken from {holder}, which runs with it until its next start (restart="defer")',
                    resolution=f'keep {step.key} in the program until {holder} was restarted, or say restart="now"',
                    place=context.catalog.place(holder.kind, holder.name),
                )
            )
