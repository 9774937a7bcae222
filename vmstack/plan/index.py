"""One host's snapshot, indexed, with the question that everything hangs on answered: what of it is ours."""

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vmstack.model.configs import DomainConfig, VolumeConfig
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.observed import (
    HostFacts,
    HostSnapshot,
    ObservedDomain,
    ObservedNetwork,
    ObservedPool,
    ObservedVolume,
)
from vmstack.model.ownership import EntryState, LedgerEntry, Stamp
from vmstack.plan.adopted import as_named
from vmstack.plan.digest import digest_of_ledger

Slot = tuple[str, str]

_KINDS: Final = {"pool": Kind.POOL, "base": Kind.IMAGE, "volume": Kind.VOLUME, "seed": Kind.SEED}


@dataclass(frozen=True, slots=True)
class HostIndex:
    """Lookups over one host.

    `own_domains` and `own_networks` are ours by stamp *and* UUID, by name in the program; domains are indexed as
    `plan.adopted.as_named` reads them. `entries` is this stack's ledger and `others` are those of all other stacks, by
    slot, with the names of such stacks in `owners`. `path_users` tells which domains, ours or not, have a file as a
    disk, live or persistent, `chain_users` which have it under a disk, and `backed` which volumes have it as their
    backing file.
    `ledger_digest` tells whether the ledger still lists what it did; `made` are the VMs and networks that it knows of.
    """

    host: str
    facts: HostFacts
    stack: StackId
    has_ledger: bool
    ledger_digest: str | None
    made: Mapping[str, int]
    domains: Mapping[str, ObservedDomain]
    domain_names: Mapping[str, ObservedDomain]
    own_domains: Mapping[str, ObservedDomain]
    networks: Mapping[str, ObservedNetwork]
    network_names: Mapping[str, ObservedNetwork]
    own_networks: Mapping[str, ObservedNetwork]
    pools: Mapping[str, ObservedPool]
    volumes: Mapping[Slot, ObservedVolume]
    entries: Mapping[Slot, LedgerEntry]
    named_entries: Mapping[Key, tuple[LedgerEntry, ...]]
    others: Mapping[Slot, tuple[LedgerEntry, ...]]
    owners: Mapping[Slot, str]
    path_users: Mapping[str, tuple[ObservedDomain, ...]]
    chain_users: Mapping[str, tuple[ObservedDomain, ...]]
    backed: Mapping[str, tuple[Slot, ...]]
    macs: Mapping[str, tuple[ObservedDomain, ...]]

    def readable(self, pool: str) -> bool:
        """Whether the volumes of the pool are known. Of an inactive or missing pool they are not: unknown, not gone."""
        found = self.pools.get(pool)
        return found is not None and found.volumes is not None

    def owns_pool(self, label: str) -> bool:
        """Whether the libvirt pool of that name is the one this stack made: in the ledger, and with our UUID."""
        entry = self.entries.get((label, ""))
        pool = self.pools.get(label)
        if entry is None or pool is None:
            return False
        return pool.uuid == (entry.uuid or derive_uuid(self.stack, Key(Kind.POOL, entry.name)))

    def is_own(self, domain: ObservedDomain) -> bool:
        name = stamped_name(domain.stamp, stack=self.stack, kind=Kind.VM)
        return name is not None and self.own_domains.get(name) is domain

    def own_users(self, path: str | None) -> Iterator[ObservedDomain]:
        """Our domains that have the file as a disk."""
        return (domain for domain in self.path_users.get(path or "", ()) if self.is_own(domain))

    def foreign_users(self, path: str | None) -> Iterator[ObservedDomain]:
        """Other people's domains that have the file as a disk, or under one."""
        users = (*self.path_users.get(path or "", ()), *self.chain_users.get(path or "", ()))
        return (domain for domain in users if not self.is_own(domain))

    def own_chain_users(self, path: str | None) -> Iterator[ObservedDomain]:
        """Our domains that have the file under a disk, as its backing file."""
        return (domain for domain in self.chain_users.get(path or "", ()) if self.is_own(domain))

    def is_displaced(self, entry: LedgerEntry) -> bool:
        """Whether the pool is at another directory than the one where this stack made the volume.

        Then a volume of that name in it is somebody else's, and ours may still be where it was.
        """
        pool = self.pools.get(entry.pool)
        if entry.path is None or pool is None or pool.config.path is None:
            return False
        return posixpath.normpath(pool.config.path) != posixpath.normpath(posixpath.dirname(entry.path))

    def volume_path(self, slot: Slot) -> str | None:
        """The file of a volume: as observed, else as the ledger says, else by the pool's directory."""
        volume = self.volumes.get(slot)
        if volume is not None and volume.config.path is not None:
            return volume.config.path
        entry = self.entries.get(slot)
        if entry is not None and entry.path is not None:
            return entry.path
        pool = self.pools.get(slot[0])
        return f"{pool.config.path}/{slot[1]}" if pool is not None and pool.config.path else None

    def held_by_other(self, slot: Slot) -> bool:
        return slot in self.others


def index_host(snapshot: HostSnapshot, *, stack: StackId) -> HostIndex:
    """Index a snapshot for one stack."""
    volumes: dict[Slot, ObservedVolume] = {}
    backed: dict[str, list[Slot]] = defaultdict(list)
    backing: dict[str, VolumeConfig] = {}
    for pool in snapshot.pools:
        for volume in pool.volumes or ():
            slot = (volume.pool, volume.name)
            volumes[slot] = volume
            if volume.config.backing_path is not None:
                backed[volume.config.backing_path].append(slot)
                backing[volume.config.path or ""] = volume.config
    own_domains: dict[str, ObservedDomain] = {}
    path_users: dict[str, list[ObservedDomain]] = defaultdict(list)
    chain_users: dict[str, list[ObservedDomain]] = defaultdict(list)
    macs: dict[str, list[ObservedDomain]] = defaultdict(list)
    domains = tuple(as_named(domain, stack=stack, backing=backing) for domain in snapshot.domains)
    for domain in domains:
        name = owned_name(domain.stamp, uuid=domain.uuid, stack=stack, kind=Kind.VM)
        if name is not None:
            own_domains[name] = domain
        configs = (domain.config,) if domain.live is None else (domain.config, domain.live)
        for path in dict.fromkeys(path for config in configs for path in files_of(config)):
            if path is not None:
                path_users[path].append(domain)
        for path in dict.fromkeys(disk.backing_path for config in configs for disk in config.disks):
            if path is not None:
                chain_users[path].append(domain)
        for mac in dict.fromkeys(nic.mac for config in configs for nic in config.nics):
            macs[mac].append(domain)
    own_networks: dict[str, ObservedNetwork] = {}
    for network in snapshot.networks:
        name = owned_name(network.stamp, uuid=network.uuid, stack=stack, kind=Kind.NETWORK)
        if name is not None:
            own_networks[name] = network
    entries = snapshot.ledger.entries if snapshot.ledger else ()
    named: dict[Key, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        named[entry_key(entry)].append(entry)
    others: dict[Slot, list[LedgerEntry]] = defaultdict(list)
    owners: dict[Slot, str] = {}
    for ledger in snapshot.other_ledgers:
        for entry in ledger.entries:
            others[entry.slot].append(entry)
            owners.setdefault(entry.slot, str(ledger.stack))
    return HostIndex(
        host=snapshot.host,
        facts=snapshot.facts,
        stack=stack,
        has_ledger=snapshot.ledger is not None,
        ledger_digest=digest_of_ledger(snapshot.held or snapshot.ledger),
        made=snapshot.ledger.made if snapshot.ledger is not None else {},
        domains={domain.uuid: domain for domain in domains},
        domain_names={domain.name: domain for domain in domains},
        own_domains=own_domains,
        networks={network.uuid: network for network in snapshot.networks},
        network_names={network.name: network for network in snapshot.networks},
        own_networks=own_networks,
        pools={pool.name: pool for pool in snapshot.pools},
        volumes=volumes,
        entries={entry.slot: entry for entry in entries},
        named_entries={key: tuple(found) for key, found in named.items()},
        others={slot: tuple(found) for slot, found in others.items()},
        owners=owners,
        path_users={path: tuple(users) for path, users in path_users.items()},
        chain_users={path: tuple(users) for path, users in chain_users.items()},
        backed={path: tuple(slots) for path, slots in backed.items()},
        macs={mac: tuple(users) for mac, users in macs.items()},
    )


def files_of(config: DomainConfig) -> Iterator[str | None]:
    """The files of the host that a domain has by itself: its disks, and what it is started with."""
    yield from (disk.path for disk in config.disks)
    yield from (config.kernel, config.initrd, config.fw_cfg.path if config.fw_cfg is not None else None)


def entry_key(entry: LedgerEntry) -> Key:
    """The address of what a ledger entry stands for."""
    return Key(_KINDS[entry.role], entry.name)


def is_ready(entry: LedgerEntry) -> bool:
    return entry.state is EntryState.READY


def owned_name(stamp: Stamp | None, *, uuid: str, stack: StackId, kind: Kind) -> str | None:
    """The name in the program of a stamped object that is the stack's: a copy has the stamp too, and another UUID."""
    name = stamped_name(stamp, stack=stack, kind=kind)
    if stamp is None or name is None:
        return None
    own = stamp.adopted.uuid if stamp.adopted is not None else derive_uuid(stack, Key(kind, name))
    return name if uuid == own else None


def stamped_name(stamp: Stamp | None, *, stack: StackId, kind: Kind) -> str | None:
    """The name in the program that a stamp claims, when it claims to be of this stack and kind."""
    prefix = stack.path(Key(kind, ""))
    if stamp is None or not stamp.path.startswith(prefix):
        return None
    return stamp.path[len(prefix) :] or None
