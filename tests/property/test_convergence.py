"""Random stacks, edits and drifts: every apply converges, is idempotent, and touches only what it may."""

import functools

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.fake.machine import Pool
from tests.property import strategies
from tests.property.drift import DRIFTS, drift
from tests.property.stacks import DiskWish, NetWish, StackWish, VmWish
from tests.property.world import ALLOW, DESTROY, World
from vmstack.errors import VmstackError
from vmstack.model.plan import Plan

pytestmark = pytest.mark.timeout(600)


def _try_plan(world: World, wish: StackWish) -> Plan | None:
    """The plan, or `None` where the planner refuses, as it must with an error of the tree and untouched hosts."""
    before = world.host.machine.dump()
    try:
        plan = world.plan(wish)
    except VmstackError as error:
        event(f"refused: {type(error).__name__} {str(error)[:60]}")
        assert world.host.machine.dump() == before
        return None
    assert world.host.machine.dump() == before
    return plan


@given(first=strategies.stacks(), second=strategies.stacks())
def test_stack_then_edit_then_destroy(first: StackWish, second: StackWish) -> None:
    world = World()
    before = world.host.machine.dump()
    for wish in (first, second):
        if _try_plan(world, wish) is not None:
            world.converge(wish)
            world.guests_write()
    world.converge(second, policy=DESTROY)
    assert world.host.machine.dump() == before


@given(
    wish=strategies.stacks(), drifts=st.lists(st.tuples(st.sampled_from(sorted(DRIFTS)), st.integers(0, 3)), max_size=3)
)
def test_drift_is_mended(wish: StackWish, drifts: list[tuple[str, int]]) -> None:
    world = World()
    assume(_try_plan(world, wish) is not None)
    world.converge(wish)
    world.guests_write()
    for name, pick in drifts:
        if drift(world.host, wish, name, pick):
            event(f"drift: {name}")
    plan = _try_plan(world, wish)
    if plan is None:
        return
    if not world.host.machine.pools.get("main-pool", CLOSED).active:
        # What is in a pool that cannot be read is unknown, so it takes a second run to find what is gone from it.
        world.apply(plan, wish)
    world.converge(wish)


CLOSED = Pool(uuid="", name="", xml="", path="")
FULL = StackWish(
    vms=(
        VmWish("a", disks=(DiskWish("data1"), DiskWish("data2", bus="scsi")), nets=("dmz", "lan"), description="x"),
        VmWish("b", root="full-copy", running=False, nets=("lan",), autostart=True),
        VmWish("c", root="blank", seed=None, hardware=1, ignition=1),
        VmWish("d", root="blank", seed=None, hardware=3),
    ),
    nets=(NetWish("dmz", 20, mode="isolated", domain="lab.internal"), NetWish("lan", 21, hosts=(2, 3), leases=(4,))),
    loose=(DiskWish("loose1"),),
    outputs=("ip",),
)


@functools.cache
def _full_world() -> World:
    """Where every drift begins: forked, never changed."""
    world = World()
    world.converge(FULL)
    world.guests_write()
    return world


@pytest.mark.parametrize("name", sorted(DRIFTS))
def test_every_drift_is_seen_and_mended(name: str) -> None:
    """Each drift alone, on every object that it fits."""
    before = _full_world()
    for pick in range(3):
        world = World(before.host.fork(), foreign=before.foreign)
        if not drift(world.host, FULL, name, pick):
            continue
        world.converge(FULL, policy=ALLOW)
