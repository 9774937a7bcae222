"""What of a host's objects becomes a program: which are taken over, which are only referred to, and which are left."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from vmstack.evaluate.authoring.naming import Names
from vmstack.evaluate.authoring.networks import why_not_host_nic, why_not_model, why_not_network
from vmstack.evaluate.authoring.storage import find_volumes, why_not_disk, why_not_pool
from vmstack.model.configs import DiskConfig, NicConfig
from vmstack.model.identity import Kind
from vmstack.model.observed import HostSnapshot, ObservedDomain, ObservedNetwork, ObservedPool, ObservedVolume
from vmstack.plan.finding import copied_mark, ledger_owners, owner_of
from vmstack.plan.index import Slot

# libvirt's own objects, which everybody uses.
_SHARED: Final = "default"


@dataclass(frozen=True, slots=True)
class Left:
    """An object that the program does not take over, why, and the way on."""

    kind: Kind
    name: str
    why: str
    way: str | None = None


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a first attempt showed: objects that cannot be taken over as a program says them, by kind and name in
    libvirt, with the reason; and fields of VMs that must be ignored for the plan to be empty."""

    refused: Mapping[tuple[Kind, str], str] = field(default_factory=dict)
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A network, pool or volume of the program. `reference`: it is referred to, and stays what it is."""

    name: str
    variable: str
    label: str
    reference: bool


@dataclass(frozen=True, slots=True)
class VolumePart(Part):
    slot: Slot
    volume: ObservedVolume
    base: "VolumePart | None" = None


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM of the program. A CD-ROM drive among its disks is no volume, and a NIC may be on no network. `apart` are its
    devices that the program leaves alone, with the reason."""

    name: str
    domain: ObservedDomain
    disks: tuple[tuple[DiskConfig, VolumePart | None], ...]
    nics: tuple[tuple[NicConfig, Part | None], ...]
    apart: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(slots=True)
class Survey:
    """Everything that becomes the program, in its order."""

    networks: list[tuple[Part, ObservedNetwork]] = field(default_factory=list)
    pools: list[tuple[Part, ObservedPool]] = field(default_factory=list)
    volumes: list[VolumePart] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def survey(snapshot: HostSnapshot, *, select: tuple[str, ...], lessons: Lessons, taken: frozenset[str]) -> Survey:
    """Choose from a host that was read in depth. `select` are globs over names (none: everything but what libvirt calls
    `default`, which is referred to); `taken` are names that the program has already."""
    return _Surveyor(snapshot, select=select, lessons=lessons, names=Names(taken)).survey()


class _Surveyor:
    def __init__(self, snapshot: HostSnapshot, *, select: tuple[str, ...], lessons: Lessons, names: Names) -> None:
        self._snapshot = snapshot
        self._select = select
        self._lessons = lessons
        self._names = names
        self._owners = ledger_owners(snapshot)
        self._files = find_volumes(snapshot)
        self._uses = Counter(
            path for domain in snapshot.domains for path in {disk.path for disk in domain.config.disks if disk.path}
        )
        self._networks = {network.name: network for network in snapshot.networks}
        self._pools = {pool.name: pool for pool in snapshot.pools}
        self._network_parts: dict[str, Part] = {}
        self._pool_parts: dict[str, Part] = {}
        self._volume_parts: dict[Slot, VolumePart] = {}
        self.found = Survey()

    def survey(self) -> Survey:
        for network in self._snapshot.networks:
            self._take_network(network)
        for pool in self._snapshot.pools:
            self._take_pool(pool)
        for domain in self._snapshot.domains:
            self._take_machine(domain)
        return self.found

    def _wanted(self, name: str, *, shared: bool = False) -> bool:
        if not self._select:
            return not (shared and name == _SHARED)
        return any(fnmatchcase(name, glob) for glob in self._select)

    def _leave(self, kind: Kind, name: str, why: str, *, way: str | None = None) -> None:
        self.found.left.append(Left(kind, name, why, way))

    def _take_network(self, network: ObservedNetwork) -> None:
        owner, mark = owner_of(network), copied_mark(network)
        if not self._wanted(network.name, shared=True):
            return
        refused = self._lessons.refused.get((Kind.NETWORK, network.name))
        if owner is not None:
            self._leave(Kind.NETWORK, network.name, f"it is {owner.address} of the stack {owner.stack}")
        elif mark is not None:
            self._leave(
                Kind.NETWORK,
                network.name,
                f"it has the mark of {mark}, whose copy it is",
                way=f"take the mark off: virsh net-edit {network.name}",
            )
        elif not network.active:
            self._leave(Kind.NETWORK, network.name, "it is not active", way=f"start it: virsh net-start {network.name}")
        elif not network.persistent:
            self._leave(Kind.NETWORK, network.name, "it is transient", way="define it first (virsh net-define)")
        elif (why := refused or why_not_network(network)) is not None:
            self._leave(Kind.NETWORK, network.name, why, way="the program refers to it where it needs it")
        else:
            self._network(network.name, reference=False)

    def _network(self, label: str, *, reference: bool) -> Part:
        if label not in self._network_parts:
            part = self._part(Kind.NETWORK, label, reference=reference)
            self._network_parts[label] = part
            self.found.networks.append((part, self._networks[label]))
        return self._network_parts[label]

    def _take_pool(self, pool: ObservedPool) -> None:
        if not self._wanted(pool.name, shared=True):
            return
        owner = self._owners.get((pool.name, ""))
        refused = self._lessons.refused.get((Kind.POOL, pool.name))
        if owner is not None:
            self._leave(Kind.POOL, pool.name, f"it is {owner.address} of the stack {owner.stack}")
        elif not pool.active:
            self._leave(Kind.POOL, pool.name, "it is not active", way=f"start it: virsh pool-start {pool.name}")
        elif (why := refused or why_not_pool(pool)) is not None:
            self._leave(Kind.POOL, pool.name, why, way="the program refers to it where it needs it")
        else:
            self._pool(pool.name, reference=False)

    def _pool(self, label: str, *, reference: bool) -> Part:
        if label not in self._pool_parts:
            part = self._part(Kind.POOL, label, reference=reference)
            self._pool_parts[label] = part
            self.found.pools.append((part, self._pools[label]))
        return self._pool_parts[label]

    def _part(self, kind: Kind, label: str, *, reference: bool) -> Part:
        name = self._names.resource(kind, label)
        return Part(name, self._names.variable(name, kind=kind), label, reference)

    def _take_machine(self, domain: ObservedDomain) -> None:
        if not self._wanted(domain.name):
            return
        owner, mark = owner_of(domain), copied_mark(domain)
        refused = self._lessons.refused.get((Kind.VM, domain.name))
        if owner is not None:
            self._leave(Kind.VM, domain.name, f"it is {owner.address} of the stack {owner.stack}")
        elif mark is not None:
            self._leave(
                Kind.VM,
                domain.name,
                f"it has the mark of {mark}, whose copy it is",
                way=f"take the mark off: virsh metadata {domain.uuid} urn:vmstack:stamp:1 --remove --config",
            )
        elif not domain.persistent:
            self._leave(
                Kind.VM,
                domain.name,
                "it is transient, so nothing can be noted in it for longer than it runs",
                way="define it first (virsh dumpxml, virsh define)",
            )
        elif refused is not None:
            self._leave(Kind.VM, domain.name, refused, way="see what it says, and take it over by hand with import_")
        else:
            self.found.machines.append(self._machine(domain))

    def _machine(self, domain: ObservedDomain) -> Machine:
        name = self._names.resource(Kind.VM, domain.name)
        apart: list[str] = []
        disks: list[tuple[DiskConfig, VolumePart | None]] = []
        for disk in domain.config.disks:
            what = f"{'drive' if disk.device != 'disk' else 'disk'} {disk.target} ({disk.bus})"
            why = self._why_not(disk)
            if why is not None:
                apart.append(f"{what}: {why}")
            elif disk.device == "cdrom":
                disks.append((disk, None))
            else:
                disks.append((disk, self._volume(self._files[disk.path or ""], label=f"{name}-{disk.target}")))
        nics: list[tuple[NicConfig, Part | None]] = []
        for nic in domain.config.nics:
            part = self._nic(nic)
            if isinstance(part, str):
                apart.append(f"NIC {nic.mac}: {part}")
            else:
                nics.append((nic, part))
        ignored = list(self._lessons.ignored.get(domain.name, ()))
        if domain.state not in ("running", "shutoff"):
            ignored.append("running")
        return Machine(
            name, domain, tuple(disks), tuple(nics), tuple(apart), ignored=tuple(sorted(dict.fromkeys(ignored)))
        )

    def _why_not(self, disk: DiskConfig) -> str | None:
        volume = self._files.get(disk.path or "")
        why = why_not_disk(disk, volume, files=self._files)
        if why is not None or volume is None or disk.device == "cdrom":
            return why
        slot = (volume.pool, volume.name)
        if (Kind.VOLUME, "/".join(slot)) in self._lessons.refused:
            return self._lessons.refused[Kind.VOLUME, "/".join(slot)]
        if slot in self._owners:
            return f"its volume is {self._owners[slot].address} of the stack {self._owners[slot].stack}"
        if self._uses[disk.path or ""] > 1:
            return "other VMs have its volume too"
        return None

    def _volume(self, volume: ObservedVolume, *, label: str, reference: bool = False) -> VolumePart:
        slot = (volume.pool, volume.name)
        if slot not in self._volume_parts:
            below = self._files.get(volume.config.backing_path or "")
            base = None
            if below is not None and not reference:
                base = self._volume(below, label=below.name.rpartition(".")[0] or below.name, reference=True)
            self._pool(volume.pool, reference=True)
            name = self._names.resource(Kind.VOLUME, label)
            part = VolumePart(
                name, self._names.variable(name, kind=Kind.VOLUME), volume.name, reference, slot, volume, base
            )
            self._volume_parts[slot] = part
            self.found.volumes.append(part)
        return self._volume_parts[slot]

    def _nic(self, nic: NicConfig) -> Part | str | None:
        """The network that it is on, `None` for one of the host's own, or why the program does not speak of it."""
        if nic.network is None:
            return why_not_host_nic(nic)
        network = self._networks.get(nic.network)
        if network is None:
            return f"its network {nic.network!r} is not there"
        if not network.active:
            return f"its network {nic.network!r} is not active (virsh net-start {nic.network})"
        return why_not_model(nic) or self._network(nic.network, reference=True)
