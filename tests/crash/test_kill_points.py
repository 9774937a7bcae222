"""The process dies at every change that it makes at a host, and somebody runs it again."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest

from tests.fake.faults import CrashNow, Faults, crash_at, fail_change, lose_reply_at
from tests.fake.machine import Machine
from tests.property.stacks import DiskWish, NetWish, StackWish, VmWish
from tests.property.world import ALLOW, DESTROY, ONE_AT_A_TIME, World
from vmstack.errors import HostBusyError, HostError, InternalError, VmstackError
from vmstack.plan.policy import PlanPolicy

pytestmark = pytest.mark.timeout(600)

SMALL = StackWish(
    vms=(VmWish("a", disks=(DiskWish("data1"),), nets=("lan",)),),
    nets=(NetWish("lan", 20, hosts=(2,)),),
    outputs=("ip",),
)
OTHER = StackWish(
    vms=(
        VmWish("a", vcpus=2, memory=1024, disks=(DiskWish("data2"),), nets=("lan",), seed=2, policy="reseed"),
        VmWish("b", root="full-copy", root_size=3, nets=("lan",)),
    ),
    nets=(NetWish("lan", 20, hosts=(3,), leases=(4,)),),
    image=2,
    outputs=("ip", "name"),
)
RESTART = StackWish(
    vms=(VmWish("a", max_vcpus=8, max_memory=4096, disks=(DiskWish("data1", size=3),), nets=("lan",)),),
    nets=(NetWish("lan", 20, hosts=(2,), mode="route"),),
    outputs=("ip",),
)
RENAMED = replace(SMALL, vms=(replace(SMALL.vms[0], suffix="-new", autostart=True),))
FLEET = StackWish(vms=tuple(VmWish(name, group=1, checked=True) for name in "abc"))
GROWN = replace(FLEET, vms=tuple(replace(vm, max_vcpus=8, max_memory=4096) for vm in FLEET.vms))
NOTHING = StackWish()
BLANK = StackWish(vms=(VmWish("a", root="blank", nets=("lan",)),), nets=(NetWish("lan", 20),))
COPY = StackWish(vms=(VmWish("a", root="full-copy", nets=("lan",)),), nets=(NetWish("lan", 20),))
OTHER_COPY = replace(COPY, image=2)
MOVED = replace(COPY, vms=(replace(COPY.vms[0], root_suffix="-2"),))

# Before, after, and what the planner may do.
SCENARIOS: dict[str, tuple[StackWish | None, StackWish, PlanPolicy]] = {
    "create": (None, SMALL, ALLOW),
    "change": (SMALL, OTHER, ALLOW),
    "restart": (SMALL, RESTART, ALLOW),
    "rolling": (FLEET, GROWN, ALLOW),
    "rename": (SMALL, RENAMED, ALLOW),
    "empty": (OTHER, NOTHING, ALLOW),
    "move": (COPY, MOVED, ALLOW),
    "move back": (replace(BLANK, vms=(replace(BLANK.vms[0], root_suffix="-2"),)), BLANK, ALLOW),
    "copy anew": (COPY, OTHER_COPY, ALLOW),
    "destroy": (OTHER, OTHER, DESTROY),
}


def _prepared(before: StackWish | None) -> World:
    world = World()
    if before is not None:
        world.converge(before)
        world.guests_write()
    return world


def _settled(machine: Machine) -> dict[str, str]:
    """The machine without what depends on when things happened."""
    return {key: value for key, value in machine.dump().items() if not key.startswith(("file", "domain", "secret"))}


@pytest.fixture(scope="module")
def clean_ends() -> dict[str, dict[str, str]]:
    """How each scenario ends when nothing goes wrong."""
    ends = {}
    for name, (before, wish, policy) in SCENARIOS.items():
        world = _prepared(before)
        world.converge(wish, policy=policy)
        ends[name] = _settled(world.host.machine)
    return ends


def _runs_again(world: World, wish: StackWish, policy: PlanPolicy) -> None:
    """A new process plans and applies: it converges, and nothing of the dead one is left."""
    world.kill_holder(wish)
    world.reconnect()
    plan = world.plan(wish, policy=policy)
    result = world.apply(plan, wish)
    assert result.complete, [str(failure.error) for failure in result.failed]
    world.check(wish, policy=policy)


MOMENTS = ("before", "after")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_change(scenario: str, moment: str, clean_ends: dict[str, dict[str, str]]) -> None:
    before, wish, policy = SCENARIOS[scenario]
    prepared = _prepared(before)
    plan = prepared.plan(wish, policy=policy)
    for number in range(1, 500):
        world = World(host=prepared.host.fork(), foreign=prepared.foreign)
        data = world.data()
        world.reconnect(crash_at(number, moment=moment))
        try:
            world.apply(plan, wish, limits=ONE_AT_A_TIME)
        except CrashNow:
            _runs_again(world, wish, policy)
            world.check_data(data, plan)
            assert _settled(world.host.machine) == clean_ends[scenario], number
        else:
            if number <= len(world.host.changes) + 1:
                continue  # this call failed by itself, as starting a pool whose directory is missing does
            assert number > 5, "nothing was killed"
            return


@pytest.mark.parametrize("scenario", ["create", "change", "move", "copy anew"])
def test_killed_in_the_middle_of_every_transfer(scenario: str, clean_ends: dict[str, dict[str, str]]) -> None:
    before, wish, policy = SCENARIOS[scenario]
    prepared = _prepared(before)
    for number in range(1, 500):
        uploads = [number]

        def half(call: object, uploads: list[int] = uploads) -> None:
            uploads[0] -= 1
            if uploads[0] == 0:
                raise CrashNow

        world = World(host=prepared.host.fork(), foreign=prepared.foreign)
        world.reconnect(Faults(during=half))
        try:
            world.apply(world.plan(wish, policy=policy), wish, limits=ONE_AT_A_TIME)
        except CrashNow:
            _runs_again(world, wish, policy)
            assert _settled(world.host.machine) == clean_ends[scenario]
        else:
            assert number > 1
            return


@pytest.mark.parametrize("lost", ["debian-", "-seed-"])
def test_killed_while_what_was_lost_is_uploaded_again(lost: str) -> None:
    """Clones and domains of before prove nothing of the half of a file that was brought back under them."""
    world = _prepared(SMALL)
    pool = "main-pool"
    name = next(name for name in world.host.machine.pools[pool].names if lost in name)
    world.host.delete_volume(pool, name)

    def half(call: object) -> None:
        raise CrashNow

    world.reconnect(Faults(during=half))
    with pytest.raises(CrashNow):
        world.apply(world.plan(SMALL), SMALL, limits=ONE_AT_A_TIME)
    _runs_again(world, SMALL, ALLOW)


FAULTS: dict[str, Callable[[int], Faults]] = {
    "reply lost": lose_reply_at,
    "refused": lambda number: fail_change(number, lambda: HostError("refused by the fault test")),
    "busy": lambda number: fail_change(number, lambda: HostBusyError("busy by the fault test")),
}


# What a refusal leaves behind does not depend on its reason, so one scenario is enough for the second reason.
@pytest.mark.parametrize(("scenario", "fault"), [*product(SCENARIOS, ("reply lost", "refused")), ("change", "busy")])
def test_every_change_fails_once(scenario: str, fault: str) -> None:
    """The run ends with a report, never with a traceback; the next one converges."""
    before, wish, policy = SCENARIOS[scenario]
    prepared = _prepared(before)
    plan = prepared.plan(wish, policy=policy)
    for number in range(1, 500):
        world = World(host=prepared.host.fork(), foreign=prepared.foreign)
        data = world.data()
        world.reconnect(FAULTS[fault](number))
        # Before the first effect errors are raised, after it they are in the result; both are of the tree.
        with suppress(VmstackError):
            result = world.apply(plan, wish, limits=ONE_AT_A_TIME)
            assert all(not isinstance(failure.error, InternalError) for failure in result.failed)
        if world.host.change_count < number:
            assert number > 5
            return
        _runs_again(world, wish, policy)
        world.check_data(data, plan)


def test_killed_twice() -> None:
    """The run that cleans up after a killed one is killed, too: pairs of points."""
    for first in range(2, 40, 5):
        for second in range(1, 40, 5):
            world = World()
            for number in (first, second):
                world.kill_holder(OTHER)
                world.reconnect(crash_at(number, moment="after"))
                try:
                    world.apply(world.plan(OTHER), OTHER, limits=ONE_AT_A_TIME)
                except CrashNow:
                    continue
            _runs_again(world, OTHER, ALLOW)
