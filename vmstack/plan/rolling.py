"""Rolling over a group: which steps make up the restart of one machine, and how many machines may be down at once.

What one machine's restart takes is a unit: its own steps, and all that happens between them (a volume made anew
while the guest is off). Its first steps get the needs of all of it, so that a unit that was begun waits for nothing
but itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from vmstack.errors import RefusedError
from vmstack.model.identity import Kind
from vmstack.model.plan import Plan, Roll, Step
from vmstack.model.specs import GroupSpec
from vmstack.plan.context import Context
from vmstack.plan.draft import in_order
from vmstack.plan.machines import MachineDecision


@dataclass(frozen=True, slots=True)
class _Group:
    """`members` are counted over the whole program. Guests that are down already come up before others go down."""

    spec: GroupSpec
    members: int
    restarting: tuple[MachineDecision, ...]
    down: tuple[MachineDecision, ...]

    @property
    def limit(self) -> int:
        return self.spec.allows(self.members)

    @property
    def needs_rolling(self) -> bool:
        """Whether more guests would be down than may be, if all restarted at once."""
        return bool(self.restarting) and len(self.restarting) + len(self.down) > self.limit


def plan_rolls(plan: Plan, machines: Mapping[str, MachineDecision], *, context: Context) -> Plan:
    """The plan with its steps in the order that rolling asks for. What cannot be rolled is an error of the draft."""
    groups = [group for group in _groups(machines.values()) if group.needs_rolling]
    if not groups:
        return plan
    chart = _Chart(plan.steps)
    rolls: list[Roll] = []
    for group in groups:
        units = {machine.key: chart.between(chart.own(machine)) for machine in group.restarting}
        shared = _shared(units.values())
        if shared is not None:
            _refuse(group, chart.steps[shared], context=context)
            continue
        up_first = [id_ for machine in group.down for id_ in chart.own(machine)]
        for unit in units.values():
            chart.hold_back(unit, until=up_first)
        ordered = tuple(chart.sort(unit) for unit in units.values())
        rolls.append(Roll(group=group.spec.name, limit=group.limit, keys=tuple(units), units=ordered))
    return msgspec.structs.replace(plan, steps=in_order(chart.steps.values()), rolls=tuple(rolls))


def _groups(machines: Iterable[MachineDecision]) -> Iterator[_Group]:
    members: dict[str, list[MachineDecision]] = defaultdict(list)
    specs: dict[str, GroupSpec] = {}
    for machine in machines:
        group = machine.spec.restarts.group
        if group is not None:
            members[group.name].append(machine)
            specs[group.name] = group
    for name, all_ in sorted(members.items()):
        there = [machine for machine in all_ if machine.observed is not None]
        yield _Group(
            spec=specs[name],
            members=len(all_),
            restarting=tuple(machine for machine in there if machine.stops and machine.starts),
            down=tuple(machine for machine in there if not machine.stops and (machine.starts or machine.awaits)),
        )


class _Chart:
    """The steps of a plan as a graph that needs are added to."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = {step.id: step for step in steps}
        self._order = {id_: number for number, id_ in enumerate(self.steps)}
        self._followers: dict[str, list[str]] = defaultdict(list)
        self._by_key: dict[tuple[str, object], list[str]] = defaultdict(list)
        for step in steps:
            self._by_key[step.host, step.key].append(step.id)
            for need in step.needs:
                self._followers[need].append(step.id)

    def own(self, machine: MachineDecision) -> frozenset[str]:
        """The machine's own steps."""
        return frozenset(self._by_key[machine.host, machine.key])

    def between(self, own: frozenset[str]) -> frozenset[str]:
        """These steps, and all that come after one of them and before another."""
        after = self._reach(own, self._followers, within=None)
        needs = {id_: self.steps[id_].needs for id_ in (*own, *after)}
        return own | self._reach(own, needs, within=after)

    @staticmethod
    def _reach(
        start: Iterable[str], edges: Mapping[str, Iterable[str]], *, within: frozenset[str] | None
    ) -> frozenset[str]:
        found: set[str] = set()
        pending = list(start)
        while pending:
            for id_ in edges.get(pending.pop(), ()):
                if id_ not in found and (within is None or id_ in within):
                    found.add(id_)
                    pending.append(id_)
        return frozenset(found)

    def sort(self, unit: frozenset[str]) -> tuple[str, ...]:
        """The steps of a unit in the plan's order."""
        return tuple(sorted(unit, key=self._order.__getitem__))

    def hold_back(self, unit: frozenset[str], *, until: Iterable[str]) -> None:
        """Begin the unit only after those steps, and after all that any step of it needs from elsewhere."""
        outside = {need for id_ in unit for need in self.steps[id_].needs if need not in unit}
        outside.update(until)
        for id_ in unit:
            step = self.steps[id_]
            if not unit.intersection(step.needs):
                self.steps[id_] = msgspec.structs.replace(step, needs=tuple(sorted(outside.union(step.needs))))


def _shared(units: Iterable[frozenset[str]]) -> str | None:
    """A step that more than one unit would need for itself."""
    seen: set[str] = set()
    for unit in units:
        both = seen & unit
        if both:
            return min(both)
        seen |= unit
    return None


def _refuse(group: _Group, step: Step, *, context: Context) -> None:
    first, number = group.restarting[0], len(group.restarting) + len(group.down)
    place = context.catalog.place(step.key.kind, step.key.name)
    context.draft.errors.append(
        RefusedError(
            f"{number} guests of group {group.spec.name!r} restart, of which {group.limit} may be down at once; "
            f"and {step.key} can only be changed while several of them are off together",
            resolution=f"allow that for this change (max_unavailable={number}), or leave it out",
            place=place or context.catalog.place(Kind.VM, first.spec.name),
        )
    )
