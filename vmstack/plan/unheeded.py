"""What libvirt takes without a word and does not do. It is refused, since a plan says what happens."""

from collections.abc import Iterable, Iterator, Mapping

from vmstack.errors import ConflictError, InputError
from vmstack.model.configs import NetworkConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.sizes import format_size
from vmstack.model.specs import NetworkMode
from vmstack.plan.context import Context
from vmstack.plan.machine_decision import MachineDecision
from vmstack.plan.networks import NetworkDecision

_KIB = 1024


def check_cells(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report a maximum of memory that the VM's NUMA cells do not have: libvirt goes by the cells alone.

    A program's own cells have been checked. These are others', or left to them by ignore_changes.
    """
    for machine in machines:
        found, target = machine.observed, machine.target
        if not target.numa or found is None or found.config.max_memory_kib == target.max_memory_kib:
            continue
        held = sum(cell.memory_kib for cell in target.numa)
        if held != target.max_memory_kib:
            wanted, there = format_size(target.max_memory_kib * _KIB), format_size(held * _KIB)
            context.draft.errors.append(
                ConflictError(
                    f"{machine.key}: max_memory cannot become {wanted}: its NUMA cells have {there}, and libvirt goes "
                    "by these alone",
                    resolution=f"say its cells in the program, with numa=[NumaCell(...)] that have {wanted}, or "
                    f"max_memory={there!r}",
                    place=context.catalog.place(Kind.VM, machine.spec.name),
                )
            )


def check_port_groups(decisions: Mapping[str, NetworkDecision], *, context: Context) -> None:
    """Report NICs that name a port group which their network does not have: libvirt gives them none then.

    One that is there already stays, and is warned of.
    """
    for name, users in context.catalog.nic_users.items():
        naming = [(vm, nic, nic.portgroup) for vm, nic in users if nic.portgroup is not None]
        config = _network(name, decisions=decisions, context=context) if naming else None
        if config is None:
            continue
        groups = sorted(group.name for group in config.port_groups)
        for vm, nic, group in naming:
            if group in groups:
                continue
            there = f"it has {', '.join(groups)}" if groups else "it has none"
            text = f"its NIC {nic.name} names the port group {group!r}, which network.{name} does not have: {there}"
            key, place = Key(Kind.VM, vm), context.catalog.place(Kind.VM, vm)
            if group in _held(vm, mac=nic.mac, context=context):
                context.draft.warn(text, key=key, place=place)
                continue
            context.draft.errors.append(
                InputError(
                    f"{key}: {text}", resolution="name one that it has, or give the network that group", place=place
                )
            )


def _network(name: str, *, decisions: Mapping[str, NetworkDecision], context: Context) -> NetworkConfig | None:
    """The network as it is once the plan is done; `None` where that is not known."""
    spec = context.catalog.networks[name]
    if spec.mode is NetworkMode.EXISTING:
        found = context.indexes[spec.host].network_names.get(spec.label)
        return None if found is None else found.config
    decision = decisions.get(name)
    if decision is None:
        return None
    return decision.design if decision.diff is None else decision.diff.target


def _held(vm: str, *, mac: str, context: Context) -> Iterator[str]:
    found = context.indexes[context.catalog.vms[vm].host].own_domains.get(vm)
    if found is not None:
        yield from (nic.portgroup for nic in found.config.nics if nic.mac == mac and nic.portgroup is not None)
