"""Rolling over a group: which steps are one machine's, what is refused, and what an apply does with it."""

from collections.abc import Iterable

import msgspec
import pytest

from tests.fake.guests import Guest
from tests.fake.host import FakeHost
from tests.unit.plan.builders import GIB, IMAGES, data, graph, image, look, network, nic, pool, root, vm
from tests.unit.plan.scenarios import converge
from vmstack.apply.events import Event, StepDone, StepStarted
from vmstack.apply.result import ApplyResult
from vmstack.apply.runner import apply_plan
from vmstack.errors import ConflictError, InternalError, RefusedError
from vmstack.model.effects import AwaitHealthy, CreateVolume, ShutdownDomain
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Plan
from vmstack.model.specs import (
    DiskSpec,
    GroupSpec,
    HealthSpec,
    Power,
    RestartSpec,
    Spec,
    VmSpec,
)
from vmstack.plan.check import check_plan
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.validation import check_graph
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

BIG = {"memory": 2 * GIB, "max_memory": 2 * GIB}
RUN = RunRecord(run="r", who="me", where="here", when="2026-01-01T00:00:00+00:00")
NAMES = ("a", "b", "c", "d")


def care(*, command: str = "true", **group: int) -> RestartSpec:
    return RestartSpec(
        group=GroupSpec(name="web", **(group or {"limit": 1})),
        health=HealthSpec(command=(command,), timeout=1, interval=1),
    )


def fleet(
    *more: Spec, names: Iterable[str] = NAMES, restarts: RestartSpec | None = None, **changes: object
) -> DesiredGraph:
    machines = [vm(name, **{"restarts": restarts or care(), **changes}) for name in names]
    return graph(pool(), image(), *(root(f"{name}-root") for name in names), *more, *machines)


def applied(before: DesiredGraph) -> FakeHost:
    fake = FakeHost()
    converge(fake, before)
    return fake


def plan(fake: FakeHost, after: DesiredGraph) -> Plan:
    return make_plan(after, look(fake, after), policy=PlanPolicy(allow_data_loss=True), images=IMAGES)


def apply(fake: FakeHost, made: Plan, *, listener: object = lambda event: None) -> ApplyResult:
    return apply_plan(made, {"kvm1": fake}, supply=None, run=RUN, listener=listener)  # type: ignore[arg-type]


def most_down(made: Plan, fake: FakeHost) -> int:
    down: set[str] = set()
    most = [0]

    def hear(event: Event) -> None:
        if isinstance(event, StepStarted) and isinstance(event.step.effect, ShutdownDomain):
            down.add(event.step.key.name)
        if isinstance(event, StepDone) and isinstance(event.step.effect, AwaitHealthy):
            down.discard(event.step.key.name)
        most[0] = max(most[0], len(down))

    assert apply(fake, made, listener=hear).complete
    return most[0]


@pytest.mark.parametrize(
    ("group", "limit"), [({"limit": 1}, 1), ({"limit": 3}, 3), ({"percent": 50}, 2), ({"percent": 1}, 1)]
)
def test_no_more_guests_are_down_at_once_than_the_group_allows(group: dict[str, int], limit: int) -> None:
    fake = applied(fleet(restarts=care(**group)))
    made = plan(fake, fleet(restarts=care(**group), **BIG))
    [roll] = made.rolls
    assert (roll.group, roll.limit, [key.name for key in roll.keys]) == ("web", limit, list(NAMES))
    assert most_down(made, fake) == limit
    assert plan(fake, fleet(restarts=care(**group), **BIG)).empty


@pytest.mark.parametrize("group", [{"limit": 4}, {"percent": 100}])
def test_where_all_may_be_down_nothing_is_rolled(group: dict[str, int]) -> None:
    fake = applied(fleet(restarts=care(**group)))
    assert plan(fake, fleet(restarts=care(**group), **BIG)).rolls == ()


def test_guests_are_made_without_waiting_for_each_other() -> None:
    made = plan(FakeHost(), fleet())
    assert made.rolls == ()
    assert len(made.changes) > len(NAMES)


def test_first_that_does_not_come_back_stops_the_rest() -> None:
    fake = applied(fleet())
    wanted = fleet(**BIG)
    before = {record.name: record for record in fake.domains()}
    made = plan(fake, msgspec.structs.replace(wanted, resources=tuple(_sick(one, "b") for one in wanted.resources)))
    result = apply(fake, made)
    error = result.error()
    assert error is not None
    assert error.exit_code == 3
    assert [failure.step.id for failure in result.failed] == ["kvm1/vm.b/health"]
    line = "group web stopped at the first failure: 2 of 4 were not begun and run on as they were: vm.c, vm.d"
    assert line in error.details
    after = {record.name: record for record in fake.domains()}
    assert [name for name in NAMES if after[name] == before[name]] == ["c", "d"]

    # The next apply waits for the guest that is not well before it takes down the next one.
    again = plan(fake, wanted)
    [roll] = again.rolls
    assert [key.name for key in roll.keys] == ["c", "d"]
    first = next(step for step in again.steps if step.id == roll.units[0][0])
    assert "kvm1/vm.b/health" in first.needs
    assert most_down(again, fake) == 1
    assert plan(fake, wanted).empty


def _sick(resource: object, name: str) -> object:
    if getattr(resource.spec, "name", None) != name or not isinstance(resource.spec, VmSpec):  # type: ignore[attr-defined]
        return resource
    spec = msgspec.structs.replace(resource.spec, restarts=care(command="no-such-program"))  # type: ignore[attr-defined]
    return msgspec.structs.replace(resource, spec=spec)  # type: ignore[type-var]


def test_guest_that_does_not_power_down_stops_the_rest_and_waits_for_its_restart() -> None:
    fake = applied(fleet(power_off_after_timeout=False, shutdown_timeout=1))
    fake.machine.guests["a"] = Guest(obeys_shutdown=False)
    wanted = fleet(power_off_after_timeout=False, shutdown_timeout=1, **BIG)
    result = apply(fake, plan(fake, wanted))
    assert [failure.step.id for failure in result.failed] == ["kvm1/vm.a/stop"]
    assert all(record.live_xml is not None for record in fake.domains())
    fake.machine.guests.clear()
    again = plan(fake, wanted)
    change = next(one for one in again.changes if one.key.name == "a")
    assert {field.path for field in change.fields} == {"max_memory"}
    assert "the running guest waits for that" in change.reasons[0]
    assert apply(fake, again).complete
    assert plan(fake, wanted).empty


def test_volume_made_anew_while_its_guest_is_off_is_part_of_its_unit() -> None:
    fake = applied(fleet())
    wanted = fleet()
    roots = {f"{name}-root" for name in NAMES}
    changed = tuple(
        msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, image="other", capacity=3 * GIB))
        if one.key.kind is Kind.VOLUME and one.key.name in roots
        else one
        for one in graph(
            image("other"), *(one.spec for one in wanted.resources if one.key.kind is not Kind.HOST)
        ).resources
    )
    after = msgspec.structs.replace(wanted, resources=changed)
    images = IMAGES | {"other": msgspec.structs.replace(IMAGES["debian"], name="other", sha256="cd" * 32)}
    made = make_plan(after, look(fake, after), policy=PlanPolicy(allow_data_loss=True), images=images)
    check_plan(made)
    [roll] = made.rolls
    steps = {step.id: step for step in made.steps}
    for key, unit in zip(roll.keys, roll.units, strict=True):
        volumes = [steps[id_].key for id_ in unit if isinstance(steps[id_].effect, CreateVolume)]
        assert volumes == [Key(Kind.VOLUME, f"{key.name}-root")]
        # Nothing is taken down before the base image is there.
        assert any(need.startswith("kvm1/image.other") for need in steps[unit[0]].needs)


def test_what_needs_several_off_together_is_refused() -> None:
    smaller = network(mtu=1400)

    def on(net: Spec) -> DesiredGraph:
        machines = [vm(name, restarts=care(), nics=(nic(name, addresses=()),)) for name in NAMES]
        return graph(pool(), image(), *(root(f"{name}-root") for name in NAMES), net, *machines)

    fake = applied(on(network()))
    with pytest.raises(RefusedError, match=r"network\.lan can only be changed while several of them are off together"):
        plan(fake, on(smaller))


def test_machines_of_a_group_that_need_each_other_cannot_be_rolled() -> None:
    needs = {"vm.b": (Key(Kind.VM, "a"),)}

    def chain(**changes: object) -> DesiredGraph:
        wanted = fleet(names=("a", "b"), **changes)
        return graph(*(one.spec for one in wanted.resources if one.key.kind is not Kind.HOST), needs=needs)

    fake = applied(chain())
    with pytest.raises(RefusedError, match="2 guests of group 'web' restart, of which 1 may be down at once"):
        plan(fake, chain(**BIG))


def test_groups_that_are_off_within_each_other_are_refused() -> None:
    def both(**changes: object) -> DesiredGraph:
        first = [vm(name, restarts=RestartSpec(group=GroupSpec(name="db", limit=1)), **changes) for name in ("a", "b")]
        second = [
            vm(name, restarts=RestartSpec(group=GroupSpec(name="api", limit=1)), **changes) for name in ("c", "d")
        ]
        needs = {"vm.c": (Key(Kind.VM, "a"),), "vm.d": (Key(Kind.VM, "b"),)}
        return graph(pool(), image(), *(root(f"{name}-root") for name in NAMES), *first, *second, needs=needs)

    fake = applied(both())
    with pytest.raises(RefusedError, match="neither can be rolled by itself"):
        plan(fake, both(**BIG))


def test_guests_that_are_only_made_now_serve_nobody() -> None:
    """A share is one of the guests that are there: else a group that is doubled could be down as a whole."""
    fake = applied(fleet(names=("a", "b"), restarts=care(percent=50)))
    wanted = fleet(names=NAMES, restarts=care(percent=50), **BIG)
    [roll] = plan(fake, wanted).rolls
    assert roll.limit == 1


def test_guest_that_is_off_comes_up_before_others_go_down() -> None:
    fake = applied(fleet())
    fake.power_off_domain(vm("c").uuid)
    made = plan(fake, fleet(**BIG))
    [roll] = made.rolls
    assert [key.name for key in roll.keys] == ["a", "b", "d"]
    steps = {step.id: step for step in made.steps}
    assert all("kvm1/vm.c/health" in steps[unit[0]].needs for unit in roll.units)
    assert most_down(made, fake) == 1


def test_guests_that_are_not_well_restart_before_those_that_are() -> None:
    fake = applied(fleet(restarts=care(limit=2)))
    _record(fake, "c", ready="pending")
    made = plan(fake, fleet(restarts=care(limit=2), **BIG))
    [roll] = made.rolls
    steps = {step.id: step for step in made.steps}
    units = {key.name: steps[unit[0]] for key, unit in zip(roll.keys, roll.units, strict=True)}
    assert [name for name in NAMES if "kvm1/vm.c/health" in units[name].needs] == ["a", "b", "d"]
    assert most_down(made, fake) == 2


def test_guest_that_failed_counts_as_down_as_long_as_nothing_is_done_about_it() -> None:
    fake = applied(fleet(restarts=care(limit=2)))
    _record(fake, "c", ready="failed")
    # Of four guests, all but the failed one are to restart.
    bigger = fleet(restarts=care(limit=2), names="abd", **BIG)
    rest = [one.spec for one in fleet(restarts=care(limit=2), names="c").resources if one.key.name.startswith("c")]
    after = graph(*(one.spec for one in bigger.resources if one.key.kind is not Kind.HOST), *rest)
    [roll] = plan(fake, after).rolls
    assert (roll.limit, [key.name for key in roll.keys]) == (1, ["a", "b", "d"])
    _record(fake, "d", ready="failed")
    kept = graph(*(_small(one.spec) for one in after.resources if one.key.kind is not Kind.HOST))
    with pytest.raises(RefusedError, match=r"2 may be down, and vm\.c, vm\.d failed"):
        plan(fake, kept)


def _small(spec: Spec) -> Spec:
    if not isinstance(spec, VmSpec) or spec.name != "d":
        return spec
    return vm("d", restarts=spec.restarts)


def _record(fake: FakeHost, name: str, *, ready: str) -> None:
    """Have the stamp of a guest say what it says after an apply that ended so."""
    uuid = vm(name).uuid
    stamp = read_stamp(fake.domain(uuid).xml)
    assert stamp is not None
    changed = msgspec.structs.replace(stamp, ready=ready, report="it said no")
    fake.set_domain_metadata(uuid, xml=write_stamp(changed), namespace=NAMESPACE, live=True)


def test_guests_that_are_wanted_off_are_no_part_of_it() -> None:
    fake = applied(fleet())
    made = plan(fake, fleet(power=Power.STOPPED, **BIG))
    assert made.rolls == ()


def test_groups_of_one_name_must_be_the_same() -> None:
    wanted = graph(
        pool(),
        image(),
        root("a-root"),
        root("b-root"),
        vm("a", restarts=care(limit=1)),
        vm("b", restarts=care(limit=2)),
    )
    with pytest.raises(ConflictError, match="another rolling group of the same name"):
        check_graph(wanted)


def test_plan_whose_roll_is_wrong_fails_its_check() -> None:
    fake = applied(fleet())
    made = plan(fake, fleet(**BIG))
    [roll] = made.rolls
    foreign = msgspec.structs.replace(roll, units=(roll.units[0], *roll.units[:-1]))
    with pytest.raises(InternalError, match="validity check") as caught:
        check_plan(msgspec.structs.replace(made, rolls=(foreign,)))
    assert "group web: the steps of vm.b are not its own" in caught.value.details
    stop = next(step for step in made.steps if step.id == "kvm1/vm.d/stop")
    late = msgspec.structs.replace(stop, needs=(*stop.needs, "kvm1/vm.a/health"))
    steps = tuple(late if step is stop else step for step in made.steps)
    with pytest.raises(InternalError) as caught:
        check_plan(msgspec.structs.replace(made, steps=steps))
    assert any("vm.d would wait for something else while it is down" in line for line in caught.value.details)


def test_disk_that_is_deferred_stays_until_the_guest_was_restarted() -> None:
    later = RestartSpec(policy="defer")
    disks = (DiskSpec(name="root", volume="a-root"), DiskSpec(name="data", volume="a-data", bus="sata"))
    both = graph(pool(), image(), root("a-root"), data("a-data"), vm("a", restarts=later, disks=disks))
    one = graph(pool(), image(), root("a-root"), vm("a", restarts=later, disks=disks[:1]))
    fake = applied(both)
    with pytest.raises(
        RefusedError, match=r"volume\.a-data is taken from vm\.a, which runs with it until its next start"
    ):
        plan(fake, one)
