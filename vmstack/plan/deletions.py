"""Deletions, in the reverse order of making: VMs, then volumes and networks, then base images, then pools."""

from collections import defaultdict
from collections.abc import Mapping

from vmstack.errors import ConflictError, RefusedError
from vmstack.model.effects import (
    DeleteVolume,
    PowerOffDomain,
    RemovePool,
    StartPool,
    StopNetwork,
    UndefineDomain,
    UndefineNetwork,
)
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain, ObservedNetwork
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation
from vmstack.plan.cables import bridge_made_by, has_nic_on, nics_on
from vmstack.plan.changes.table import worst
from vmstack.plan.context import Context
from vmstack.plan.draft import freed, step_id
from vmstack.plan.gates import check_loss
from vmstack.plan.held import hold_all
from vmstack.plan.index import HostIndex, Slot, entry_key, is_ready
from vmstack.plan.moments import moments_of
from vmstack.plan.remains import Remains, Wanted, divide, find_remains, keeps_file
from vmstack.plan.retained import forget_retained


def plan_deletions(wanted: Wanted, *, context: Context) -> dict[str, int]:
    """Plan what goes, on every host. Returns how many of the stack's unwanted things stay for now, by host.

    As long as it is not known all that the program wants, nothing goes.
    """
    if not context.whole:
        return hold_all(wanted, context=context)
    return {
        host: _Deletions(index, wanted=wanted, context=context).plan()
        for host, index in sorted(context.indexes.items())
    }


class _Deletions:
    """The deletions on one host."""

    def __init__(self, index: HostIndex, *, wanted: Wanted, context: Context) -> None:
        self._index = index
        self._host = index.host
        self._wanted = wanted
        self._context = context
        self._draft = context.draft
        found, self._spared = divide(find_remains(index, wanted=wanted, context=context), context=context)
        self._remains: Remains = forget_retained(found, index=index, context=context)
        self._gone = {domain.uuid: step_id(key, "undefine", host=self._host) for key, domain in self._remains.domains}
        self._deleted: dict[Slot, str] = {}
        self._kept: set[Slot] = set()
        self._lost: set[Slot] = set()
        self._superseded: dict[Key, list[LedgerEntry]] = defaultdict(list)

    def plan(self) -> int:
        self._delete_domains()
        for key, network in self._remains.networks:
            self._delete_network(key, network)
        entries = self._remains.entries
        pools = {entry.pool: entry for entry in entries if entry.role == "pool"}
        self._leaving = {entry.slot for entry in pools.values()}
        self._starts = self._start_pools(pools)
        # What is backed by a base image goes before the image, and all of them before their pool.
        for entry in self._overlays_first([entry for entry in entries if entry.role in ("volume", "seed")]):
            self._delete_volume(entry)
        for entry in entries:
            if entry.role == "base":
                self._delete_base(entry)
        for entry in pools.values():
            self._delete_pool(entry)
        self._describe_volumes()
        return len(self._kept) + len(self._spared.keys())

    def _reason(self) -> str:
        return "The stack is destroyed." if self._context.policy.destroy else "It is not in the program any more."

    def _refuse(self, key: Key, *, protect: bool, data: bool = False) -> None:
        check_loss(key, protect=protect, data=data, what="cannot be deleted", left=True, context=self._context)

    def _delete_domains(self) -> None:
        leaving = dict(self._remains.domains)
        dependants: dict[Key, list[str]] = defaultdict(list)
        for key in leaving:
            for need in self._context.order.get(key, ()):
                dependants[need].append(step_id(key, "undefine", host=self._host))
        for key, domain in leaving.items():
            if domain.stamp is not None and not domain.stamp.intact and not self._context.policy.destroy:
                self._draft.errors.append(
                    RefusedError(
                        f"{key} would be deleted because its stamp says so, and that was changed outside vmstack",
                        resolution=f"put the stamp right, or remove the domain {domain.name!r} by hand if it is to go",
                    )
                )
            moments = moments_of(domain)
            kept = " and ".join((*moments, *(("its saved state",) if domain.has_managed_save else ())))
            check_loss(
                key,
                protect=domain.stamp is not None and domain.stamp.protect,
                data=bool(kept),
                what=f"cannot be deleted: {kept} would go with it" if kept else "cannot be deleted",
                left=True,
                context=self._context,
            )
            self._draft.expect(self._host, domain)
            guard = self._draft.expect_moments(self._host, domain)
            needs: tuple[str, ...] = tuple(dependants.get(key, ()))
            if domain.active:
                effect = PowerOffDomain(uuid=domain.uuid, name=domain.name)
                needs = (self._draft.step(key, "power-off", effect, host=self._host, needs=needs, guards=[guard]),)
            undefine = UndefineDomain(uuid=domain.uuid, name=domain.name, moments=bool(moments))
            id_ = self._draft.step(key, "undefine", undefine, host=self._host, needs=needs, guards=[guard])
            self._draft.finish(freed(Kind.VM, domain.name, host=self._host), id_)
            self._draft.change(
                key,
                host=self._host,
                operation=Operation.DELETE,
                reasons=[
                    self._reason(),
                    *(["The guest is powered off."] if domain.active else []),
                    *([f"With it goes for good: {kept}."] if kept else []),
                ],
                disruption=worst(
                    (
                        Disruption.STOP if domain.active else Disruption.NONE,
                        Disruption.DATA_LOSS if kept else Disruption.NONE,
                    )
                ),
            )

    def _delete_network(self, key: Key, network: ObservedNetwork) -> None:
        needs: list[str] = []
        for domain in self._index.domains.values():
            if not has_nic_on(domain, network):
                continue
            if domain.uuid in self._gone:
                needs.append(self._gone[domain.uuid])
            elif (own := self._index.is_own(domain)) and not self._keeps_on(domain, network):
                needs += self._release(domain)
            elif domain.active:
                whose = "by a NIC that others gave it" if own else "which is not of this stack"
                self._draft.errors.append(
                    ConflictError(
                        f"{key} cannot be deleted: the domain {domain.name!r} on host {self._host}, "
                        f"{whose}, is running on it",
                        resolution="stop that domain, or take it off the network",
                    )
                )
            else:
                self._draft.warn(
                    f"the domain {domain.name!r} has a NIC on it, without which it does not start", key=key
                )
        if network.stamp is not None:
            self._refuse(key, protect=network.stamp.protect)
        self._draft.expect(self._host, network)
        if network.active:
            stop = StopNetwork(uuid=network.uuid, name=network.name, bridge=bridge_made_by(network))
            needs = [self._draft.step(key, "stop", stop, host=self._host, needs=needs)]
        undefine = UndefineNetwork(uuid=network.uuid, name=network.name)
        id_ = self._draft.step(key, "undefine", undefine, host=self._host, needs=needs)
        self._draft.finish(freed(Kind.NETWORK, network.name, host=self._host), id_)
        spec = self._context.catalog.networks.get(key.name)
        replaced = spec is not None and spec.host == self._host
        reason = "The program refers to an existing network instead." if replaced else self._reason()
        self._draft.change(key, host=self._host, operation=Operation.DELETE, reasons=[reason])

    def _keeps_on(self, domain: ObservedDomain, network: ObservedNetwork) -> bool:
        """Whether a VM that stays has a NIC there that others gave it."""
        machine = self._wanted.machine_of(domain)
        if machine is None:
            return False
        known = {nic.mac for nic in (*machine.target.nics, *machine.drop_nics)}
        return any(nic.mac not in known for nic in nics_on(domain, network))

    def _release(self, domain: ObservedDomain) -> list[str]:
        """The step after which a VM that stays has let go of what it does not have any more."""
        machine = self._wanted.machine_of(domain)
        step = self._wanted.releases.get((self._host, machine.key)) if machine is not None else None
        return [step] if step is not None else []

    def _start_pools(self, pools: Mapping[str, LedgerEntry]) -> dict[str, str]:
        """Start leaving pools of ours that are inactive and hold volumes to delete. A pending one never held any."""
        starts: dict[str, str] = {}
        held = {entry.pool for entry in self._remains.entries if entry.role != "pool"}
        for label, entry in pools.items():
            found = self._index.pools.get(label)
            if found is None or found.active or not is_ready(entry):
                continue
            if label in held and self._index.owns_pool(label):
                key = entry_key(entry)
                starts[label] = self._draft.step(key, "start", StartPool(pool=label), host=self._host)
        return starts

    def _delete_volume(self, entry: LedgerEntry) -> None:
        if not self._is_there(entry):
            return
        path = self._index.volume_path(entry.slot)
        needs: list[str] = []
        used = False
        for domain in self._index.own_users(path):
            if domain.uuid in self._gone:
                needs.append(self._gone[domain.uuid])
                used = True
                continue
            machine = self._wanted.machine_of(domain)
            if machine is not None and keeps_file(machine, path or ""):
                self._keep(entry, domain=domain)
                return
            needs += self._release(domain)
            used = True
        over = self._needs_of_overlays(path)
        if over is None:
            self._kept.add(entry.slot)
            self._draft.note(
                f"volume {entry.label!r} is not wanted any more and is deleted once no volume is over it",
                key=entry_key(entry),
            )
            return
        needs += over
        if self._is_foreign(entry, path=path):
            return
        # A mark may be late: what is pending and in use may hold data as well as what is ready.
        fresh = entry.state is EntryState.PENDING and not used
        if entry.role == "volume" and not fresh:
            self._lost.add(entry.slot)
            check_loss(
                entry_key(entry),
                protect=entry.protect,
                data=entry.data,
                what="cannot be deleted",
                left=True,
                context=self._context,
            )
        self._delete(entry, needs=needs)

    def _overlays_first(self, entries: list[LedgerEntry]) -> list[LedgerEntry]:
        """The entries, each after those of the volumes that are over it."""
        leaving = {entry.slot: entry for entry in entries}
        ordered: dict[Slot, LedgerEntry] = {}
        for entry in entries:
            above = [entry.slot]
            for slot in above:
                path = self._index.volume_path(slot) or ""
                above += [
                    other for other in self._index.backed.get(path, ()) if other in leaving and other not in above
                ]
            ordered.update({slot: leaving[slot] for slot in reversed(above) if slot not in ordered})
        return list(ordered.values())

    def _needs_of_overlays(self, path: str | None) -> list[str] | None:
        """The steps after which no volume of ours is over the file any more; `None` when one stays over it."""
        needs: list[str] = []
        for slot in self._index.backed.get(path or "", ()):
            if slot not in self._index.entries:
                continue
            step = self._deleted.get(slot) or self._remaking(slot)
            if step is None:
                return None
            needs.append(step)
        return needs

    def _keep(self, entry: LedgerEntry, *, domain: ObservedDomain) -> None:
        self._kept.add(entry.slot)
        if entry.role != "seed":
            self._draft.note(
                f"volume {entry.label!r} is not wanted any more and is deleted once the guest {domain.name!r} "
                "does not use it",
                key=entry_key(entry),
            )

    def _is_foreign(self, entry: LedgerEntry, *, path: str | None) -> bool:
        users = sorted(domain.name for domain in self._index.foreign_users(path))
        backed = sorted(
            label for pool, label in self._index.backed.get(path or "", ()) if (pool, label) not in self._index.entries
        )
        if not users and not backed:
            return False
        who = f"the domain {users[0]!r}" if users else f"the volume {backed[0]!r}"
        if entry.role == "seed" and entry.adopted:
            # The old providers let guests share one, and a guest that was not taken over must not stop every plan.
            self._draft.note(f"the disk {entry.label!r} is left to {who}, which uses it", key=entry_key(entry))
            self._draft.forget(entry, host=self._host)
            return True
        self._draft.errors.append(
            ConflictError(
                f"{entry_key(entry)} cannot be deleted: {who} on host {self._host}, "
                "which is not of this stack, uses it",
                resolution="remove it there first, or keep the volume in the program",
            )
        )
        return True

    def _delete_base(self, entry: LedgerEntry) -> None:
        if self._index.held_by_other(entry.slot):
            self._draft.forget(entry, host=self._host)
            return
        if not self._is_there(entry):
            return
        path = self._index.volume_path(entry.slot)
        backed = self._index.backed.get(path or "", ())
        needs = [self._deleted[slot] for slot in backed if slot in self._deleted]
        if entry.slot not in self._index.volumes:
            # In a pool that could not be read nothing shows what is over what: all that goes with it goes first.
            needs += [step for slot, step in self._deleted.items() if slot not in self._index.volumes]
        replaced = [slot for slot in backed if slot not in self._deleted]
        for slot in replaced:
            step = self._remaking(slot)
            if step is None:
                self._keep_base(entry, user=None if slot in self._index.entries else f"the volume {slot[1]!r}")
                return
            needs.append(step)
        for domain in self._index.own_chain_users(path):
            # The clone may be gone or made anew before the definition of its guest stops naming the image.
            release = [self._gone[domain.uuid]] if domain.uuid in self._gone else self._release(domain)
            if not release:
                self._keep_base(entry, user=f"the definition of {domain.name!r}")
                return
            needs += release
        others = sorted(domain.name for domain in self._index.foreign_users(path))
        if others:
            self._keep_base(entry, user=f"the domain {others[0]!r}")
            return
        self._delete(entry, needs=needs)

    def _keep_base(self, entry: LedgerEntry, *, user: str | None) -> None:
        """`user`: what is not said elsewhere."""
        self._kept.add(entry.slot)
        if user is not None:
            self._draft.note(
                f"base image {entry.label!r} is not wanted any more and is deleted once {user} does not use it",
                key=entry_key(entry),
            )

    def _remaking(self, slot: Slot) -> str | None:
        """The step that makes a volume anew from something else, when one does."""
        entry = self._index.entries.get(slot)
        if entry is None:
            return None
        key = entry_key(entry)
        return self._draft.find_step(key, "create", host=self._host) if self._draft.remakes(key, self._host) else None

    def _is_there(self, entry: LedgerEntry) -> bool:
        """Whether there is something to delete; if not, the entry is forgotten."""
        if entry.pool not in self._index.pools:
            slot = (entry.pool, "")
            if slot in self._index.entries and slot in self._wanted.slots[self._host]:
                return True  # the pool is defined anew over its directory, and the file may well be in it
            self._draft.warn(
                f"pool {entry.pool!r} is gone from host {self._host}; the file {entry.path} may still be there",
                key=entry_key(entry),
            )
        elif self._index.is_displaced(entry):
            self._draft.warn(
                f"pool {entry.pool!r} on host {self._host} is at another directory now; "
                f"the file {entry.path} may still be there",
                key=entry_key(entry),
            )
        elif entry.slot in self._index.volumes:
            return True
        elif not self._index.readable(entry.pool):
            pool = self._index.entries.get((entry.pool, ""))
            if pool is None or is_ready(pool):
                return True
            # The mark of a pool's first start is durable before anything is made in it.
        self._draft.forget(entry, host=self._host)
        return False

    def _delete(self, entry: LedgerEntry, *, needs: list[str]) -> None:
        key, (pool, label) = entry_key(entry), entry.slot
        start = self._starts.get(pool)
        found = self._index.volumes.get(entry.slot)
        if found is not None:
            self._draft.expect(self._host, found)
        guards = []
        if entry.role != "seed" or entry.adopted:
            path = self._index.volume_path(entry.slot)
            guards.append(self._draft.expect_unused(self._host, entry.slot, path=path))
        self._deleted[entry.slot] = self._draft.step(
            key,
            f"delete:{pool}:{label}",
            DeleteVolume(pool=pool, volume=label),
            host=self._host,
            needs=[*needs, start],
            after=() if start is not None else self._pool_key(pool),
            marks=(LedgerMark(action="forget", entry=entry),),
            guards=guards,
            # A pool is only removed when the ledger durably lists nothing in it: a run that is killed while it
            # removes the directory must not be followed by one that looks for volumes there.
            flush=(pool, "") in self._leaving,
        )
        self._superseded[key].append(entry)

    def _pool_key(self, pool: str) -> tuple[Key, ...]:
        entry = self._index.entries.get((pool, ""))
        return (entry_key(entry),) if entry is not None else ()

    def _delete_pool(self, entry: LedgerEntry) -> None:
        key, label = entry_key(entry), entry.pool
        found = self._index.pools.get(label)
        if found is None or not self._index.owns_pool(label):
            if entry.built:
                self._draft.warn(
                    f"it was removed outside vmstack; the directory {entry.path} that vmstack made for it "
                    f"may still be on host {self._host}",
                    key=key,
                )
            self._draft.forget(entry, host=self._host)
            return
        others = sorted({slot[1] for slot in self._index.others if slot[0] == label and slot[1]})
        if others:
            self._draft.errors.append(
                ConflictError(
                    f"{key} cannot be deleted: another stack has volumes in it on host {self._host}",
                    details=others,
                    resolution="destroy that stack first, or keep the pool in this one",
                )
            )
            return
        stays = sorted(slot for slot in self._index.entries if slot[0] == label and slot[1])
        if any(slot not in self._deleted and slot in self._index.volumes for slot in stays):
            self._kept.add(entry.slot)
            self._draft.note("the pool stays as long as volumes in it are in use", key=key)
            return
        check_loss(key, protect=entry.protect, data=False, what="cannot be deleted", left=True, context=self._context)
        foreign = [
            name for pool, name in self._index.volumes if pool == label and (pool, name) not in self._index.entries
        ]
        if foreign:
            self._draft.warn(
                f"its directory keeps files that vmstack did not make: {', '.join(sorted(foreign))}", key=key
            )
        self._draft.expect(self._host, found)
        id_ = self._draft.step(
            key,
            "remove",
            RemovePool(pool=label, remove_directory=entry.built and found.config.path == entry.path),
            host=self._host,
            needs=[self._starts.get(label), *(self._deleted[slot] for slot in stays if slot in self._deleted)],
            marks=(LedgerMark(action="forget", entry=entry),),
        )
        self._draft.finish(freed(Kind.POOL, label, host=self._host), id_)
        self._draft.change(key, host=self._host, operation=Operation.DELETE, reasons=[self._reason()])

    def _describe_volumes(self) -> None:
        for key, entries in sorted(self._superseded.items()):
            disruption = Disruption.DATA_LOSS if any(entry.slot in self._lost for entry in entries) else Disruption.NONE
            if self._draft.changed(key, host=self._host):
                old = ", ".join(sorted(entry.label for entry in entries))
                reason = f"The old one is deleted: {old}."
                self._draft.explain(key, host=self._host, reason=reason, disruption=disruption)
                continue
            wanted = self._is_wanted(key)
            self._draft.change(
                key,
                host=self._host,
                operation=Operation.UPDATE if wanted else Operation.DELETE,
                fields=[
                    FieldChange(path="volume", before=entry.label, after=None, disruption=disruption)
                    for entry in sorted(entries, key=lambda entry: entry.slot)
                ],
                reasons=["An older one is not used any more."] if wanted else [self._reason()],
                disruption=disruption,
            )

    def _is_wanted(self, key: Key) -> bool:
        slots = self._wanted.slots[self._host]
        return any(entry.slot in slots for entry in self._index.named_entries.get(key, ()))
