"""What of the stack is on a host and not wanted there any more, and whether it may go yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import ObservedDomain, ObservedNetwork
from vmstack.model.ownership import LedgerEntry
from vmstack.plan.base_plan import Base
from vmstack.plan.context import Context
from vmstack.plan.index import HostIndex, Slot, entry_key, files_of, stamped_name
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.machine_steps import Releases
from vmstack.plan.neighbours import leaves
from vmstack.plan.seed_plan import SeedDecision
from vmstack.plan.volume_fate import VolumeFate


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that was decided to be on the hosts. `slots` are those of pools and volumes, by host."""

    stack: StackId
    slots: Mapping[str, frozenset[Slot]]
    machines: Mapping[str, MachineDecision]
    releases: Releases

    def machine_of(self, domain: ObservedDomain) -> MachineDecision | None:
        """The decision on a domain of ours that stays."""
        name = stamped_name(domain.stamp, stack=self.stack, kind=Kind.VM)
        machine = self.machines.get(name or "")
        return machine if machine is not None and machine.observed is domain else None


@dataclass(frozen=True, slots=True)
class Remains:
    """What goes from one host. Pools and volumes are ledger entries."""

    domains: tuple[tuple[Key, ObservedDomain], ...]
    networks: tuple[tuple[Key, ObservedNetwork], ...]
    entries: tuple[LedgerEntry, ...]

    def keys(self) -> list[Key]:
        """The addresses, one for each thing, sorted."""
        found = [key for key, _ in self.domains] + [key for key, _ in self.networks]
        return sorted(dict.fromkeys(found + [entry_key(entry) for entry in self.entries]))


def wanted_slots(
    context: Context,
    *,
    bases: Iterable[Base],
    volumes: Iterable[VolumeFate],
    seeds: Iterable[SeedDecision],
) -> dict[str, frozenset[Slot]]:
    """The pools and volumes that stay, by host."""
    slots: dict[str, set[Slot]] = {host: set() for host in context.indexes}
    for spec in context.catalog.pools.values():
        slots[spec.host].add((spec.label, ""))  # of an existing one, too: it may be our own
    held = [(base.host, base.slot) for base in bases]
    held += [(volume.host, volume.slot) for volume in volumes]
    held += [(seed.host, seed.slot) for seed in seeds]
    for host, slot in held:
        slots[host].add(slot)
    return {host: frozenset(found) for host, found in slots.items()}


def find_remains(index: HostIndex, *, wanted: Wanted, context: Context) -> Remains:
    """Everything of the stack on the host that nobody wants there."""
    catalog, host = context.catalog, index.host
    slots = wanted.slots[host]
    return Remains(
        domains=tuple(
            (Key(Kind.VM, name), domain)
            for name, domain in sorted(index.own_domains.items())
            if name not in catalog.vms or catalog.vms[name].host != host
        ),
        networks=tuple(
            (Key(Kind.NETWORK, name), network)
            for name, network in sorted(index.own_networks.items())
            if leaves(name, network, host=host, context=context)
        ),
        entries=tuple(entry for slot, entry in sorted(index.entries.items()) if slot not in slots),
    )


def divide(remains: Remains, *, context: Context) -> tuple[Remains, Remains]:
    """What goes in this plan, and what the plan leaves out, so that it stays."""
    if context.selected is None:
        return remains, Remains(domains=(), networks=(), entries=())
    parts = [
        Remains(
            domains=tuple(one for one in remains.domains if context.spares(one[0]) is spared),
            networks=tuple(one for one in remains.networks if context.spares(one[0]) is spared),
            entries=tuple(entry for entry in remains.entries if context.spares(entry_key(entry)) is spared),
        )
        for spared in (False, True)
    ]
    return parts[0], parts[1]


def keeps_file(machine: MachineDecision, path: str) -> bool:
    """Whether a VM that stays still has the file as a disk when the plan is done."""
    found = machine.observed
    if path in files_of(machine.target):
        return True
    if found is None:
        return False
    dropped = {disk.serial for disk in machine.drop_disks}
    ours = {disk.serial for disk in machine.target.disks}
    # Disks that somebody else attached stay in the definition.
    if any(disk.path == path and disk.serial not in dropped | ours for disk in found.config.disks):
        return True
    if found.live is None or machine.stops:
        return False
    if any(disk.path == path and disk.serial not in dropped for disk in found.live.disks):
        return True
    return path in {*files_of(found.live)} - {disk.path for disk in found.live.disks}
