"""Rolling over a group: which steps make up the restart of one machine, and how many machines may be down at once.

What one machine's restart takes is a unit: its own steps, and all that happens between them (a volume made anew
while the guest is off). Its first steps get the needs of all of it, so that a unit that was begun waits for nothing
but itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from vmstack.errors import RefusedError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Kind
from vmstack.model.plan import Plan, Roll, Step
from vmstack.model.specs import GroupSpec, Power, VmSpec
from vmstack.plan.context import Context
from vmstack.plan.draft import in_order
from vmstack.plan.machine_decision import MachineDecision


@dataclass(frozen=True, slots=True)
class _Group:
    """A group with guests to restart. `allowed` may be down at once, by all members of the program.

    `down` are guests that this plan brings up, and `lost` those that it leaves as they are though they are not well.
    """

    spec: GroupSpec
    allowed: int
    restarting: tuple[MachineDecision, ...]
    down: tuple[MachineDecision, ...]
    lost: tuple[MachineDecision, ...]

    @property
    def limit(self) -> int:
        return self.allowed - len(self.lost)

    @property
    def needs_rolling(self) -> bool:
        """Whether more guests would be down than may be, if all restarted at once."""
        return bool(self.restarting) and len(self.restarting) + len(self.down) > self.limit


def group_sizes(desired: DesiredGraph) -> Counter[str]:
    """How many VMs of the program are in each group."""
    specs = (resource.spec for resource in desired.resources)
    return Counter(spec.restarts.group.name for spec in specs if isinstance(spec, VmSpec) and spec.restarts.group)


def plan_rolls(
    plan: Plan, machines: Mapping[str, MachineDecision], *, sizes: Mapping[str, int], context: Context
) -> Plan:
    """The plan with its steps in the order that rolling asks for. What cannot be rolled is an error of the draft.

    Guests that are down come up before others go down, and those that are not well restart before those that are.
    """
    groups = [group for group in _groups(machines.values(), sizes=sizes) if group.needs_rolling]
    if not groups:
        return plan
    chart = _Chart(plan.steps)
    rolls: list[Roll] = []
    taken: dict[str, str] = {}
    for group in groups:
        units = {machine.key: chart.between(chart.own(machine)) for machine in group.restarting}
        shared = _shared(units.values())
        if group.limit < 1:
            _refuse_lost(group, context=context)
            continue
        if shared is not None:
            _refuse_together(group, chart.steps[shared], context=context)
            continue
        other = next((taken[id_] for unit in units.values() for id_ in unit if id_ in taken), None)
        if other is not None:
            _refuse_entangled(group, other=other, context=context)
            continue
        taken |= {id_: group.spec.name for unit in units.values() for id_ in unit}
        up_first = {id_ for machine in group.down for id_ in chart.own(machine)}
        ailing = {id_ for machine in group.restarting if not _is_well(machine) for id_ in units[machine.key]}
        for machine in group.restarting:
            chart.hold_back(units[machine.key], until=up_first | ailing if _is_well(machine) else up_first)
        ordered = tuple(chart.sort(unit) for unit in units.values())
        rolls.append(Roll(group=group.spec.name, limit=group.limit, keys=tuple(units), units=ordered))
    return msgspec.structs.replace(plan, steps=in_order(chart.steps.values()), rolls=tuple(rolls))


def _groups(machines: Iterable[MachineDecision], *, sizes: Mapping[str, int]) -> Iterator[_Group]:
    members: dict[str, list[MachineDecision]] = defaultdict(list)
    specs: dict[str, GroupSpec] = {}
    fresh: Counter[str] = Counter()
    for machine in machines:
        group = machine.spec.restarts.group
        if group is not None and machine.observed is not None:
            members[group.name].append(machine)
            specs[group.name] = group
        elif group is not None:
            fresh[group.name] += 1
    for name, there in sorted(members.items()):
        staying = [machine for machine in there if not machine.stops]
        coming_up = [machine for machine in staying if machine.starts or machine.awaits]
        yield _Group(
            spec=specs[name],
            allowed=specs[name].allows(max(1, sizes[name] - fresh[name])),  # those that are only made now serve nobody
            restarting=tuple(machine for machine in there if machine.stops and machine.starts),
            down=tuple(coming_up),
            lost=tuple(one for one in staying if one not in coming_up and _has_failed(one)),
        )


def _refuse_entangled(group: _Group, *, other: str, context: Context) -> None:
    context.draft.errors.append(
        RefusedError(
            f"guests of the groups {group.spec.name!r} and {other!r} restart, and some of the one while others of the "
            "other are off, so that neither can be rolled by itself",
            resolution="apply one group after the other (--target), or take out what makes them depend on each other",
            place=context.catalog.place(Kind.VM, group.restarting[0].spec.name),
        )
    )


def _is_well(machine: MachineDecision) -> bool:
    """Whether the guest runs and has said that it is ready, if it is to say so."""
    found = machine.observed
    if found is None or found.state != "running" or found.stamp is None:
        return False
    return found.stamp.ready in ("ok", "none")


def _has_failed(machine: MachineDecision) -> bool:
    stamp = machine.observed.stamp if machine.observed is not None else None
    return machine.spec.power is Power.RUNNING and stamp is not None and stamp.ready == "failed"


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


def _refuse_together(group: _Group, step: Step, *, context: Context) -> None:
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


def _refuse_lost(group: _Group, *, context: Context) -> None:
    lost = ", ".join(str(machine.key) for machine in group.lost)
    context.draft.errors.append(
        RefusedError(
            f"no guest of group {group.spec.name!r} may go down: {group.allowed} may be down, and {lost} failed",
            resolution="mend what failed first, or raise max_unavailable",
            place=context.catalog.place(Kind.VM, group.restarting[0].spec.name),
        )
    )
