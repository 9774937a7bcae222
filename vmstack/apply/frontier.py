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
    WATCHING,
    AnyEffect,
    CopyVolume,
    CreateVolume,
    DeleteVolume,
    DetachDevice,
    ResizeVolume,
    ShutdownDomain,
    UploadImage,
    UploadSeed,
)
from vmstack.model.plan import Roll, Step

_POOL_EFFECTS = (CreateVolume, CopyVolume, UploadImage, UploadSeed, ResizeVolume, DeleteVolume)
# These wait for a guest and cost the host nothing, so they must not hold up those that work.
_WAITING_EFFECTS = (*WATCHING, ShutdownDomain, DetachDevice)

_Lanes = tuple[tuple[tuple[str, ...], int], ...]


class _Rolling:
    """How far a roll is. Units wait, by the rank of their first step, until there is room for them."""

    def __init__(self, roll: Roll) -> None:
        self.limit = roll.limit
        self.waiting: list[tuple[int, int]] = []
        self.left = {number: len(unit) for number, unit in enumerate(roll.units)}
        self.begun: set[int] = set()
        self.halted = False

    @property
    def has_room(self) -> bool:
        return not self.halted and sum(self.left[number] > 0 for number in self.begun) < self.limit


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
    before what the next one needs, so that the first boots while the others' disks are being made. A unit of a roll is
    begun only while fewer than its limit are under way, and none is begun any more after a failure in one.
    """

    def __init__(self, steps: Iterable[Step], *, limits: Limits, rolls: Iterable[Roll] = ()) -> None:
        """Raise `InternalError` for a plan whose steps form a cycle or need a step that is not there."""
        self._steps = {step.id: step for step in steps}
        self._order = {id_: index for index, id_ in enumerate(self._steps)}
        self._limits = limits
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._ready: dict[_Lanes, list[tuple[int, str]]] = defaultdict(list)
        self._open = set(self._steps)
        self._running: dict[str, Step] = {}
        self._units: dict[str, tuple[_Rolling, int]] = {}
        self._held: dict[tuple[_Rolling, int], list[str]] = defaultdict(list)
        self._rolls: list[_Rolling] = []
        for roll in rolls:
            rolling = _Rolling(roll)
            self._rolls.append(rolling)
            self._units |= {id_: (rolling, number) for number, unit in enumerate(roll.units) for id_ in unit}
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
        rolling, unit = self._units.get(step.id, (None, 0))
        if success:
            if rolling is not None:
                rolling.left[unit] -= 1
            self._sorter.done(step.id)
            self._collect()
        elif rolling is not None:
            rolling.halted = True

    def _collect(self) -> None:
        """Take in what may run by its needs; the first steps of a unit also wait for room in its roll."""
        for id_ in self._sorter.get_ready():
            rolling, unit = self._units.get(id_, (None, 0))
            if rolling is None or unit in rolling.begun:
                self._queue(id_)
                continue
            self._held[rolling, unit].append(id_)
            heapq.heappush(rolling.waiting, (self._ranks[id_], unit))
        for rolling in self._rolls if self._held else ():
            self._begin_units(rolling)

    def _begin_units(self, rolling: _Rolling) -> None:
        while rolling.waiting and rolling.has_room:
            _, unit = heapq.heappop(rolling.waiting)
            rolling.begun.add(unit)
            for id_ in self._held.pop((rolling, unit), ()):
                self._queue(id_)

    def _queue(self, id_: str) -> None:
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
