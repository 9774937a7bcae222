"""Which VMs and networks are there once a plan is done: what the ledgers keep, to know what others remove later."""

from collections import defaultdict
from collections.abc import Iterable

from vmstack.model.observed import Observed
from vmstack.plan.context import Context
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.networks import NetworkDecision
from vmstack.plan.renames import Renames


def made_by_host(
    machines: Iterable[MachineDecision],
    *,
    networks: Iterable[NetworkDecision],
    context: Context,
    observed: Observed,
    renames: Renames,
) -> dict[str, dict[str, int]]:
    """By host and address, with the generation of each, sorted. All deletions have been planned.

    Where only a part is planned, or a program that is not known whole, what was there before stays in the list, unless
    the plan has it leave the stack or gives it its new name.
    """
    found: dict[str, dict[str, int]] = defaultdict(dict)
    if not context.whole or context.selected is not None:
        for host, snapshot in observed.hosts.items():
            held = snapshot.held or snapshot.ledger
            found[host].update(held.made if held is not None else {})
        changed = [(change.host, change.key) for change in context.draft.changes()]
        named = [old for old, new in renames.items() if new in context.catalog.resources and not context.spares(new)]
        for host, key in (*changed, *((host, old) for old in named for host in found)):
            found[host].pop(str(key), None)
    for machine in machines:
        found[machine.host][str(machine.key)] = machine.stamp.generation
    for network in networks:
        found[network.spec.host][str(network.key)] = network.stamp.generation
    return {host: dict(sorted(made.items())) for host, made in sorted(found.items())}
