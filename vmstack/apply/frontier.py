"""Which steps of a plan may run now: the dependency graph, and the limits per host and per pool.

A plain data structure without threads, so that its decisions can be tested one by one.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from vmstack.errors import InternalError
from vmstack.model.base import Data
from vmstack.model.effects import (
    AnyEffect,
    AwaitLease,
    AwaitReady,
    CopyVolume,
    CreateVolume,
    DeleteVolume,
    DetachDevice,
    ResizeVolume,
    ShutdownDomain,
    UploadImage,
    UploadSeed,
)
from vmstack.model.plan import Step

_POOL_EFFECTS = (CreateVolume, CopyVolume, UploadImage, UploadSeed, ResizeVolume, DeleteVolume)
# These wait for a guest and cost the host nothing, so they must not hold up those that work.
_WAITING_EFFECTS = (AwaitReady, AwaitLease, ShutdownDomain, DetachDevice)

_Lanes = tuple[tuple[tuple[str, ...], int], ...]


class Limits(Data, frozen=True, kw_only=True):
    """How many steps run at once: per host, on volumes of one pool, and (per host) waiting for guests."""

    host: int = 8
    pool: int = 8
    waiting: int = 256


def waits_for_guest(effect: AnyEffect) -> bool:
    """Whether the effect spends its time waiting for a guest."""
    return isinstance(effect, _WAITING_EFFECTS)


class Frontier:
    """The steps that wait, run and are done.

    Where the graph leaves a choice, steps start in the plan's order of what they are for: all that one machine needs
    before what the next one needs, so that the first boots while the others' disks are being made.
    """

    def __init__(self, steps: Iterable[Step], *, limits: Limits) -> None:
        """Raise `InternalError` for a plan whose steps form a cycle or need a step that is not there."""
        self._steps = {step.id: step for step in steps}
        self._order = {id_: index for index, id_ in enumerate(self._steps)}
        self._limits = limits
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._ready: dict[_Lanes, list[tuple[int, str]]] = defaultdict(list)
        self._open = set(self._steps)
        self._running: dict[str, Step] = {}
        for step in self._steps.values():
            missing = [need for need in step.needs if need not in self._steps]
            if missing:
                raise InternalError(f"step {step.id} of the plan needs steps that are not in it", details=missing)
        self._sorter = TopologicalSorter({step.id: step.needs for step in self._steps.values()})
        try:
            self._sorter.prepare()
        except CycleError as error:
            raise InternalError("the plan's steps form a cycle", details=[" -> ".join(error.args[1])]) from error
        self._ranks = _rank(self._steps)
        self._collect()

    @property
    def running(self) -> tuple[Step, ...]:
        return tuple(self._running.values())

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that never started, in the plan's order."""
        return tuple(self._steps[id_] for id_ in sorted(self._open, key=self._order.__getitem__))

    def take(self) -> list[Step]:
        """Start every step that may start now, and return them."""
        started: list[Step] = []
        while heads := [(queue[0], lanes) for lanes, queue in self._ready.items() if queue and self._fits(lanes)]:
            (_, id_), lanes = min(heads)
            heapq.heappop(self._ready[lanes])
            for lane, _ in lanes:
                self._taken[lane] += 1
            self._running[id_] = self._steps[id_]
            self._open.discard(id_)
            started.append(self._steps[id_])
        return started

    def finish(self, step: Step, *, success: bool) -> None:
        """Free the step's places; after a success, what needs it may run; after a failure it never will."""
        del self._running[step.id]
        for lane, _ in self._lanes(step):
            self._taken[lane] -= 1
        if success:
            self._sorter.done(step.id)
            self._collect()

    def _collect(self) -> None:
        for id_ in self._sorter.get_ready():
            heapq.heappush(self._ready[self._lanes(self._steps[id_])], (self._ranks[id_], id_))

    def _fits(self, lanes: _Lanes) -> bool:
        return all(self._taken[lane] < limit for lane, limit in lanes)

    def _lanes(self, step: Step) -> _Lanes:
        """The places that a step needs, each with how many there are."""
        effect = step.effect
        if waits_for_guest(effect):
            return ((("waiting", step.host), self._limits.waiting),)
        host = (("host", step.host), self._limits.host)
        if isinstance(effect, _POOL_EFFECTS):
            return (host, (("pool", step.host, effect.pool), self._limits.pool))
        return (host,)


def _rank(steps: Mapping[str, Step]) -> dict[str, int]:
    """Number the steps: each right after what it needs, beginning with what the first step that nobody needs needs."""
    needed = {need for step in steps.values() for need in step.needs}
    ranks: dict[str, int] = {}
    for last in steps:
        if last in needed:
            continue
        stack = [(last, iter(steps[last].needs))]
        while stack:
            id_, needs = stack[-1]
            need = next((need for need in needs if need not in ranks), None)
            if need is None:
                ranks.setdefault(id_, len(ranks))
                stack.pop()
            else:
                stack.append((need, iter(steps[need].needs)))
    return ranks
