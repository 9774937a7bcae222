"""A plan in the making: what the planning of each kind of object adds to, and what becomes the plan at the end."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import msgspec

from vmstack.errors import ConflictError, InternalError, Place, VmstackError, raise_all
from vmstack.model.effects import AnyEffect
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts, ObservedDomain, ObservedNetwork, ObservedPool, ObservedVolume
from vmstack.model.ownership import LedgerEntry
from vmstack.model.plan import (
    Change,
    Diagnostic,
    Disruption,
    Expectation,
    FieldChange,
    Intent,
    LedgerMark,
    Operation,
    SeedDocuments,
    Step,
)
from vmstack.plan.changes.table import worst
from vmstack.plan.moments import moments_mark
from vmstack.xmlio.fingerprint import domain_fingerprint


@dataclass(frozen=True, slots=True)
class _DraftStep:
    """A step whose needs are not all known yet: `after` names resources whose last steps it must follow."""

    id: str
    host: str
    key: Key
    effect: AnyEffect
    needs: tuple[str, ...]
    after: tuple[Key, ...]
    marks: tuple[LedgerMark, ...]
    flush: bool
    guards: tuple[Expectation, ...]


class Draft:
    """Collects changes, steps and all else of a plan, in any order.

    Steps refer to resources that are planned later by key: `finish` says which steps end a resource's making, and
    the references are resolved when the draft becomes steps.
    """

    def __init__(self) -> None:
        self.errors: list[VmstackError] = []
        self.images: dict[str, ImageFacts] = {}
        self.seeds: dict[str, SeedDocuments] = {}
        self.passwords: dict[str, str] = {}
        self.unchanged = 0
        self._changes: dict[tuple[str, Key], Change] = {}
        self._steps: dict[str, _DraftStep] = {}
        self._finals: dict[Key, tuple[str, ...]] = {}
        self._intents: dict[str, list[LedgerEntry]] = defaultdict(list)
        self._forget: dict[str, list[LedgerEntry]] = defaultdict(list)
        self._expectations: dict[tuple[str, str, str], Expectation] = {}
        self._diagnostics: list[Diagnostic] = []
        self._relied: dict[str, VmstackError] = {}

    def change(
        self,
        key: Key,
        *,
        host: str,
        operation: Operation,
        fields: Iterable[FieldChange] = (),
        reasons: Iterable[str] = (),
        disruption: Disruption = Disruption.NONE,
        place: Place | None = None,
    ) -> None:
        """Add the change of one resource; its class is the worst of `disruption` and its fields'."""
        fields = tuple(fields)
        classes = (disruption, *(field.disruption for field in fields))
        self._changes[host, key] = Change(
            key=key,
            host=host,
            operation=operation,
            disruption=worst(classes),
            fields=fields,
            reasons=tuple(dict.fromkeys(reasons)),
            place=place,
        )

    def changed(self, key: Key, *, host: str) -> bool:
        return (host, key) in self._changes

    def step(
        self,
        key: Key,
        verb: str,
        effect: AnyEffect,
        *,
        host: str,
        needs: Iterable[str | None] = (),
        after: Iterable[Key] = (),
        marks: Iterable[LedgerMark] = (),
        flush: bool = False,
        guards: Iterable[Expectation] = (),
    ) -> str:
        """Add a step and return its id. `needs` are ids (`None` is skipped), `after` are resources to wait for.

        Raises `InternalError` when there is a step of that id: one of the two would be lost.
        """
        id_ = step_id(key, verb, host=host)
        if id_ in self._steps:
            raise InternalError(f"two steps are called {id_}", resolution="report it: nothing was changed")
        wanted = tuple(dict.fromkeys(need for need in needs if need is not None))
        self._steps[id_] = _DraftStep(id_, host, key, effect, wanted, tuple(after), tuple(marks), flush, tuple(guards))
        return id_

    def explain(self, key: Key, *, host: str, reason: str, disruption: Disruption = Disruption.NONE) -> None:
        """Add a reason to a change that is there; its class is at least `disruption` from then on."""
        change = self._changes[host, key]
        self._changes[host, key] = msgspec.structs.replace(
            change, reasons=(*change.reasons, reason), disruption=worst((change.disruption, disruption))
        )

    def remakes(self, key: Key, host: str) -> bool:
        """Whether the resource is replaced there."""
        change = self._changes.get((host, key))
        return change is not None and change.operation is Operation.REPLACE

    def find_step(self, key: Key, verb: str, *, host: str) -> str | None:
        """The id of a step, if there is one."""
        id_ = step_id(key, verb, host=host)
        return id_ if id_ in self._steps else None

    def finish(self, key: Key, *steps: str | None) -> None:
        """Say which steps must have succeeded before whatever needs the resource may start."""
        self._finals[key] = tuple(step for step in steps if step is not None)

    def intend(self, entry: LedgerEntry, *, host: str) -> None:
        """Have the ledger hold the entry as given before the first effect."""
        self._intents[host].append(entry)

    def intend_once(self, entry: LedgerEntry, *, host: str) -> None:
        """The same, unless something else is said of it already."""
        said = [*self._intents.get(host, ()), *self._forget.get(host, ())]
        if all(other.slot != entry.slot for other in said):
            self.intend(entry, host=host)

    def forget(self, entry: LedgerEntry, *, host: str) -> None:
        """Have the ledger drop the entry before the first effect: what it stands for is gone already."""
        self._forget[host].append(entry)

    def note(self, text: str, *, key: Key | None = None, place: Place | None = None) -> None:
        self._diagnostics.append(Diagnostic(severity="note", text=text, key=key, place=place))

    def warn(self, text: str, *, key: Key | None = None, place: Place | None = None) -> None:
        self._diagnostics.append(Diagnostic(severity="warning", text=text, key=key, place=place))

    def expect(self, host: str, thing: ObservedDomain | ObservedNetwork | ObservedPool | ObservedVolume) -> None:
        """Expect a touched object to be as it was observed."""
        kind: Literal["domain", "network", "pool", "volume"]
        if isinstance(thing, ObservedDomain):
            # Its XML is read for this once more, which is worth it for the few that a plan touches.
            kind, id_, fingerprint = "domain", thing.uuid, domain_fingerprint(thing)
        elif isinstance(thing, ObservedNetwork):
            kind, id_, fingerprint = "network", thing.uuid, thing.fingerprint
        elif isinstance(thing, ObservedPool):
            kind, id_, fingerprint = "pool", thing.name, thing.fingerprint
        else:
            kind, id_, fingerprint = "volume", f"{thing.pool}/{thing.name}", thing.fingerprint
        self._expectations[host, kind, id_] = Expectation(
            host=host, object=kind, id=id_, name=thing.name, fingerprint=fingerprint
        )

    def expect_absent(
        self, host: str, kind: Literal["domain", "network", "pool", "volume"], *, id: str, name: str
    ) -> None:
        """Expect that what a step creates does not exist."""
        self._expectations[host, kind, id] = Expectation(host=host, object=kind, id=id, name=name, fingerprint=None)

    def expect_unused(self, host: str, slot: tuple[str, str], *, path: str | None) -> Expectation:
        """Expect that nobody but this stack has a volume in use; return that, to guard the step that deletes it."""
        id_ = "/".join(slot)
        unused = Expectation(host=host, object="unused", id=id_, name=path or id_, fingerprint=None)
        self._expectations[host, "unused", id_] = unused
        return unused

    def expect_moments(self, host: str, domain: ObservedDomain) -> Expectation:
        """Expect that no other snapshots go with a domain; return that, to guard the steps that make it go."""
        mark = moments_mark(domain)
        found = Expectation(host=host, object="moments", id=domain.uuid, name=domain.name, fingerprint=mark)
        self._expectations[host, "moments", domain.uuid] = found
        return found

    def expect_ledger(self, host: str, *, name: str, digest: str | None) -> None:
        """Expect the stack's ledger to list what it listed: entries are restated by what it said."""
        found = Expectation(host=host, object="ledger", id="", name=name, fingerprint=digest)
        self._expectations[host, "ledger", ""] = found

    def rely_on(self, id_: str, error: VmstackError) -> str:
        """The id of a step that is still to be planned by others; the error is what it means if it is not."""
        self._relied[id_] = error
        return id_

    def check_relied(self) -> None:
        """Raise the errors of the steps that were relied on and that nobody planned."""
        self.errors += [error for id_, error in self._relied.items() if id_ not in self._steps]
        if not self._relied.keys() <= self._steps.keys():
            self.raise_errors()

    def raise_errors(self) -> None:
        raise_all(self.errors)

    def changes(self) -> tuple[Change, ...]:
        return tuple(self._changes[at] for at in sorted(self._changes))

    def hosts(self) -> frozenset[str]:
        """The hosts that have steps."""
        return frozenset(step.host for step in self._steps.values())

    def intents(self) -> tuple[Intent, ...]:
        return tuple(
            Intent(
                host=host,
                entries=tuple(sorted(self._intents.get(host, ()), key=lambda entry: entry.slot)),
                forget=tuple(sorted(self._forget.get(host, ()), key=lambda entry: entry.slot)),
            )
            for host in sorted(self._intents.keys() | self._forget.keys())
        )

    def expectations(self) -> tuple[Expectation, ...]:
        return tuple(self._expectations[at] for at in sorted(self._expectations))

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(sorted(self._diagnostics, key=lambda found: (found.severity, str(found.key or ""), found.text)))

    def steps(self) -> tuple[Step, ...]:
        """Resolve all references and sort the steps. Raises `ConflictError` when they form a cycle."""
        return in_order(self._resolve(step) for step in self._steps.values())

    def _resolve(self, step: _DraftStep) -> Step:
        needs = set(step.needs)
        for key in step.after:
            needs.update(self._finals.get(key, ()))
        needs.discard(step.id)
        return Step(
            id=step.id,
            host=step.host,
            key=step.key,
            effect=step.effect,
            needs=tuple(sorted(needs)),
            marks=step.marks,
            flush=step.flush,
            guards=step.guards,
        )


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Sort steps: needs come before what needs them, ties go by id. Raises `ConflictError` when they form a cycle."""
    by_id = {step.id: step for step in steps}
    sorter = TopologicalSorter({id_: step.needs for id_, step in by_id.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ConflictError(
            "the changes form a circle: each of them waits for the next",
            details=[" -> ".join(error.args[1])],
            resolution="apply a part of the changes first",
        ) from error
    ordered: list[Step] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [by_id[id_] for id_ in ready]
        sorter.done(*ready)
    return tuple(ordered)


def step_id(key: Key, verb: str, *, host: str) -> str:
    """The id of a step, such as `kvm1/vm.web-0/define`: unique, because a verb comes once per resource and host."""
    return f"{host}/{key}/{verb}"


def freed(kind: Kind, label: str, *, host: str) -> Key:
    """What to wait for until a libvirt name is free again: whoever deletes its holder finishes this key."""
    return Key(kind, f"{host}/{label}/freed")
