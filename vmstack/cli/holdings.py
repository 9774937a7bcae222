"""What the hosts hold of a stack, gathered from an observation."""

from typing import Literal

from vmstack.model.base import Data
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import HostSnapshot, Observed, ObservedDomain, ObservedNetwork
from vmstack.model.ownership import RunRecord
from vmstack.model.specs import VmSpec
from vmstack.plan.index import index_host, owned_name
from vmstack.plan.pending import Pending, pending_restart
from vmstack.plan.settling import settle


class Holding(Data, frozen=True, kw_only=True):
    """One object of the stack on a host. `state` is libvirt's word, or the ledger's; `name` is libvirt's name.

    `pending` is what waits for a restart of the guest.
    """

    address: str
    host: str
    name: str
    state: str
    uuid: str | None = None
    path: str | None = None
    capacity: int | None = None
    vcpus: int | None = None
    memory: int | None = None
    addresses: tuple[str, ...] = ()
    ready: Literal["none", "pending", "ok", "failed"] | None = None
    report: str | None = None
    pending: tuple[Pending, ...] = ()


class HostHoldings(Data, frozen=True, kw_only=True):
    host: str
    uri: str
    last_run: RunRecord | None
    locked_by: str | None
    resources: tuple[Holding, ...]


def gather(observed: Observed, *, desired: DesiredGraph) -> tuple[HostHoldings, ...]:
    """Everything that is the stack's, host by host, sorted."""
    desired = settle(desired, observed)
    return tuple(_gather_host(observed.hosts[name], desired=desired) for name in sorted(observed.hosts))


def owned_key(stack: StackId, path: str) -> Key | None:
    """The key in a stamp's path, when it is of this stack."""
    project, _, rest = path.partition("/")
    name, _, rest = rest.partition("/")
    kind, _, key = rest.partition("/")
    if (project, name) != stack or not key or kind not in set(Kind):
        return None
    return Key(Kind(kind), key)


def _own_key(stack: StackId, thing: ObservedDomain | ObservedNetwork) -> Key | None:
    """The key of what is the stack's by stamp and UUID: a copy of a VM has the stamp, too, and is somebody else's."""
    key = owned_key(stack, thing.stamp.path) if thing.stamp else None
    if key is None or owned_name(thing.stamp, uuid=thing.uuid, stack=stack, kind=key.kind) is None:
        return None
    return key


def find_domain(observed: Observed, *, stack: StackId, key: Key) -> tuple[HostSnapshot, ObservedDomain] | None:
    """The VM on whichever host holds it."""
    for snapshot in observed.hosts.values():
        for domain in snapshot.domains:
            if _own_key(stack, domain) == key:
                return snapshot, domain
    return None


def addresses_of(domain: ObservedDomain, snapshot: HostSnapshot, *, desired: DesiredGraph) -> tuple[str, ...]:
    """The fixed addresses of a VM: what the program says, then what its networks reserve for its MACs."""
    macs = {nic.mac for nic in domain.config.nics}
    found = [
        address
        for resource in desired.resources
        if isinstance(resource.spec, VmSpec) and resource.spec.uuid == domain.uuid
        for nic in resource.spec.nics
        if nic.mac in macs
        for address in nic.addresses
    ]
    names = {nic.network for nic in domain.config.nics}
    found += [
        reservation.ip
        for network in snapshot.networks
        if network.name in names
        for subnet in network.config.subnets
        for reservation in subnet.reservations
        if reservation.mac in macs
    ]
    return tuple(dict.fromkeys(found))


def _gather_host(snapshot: HostSnapshot, *, desired: DesiredGraph) -> HostHoldings:
    stack = desired.stack
    resources = [
        *(
            _hold_domain(Key(Kind.VM, name), domain, snapshot, desired)
            for name, domain in index_host(snapshot, stack=stack).own_domains.items()
        ),
        *(_hold_network(key, network, snapshot.host) for key, network in _owned_networks(stack, snapshot)),
        *_hold_entries(snapshot),
    ]
    lock, ledger = snapshot.lock, snapshot.ledger
    return HostHoldings(
        host=snapshot.host,
        uri=snapshot.facts.uri,
        last_run=ledger.last_run if ledger else None,
        locked_by=f"{lock.who} on {lock.where} since {lock.since}" if lock else None,
        resources=tuple(sorted(resources, key=lambda one: (one.address, one.name))),
    )


def _owned_networks(stack: StackId, snapshot: HostSnapshot) -> list[tuple[Key, ObservedNetwork]]:
    found = [(_own_key(stack, one), one) for one in snapshot.networks]
    return [(key, one) for key, one in found if key]


def _hold_domain(key: Key, domain: ObservedDomain, snapshot: HostSnapshot, desired: DesiredGraph) -> Holding:
    return Holding(
        address=str(key),
        host=snapshot.host,
        name=domain.name,
        state=domain.state,
        uuid=domain.uuid,
        vcpus=domain.config.vcpus,
        memory=domain.config.memory_kib * 1024,
        addresses=addresses_of(domain, snapshot, desired=desired),
        ready=domain.stamp.ready if domain.stamp else None,
        report=domain.stamp.report if domain.stamp else None,
        pending=pending_restart(domain),
    )


def _hold_network(key: Key, network: ObservedNetwork, host: str) -> Holding:
    return Holding(
        address=str(key),
        host=host,
        name=network.name,
        state="active" if network.active else "inactive",
        uuid=network.uuid,
        addresses=tuple(f"{subnet.gateway}/{subnet.prefix}" for subnet in network.config.subnets),
    )


def _hold_entries(snapshot: HostSnapshot) -> list[Holding]:
    pools = {pool.name: pool for pool in snapshot.pools}
    held: list[Holding] = []
    for entry in snapshot.ledger.entries if snapshot.ledger else ():
        pool = pools.get(entry.pool)
        volumes = {volume.name: volume for volume in (pool.volumes or ()) if pool} if pool else {}
        if entry.role == "pool":
            state = "missing" if pool is None else "active" if pool.active else "inactive"
            held.append(
                Holding(
                    address=f"{Kind.POOL.value}.{entry.name}",
                    host=snapshot.host,
                    name=entry.pool,
                    state=state,
                    path=pool.config.path if pool else entry.path,
                )
            )
            continue
        volume = volumes.get(entry.label)
        unknown = pool is not None and pool.volumes is None
        kind = {"base": Kind.IMAGE, "seed": Kind.SEED}.get(entry.role, Kind.VOLUME)
        name = f"{entry.image or entry.name}@{entry.pool}" if entry.role == "base" else entry.name
        held.append(
            Holding(
                address=f"{kind.value}.{name}",
                host=snapshot.host,
                name=f"{entry.pool}/{entry.label}",
                state=entry.state.value if volume else "unknown" if unknown else "missing",
                path=volume.config.path if volume else entry.path,
                capacity=volume.config.capacity if volume else entry.capacity,
            )
        )
    return held
