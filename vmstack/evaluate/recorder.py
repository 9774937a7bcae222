"""What one evaluation has said so far, and how that becomes a graph."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from vmstack.errors import ConflictError, Place, VmstackError, raise_all
from vmstack.evaluate.hooks import Hooks
from vmstack.evaluate.places import find_place
from vmstack.model.facts import Answer, Facts, Gap, Question
from vmstack.model.graph import DesiredGraph, Options, Output, Resource
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.specs import HostSpec, Spec

if TYPE_CHECKING:
    from vmstack.evaluate.cloudinit.cache import SeedCache
    from vmstack.evaluate.policies import Policy


class Notice(Protocol):
    """Who wants to know early which hosts a program uses."""

    def __call__(self, host: HostSpec, *, stack: StackId) -> None: ...


@dataclasses.dataclass(slots=True, frozen=True)
class Wishes:
    """What `opts` asked for. `parent` and the members of `after` are components, or keys of native resources."""

    options: Options = dataclasses.field(default_factory=Options)
    parent: object | None = None
    after: tuple[object, ...] = ()


@dataclasses.dataclass(slots=True)
class Entry:
    """A recorded resource. `finish` completes a spec that depends on what comes later in the program."""

    key: Key
    spec: Spec
    needs: tuple[Key, ...]
    wishes: Wishes
    place: Place | None
    finish: Callable[[Spec], Spec] | None = None


@dataclasses.dataclass(slots=True, frozen=True)
class Lineage:
    """A component's identity and name, and those of the components above it, outermost first."""

    names: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()


_NO_FACTS: Final = Facts()


class Recorder:
    """Collects the resources of one evaluation. Not thread-safe: a stack program is one thread.

    `folder` is the project's; `origin` is where the user stood. `connect` overrides the URI of the only host.
    `facts` are what hosts told so far; `uris` are hosts that the program has named besides its native ones. `notice` is
    told of each host that the program uses, as soon as it does. `hooks` get the functions that the program binds to
    what is done to its resources. `asked` are the keys of configuration that it has asked for, there or not.
    """

    def __init__(
        self,
        stack: StackId,
        *,
        folder: Path,
        origin: Path,
        connect: str | None,
        facts: Facts = _NO_FACTS,
        notice: Notice | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.stack = stack
        self.folder = folder
        self.origin = origin
        self.connect = connect
        self.facts = facts
        self.gaps: dict[Gap, None] = {}
        self.wanted: dict[Question, Place | None] = {}
        self.uris: set[str] = set()
        self._questions: set[Question] = set()
        self.entries: dict[Key, Entry] = {}
        self.warnings: list[str] = []
        self.hosts: list[object] = []
        self.attached: dict[str, tuple[str, Place | None]] = {}
        self.seeds: SeedCache | None = None
        self.policies: list[Policy] = []
        self.asked: set[str] = set()
        self.hooks = Hooks() if hooks is None else hooks
        self.hooks.clear()
        self._waiting: dict[Key, object] = {}
        self._unfinished: dict[int, object] = {}
        self._noted: list[VmstackError] = []
        self._notice = notice
        self._noticed: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Record a resource; raises `ConflictError` when its key is taken."""
        self.check_free(entry.key)
        self.entries[entry.key] = entry

    def check_free(self, key: Key) -> None:
        """Raise `ConflictError` when a resource of this key is recorded already."""
        other = self.entries.get(key)
        if other is not None or key in self._waiting:
            first = f" (first at {other.place})" if other is not None and other.place else ""
            raise ConflictError(
                f"{key} is defined twice{first}",
                resolution="give one of them another name; VMs also make volumes named <vm>-<disk>",
            )

    def notice_host(self, host: HostSpec) -> None:
        """The program uses this host; may be said again and again."""
        if self._notice is not None and host.uri not in self._noticed:
            self._noticed.add(host.uri)
            spec = msgspec.structs.replace(host, uri=self.connect) if self.connect else host
            self._notice(spec, stack=self.stack)

    def only_host(self) -> object | None:
        """Return the single host made so far, which resources without `host=` are on."""
        return self.hosts[0] if len(self.hosts) == 1 else None

    def warn(self, text: str) -> None:
        """Record a warning for the user, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def ask(self, question: Question) -> Answer:
        """What is known of something that only a host can tell; the question is noted for whoever can ask it."""
        question = self._address(question)
        self._questions.add(question)
        return self.facts.get(question)

    def need(self, question: Question, *, place: Place | None) -> Answer | None:
        """The same, where the program cannot go on without: `None` until somebody asked, nothing if it is not there.

        The evaluation must not count once it returned `None`, which `wanted` tells.
        """
        question = self._address(question)
        if self.facts.holds(question):
            return self.facts.get(question)
        self.wanted.setdefault(question, place)
        return None

    def need_all(self, place: Place | None) -> None:
        """Need an answer to all that was asked so far: what follows from it is used where it must be known."""
        for question in self._questions:
            if not self.facts.holds(question):
                self.wanted.setdefault(question, place)

    def leave_gap(self, gap: Gap) -> None:
        """Note where the program used what is not known."""
        self.gaps[gap] = None

    def defer(self, thing: object, *, key: Key | None = None, what: str = "", parent: object = None) -> None:
        """Note that something of the vocabulary waits for an input that is not known yet; a resource with its key, what
        that input is, and what it is part of."""
        self._unfinished[id(thing)] = thing
        if key is not None:
            self._waiting[key] = parent
            self.leave_gap(Gap(what=f"{key}: {what}", hides=True, place=find_place(), key=key))

    def waits(self, thing: object) -> bool:
        """Whether it waits (`defer`)."""
        return bool(self._unfinished) and id(thing) in self._unfinished

    @property
    def waiting(self) -> Collection[Key]:
        """The native resources that wait."""
        return self._waiting.keys()

    @property
    def questions(self) -> tuple[Question, ...]:
        """What was asked, sorted."""
        return tuple(sorted(self._questions))

    def _address(self, question: Question) -> Question:
        """The question to the host that is really asked."""
        return msgspec.structs.replace(question, uri=self.connect) if self.connect and question.uri else question

    def note_error(self, error: VmstackError) -> None:
        """Keep an error that the program may catch: then a resource is missing that it asked for."""
        if not any(known is error for known in self._noted):
            self._noted.append(error)

    def components(self) -> list[object]:
        """Return the component objects that resources named as parents or dependencies."""
        named = [item for entry in self.entries.values() for item in (entry.wishes.parent, *entry.wishes.after)]
        named += self._waiting.values()
        found = {id(item): item for item in named if item is not None and not isinstance(item, Key)}
        return list(found.values())

    def graph(
        self, *, outputs: Mapping[str, Output], lineages: Mapping[int, Lineage], waiting: Collection[int] = ()
    ) -> DesiredGraph:
        """Return everything recorded but for what waits, sorted. `lineages` tells of each component (`id()`) what is
        above it; `waiting` are those that wait for what is not known yet, or something in them does.

        Raises the noted errors: a graph that lacks what failed would delete it.
        """
        for error in self._noted:
            error.details += ("the program caught this error and went on",)
        raise_all(self._noted)
        self._leave_out(lineages, waiting=waiting)
        parents = {key: self._lineage(key, lineages=lineages) for key in self.entries}
        members: dict[int, list[Key]] = {}
        for key, lineage in parents.items():
            for component in lineage.ids:
                members.setdefault(component, []).append(key)
        resources = []
        for key in sorted(self.entries):
            entry = self.entries[key]
            needs = set(entry.needs)
            for item in entry.wishes.after:
                needs.update([item] if isinstance(item, Key) else members.get(id(item), []))
            needs.discard(key)
            resources.append(
                Resource(
                    key=key,
                    spec=entry.finish(entry.spec) if entry.finish else entry.spec,
                    needs=tuple(sorted(needs)),
                    options=entry.wishes.options,
                    parent=parents[key].names,
                    # What is wrong with the connection that the user chose is nothing to mend in the program.
                    place=None if key.kind is Kind.HOST and self.connect is not None else entry.place,
                )
            )
        return DesiredGraph(
            stack=self.stack,
            resources=tuple(resources),
            outputs=dict(outputs),
            warnings=tuple(self.warnings),
            gaps=tuple(sorted(self.gaps, key=lambda gap: (gap.what, gap.place or ("", 0)))),
            questions=self.questions if self.gaps else (),
        )

    def _leave_out(self, lineages: Mapping[int, Lineage], *, waiting: Collection[int]) -> None:
        """Take out what depends on something that waits: it waits, too."""
        keys, ids = set(self._waiting), set(waiting)
        for parent in self._waiting.values():
            ids.update(self._above(parent, lineages=lineages).ids)
        above = {key: self._lineage(key, lineages=lineages).ids for key in self.entries}
        found = bool(keys or ids)
        while found:
            found = False
            for key, entry in list(self.entries.items()):
                named = (*entry.needs, *entry.wishes.after, entry.wishes.parent)
                if any(item in keys if isinstance(item, Key) else id(item) in ids for item in named):
                    found = True
                    keys.add(key)
                    ids.update(above[key])
                    del self.entries[key]
                    what = f"{key}: it waits for what it depends on"
                    self.leave_gap(Gap(what=what, hides=True, place=entry.place, key=key))

    def _lineage(self, key: Key, *, lineages: Mapping[int, Lineage]) -> Lineage:
        return self._above(self.entries[key].wishes.parent, lineages=lineages)

    def _above(self, parent: object, *, lineages: Mapping[int, Lineage]) -> Lineage:
        names: tuple[str, ...] = ()
        while isinstance(parent, Key):
            names = (parent.name, *names)
            parent = self.entries[parent].wishes.parent
        above = lineages.get(id(parent), Lineage()) if parent is not None else Lineage()
        return Lineage(names=(*above.names, *names), ids=above.ids)
