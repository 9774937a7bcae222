"""Which steps may run: order, needs, limits, failures."""

import pytest

from vmstack.apply.frontier import Frontier, Limits
from vmstack.errors import InternalError
from vmstack.model.effects import AnyEffect, AwaitReady, DeleteVolume, StartDomain
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Roll, Step


def step(name: str, *needs: str, effect: AnyEffect | None = None, host: str = "kvm1") -> Step:
    effect = effect or StartDomain(uuid=name, name=name)
    return Step(id=name, host=host, key=Key(Kind.VM, name), effect=effect, needs=needs)


def ids(steps: list[Step]) -> list[str]:
    return [one.id for one in steps]


def frontier(*steps: Step, host: int = 8, pool: int = 8, waiting: int = 8) -> Frontier:
    return Frontier(steps, limits=Limits(host=host, pool=pool, waiting=waiting))


def test_steps_start_in_the_order_of_the_plan():
    front = frontier(step("c"), step("a"), step("b", "a"))
    assert ids(front.take()) == ["c", "a"]


def test_all_that_one_machine_needs_comes_before_what_the_next_one_needs():
    disks = [step("disk-b"), step("disk-a"), step("seed-a"), step("seed-b")]
    filled = [step("fill-b", "seed-b"), step("fill-a", "seed-a")]
    machines = [step("a", "disk-a", "fill-a"), step("b", "disk-b", "fill-b")]
    front = frontier(*disks, *filled, *machines, host=1)
    begun = []
    while started := front.take():
        begun += started
        front.finish(started[0], success=True)
    assert ids(begun) == ["disk-a", "seed-a", "fill-a", "a", "disk-b", "seed-b", "fill-b", "b"]


def test_a_step_waits_for_all_that_it_needs():
    a, b, c = step("a"), step("b"), step("c", "a", "b")
    front = frontier(a, b, c)
    front.take()
    front.finish(a, success=True)
    assert front.take() == []
    front.finish(b, success=True)
    assert ids(front.take()) == ["c"]


def test_a_failure_stops_what_needs_it_and_nothing_else():
    a, b, c, d = step("a"), step("b", "a"), step("c", "b"), step("d")
    front = frontier(a, b, c, d)
    front.take()
    front.finish(a, success=False)
    front.finish(d, success=True)
    assert front.take() == []
    assert ids(list(front.left)) == ["b", "c"]
    assert front.running == ()


def test_a_host_runs_no_more_than_its_limit_and_hosts_do_not_hold_each_other_up():
    steps = [step(f"a{i}") for i in range(4)] + [step("b", host="kvm2")]
    front = frontier(*steps, host=2)
    assert ids(front.take()) == ["a0", "a1", "b"]
    front.finish(steps[0], success=True)
    assert ids(front.take()) == ["a2"]


def test_a_pool_has_a_limit_of_its_own():
    volumes = [step(f"v{i}", effect=DeleteVolume(pool="web", volume=f"v{i}")) for i in range(3)]
    other = step("other", effect=DeleteVolume(pool="data", volume="x"))
    front = frontier(*volumes, other, step("vm"), pool=1)
    assert ids(front.take()) == ["v0", "other", "vm"]


def test_waiting_for_guests_takes_no_place_of_those_that_work():
    waits = [step(f"w{i}", effect=AwaitReady(uuid="u", name="n", timeout=1)) for i in range(5)]
    front = frontier(*waits, step("vm"), host=1)
    assert ids(front.take()) == ["w0", "w1", "w2", "w3", "w4", "vm"]


@pytest.mark.parametrize("steps", [[step("a", "b"), step("b", "a")], [step("a", "missing")]])
def test_a_plan_that_cannot_be_run_is_a_bug(steps):
    with pytest.raises(InternalError):
        frontier(*steps)


def test_ten_thousand_steps_are_handed_out_quickly():
    steps = [step(f"s{i}", *([f"s{i - 1}"] if i % 3 else [])) for i in range(10_000)]
    front = frontier(*steps)
    done = 0
    while started := front.take():
        for one in started:
            front.finish(one, success=True)
            done += 1
    assert done == 10_000


def rolling(*units: tuple[Step, ...], limit: int = 1) -> tuple[Frontier, Roll]:
    keys = tuple(unit[0].key for unit in units)
    roll = Roll(group="web", limit=limit, keys=keys, units=tuple(tuple(one.id for one in unit) for unit in units))
    steps = [one for unit in units for one in unit]
    return Frontier(steps, limits=Limits(), rolls=[roll]), roll


def unit(name: str) -> tuple[Step, ...]:
    """Two steps that may begin a unit, and one that ends it."""
    return step(f"{name}1"), step(f"{name}2"), step(f"{name}3", f"{name}1", f"{name}2")


def test_unit_of_a_roll_begins_when_another_one_is_done_to_its_last_step():
    a, b, c = unit("a"), unit("b"), unit("c")
    front, _ = rolling(a, b, c, limit=2)
    assert ids(front.take()) == ["a1", "a2", "b1", "b2"]
    for one in (*b[:2], *a[:2]):
        front.finish(one, success=True)
    assert ids(front.take()) == ["a3", "b3"]
    front.finish(b[2], success=True)
    assert ids(front.take()) == ["c1", "c2"]


def test_after_a_failure_no_unit_begins_and_those_that_did_are_finished():
    a, b, c = unit("a"), unit("b"), unit("c")
    front, _ = rolling(a, b, c, limit=2)
    front.take()
    front.finish(a[0], success=False)
    for one in (a[1], b[0], b[1]):
        front.finish(one, success=True)
    assert ids(front.take()) == ["b3"]
    front.finish(b[2], success=True)
    assert front.take() == []
    assert ids(list(front.left)) == ["a3", "c1", "c2", "c3"]


def test_a_roll_holds_up_nobody_else():
    a, b = unit("a"), unit("b")
    _, roll = rolling(a, b)
    front = Frontier([*a, *b, step("z")], limits=Limits(), rolls=[roll])
    assert ids(front.take()) == ["a1", "a2", "z"]
