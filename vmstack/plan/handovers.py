"""Disks and MACs that move from one VM of the stack to another: who must have let go before the other may take."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from vmstack.errors import RefusedError
from vmstack.model.configs import DiskConfig, NicConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain
from vmstack.plan.changes.row import Case
from vmstack.plan.context import Context
from vmstack.plan.draft import step_id
from vmstack.plan.index import stamped_name
from vmstack.plan.machine_decision import MachineDecision


@dataclass(frozen=True, slots=True)
class Handovers:
    """What VMs take from each other, by the decisions on all of them."""

    decisions: Mapping[str, MachineDecision]
    context: Context

    def before(
        self, taker: MachineDecision, *, disks: Iterable[DiskConfig] = (), nics: Iterable[NicConfig] = ()
    ) -> tuple[str, ...]:
        """The ids of the steps that must come before one that plugs these in, or starts the guest with them."""
        index = self.context.indexes[taker.host]
        found: list[str] = []
        for disk in disks:
            for holder in self._others(index.own_users(disk.path), taker=taker):
                found += self._release(holder, taker=taker, path=disk.path)
        for nic in nics:
            for holder in self._others(index.macs.get(nic.mac, ()), taker=taker):
                found += self._release(holder, taker=taker, mac=nic.mac)
        return tuple(dict.fromkeys(found))

    def _others(self, holders: Iterable[ObservedDomain], *, taker: MachineDecision) -> Iterator[ObservedDomain]:
        index = self.context.indexes[taker.host]
        return (other for other in holders if other is not taker.observed and other.active and index.is_own(other))

    def _release(
        self, holder: ObservedDomain, *, taker: MachineDecision, path: str | None = None, mac: str | None = None
    ) -> Iterator[str]:
        host = taker.host
        name = stamped_name(holder.stamp, stack=self.context.stack, kind=Kind.VM) or ""
        machine = self.decisions.get(name)
        if machine is None or machine.observed is not holder:
            key = Key(Kind.VM, name)
            error = RefusedError(
                f"{taker.key} cannot have {path or f'the MAC address {mac}'}: {key} runs with it, and stays",
                resolution=f"apply this once {key} was shut down, or has let go of it",
                place=self.context.catalog.place(*taker.key),
            )
            yield self.context.draft.rely_on(step_id(key, "undefine", host=host), error)
            return
        disks = [disk for disk in machine.target.disks if disk.path == path and path is not None]
        if disks or any(nic.mac == mac for nic in machine.target.nics):
            return  # it keeps the device: they share it
        if machine.stops:
            yield step_id(machine.key, "stop", host=host)
            return
        let_go = letting_go(machine, path=path, mac=mac)
        yield from let_go
        live = holder.live or holder.config
        has = any(disk.path == path for disk in live.disks if path) or any(nic.mac == mac for nic in live.nics)
        if has and not let_go:
            self._refuse(taker, what=path or f"the MAC address {mac}", holder=machine.key)

    def _refuse(self, taker: MachineDecision, *, what: str, holder: Key) -> None:
        self.context.draft.errors.append(
            RefusedError(
                f"{taker.key} cannot have {what} yet: {holder} runs with it until its next start",
                resolution=f'apply this once {holder} was restarted (restart="now" has apply do that)',
                place=self.context.catalog.place(*taker.key),
            )
        )


def letting_go(machine: MachineDecision, *, path: str | None = None, mac: str | None = None) -> tuple[str, ...]:
    """The ids of the steps by which a running guest lets go of a file or a NIC: those that go, and changed media."""
    held = [disk.serial or disk.target for disk in machine.drop_disks if disk.path == path and path is not None]
    held += [nic.mac for nic in machine.drop_nics if nic.mac == mac]
    unplugged = {item.device for item in machine.differences if item.case is Case.HOT_UNPLUG}
    verbs = [f"detach:{device}" for device in held if device in unplugged]
    changed = {item.device for item in machine.differences if item.case is Case.MEDIUM}
    live = machine.observed.live if machine.observed is not None else None
    drives = [disk.serial for disk in live.disks if disk.path == path and path is not None] if live is not None else []
    verbs += [f"medium:{serial}" for serial in drives if serial in changed]
    return tuple(step_id(machine.key, verb, host=machine.host) for verb in verbs)
