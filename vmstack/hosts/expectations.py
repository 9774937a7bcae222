"""Fencing: a plan is executed only when what it touches is as it was when the plan was made."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from vmstack.errors import NotFoundError, StalePlanError, VmstackError, raise_all
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.hosts.fingerprints import network_fingerprint, pool_fingerprint, volume_fingerprint
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.usage import UsageReader
from vmstack.model.effects import StopNetwork
from vmstack.model.identity import StackId
from vmstack.model.plan import Expectation, Step
from vmstack.plan.digest import digest_of_ledger
from vmstack.plan.moments import moments_mark
from vmstack.xmlio.fingerprint import domain_fingerprint

# From so many on, reading all objects in bulk is faster than reading these one by one.
_BULK: Final = 8
_HOSTS_AT_ONCE: Final = 16
_Record = TypeVar("_Record")


class Guards:
    """Checks single steps right before their effects, over and over, without reading a whole host each time.

    Thread-safe. How old a look at who uses what may be is `UsageReader`'s to say.
    """

    def __init__(self, drivers: Mapping[str, Driver], *, stack: StackId) -> None:
        self._drivers = drivers
        self._usage = {host: UsageReader(driver, stack=stack) for host, driver in drivers.items()}

    def check(self, step: Step) -> None:
        """Raise `StalePlanError` when a guard of the step does not hold now, or when it would take a network away
        from a running guest that is not this stack's (which no plan ever wants). Reads only.
        """
        moved: list[str] = []
        if isinstance(step.effect, StopNetwork):
            guests = self._usage[step.host].guests_on(step.effect.name, bridge=step.effect.bridge)
            moved += [f"{step.host}: domain {guest} runs on network {step.effect.name}" for guest in guests]
        for expectation in step.guards:
            driver, usage = self._drivers[expectation.host], self._usage[expectation.host]
            moved += _moved_on(driver, [expectation], usage=usage, bases_free=True)
        if moved:
            raise StalePlanError(
                "what this would touch has changed since the plan was made, so it was left alone",
                details=moved,
                resolution="make a new plan",
            )


def check_expectations(drivers: Mapping[str, Driver], expectations: Iterable[Expectation], *, stack: StackId) -> None:
    """Raise `StalePlanError` naming every object that is not as the expectations say. Reads only."""
    by_host: dict[str, list[Expectation]] = {}
    for expectation in expectations:
        by_host.setdefault(expectation.host, []).append(expectation)
    errors: list[VmstackError] = []
    moved: list[str] = []
    with ThreadPoolExecutor(max(1, min(len(by_host), _HOSTS_AT_ONCE)), thread_name_prefix="expect") as threads:
        futures = [
            threads.submit(
                _moved_on, drivers[host], wanted, usage=UsageReader(drivers[host], stack=stack), bases_free=False
            )
            for host, wanted in sorted(by_host.items())
        ]
        for future in futures:
            try:
                moved += future.result()
            except VmstackError as error:
                errors.append(error)
    raise_all(errors)
    if moved:
        raise StalePlanError(
            "the plan is stale: objects that it touches changed after it was made",
            details=moved,
            resolution="make a new plan",
        )


def _moved_on(driver: Driver, expectations: list[Expectation], *, usage: UsageReader, bases_free: bool) -> list[str]:
    """What does not hold, a line each. `bases_free`: see `UsageReader.users`."""
    readers: dict[str, Callable[[Driver, list[str]], dict[str, str]]] = {
        "pool": _pools,
        "network": _networks,
        "volume": _volumes,
        "domain": _domains,
    }
    moved = []
    for kind, read in readers.items():
        wanted = [expectation for expectation in expectations if expectation.object == kind]
        if not wanted:
            continue
        found = read(driver, [expectation.id for expectation in wanted])
        for expectation in wanted:
            now = found.get(expectation.id)
            if now != expectation.fingerprint:
                moved.append(f"{expectation.host}: {kind} {expectation.name} {_word(expectation, now=now)}")
    for expectation in expectations:
        if expectation.object == "unused":
            pool, _, volume = expectation.id.partition("/")
            users = usage.users(pool, volume, path=expectation.name, bases_free=bases_free)
            moved += [f"{expectation.host}: volume {expectation.id} is in use: {user}" for user in users]
        elif expectation.object == "ledger":
            ledger = HostLedger(driver, usage.stack).read()
            if digest_of_ledger(ledger) != expectation.fingerprint:
                moved.append(f"{expectation.host}: the ledger of stack {usage.stack} has changed")
    return [*moved, *_moments(driver, [expectation for expectation in expectations if expectation.object == "moments"])]


def _word(expectation: Expectation, *, now: str | None) -> str:
    if now is None:
        return "is gone"
    return "has appeared" if expectation.fingerprint is None else "has changed"


def _moments(driver: Driver, expectations: list[Expectation]) -> list[str]:
    """The domains that have other snapshots or checkpoints; one that is gone has none to lose."""
    found = {record.uuid: moments_mark(record) for record in _records(driver, [one.id for one in expectations])}
    return [
        f"{one.host}: {found[one.id]} would go with domain {one.name}, and the plan was made for {one.fingerprint}"
        for one in expectations
        if found.get(one.id, one.fingerprint) != one.fingerprint
    ]


def _domains(driver: Driver, ids: list[str]) -> dict[str, str]:
    return {record.uuid: domain_fingerprint(record) for record in _records(driver, ids)}


def _records(driver: Driver, ids: list[str]) -> list[DomainRecord]:
    wanted = set(ids)
    records = driver.domains() if len(ids) > _BULK else _each(driver.domain, ids)
    return [record for record in records if record.uuid in wanted]


def _networks(driver: Driver, ids: list[str]) -> dict[str, str]:
    wanted = set(ids)
    records = driver.networks() if len(ids) > _BULK else _each(driver.network, ids)
    return {record.uuid: network_fingerprint(record) for record in records if record.uuid in wanted}


def _pools(driver: Driver, ids: list[str]) -> dict[str, str]:
    return {record.name: pool_fingerprint(record) for record in _each(driver.pool, ids)}


def _volumes(driver: Driver, ids: list[str]) -> dict[str, str]:
    """Volumes of a pool that is missing or not active are not there: nothing can be done with them."""
    names: dict[str, set[str]] = {}
    for item in ids:
        pool, _, name = item.partition("/")
        names.setdefault(pool, set()).add(name)
    found: dict[str, str] = {}
    for pool, wanted in names.items():
        try:
            if not driver.pool(pool).active:
                continue
        except NotFoundError:
            continue
        records = driver.volumes(pool) if len(wanted) > _BULK else _each(partial(driver.volume, pool), wanted)
        found |= {f"{pool}/{record.name}": volume_fingerprint(record) for record in records if record.name in wanted}
    return found


def _each(read: Callable[[str], _Record], ids: Iterable[str]) -> list[_Record]:
    records = []
    for item in ids:
        with suppress(NotFoundError):
            records.append(read(item))
    return records
