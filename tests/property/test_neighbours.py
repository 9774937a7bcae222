"""Several stacks on one host, which share base images by content and nothing else."""

import pytest
from hypothesis import given, settings

from tests.property import strategies
from tests.property.stacks import NetWish, StackWish, without
from tests.property.world import DESTROY, World

pytestmark = pytest.mark.timeout(600)


def _part(world: World, name: str) -> dict[str, str]:
    """What a stack has on the host."""
    return {key: value for key, value in world.host.machine.dump().items() if f"{name}-" in key or f"/{name}" in key}


def _beside(wish: StackWish) -> StackWish:
    """The same stack under another name, with other subnets."""
    nets = tuple(NetWish(**{**vars(net), "octet": net.octet + 10}) for net in wish.nets)
    return without(wish, name="side", nets=nets)


@settings(max_examples=settings.default.max_examples // 2)
@given(main=strategies.stacks(), other=strategies.stacks())
def test_stacks_do_not_touch_each_other(main: StackWish, other: StackWish) -> None:
    world = World()
    side = _beside(other)
    world.converge(main)
    before = _part(world, "main")
    world.converge(side)
    world.guests_write()
    assert set(before) == set(_part(world, "main"))
    held = _part(world, "main")
    world.converge(side, policy=DESTROY)
    assert _part(world, "main") == held
    world.check(main)
