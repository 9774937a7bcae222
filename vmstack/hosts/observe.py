"""Observing: everything a plan needs to know of the hosts, by bulk reads in parallel. Changes nothing."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import Final, TypeVar

from vmstack.errors import HostError, NotFoundError, VmstackError, raise_all
from vmstack.hosts.driver import DomainRecord, Driver, NetworkRecord, PoolRecord, VolumeRecord
from vmstack.hosts.fingerprints import network_fingerprint, pool_fingerprint, volume_fingerprint
from vmstack.hosts.ledger import USAGE_PREFIX, split_ledgers
from vmstack.hosts.lock import decode_lock, lock_usage
from vmstack.hosts.recognition import Recognition
from vmstack.model.identity import StackId
from vmstack.model.observed import (
    HostSnapshot,
    Observed,
    ObservedDomain,
    ObservedNetwork,
    ObservedPool,
    ObservedVolume,
    Scope,
)
from vmstack.xmlio.disk import directories_of, locate_volumes
from vmstack.xmlio.domain import count_free_ports, read_domain
from vmstack.xmlio.network import read_network
from vmstack.xmlio.plugging import unplugged_nics
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import lingering_fields, read_stamp
from vmstack.xmlio.volume import read_modified, read_volume

# A fleet's hosts are read at the same time; beyond this many the local processor is the limit.
_HOSTS_AT_ONCE: Final = 16
_KINDS_AT_ONCE: Final = 5
_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})
_NO_PORTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})
_Record = TypeVar("_Record", DomainRecord, NetworkRecord, PoolRecord, VolumeRecord)


def observe(drivers: Mapping[str, Driver], *, stack: StackId, scopes: Mapping[str, Scope]) -> Observed:
    """Read all hosts at once. Any host that cannot be read raises: what it holds is unknown, not empty."""
    errors: list[VmstackError] = []
    hosts: dict[str, HostSnapshot] = {}
    with ThreadPoolExecutor(max(1, min(len(drivers), _HOSTS_AT_ONCE)), thread_name_prefix="observe") as threads:
        futures: dict[str, Future[HostSnapshot]] = {
            host: threads.submit(observe_host, host, driver, stack=stack, scope=scopes.get(host, Scope()))
            for host, driver in sorted(drivers.items())
        }
        for host, future in futures.items():
            try:
                hosts[host] = future.result()
            except VmstackError as error:
                errors.append(error)
    raise_all(errors)
    return Observed(hosts=hosts)


def observe_host(
    host: str, driver: Driver, *, stack: StackId, scope: Scope, at_once: int = _KINDS_AT_ONCE
) -> HostSnapshot:
    """Read one host, so many kinds of objects at once.

    Volumes are read of the pools in scope and of those that the stack's ledger names. The XML and the fingerprint of
    domains and networks are kept only of the stack's own and of those in scope.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix=f"observe-{host}") as threads:
        facts = threads.submit(driver.facts)
        domains = threads.submit(driver.domains)
        networks = threads.submit(driver.networks)
        pools = threads.submit(driver.pools)
        secrets = driver.secrets(usage_prefix=USAGE_PREFIX)
        ledger, others = split_ledgers(secrets, stack=stack)
        lock = next((decode_lock(record) for record in secrets if record.usage == lock_usage(stack)), None)
        wanted = scope.pools | {entry.pool for entry in (ledger.entries if ledger else ())}
        entries = ledger.entries if ledger else ()
        styled = frozenset(entry.slot for entry in entries if entry.role == "volume" and entry.digest is not None)
        furnished = [
            threads.submit(
                _furnish, record, driver=driver, deep=scope.everything or record.name in wanted, styled=styled
            )
            for record in _by_name(pools.result())
        ]
        directories = directories_of(read_pool(record.xml) for record in pools.result())
        ports = {record.name: record.ports for record in networks.result() if record.ports is not None}
        known = Recognition(stack, ledger)
        return HostSnapshot(
            host=host,
            facts=facts.result(),
            domains=tuple(
                observed_domain(
                    record,
                    stack=stack,
                    deep=_is_among(record, scope),
                    directories=directories,
                    ports=ports,
                    known=known,
                )
                for record in _by_name(domains.result())
            ),
            networks=tuple(
                observed_network(record, stack=stack, deep=_is_among(record, scope), known=known)
                for record in _by_name(networks.result())
            ),
            pools=tuple(pool for pool in (future.result() for future in furnished) if pool is not None),
            ledger=ledger,
            other_ledgers=others,
            lock=lock,
        )


def _furnish(
    record: PoolRecord, *, driver: Driver, deep: bool, styled: frozenset[tuple[str, str]]
) -> ObservedPool | None:
    """Read a pool's record, `deep` with its volumes; `None` for a pool that went away since it was listed.

    `styled` are the slots of volumes whose XML is kept.
    """
    if not (deep and record.active):
        return observed_pool(record, volumes=None)
    try:
        return observed_pool(record, volumes=driver.volumes(record.name), styled=styled)
    except HostError:
        try:
            now = driver.pool(record.name)
        except NotFoundError:
            return None
        if now.active:
            raise
        return observed_pool(now, volumes=None)


def observed_domain(
    record: DomainRecord,
    *,
    stack: StackId,
    deep: bool = False,
    directories: Mapping[str, str] = _NOWHERE,
    ports: Mapping[str, frozenset[str]] = _NO_PORTS,
    known: Recognition | None = None,
) -> ObservedDomain:
    """Read a domain's record, `deep` as if it were the stack's. `directories` are the pools' paths, `ports` the UUIDs
    of what is plugged into active networks, by their names, `known` is what to go by where its stamp is missing or was
    changed.

    `DocumentError` when its XML is not to be understood.
    """
    root = parse_xml(record.xml, what=f"the XML of domain {record.name}")
    live = None if record.live_xml is None else parse_xml(record.live_xml, what=f"the live XML of {record.name}")
    stamp = read_stamp(root)
    if known is not None:
        stamp = known.recognise(stamp, uuid=record.uuid)
    ours = deep or (stamp is not None and stamp.path.startswith(f"{stack}/"))
    for each in (root, live):
        if each is not None:
            locate_volumes(each, directories=directories)
    return ObservedDomain(
        uuid=record.uuid,
        name=record.name,
        active=live is not None,
        state=record.state,
        persistent=record.persistent,
        autostart=record.autostart,
        config=read_domain(root),
        live=None if live is None else read_domain(live),
        stamp=stamp,
        has_managed_save=record.has_managed_save,
        snapshots=record.snapshots,
        checkpoints=record.checkpoints,
        free_ports=None if live is None else count_free_ports(live),
        unplugged=() if live is None else unplugged_nics(live, ports=ports),
        lingering=() if live is None else lingering_fields(root, live),
        xml=record.xml if ours else "",
        live_xml=record.live_xml if ours else None,
    )


def observed_network(
    record: NetworkRecord, *, stack: StackId, deep: bool = False, known: Recognition | None = None
) -> ObservedNetwork:
    """Read a network's record, `deep` as if it were the stack's, `known` as of a domain.

    `DocumentError` when its XML is not to be understood.
    """
    root = parse_xml(record.xml, what=f"the XML of network {record.name}")
    stamp = read_stamp(root)
    if known is not None:
        stamp = known.recognise(stamp, uuid=record.uuid)
    ours = deep or (stamp is not None and stamp.path.startswith(f"{stack}/"))
    return ObservedNetwork(
        uuid=record.uuid,
        name=record.name,
        active=record.active,
        persistent=record.persistent,
        autostart=record.autostart,
        config=read_network(root),
        live=None if record.live_xml is None else read_network(record.live_xml),
        stamp=stamp,
        xml=record.xml if ours else "",
        fingerprint=network_fingerprint(record) if ours else "",
    )


def observed_pool(
    record: PoolRecord, *, volumes: list[VolumeRecord] | None, styled: frozenset[tuple[str, str]] = frozenset()
) -> ObservedPool:
    """Read a pool's record with those of its volumes, where they were read."""
    config = read_pool(record.xml)
    return ObservedPool(
        uuid=record.uuid,
        name=record.name,
        active=record.active,
        autostart=record.autostart,
        config=config,
        available=record.available,
        volumes=None
        if volumes is None
        else tuple(
            observed_volume(volume, pool=record.name, keep=(record.name, volume.name) in styled)
            for volume in _by_name(volumes)
        ),
        xml=record.xml,
        fingerprint=pool_fingerprint(record, config),
    )


def observed_volume(record: VolumeRecord, *, pool: str, keep: bool = False) -> ObservedVolume:
    """Read a volume's record; `keep` its XML too."""
    root = parse_xml(record.xml, what=f"the XML of volume {record.name}")
    config = read_volume(root)
    return ObservedVolume(
        pool=pool,
        name=record.name,
        config=config,
        xml=record.xml if keep else "",
        modified=read_modified(root),
        fingerprint=volume_fingerprint(record, config),
    )


def _is_among(record: DomainRecord | NetworkRecord, scope: Scope) -> bool:
    return scope.everything or record.uuid in scope.objects or record.name in scope.objects


def _by_name(records: list[_Record]) -> list[_Record]:
    return sorted(records, key=lambda record: record.name)
