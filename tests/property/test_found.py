"""Stacks on which the property tests once found a bug, smallest first. The list only grows."""

import pytest

from tests.property.stacks import StackWish, VmWish
from tests.property.world import World

BARE = VmWish("b", vcpus=1, max_vcpus=1, memory=256, max_memory=256, root_size=1, seed=None)

FOUND: dict[str, tuple[StackWish, ...]] = {
    "the maximum of vcpus grew and took the current count along": (
        StackWish(vms=(BARE,)),
        StackWish(vms=(VmWish("b", vcpus=1, max_vcpus=4, memory=256, max_memory=256, root_size=1, seed=None),)),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    world = World()
    for wish in FOUND[name]:
        world.converge(wish)
        world.guests_write()
