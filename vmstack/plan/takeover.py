"""What each claim is on its host: the object, and what the stamp or ledger will have to say of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from vmstack.errors import ConflictError, RefusedError, VmstackError
from vmstack.model.claims import Claim, SeedContent
from vmstack.model.configs import DomainConfig
from vmstack.model.identity import Key, Kind, derive_label, derive_mac
from vmstack.model.observed import HostSnapshot, Observed, ObservedDomain, ObservedNetwork, ObservedPool, ObservedVolume
from vmstack.model.ownership import Adopted, AdoptedDisk, EntryState, Ledger, LedgerEntry, Stamp
from vmstack.model.specs import PoolSpec, SeedSpec, VmSpec, VolumeSource
from vmstack.plan.catalog import Catalog
from vmstack.plan.claims import Matches, host_of
from vmstack.plan.design import clean_path
from vmstack.plan.index import HostIndex, Slot, stamped_name
from vmstack.plan.seeds import SEED_SERIAL, instance_id, seed_documents

Thing = ObservedDomain | ObservedNetwork | ObservedPool | ObservedVolume
# How the old providers mark the drive with the cloud-init documents.
_DRIVE_SERIAL = "cloudinit"


@dataclass(frozen=True, slots=True)
class Taking:
    """One object to take over. It has a stamp (domains, networks) or an entry in the ledger (pools, volumes)."""

    key: Key
    host: str
    claim: Claim
    thing: Thing
    stamp: Stamp | None = None
    entry: LedgerEntry | None = None


@dataclass(slots=True)
class Takeover:
    """All that is to be taken over, in the making. `absent` are claims on what no host has, `held` what is the
    stack's already."""

    catalog: Catalog
    indexes: Mapping[str, HostIndex]
    matches: Matches
    contents: Mapping[tuple[str, Slot], SeedContent]
    takings: list[Taking] = field(default_factory=list)
    absent: list[tuple[Key, Claim]] = field(default_factory=list)
    held: list[Key] = field(default_factory=list)
    errors: list[VmstackError] = field(default_factory=list)
    _paths: dict[str, str] = field(default_factory=dict)
    _labels: dict[Key, str] = field(default_factory=dict)

    def find(self) -> None:
        """Look every claim up: pools before their volumes, and what domains are made of before the domains."""
        for kind, look in (
            (Kind.POOL, self._pool),
            (Kind.VOLUME, self._volume),
            (Kind.NETWORK, self._network),
            (Kind.VM, self._domain),
        ):
            for key, claim in self.matches.claims.items():
                if key.kind is kind:
                    look(key, claim, self.indexes[host_of(self.catalog.resources[key], catalog=self.catalog)])
        self.errors += self._shared()

    def _shared(self) -> Iterator[VmstackError]:
        """One object is one resource: a second stamp or entry would take the place of the first."""
        first: dict[tuple[str, str | Slot], Key] = {}
        for taking in self.takings:
            thing = taking.entry.slot if taking.entry is not None else taking.claim.id
            key = first.setdefault((taking.host, thing), taking.key)
            if key != taking.key:
                yield ConflictError(
                    f"{key} and {taking.key} are both {taking.thing.name!r} on host {taking.host}",
                    resolution="leave one of them in the program, or say which is which: "
                    "--map STATE_ADDRESS=NAME_IN_THE_PROGRAM",
                    place=self.catalog.place(*taking.key),
                )

    def _miss(self, key: Key, claim: Claim, *, index: HostIndex) -> None:
        """What the ledger has is the stack's, though it is gone from the host: a plan says what becomes of it."""
        if key in index.named_entries:
            self.held.append(key)
        else:
            self.absent.append((key, claim))

    def _protect(self, key: Key, claim: Claim) -> bool:
        return claim.protect or self.catalog.options(key.kind, key.name).protect is True

    def _pool(self, key: Key, claim: Claim, index: HostIndex) -> None:
        spec = self.catalog.pools[key.name]
        found = next((pool for pool in index.pools.values() if pool.uuid == claim.id), None)
        if found is None:
            self._miss(key, claim, index=index)
            return
        self._labels[key] = found.name
        if self._is_listed((found.name, ""), key=key, index=index, what=f"the storage pool {found.name!r}"):
            return
        entry = LedgerEntry(
            name=key.name,
            role="pool",
            pool=found.name,
            state=EntryState.READY,
            path=clean_path(spec.path),
            protect=self._protect(key, claim),
            adopted=True,
            uuid=found.uuid,
        )
        self.takings.append(Taking(key, index.host, claim, found, entry=entry))

    def _volume(self, key: Key, claim: Claim, index: HostIndex) -> None:
        spec = self.catalog.volumes[key.name]
        pool = self._pool_label(self.catalog.pools[spec.pool])
        found = next((item for item in index.volumes.values() if item.config.path == claim.id), None)
        if found is None and not index.readable(pool):
            self.errors.append(_inactive(key, pool, host=index.host))
            return
        if found is None:
            self._miss(key, claim, index=index)
            return
        if found.pool != pool:
            self.errors.append(
                ConflictError(
                    f"{key}: {claim.id} is in the storage pool {found.pool!r}, and in the program it is in {pool!r}",
                    resolution="write the pool that it is in into the program",
                    place=self.catalog.place(*key),
                )
            )
            return
        if spec.label not in (found.name, derive_label(self.catalog.stack, key)):
            self.errors.append(
                ConflictError(
                    f"{key}: {claim.id} is called {found.name!r} in libvirt, and in the program {spec.label!r}",
                    resolution="write the name that it has into the program, or leave the name out",
                    place=self.catalog.place(*key),
                )
            )
            return
        self._paths[key.name] = claim.id
        if self._is_listed((found.pool, found.name), key=key, index=index, what=f"the volume {found.name!r}"):
            return
        image = self.catalog.images.get(spec.image or "")
        entry = LedgerEntry(
            name=key.name,
            role="volume",
            pool=found.pool,
            label=found.name,
            state=EntryState.READY,
            path=found.config.path,
            format=found.config.format,
            capacity=found.config.capacity,
            sha256=image.sha256 if image else None,
            image=image.name if image else None,
            protect=self._protect(key, claim),
            upload=spec.source in (VolumeSource.FULL_COPY, VolumeSource.UPLOAD),
            adopted=True,
        )
        self.takings.append(Taking(key, index.host, claim, found, entry=entry))

    def _network(self, key: Key, claim: Claim, index: HostIndex) -> None:
        found = index.networks.get(claim.id)
        if found is None:
            self.absent.append((key, claim))
            return
        self._labels[key] = found.name
        if self._is_stamped(found, key=key, what=f"the network {found.name!r}"):
            return
        if key.name in index.own_networks:
            self.errors.append(_twice(key, index.own_networks[key.name].name, host=index.host))
            return
        stamp = Stamp(
            path=self.catalog.stack.path(key),
            digest="",
            protect=self._protect(key, claim),
            adopted=Adopted(uuid=found.uuid),
        )
        self.takings.append(Taking(key, index.host, claim, found, stamp=stamp))

    def _domain(self, key: Key, claim: Claim, index: HostIndex) -> None:
        spec, found = self.catalog.vms[key.name], index.domains.get(claim.id)
        if found is None:
            self.absent.append((key, claim))
            return
        if self._is_stamped(found, key=key, what=f"the domain {found.name!r}"):
            names = [name for name in (spec.seed, spec.ignition) if name is not None]
            for seed in (Key(Kind.SEED, name) for name in names):
                if any(entry.path in self.matches.seeds for entry in index.named_entries.get(seed, ())):
                    self.held.append(seed)
            return
        if key.name in index.own_domains:
            self.errors.append(_twice(key, index.own_domains[key.name].name, host=index.host))
            return
        nics = dict(self._nics(spec, found.config))
        disks = dict(self._disks(spec, found.config, index=index))
        macs = {nic.mac for nic in spec.nics} | set(nics.values())
        slots = {disk.target for disk in disks.values()}
        left = [f"disks[{disk.serial or disk.target}]" for disk in found.config.disks if disk.target not in slots]
        left += [f"nics[{nic.mac}]" for nic in found.config.nics if nic.mac not in macs]
        adopted = Adopted(uuid=found.uuid, nics=nics, disks=disks, left=tuple(sorted(left)))
        stamp = Stamp(path=self.catalog.stack.path(key), digest="", protect=self._protect(key, claim), adopted=adopted)
        self.takings.append(Taking(key, index.host, claim, found, stamp=stamp))

    def _nics(self, spec: VmSpec, config: DomainConfig) -> Iterator[tuple[str, str]]:
        """The MACs of NICs to which the program gives none: in their order, on the network or bridge that it says."""
        left = list(config.nics)
        derived = {
            nic.name: derive_mac(self.catalog.stack, Key(Kind.VM, spec.name), nic=nic.name) == nic.mac
            for nic in spec.nics
        }
        left = [nic for nic in left if nic.mac not in {other.mac for other in spec.nics if not derived[other.name]}]
        for nic in spec.nics:
            if not derived[nic.name]:
                continue
            network = self._network_label(nic.network) if nic.network is not None else None
            where = (network, nic.bridge, nic.device)
            match = next((item for item in left if (item.network, item.bridge, item.device) == where), None)
            if match is not None:
                left.remove(match)
                yield nic.name, match.mac

    def _disks(self, spec: VmSpec, config: DomainConfig, *, index: HostIndex) -> Iterator[tuple[str, AdoptedDisk]]:
        """The disks by the files that the program's volumes are."""
        present = {disk.path: disk for disk in config.disks if disk.path is not None}
        for disk in spec.disks:
            found = present.get(self._path(disk.volume, index=index) or "")
            if found is not None:
                yield disk.name, AdoptedDisk(target=found.target, serial=found.serial)
        sources = {disk.path or disk.url: disk for disk in config.disks if disk.path or disk.url}
        empty = [disk for disk in config.disks if disk.device == "cdrom" and not (disk.path or disk.url)]
        for medium in spec.hardware.media:
            found = sources.get(medium.source)
            if not medium.source:
                found = next((disk for disk in empty if disk.bus == medium.bus), None)
                empty = [disk for disk in empty if disk is not found]
            if found is not None:
                yield medium.name, AdoptedDisk(target=found.target, serial=found.serial)
        shown = config.fw_cfg.path if config.fw_cfg is not None else None
        if spec.ignition is not None and shown is not None and shown in self.matches.seeds:
            self._seed(self.catalog.seeds[spec.ignition], path=shown, vm=spec, index=index)
        drive = next((disk for path, disk in present.items() if path in self.matches.seeds), None)
        if spec.seed is None or drive is None or drive.path is None:
            return
        yield SEED_SERIAL, AdoptedDisk(target=drive.target, serial=drive.serial)
        self._seed(self.catalog.seeds[spec.seed], path=drive.path, vm=spec, index=index)

    def _seed(self, spec: SeedSpec, *, path: str, vm: VmSpec, index: HostIndex) -> None:
        key, claim = Key(Kind.SEED, spec.name), self.matches.seeds[path]
        found = next((item for item in index.volumes.values() if item.config.path == path), None)
        if found is None:
            self.absent.append((key, claim))
            return
        slot = (found.pool, found.name)
        # One disk may be of several domains: then it is in the ledger once.
        if any(taking.entry is not None and taking.entry.slot == slot for taking in self.takings):
            return
        if self._is_listed(slot, key=key, index=index, what=f"the volume {found.name!r}"):
            return
        if _holds_data(path, found=found, index=index):
            self.errors.append(
                ConflictError(
                    f"{key}: {found.name!r} is a disk that a guest may write to, or no raw image, and so no seed",
                    resolution="see whether the state names the right volume; a seed may be deleted as no data may",
                )
            )
            return
        instance = instance_id(self.catalog.stack, vm.name, generation=1, adopted=True)
        content = self.contents.get((index.host, slot))
        same = spec.raw is None and content is not None and _holds(content, spec)
        entry = LedgerEntry(
            name=spec.name,
            role="seed",
            pool=found.pool,
            label=found.name,
            state=EntryState.READY,
            path=path,
            format="raw",
            capacity=found.config.capacity,
            digest=seed_documents(spec, instance=instance).digest if same else content.digest if content else None,
            upload=True,
            adopted=True,
        )
        self.takings.append(Taking(key, index.host, claim, found, entry=entry))

    def _path(self, volume: str, *, index: HostIndex) -> str | None:
        if volume in self._paths:
            return self._paths[volume]
        spec = self.catalog.volumes[volume]
        return index.volume_path((self._pool_label(self.catalog.pools[spec.pool]), spec.label))

    def _pool_label(self, spec: PoolSpec) -> str:
        return self._labels.get(Key(Kind.POOL, spec.name), spec.label)

    def _network_label(self, name: str) -> str:
        return self._labels.get(Key(Kind.NETWORK, name), self.catalog.networks[name].label)

    def _is_stamped(self, thing: ObservedDomain | ObservedNetwork, *, key: Key, what: str) -> bool:
        """Whether somebody has it: this stack under this very key, or others, which is refused."""
        stack = self.catalog.stack
        if thing.stamp is None:
            if not thing.persistent:
                self.errors.append(
                    RefusedError(
                        f"{key}: {what} is transient, so nothing can be noted in it for longer than it runs",
                        resolution="define it first (virsh dumpxml, virsh define)",
                    )
                )
                return True
            return False
        if stamped_name(thing.stamp, stack=stack, kind=key.kind) == key.name:
            self.held.append(key)
            return True
        self.errors.append(
            RefusedError(
                f"{key}: {what} is {thing.stamp.path} already",
                resolution="take it out of that stack first, or leave it there",
                place=self.catalog.place(*key),
            )
        )
        return True

    def _is_listed(self, slot: Slot, *, key: Key, index: HostIndex, what: str) -> bool:
        """The same of what stands in ledgers."""
        entry = index.entries.get(slot)
        if entry is not None and (entry.role, entry.name) == (key.kind.value, key.name):
            self.held.append(key)
            return True
        if entry is None and slot not in index.others:
            return False
        owner = (
            f"is {entry.role}.{entry.name} of this stack"
            if entry is not None
            else f"is of the stack {index.owners[slot]}"
        )
        self.errors.append(
            RefusedError(
                f"{key}: {what} on host {index.host} {owner} already",
                resolution="take it out of there first, or leave it there",
                place=self.catalog.place(*key),
            )
        )
        return True


def suppose(observed: Observed, takings: list[Taking], *, ledger: Ledger) -> Observed:
    """The hosts as they will be once everything is taken over. `ledger` is what a host without one gets."""
    return Observed(
        hosts={
            host: _supposed(snapshot, [item for item in takings if item.host == host], ledger=ledger)
            for host, snapshot in observed.hosts.items()
        }
    )


def _supposed(snapshot: HostSnapshot, takings: list[Taking], *, ledger: Ledger) -> HostSnapshot:
    if not takings:
        return snapshot
    stamps = {(item.key.kind, item.claim.id): item.stamp for item in takings if item.stamp is not None}
    held = snapshot.ledger or ledger
    entries = {entry.slot: entry for entry in held.entries}
    entries |= {item.entry.slot: item.entry for item in takings if item.entry is not None}
    return msgspec.structs.replace(
        snapshot,
        domains=tuple(
            msgspec.structs.replace(item, stamp=stamps.get((Kind.VM, item.uuid), item.stamp))
            for item in snapshot.domains
        ),
        networks=tuple(
            msgspec.structs.replace(item, stamp=stamps.get((Kind.NETWORK, item.uuid), item.stamp))
            for item in snapshot.networks
        ),
        ledger=msgspec.structs.replace(held, entries=tuple(entries[slot] for slot in sorted(entries))),
    )


def _holds(content: SeedContent, spec: SeedSpec) -> bool:
    """Whether the disk has the program's documents."""
    return (
        content.user_data == spec.user_data
        and content.network_config == (spec.network_config or "")
        and content.meta_data == spec.meta_data
        and spec.vendor_data is None
    )


def _inactive(key: Key, pool: str, *, host: str) -> VmstackError:
    return RefusedError(
        f"{key}: the storage pool {pool!r} on host {host} is not active, so its volumes cannot be seen",
        resolution=f"start it: virsh pool-start {pool}",
    )


def _twice(key: Key, name: str, *, host: str) -> VmstackError:
    return ConflictError(f"{key} is on host {host} already, as {name!r}")


def _holds_data(path: str, *, found: ObservedVolume, index: HostIndex) -> bool:
    """Whether a volume that a state calls a seed may be a disk with data: seeds go without being called data."""
    disks = [
        disk
        for domain in index.domains.values()
        for config in (domain.config, domain.live)
        if config is not None
        for disk in config.disks
        if disk.path == path
    ]
    written = any(disk.device == "disk" and not disk.readonly for disk in disks)
    return written or found.config.format not in (None, "raw", "iso")
