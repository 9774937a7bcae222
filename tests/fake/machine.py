"""The state of one fake hypervisor: a file system, pools, networks, domains and secrets. No behaviour of calls."""

import copy
import hashlib
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.fake.guests import Guest
from vmstack.errors import NotFoundError
from vmstack.model.observed import HostFacts

_PIECE = 1 << 20


@dataclass
class Content:
    """Bytes of a file as compressed segments; an int is a hole of that many bytes."""

    segments: list[bytes | int] = field(default_factory=list)
    length: int = 0
    digest: str = "blank"
    complete: bool = True

    @classmethod
    def blank(cls, length: int) -> "Content":
        return cls([length] if length else [], length)

    @classmethod
    def of(cls, chunks: Iterable[bytes | int]) -> "Content":
        content = cls()
        digest = hashlib.sha256()
        for chunk in chunks:
            content.append(chunk, digest)
        content.digest = digest.hexdigest()
        return content

    def append(self, chunk: bytes | int, digest: "hashlib._Hash") -> None:
        if isinstance(chunk, int):
            self.segments.append(chunk)
            self.length += chunk
            digest.update(b"hole:%d;" % chunk)
        else:
            self.segments.append(zlib.compress(bytes(chunk), 1))
            self.length += len(chunk)
            digest.update(bytes(chunk))

    def read(self, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from the start, at most `length` of them."""
        left = self.length if length is None else min(length, self.length)
        for segment in self.segments:
            size = segment if isinstance(segment, int) else None
            data = b"" if isinstance(segment, int) else zlib.decompress(segment)
            for start in range(0, size if size is not None else len(data), _PIECE):
                if left <= 0:
                    return
                if size is None:
                    piece = data[start : start + min(_PIECE, left)]
                else:
                    piece = bytes(min(_PIECE, size - start, left))
                left -= len(piece)
                yield piece

    def head(self, length: int) -> bytes:
        return b"".join(self.read(length))[:length]


@dataclass
class File:
    """A file on the host. `writes` counts what guests wrote: losing it is losing data."""

    path: str
    format: str
    capacity: int
    content: Content
    backing: str | None = None
    backing_format: str | None = None
    mtime: int = 0
    writes: int = 0
    extra: list[str] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, int, str | None, int]:
        """What must stay the same for the data to be the same (growing is not losing)."""
        return (self.content.digest, self.writes, self.backing, self.mtime if self.writes else 0)


@dataclass
class Pool:
    uuid: str
    name: str
    xml: str
    path: str
    active: bool = False
    live_path: str | None = None
    redefined: bool = False
    autostart: bool = False
    names: dict[str, str] = field(default_factory=dict)

    @property
    def is_logical(self) -> bool:
        """Whether it is a volume group, which is there when its directory under /dev is."""
        return 'type="logical"' in self.xml


@dataclass
class Network:
    uuid: str
    name: str
    xml: str
    live_xml: str | None = None
    persistent: bool = True
    autostart: bool = False


@dataclass
class Domain:
    """`run` is there while it is active; `leaving` are device ids that the guest was asked to let go of; `saved_xml` is
    the definition that its saved memory belongs to, where that is known."""

    uuid: str
    name: str
    xml: str
    live_xml: str | None = None
    state: str = "shutoff"
    persistent: bool = True
    autostart: bool = False
    managed_save: bool = False
    saved_xml: str | None = None
    snapshots: int = 0
    checkpoints: int = 0
    boot: int = 0
    stopping: int | None = None
    leaving: list[tuple[str, str]] = field(default_factory=list)
    instance: str | None = None
    looks: int = 0


@dataclass
class Secret:
    uuid: str
    usage: str
    description: str


DEFAULT_FACTS = HostFacts(
    uri="fake:///system",
    hostname="fake",
    arch="x86_64",
    domain_type="qemu",
    libvirt_version=9_000_000,
    hypervisor_version=7_002_000,
    cpus=8,
    memory=64 << 30,
    firmwares=("bios", "uefi"),
    machines={"x86_64": {"q35": 288, "pc-q35-7.2": 288, "pc": 255, "pc-i440fx-7.2": 255}},
    cpu_models=("EPYC", "qemu64"),
    emulates_tpm=True,
    secure_boot=True,
)


class Machine:
    """A host that several connections may share."""

    def __init__(self, facts: HostFacts = DEFAULT_FACTS) -> None:
        self.facts = facts
        self.mutex = threading.RLock()
        self.disk_size = 1 << 40
        self.files: dict[str, File] = {}
        self.directories = {"/", "/var", "/var/lib", "/var/lib/libvirt", "/var/lib/libvirt/images", "/tmp"}
        # Mode, owner and group of directories that somebody gave other ones than libvirt's.
        self.modes: dict[str, tuple[str, str, str]] = {}
        self.pools: dict[str, Pool] = {}
        self.networks: dict[str, Network] = {}
        # The ports that networks let go of when they were stopped under running guests.
        self.released_ports: set[str] = set()
        self.domains: dict[str, Domain] = {}
        self.domain_names: dict[str, str] = {}
        self.secrets: dict[str, Secret] = {}
        self.guests: dict[str, Guest] = {}
        self.default_guest = Guest()
        self._ticks = 0

    def copy(self) -> "Machine":
        """A machine in the same state that shares nothing with this one."""
        twin = Machine(self.facts)
        with self.mutex:
            for name, value in vars(self).items():
                if name != "mutex":
                    setattr(twin, name, copy.deepcopy(value))
        return twin

    def tick(self) -> int:
        """A clock that only moves when something happens: equal runs give equal states."""
        self._ticks += 1
        return self._ticks

    def guest(self, domain: Domain) -> Guest:
        return self.guests.get(domain.name, self.default_guest)

    def forget(self, domain: Domain) -> None:
        """The domain is gone."""
        del self.domains[domain.uuid]
        del self.domain_names[domain.name]

    def make_directory(self, path: str) -> None:
        """Make it and its parents."""
        while path not in self.directories:
            self.directories.add(path)
            path = path.rpartition("/")[0] or "/"

    def inside(self, directory: str) -> list[str]:
        """Names in a directory."""
        prefix = directory.rstrip("/") + "/"
        below = [path[len(prefix) :] for path in (*self.files, *self.directories) if path.startswith(prefix)]
        return sorted({name for name in below if name and "/" not in name})

    def file(self, path: str) -> File:
        if path not in self.files:
            raise NotFoundError(f"cannot open {path!r}: No such file or directory")
        return self.files[path]

    def guest_writes(self, path: str) -> None:
        """A guest stores something on that disk."""
        with self.mutex:
            file = self.file(path)
            file.writes += 1
            file.mtime = self.tick()

    def dump(self) -> dict[str, str]:
        """Every object as text, to compare whole hosts before and after."""
        with self.mutex:
            state: dict[str, str] = {f"directory {path}": "" for path in self.directories}
            for path, file in self.files.items():
                state[f"file {path}"] = f"{file.format} {file.capacity} {file.identity} {file.content.complete}"
            for pool in self.pools.values():
                state[f"pool {pool.name}"] = f"{pool.active} {pool.autostart} {pool.xml}"
            for network in self.networks.values():
                flags = f"{network.persistent} {network.autostart}"
                state[f"network {network.name}"] = f"{flags} {network.xml} {network.live_xml}"
            for domain in self.domains.values():
                flags = f"{domain.state} {domain.persistent} {domain.autostart} {domain.boot} {domain.managed_save}"
                flags += f" {domain.snapshots} {domain.checkpoints}"
                state[f"domain {domain.name}"] = f"{flags} {domain.xml} {domain.live_xml}"
            for secret in self.secrets.values():
                state[f"secret {secret.usage}"] = f"{secret.uuid} {secret.description}"
            return state
