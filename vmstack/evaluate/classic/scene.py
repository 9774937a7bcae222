"""Everything that a program has declared so far, and how the parts of it find each other."""

import dataclasses
from collections.abc import Iterator
from typing import Final

from vmstack.errors import ConflictError
from vmstack.evaluate.classic.declared import Declared
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.recorder import Recorder
from vmstack.model.facts import Question
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import HostSpec, NetworkSpec, PoolSpec

# How the URNs of native resources begin; they end in the kind and the name.
NATIVE_URN: Final = "urn:vmstack:"


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """An explicit provider: a host."""

    registration: Registration
    uri: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """An object that is there already, which the program only looks up. `pool` is a volume's."""

    registration: Registration
    kind: Kind
    uri: str
    label: str
    pool: str | None = None


class Scene:
    """The declarations of one evaluation, by URN and by id.

    `deferred` are resources (by URN) that cannot be declared before more is known; providers have no key.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.stack = recorder.stack
        self.providers: dict[str, Provider] = {}
        self.declared: dict[str, Declared] = {}
        self.references: dict[str, Reference] = {}
        self.deferred: dict[str, Key | None] = {}
        self._by_id: dict[str, Declared] = {}
        self._by_key: dict[Key, Declared] = {}
        self._networks: dict[tuple[str, str], Declared] = {}
        self._pool_paths: dict[tuple[str, str], str] = {}

    def add(self, declared: Declared) -> None:
        """Note a declaration. Raises `ConflictError` when its name is taken."""
        other = self._by_key.setdefault(declared.key, declared)
        if other is not declared:
            first = f" (first at {other.registration.place})" if other.registration.place else ""
            raise ConflictError(
                f"another one has the same name{first}, below another component",
                resolution="vmstack knows resources by their names: give one of them another name",
            )
        self.declared[declared.registration.urn] = declared
        self._by_id[declared.id] = declared
        if declared.key.kind is Kind.POOL:
            self._pool_paths[declared.uri, declared.label] = declared.values["directory"]
        elif declared.key.kind is Kind.NETWORK:
            self._networks[declared.uri, declared.label] = declared

    def find(self, id: str, *, kind: Kind) -> Declared | None:
        """Return what has the id, if it is of that kind."""
        found = self._by_id.get(id)
        return found if found is not None and found.key.kind is kind else None

    def network(self, *, uri: str, label: str) -> Declared | None:
        """The network of that name in libvirt that the program has declared so far."""
        return self._networks.get((uri, label))

    def waits(self, urn: str) -> bool:
        """Whether the resource of that URN cannot be declared before more is known."""
        native = urn.removeprefix(NATIVE_URN) if urn.startswith(NATIVE_URN) else None
        return urn in self.deferred or any(native == self.stack.path(key) for key in self.recorder.waiting)

    def volumes(self) -> Iterator[Declared]:
        return (item for item in self.declared.values() if item.key.kind is Kind.VOLUME)

    def volume_path(self, declared: Declared) -> str | None:
        """The file of a volume, where the program says where its pool is."""
        directory = self.pool_path(declared.values["pool"], uri=declared.uri)
        return None if directory is None else f"{directory}/{declared.label}"

    def pool_path(self, label: str, *, uri: str) -> str | None:
        """The directory of a pool, of the program (classic or native) or of the host, as far as it is known by now."""
        path = self._pool_paths.get((uri, label))
        if path is not None:
            return path
        uris = self.native_hosts()
        for entry in self.recorder.entries.values():
            spec = entry.spec
            if isinstance(spec, PoolSpec) and spec.label == label and uris.get(spec.host) == uri and spec.path:
                return spec.path
        told = self.recorder.ask(Question(uri=uri, subject="pool", id=label)).get("path")
        return told if isinstance(told, str) else None

    def native_hosts(self) -> dict[str, str]:
        """URIs of the native hosts by name."""
        specs = (entry.spec for entry in self.recorder.entries.values())
        return {spec.name: spec.uri for spec in specs if isinstance(spec, HostSpec)}

    def native_network(self, *, uri: str, label: str | None = None, id: str | None = None) -> NetworkSpec | None:
        """A native network of the program, by its name in libvirt or its UUID."""
        from vmstack.model.identity import derive_uuid

        uris = self.native_hosts()
        for entry in self.recorder.entries.values():
            spec = entry.spec
            if isinstance(spec, NetworkSpec) and uris.get(spec.host) == uri:
                same = spec.label == label if label is not None else derive_uuid(self.stack, entry.key) == id
                if same:
                    return spec
        return None
