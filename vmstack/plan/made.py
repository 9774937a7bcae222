"""Which VMs and networks are there once a plan is done: what the ledgers keep, to know what others remove later."""

from collections import defaultdict
from collections.abc import Iterable

from vmstack.model.observed import Observed
from vmstack.plan.context import Context
from vmstack.plan.machines import MachineDecision
from vmstack.plan.networks import NetworkDecision


def made_by_host(
    machines: Iterable[MachineDecision], *, networks: Iterable[NetworkDecision], context: Context, observed: Observed
) -> dict[str, dict[str, int]]:
    """By host and address, with the generation of each, sorted.

    Where only a part is planned, or a program that is not known whole, what was there before stays in the list.
    """
    found: dict[str, dict[str, int]] = defaultdict(dict)
    if not context.whole or context.selected is not None:
        for host, snapshot in observed.hosts.items():
            found[host].update(snapshot.ledger.made if snapshot.ledger is not None else {})
    for machine in machines:
        found[machine.host][str(machine.key)] = machine.stamp.generation
    for network in networks:
        found[network.spec.host][str(network.key)] = network.stamp.generation
    return {host: dict(sorted(made.items())) for host, made in sorted(found.items())}
