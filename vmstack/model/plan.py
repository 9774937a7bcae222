"""The plan: data, complete and ordered. Apply executes it and decides nothing."""

import enum
from typing import Final, Literal

from vmstack.errors import Place
from vmstack.model.base import Data
from vmstack.model.effects import AnyEffect
from vmstack.model.facts import Gap
from vmstack.model.graph import Output
from vmstack.model.identity import Key, StackId
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import LedgerEntry, StoredOutput

PLAN_FORMAT = 1


class Operation(enum.StrEnum):
    """What happens to a resource as a whole. `ADOPT`: it is there, and becomes the stack's as it is."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    NOOP = "no-op"


class Disruption(enum.StrEnum):
    """What a change does to the guest, from harmless to final. `NONE`: no running guest notices.

    `RESTART` brings the guest up again, `STOP` does not: it is wanted off, or is deleted.
    """

    NONE = "none"
    LIVE = "live"
    NEXT_BOOT = "next-boot"
    RESTART = "restart"
    STOP = "stop"
    REPLACE = "replace"
    DATA_LOSS = "data-loss"

    @property
    def rank(self) -> int:
        """0 for the most harmless."""
        return _RANKS[self]


# Stands for the values of a field that hide_diffs names.
HIDDEN: Final = "(hidden)"
_RANKS: Final = {disruption: rank for rank, disruption in enumerate(Disruption)}


class FieldChange(Data, frozen=True, kw_only=True):
    """One field. `before` and `after` are JSON-able and already masked where secret; `None` is absent."""

    path: str
    before: object
    after: object
    disruption: Disruption
    note: str | None = None


class Change(Data, frozen=True, kw_only=True):
    """What happens to one resource on one host, and why. `reasons` are sentences for people."""

    key: Key
    host: str
    operation: Operation
    disruption: Disruption = Disruption.NONE
    fields: tuple[FieldChange, ...] = ()
    reasons: tuple[str, ...] = ()
    place: Place | None = None


class LedgerMark(Data, frozen=True, kw_only=True):
    """What a finished step means for its host's ledger: the entry is ready or pending (stored as given), or gone."""

    action: Literal["ready", "pending", "forget"]
    entry: LedgerEntry


class Expectation(Data, frozen=True, kw_only=True):
    """What must still hold of a touched object when apply starts. `fingerprint` `None`: it must not exist.

    `id` is a UUID (domain, network) or a libvirt name (pool, `pool/volume`).
    `unused` (`id` is `pool/volume`, `name` the file's path, no fingerprint): no ledger of another stack lists the
    volume, no volume of the pool that is not this stack's is backed by it, and no domain but this stack's has it as
    a disk or backing file; of a base image, whose clones go first, nothing at all has it any more.
    `moments` (`id` is a domain's UUID): which snapshots and checkpoints go with it; a domain that is gone has none.
    `ledger` (`id` is empty): the digest of the entries that this stack's ledger holds, `None` for no ledger.
    """

    host: str
    object: Literal["domain", "network", "pool", "volume", "unused", "moments", "ledger"]
    id: str
    name: str
    fingerprint: str | None


class Step(Data, frozen=True, kw_only=True):
    """One effect on one host. `id` is unique and stable; `needs` are ids of steps that must have succeeded.

    `flush` asks that the marks be durable before any step that needs this one runs. `guards` must hold right before
    the effect; where one does not, the step fails and nothing is done.
    """

    id: str
    host: str
    key: Key
    effect: AnyEffect
    needs: tuple[str, ...] = ()
    marks: tuple[LedgerMark, ...] = ()
    flush: bool = False
    guards: tuple[Expectation, ...] = ()


class Roll(Data, frozen=True, kw_only=True):
    """Machines that are taken down a few at a time: at most `limit` of the `units` are begun and not done at once.

    A unit is all that one machine's restart takes, as ids of steps, and `keys` are those machines. Once a step of a
    unit failed, no further unit is begun. Nothing in a unit waits for what comes after the beginning of another.
    """

    group: str
    limit: int
    keys: tuple[Key, ...]
    units: tuple[tuple[str, ...], ...]


class Intent(Data, frozen=True, kw_only=True):
    """What the ledger of a host must say, durably, before the first effect there.

    `entries` are stored as given: pending ones for what is about to be made, ready ones for what proved to be
    complete already. `forget` are entries of things that are gone.
    """

    host: str
    entries: tuple[LedgerEntry, ...]
    forget: tuple[LedgerEntry, ...] = ()


class SeedDocuments(Data, frozen=True, kw_only=True):
    """The content of a seed ISO, by file name, or `raw` text that is the whole volume. Secret as a whole: it never
    leaves the plan's payload."""

    digest: str
    files: dict[str, str]
    raw: str | None = None


class Payload(Data, frozen=True, kw_only=True):
    """What steps carry to hosts besides their effects. `passwords` of displays are secrets, by names that tell nothing
    of them."""

    images: dict[str, ImageFacts] = {}
    seeds: dict[str, SeedDocuments] = {}
    passwords: dict[str, str] = {}


class Diagnostic(Data, frozen=True, kw_only=True):
    severity: Literal["warning", "note", "error"]
    text: str
    key: Key | None = None
    place: Place | None = None


class Plan(Data, frozen=True, kw_only=True):
    """Everything apply does. `changes` and `steps` are sorted; equal inputs give equal plans, byte for byte.

    `outputs_before` are those that the last apply stored, secret ones without value.
    `ledgers` are the hosts whose ledger a finished apply must hold (outputs, last run); on a host of `releases`
    nothing of the stack remains and its ledger is removed. `made` are the VMs and networks that are there after it, by
    host and address, with their generations. `gaps` are what the program used and is not known before it is applied;
    what depends on that is planned afterwards. `partial`: it is about a part of the stack only, and all else, the
    outputs too, stays as it is.
    """

    stack: StackId
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    rolls: tuple[Roll, ...] = ()
    intents: tuple[Intent, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    outputs: dict[str, Output] = {}
    outputs_before: dict[str, StoredOutput] = {}
    stored_outputs_differ: bool = False
    ledgers: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    made: dict[str, dict[str, int]] = {}
    diagnostics: tuple[Diagnostic, ...] = ()
    unchanged: int = 0
    gaps: tuple[Gap, ...] = ()
    partial: bool = False
    payload: Payload = Payload()
    format: int = PLAN_FORMAT

    @property
    def whole(self) -> bool:
        """Whether nothing more can be wanted than is planned, once all is known."""
        return not any(gap.hides for gap in self.gaps)

    @property
    def empty(self) -> bool:
        """Nothing to do: apply would make no call that changes a host."""
        work = (self.changes, self.steps, self.intents, self.releases)
        return not any(work) and not self.stored_outputs_differ
