"""Whose everything on a host is: this stack's, another's, or nobody's that vmstack knows of."""

from collections.abc import Iterator, Mapping
from typing import Literal

from vmstack.model.base import Data
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import HostSnapshot, ObservedDomain, ObservedNetwork
from vmstack.model.ownership import LedgerEntry
from vmstack.plan.index import Slot, entry_key, owned_name


class Owner(Data, frozen=True, kw_only=True):
    """A stack and the resource of it that an object is, as `project/stack` and `vm.web`."""

    stack: str
    address: str


class Found(Data, frozen=True, kw_only=True):
    """One object of a host. `name` is libvirt's (of a volume `pool/volume`), and `state` its word.

    `copied` is the mark of a stack that it has without being that stack's: a copy of an object got it along.
    """

    kind: Literal["vm", "network", "pool", "volume"]
    name: str
    state: str
    owner: Owner | None = None
    copied: str | None = None
    uuid: str | None = None
    path: str | None = None
    persistent: bool = True


def find_objects(snapshot: HostSnapshot) -> tuple[Found, ...]:
    """Every VM, network, pool and (of the pools that were read in depth) volume of a host, sorted by kind and name."""
    listed = ledger_owners(snapshot)
    found = [*_domains(snapshot), *_networks(snapshot), *_storage(snapshot, listed=listed)]
    order = {"vm": 0, "network": 1, "pool": 2, "volume": 3}
    return tuple(sorted(found, key=lambda item: (order[item.kind], item.name)))


def ledger_owners(snapshot: HostSnapshot) -> dict[Slot, Owner]:
    """Who lists which pools and volumes."""
    owners: dict[Slot, Owner] = {}
    for ledger in (snapshot.ledger, *snapshot.other_ledgers):
        if ledger is not None:
            for entry in ledger.entries:
                owners.setdefault(entry.slot, Owner(stack=str(ledger.stack), address=_address(entry)))
    return owners


def owner_of(thing: ObservedDomain | ObservedNetwork) -> Owner | None:
    """The stack whose stamp a domain or network has, unless it is a copy that got the stamp along."""
    parts = thing.stamp.path.split("/", 3) if thing.stamp is not None else []
    kind = Kind.VM if isinstance(thing, ObservedDomain) else Kind.NETWORK
    if len(parts) != 4 or parts[2] != kind.value:
        return None
    stack = StackId(parts[0], parts[1])
    name = owned_name(thing.stamp, uuid=thing.uuid, stack=stack, kind=kind)
    return None if name is None else Owner(stack=str(stack), address=str(Key(kind, name)))


def copied_mark(thing: ObservedDomain | ObservedNetwork) -> str | None:
    """The stamp of somebody else that it has: what bears one is taken over by nobody."""
    return thing.stamp.path if thing.stamp is not None and owner_of(thing) is None else None


def _address(entry: LedgerEntry) -> str:
    return str(entry_key(entry))


def _domains(snapshot: HostSnapshot) -> Iterator[Found]:
    for domain in snapshot.domains:
        yield Found(
            kind="vm",
            name=domain.name,
            state=domain.state,
            owner=owner_of(domain),
            copied=copied_mark(domain),
            uuid=domain.uuid,
            persistent=domain.persistent,
        )


def _networks(snapshot: HostSnapshot) -> Iterator[Found]:
    for network in snapshot.networks:
        yield Found(
            kind="network",
            name=network.name,
            state="active" if network.active else "inactive",
            owner=owner_of(network),
            copied=copied_mark(network),
            uuid=network.uuid,
            persistent=network.persistent,
        )


def _storage(snapshot: HostSnapshot, *, listed: Mapping[Slot, Owner]) -> Iterator[Found]:
    users = {
        disk.path
        for domain in snapshot.domains
        for config in (domain.config, domain.live or domain.config)
        for disk in config.disks
    }
    for pool in snapshot.pools:
        yield Found(
            kind="pool",
            name=pool.name,
            state="active" if pool.active else "inactive",
            owner=listed.get((pool.name, "")),
            uuid=pool.uuid,
            path=pool.config.path,
        )
        for volume in pool.volumes or ():
            yield Found(
                kind="volume",
                name=f"{pool.name}/{volume.name}",
                state="in use" if volume.config.path in users else "unused",
                owner=listed.get((pool.name, volume.name)),
                path=volume.config.path,
            )
