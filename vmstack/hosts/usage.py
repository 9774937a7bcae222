"""Who on a host has a volume or network in use, as it is now: what forbids to delete or stop it."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from vmstack.errors import NotFoundError
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.hosts.ledger import USAGE_PREFIX, split_ledgers
from vmstack.model.identity import Kind, StackId
from vmstack.model.ownership import LedgerEntry
from vmstack.plan.index import owned_name
from vmstack.xmlio.disk import directories_of, locate_volumes
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import read_stamp
from vmstack.xmlio.volume import read_volume

# A reading may be this old (seconds), or this many times as old as it took: many deletions share one.
_AGE: Final = 1.0
_AGE_BY_COST: Final = 3.0
# What is used: the path of a file, or a network or bridge by its kind and name.
_CABLES: Final = ("network", "bridge")
_At = TypeVar("_At", str, tuple[str, str])


@dataclass(frozen=True, slots=True)
class _User:
    """A domain or volume that has a file."""

    name: str
    own: bool


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a domain has: files of its disks and of its start, live or persistent, and what its NICs are on as it runs:
    networks and bridges.

    `text` is its XML.
    """

    text: str
    own: bool
    paths: tuple[str, ...]
    networks: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Reading:
    """The host at one time. `began` and `took` are seconds; volumes are read of the pools that are asked about."""

    began: float
    own: Mapping[tuple[str, str], LedgerEntry]
    others: Mapping[tuple[str, str], tuple[StackId, ...]]
    domains: Mapping[str, tuple[_User, ...]]
    guests: Mapping[tuple[str, str], tuple[_User, ...]]
    volumes: dict[str, Mapping[str, tuple[_User, ...]]] = field(default_factory=dict)
    took: float = 0.0


class UsageReader:
    """Reads a host in bulk, at most about once a second, whoever asks and how often. Thread-safe."""

    def __init__(self, driver: Driver, *, stack: StackId, clock: Callable[[], float] = time.monotonic) -> None:
        self._driver = driver
        self.stack = stack
        self._clock = clock
        self._guard = threading.Lock()
        self._latest: _Reading | None = None
        self._facts: dict[str, _Facts] = {}

    def users(self, pool: str, volume: str, *, path: str, bases_free: bool) -> tuple[str, ...]:
        """Who else has the volume with the file `path`, in words for people.

        What is this stack's own does not count; with `bases_free` it does where the volume is a base image of ours,
        whose clones must have gone by then.
        """
        now = self._clock()
        found = self._find(pool, volume, path=path, bases_free=bases_free, since=None)
        # What an older reading shows may have gone meanwhile, by our own doing.
        return found and self._find(pool, volume, path=path, bases_free=bases_free, since=now)

    def guests_on(self, network: str, *, bridge: str | None) -> tuple[str, ...]:
        """The names of running domains on the network, or the bridge that it makes, that are not this stack's."""
        now = self._clock()
        found: list[_User] = []
        for since in (None, now):
            with self._guard:
                guests = self._read(since).guests
            found = _counted(guests, ("network", network), own=False)
            found += _counted(guests, ("bridge", bridge or ""), own=False)
            if not found:
                break
        return tuple(sorted({user.name for user in found}))

    def _find(self, pool: str, volume: str, *, path: str, bases_free: bool, since: float | None) -> tuple[str, ...]:
        with self._guard:
            reading = self._read(since)
            if pool not in reading.volumes:
                reading.volumes[pool] = self._volumes(pool, own=reading.own)
                reading.took = max(reading.took, self._clock() - reading.began)
        slot = (pool, volume)
        entry = reading.own.get(slot)
        strict = bases_free and entry is not None and entry.role == "base"
        backed = reading.volumes[pool]
        found = [f"the stack {other} lists it" for other in reading.others.get(slot, ())]
        found += [f"domain {user.name} has it" for user in _counted(reading.domains, path, own=strict)]
        found += [f"volume {user.name} is backed by it" for user in _counted(backed, path, own=strict)]
        return tuple(found)

    def _read(self, since: float | None) -> _Reading:
        latest = self._latest
        if latest is not None:
            age = max(_AGE, latest.took * _AGE_BY_COST)
            if latest.began >= (self._clock() - age if since is None else since):
                return latest
        began = self._clock()
        ledger, others = split_ledgers(self._driver.secrets(usage_prefix=USAGE_PREFIX), stack=self.stack)
        holders: dict[tuple[str, str], list[StackId]] = defaultdict(list)
        for other in others:
            for entry in other.entries:
                holders[entry.slot].append(other.stack)
        known = self._look(self._driver.domains())
        self._latest = _Reading(
            began=began,
            own={entry.slot: entry for entry in ledger.entries} if ledger else {},
            others={slot: tuple(stacks) for slot, stacks in holders.items()},
            domains=_gathered((path, user) for facts, user in known for path in facts.paths),
            guests=_gathered((network, user) for facts, user in known for network in facts.networks),
        )
        self._latest.took = self._clock() - began
        return self._latest

    def _look(self, records: Iterable[DomainRecord]) -> list[tuple[_Facts, _User]]:
        """Read what is new; of most domains the XML is as it was."""
        known, self._facts = self._facts, {}
        found = []
        for record in records:
            facts = known.get(record.uuid)
            if facts is None or facts.text != _text(record):
                facts = self._parse(record)
            self._facts[record.uuid] = facts
            found.append((facts, _User(record.name, facts.own)))
        return found

    def _parse(self, record: DomainRecord) -> _Facts:
        root = parse_xml(record.xml, what=f"the XML of domain {record.name}")
        roots, networks = [root], list[tuple[str, str]]()
        if record.live_xml is not None:
            live = parse_xml(record.live_xml, what=f"the live XML of domain {record.name}")
            roots.append(live)
            cables = live.findall("devices/interface/source")
            networks = [(kind, name) for kind in _CABLES for node in cables if (name := node.get(kind))]
        # All sources below a disk: backing files and the targets of a running copy are in use as well.
        sources = [node for each in roots for node in each.iterfind("devices/disk//source")]
        if any(node.get("pool") for node in sources):
            for each in roots:
                locate_volumes(each, directories=self._directories())
        paths = [path for node in sources for path in (node.get("file"), node.get("dev")) if path]
        for each in roots:
            paths += [path for node in each.iterfind("sysinfo/entry") if (path := node.get("file"))]
            paths += [path for tag in ("kernel", "initrd") if (path := each.findtext(f"os/{tag}"))]
        return _Facts(
            text=_text(record),
            own=owned_name(read_stamp(root), uuid=record.uuid, stack=self.stack, kind=Kind.VM) is not None,
            paths=tuple(dict.fromkeys(paths)),
            networks=tuple(dict.fromkeys(networks)),
        )

    def _directories(self) -> Mapping[str, str]:
        """Where the pools are; they are read for the few domains that name volumes instead of files."""
        return directories_of(read_pool(record.xml) for record in self._driver.pools())

    def _volumes(self, pool: str, *, own: Mapping[tuple[str, str], LedgerEntry]) -> Mapping[str, tuple[_User, ...]]:
        """Every file that a volume of the pool is backed by. A pool that is missing or not active has no volumes."""
        try:
            records = self._driver.volumes(pool) if self._driver.pool(pool).active else []
        except NotFoundError:
            records = []
        pairs = ((read_volume(record.xml).backing_path, record.name) for record in records)
        return _gathered(
            (path, _User(f"{pool}/{name}", (pool, name) in own)) for path, name in pairs if path is not None
        )


def _text(record: DomainRecord) -> str:
    return record.xml + (record.live_xml or "")


def _gathered(pairs: Iterable[tuple[_At, _User]]) -> Mapping[_At, tuple[_User, ...]]:
    found: dict[_At, list[_User]] = defaultdict(list)
    for path, user in pairs:
        found[path].append(user)
    return {path: tuple(users) for path, users in found.items()}


def _counted(users: Mapping[_At, tuple[_User, ...]], at: _At, *, own: bool) -> list[_User]:
    return [user for user in users.get(at, ()) if own or not user.own]
