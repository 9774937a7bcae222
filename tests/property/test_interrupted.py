"""Runs that die at any change, and people who change their minds before they run it again."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake.faults import CrashNow, crash_at, lose_reply_at
from tests.property import strategies
from tests.property.drift import DRIFTS, drift
from tests.property.stacks import StackWish
from tests.property.world import DESTROY, ONE_AT_A_TIME, World
from vmstack.errors import VmstackError

pytestmark = pytest.mark.timeout(600)


def _dies(world: World, wish: StackWish, *, number: int, moment: str) -> None:
    """Plan and apply in a process that dies at its `number`-th change, or loses the reply to it."""
    world.kill_holder(wish)
    faults = lose_reply_at(number) if moment == "lost" else crash_at(number, moment=moment)
    world.reconnect(faults)
    with suppress(VmstackError, CrashNow):
        world.apply(world.plan(wish), wish, limits=ONE_AT_A_TIME)
    world.kill_holder(wish)
    world.reconnect()


MOMENTS = st.sampled_from(["before", "after", "lost"])


@given(
    first=strategies.stacks(),
    second=strategies.stacks(),
    third=strategies.stacks(),
    points=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    moments=st.tuples(MOMENTS, MOMENTS),
)
def test_killed_then_changed_then_killed_then_destroyed(
    first: StackWish, second: StackWish, third: StackWish, points: tuple[int, int], moments: tuple[str, str]
) -> None:
    """Whatever a dead run left behind, another program converges over it, and destroy leaves nothing."""
    world = World()
    before = world.host.machine.dump()
    for wish, number, moment in zip((first, second), points, moments, strict=True):
        _dies(world, wish, number=number, moment=moment)
        world.guests_write()
    try:
        world.plan(third)
    except VmstackError:
        third = StackWish()
    world.converge(third)
    world.converge(third, policy=DESTROY)
    assert world.host.machine.dump() == before


@given(
    wish=strategies.stacks(),
    number=st.integers(2, 40),
    moment=MOMENTS,
    name=st.sampled_from(sorted(DRIFTS)),
    pick=st.integers(0, 3),
)
def test_killed_then_drifted(wish: StackWish, number: int, moment: str, name: str, pick: int) -> None:
    """Somebody tidies up by hand after a dead run, and then it is run again."""
    world = World()
    _dies(world, wish, number=number, moment=moment)
    if f"{wish.name}-pool" in world.host.machine.pools:
        drift(world.host, wish, name, pick)
    try:
        world.plan(wish)
    except VmstackError:
        return
    world.converge(wish)
