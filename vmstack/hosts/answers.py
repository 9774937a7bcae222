"""Answering what programs ask of a host (`vmstack.model.facts`). Changes nothing."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

from vmstack.errors import NotFoundError, PermissionDeniedError
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.hosts.ledger import HostLedger
from vmstack.model.facts import Answer, Question
from vmstack.model.identity import Key, Kind, StackId, derive_mac
from vmstack.model.ownership import Stamp
from vmstack.xmlio.device import describe_device
from vmstack.xmlio.guest import describe_domain, describe_network
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.stamp import read_stamp
from vmstack.xmlio.volume import read_volume

Answers = dict[Question, Answer | None]
# From this many on, reading all at once is quicker than one by one.
_MANY: Final = 4


def answer(driver: Driver, questions: Iterable[Question]) -> Answers:
    """Answer questions to one host; `None` for what it does not have.

    A question about devices is answered with all of them: whoever lists them looks into them next.
    """
    wanted = sorted(questions)
    found: Answers = {}
    domains = [question for question in wanted if question.subject == "domain"]
    found.update(_domains(driver, domains))
    if any(question.subject in ("devices", "device") for question in wanted):
        found.update(_devices(driver, wanted))
    for question in wanted:
        one = _SINGLE.get(question.subject)
        if one is not None:
            try:
                found[question] = one(driver, question.id)
            except NotFoundError:
                found[question] = None
    return found


def _domains(driver: Driver, questions: list[Question]) -> Answers:
    """By UUID; one that was taken over has its identity in its stamp only."""
    known: dict[str, DomainRecord] = {}
    missing = questions
    if len(questions) < _MANY:
        for question in questions:
            with suppress(NotFoundError):
                known[question.id] = driver.domain(question.id)
        missing = [question for question in questions if question.id not in known and question.path]
    taken: dict[str, tuple[DomainRecord, Stamp]] = {}
    if missing:
        for record in driver.domains():
            known[record.uuid] = record
            stamp = read_stamp(record.xml)
            if stamp is not None and stamp.adopted is not None and stamp.adopted.uuid == record.uuid:
                taken[stamp.path] = (record, stamp)
    found: Answers = {}
    for question in questions:
        one, mark = taken.get(question.path, (known.get(question.id), None))
        found[question] = None if one is None else _domain(driver, one, agent=question.agent, stamp=mark)
    return found


def _domain(driver: Driver, record: DomainRecord, *, agent: bool, stamp: Stamp | None) -> Answer:
    """Of a running guest what it runs with, as the old provider read it.

    The NICs of one that was taken over are told by the MACs that the program knows them by as well.
    """
    cards = []
    if record.live_xml is not None:
        try:
            cards = driver.addresses(record.uuid, agent=agent)
        except PermissionDeniedError:  # a read-only connection may not talk to agents
            cards = []
    addresses = {card.mac: card.addresses for card in cards if card.addresses}
    if stamp is not None and stamp.adopted is not None:
        project, stack, kind, name = stamp.path.split("/", 3)
        for nic, mac in stamp.adopted.nics.items():
            if mac in addresses:
                derived = derive_mac(StackId(project, stack), Key(Kind(kind), name), nic=nic)
                addresses[derived] = addresses[mac]
    told = describe_domain(record.live_xml or record.xml, addresses=addresses)
    return {**told, "running": record.live_xml is not None, "autostart": record.autostart}


def _pool(driver: Driver, name: str) -> Answer:
    """By name or UUID."""
    record = next((one for one in driver.pools() if name in (one.name, one.uuid)), None)
    if record is None:
        raise NotFoundError(f"there is no pool {name}")
    config = read_pool(record.xml)
    answer: dict[str, object] = {"id": record.uuid, "name": record.name, "type": config.type}
    if config.path is not None:
        answer["path"] = config.path
    if record.active:
        usage = driver.pool_usage(record.name)
        answer |= {"capacity": usage.capacity, "allocation": usage.allocation, "available": usage.available}
    return answer


def _volume(driver: Driver, path: str) -> Answer:
    """By its path: the pool is the one at the directory."""
    for pool in driver.pools():
        directory = read_pool(pool.xml).path
        if not pool.active or directory is None or not path.startswith(directory.rstrip("/") + "/"):
            continue
        for record in driver.volumes(pool.name):
            config = read_volume(record.xml)
            if config.path == path:
                answer: dict[str, object] = {"name": config.name, "pool": pool.name, "size": config.capacity}
                return answer | ({"format": config.format} if config.format else {})
    raise NotFoundError(f"there is no volume {path}")


def _network(driver: Driver, name: str) -> Answer:
    """By name or UUID."""
    record = next((one for one in driver.networks() if name in (one.name, one.uuid)), None)
    if record is None:
        raise NotFoundError(f"there is no network {name}")
    return {**describe_network(record.xml), "autostart": record.autostart}


def _node(driver: Driver, _: str) -> Answer:
    node = driver.node()
    return {
        "cpuModel": node.cpu_model,
        "memoryTotalKb": node.memory_kib,
        "cpuCoresTotal": node.cpus,
        "cpuCoresPerSocket": node.cores,
        "cpuSockets": node.sockets,
        "cpuThreadsPerCore": node.threads,
        "numaNodes": node.nodes,
    }


def _devices(driver: Driver, questions: list[Question]) -> Answers:
    uri = next(question.uri for question in questions if question.subject in ("devices", "device"))
    records = driver.devices()
    found: Answers = {
        Question(uri=uri, subject="device", id=record.name): describe_device(record.xml) for record in records
    }
    for question in questions:
        if question.subject == "devices":
            names = [record.name for record in records if not question.id or question.id in record.capabilities]
            found[question] = {"devices": sorted(names)}
        elif question.subject == "device":
            found.setdefault(question, None)
    return found


def stack_outputs(drivers: Iterable[Driver], *, stack: StackId) -> Answer | None:
    """The outputs of a stack as the hosts keep them; `None` where none of them knows it. The latest run counts."""
    ledgers = [HostLedger(driver, stack).read() for driver in drivers]
    applied = [ledger for ledger in ledgers if ledger is not None and ledger.last_run is not None]
    if not applied:
        return None
    latest = max(applied, key=lambda ledger: ledger.last_run.when if ledger.last_run else "")
    outputs = {
        name: {"value": one.value, "secret": one.secret, "known": one.known} for name, one in latest.outputs.items()
    }
    return {"outputs": outputs}


_SINGLE: Final[Mapping[str, Callable[[Driver, str], Answer]]] = {
    "pool": _pool,
    "volume": _volume,
    "network": _network,
    "node": _node,
}
