"""Stacks on which the property tests once found a bug, smallest first. The list only grows."""

from contextlib import suppress

import pytest

from tests.fake.faults import CrashNow, crash_at
from tests.property.drift import drift
from tests.property.stacks import DiskWish, StackWish, VmWish
from tests.property.world import ONE_AT_A_TIME, World

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


def _roots(*sources: str) -> tuple[StackWish, ...]:
    return tuple(StackWish(vms=(VmWish("b", root=source, running=False),)) for source in sources)


LOOSE = (StackWish(loose=(DiskWish("loose1"),)), StackWish())

FOUND_AFTER_DRIFT: dict[str, tuple[str, tuple[StackWish, ...]]] = {
    "a copy was taken for a clone while its pool could not be read": (
        "pool stopped",
        _roots("full-copy", "linked-clone"),
    ),
    "a clone was taken for a copy while its pool could not be read": (
        "pool stopped",
        _roots("linked-clone", "full-copy"),
    ),
    "an unwanted volume of a lost pool was left in its directory": ("pool forgotten", LOOSE),
}


@pytest.mark.parametrize("name", FOUND_AFTER_DRIFT)
def test_found_after_drift(name: str) -> None:
    what, (first, second) = FOUND_AFTER_DRIFT[name]
    world = World()
    world.converge(first)
    world.guests_write()
    assert drift(world.host, first, what, 0)
    world.converge(second)


def test_deleting_a_pending_disk_of_a_running_guest_loses_data() -> None:
    """A dead run left the disks pending in the ledger, and a guest has been running on them since."""
    wish = StackWish(vms=(VmWish("b", root="blank", seed=None, disks=(DiskWish("data1"),)),))
    for number in range(5, 20):
        world = World()
        world.reconnect(crash_at(number, moment="after"))
        with suppress(CrashNow):
            world.apply(world.plan(wish), wish, limits=ONE_AT_A_TIME)
        world.kill_holder(wish)
        world.reconnect()
        world.guests_write()
        world.converge(StackWish())
