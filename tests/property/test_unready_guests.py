"""Guests that do not become ready, do not shut down, or do not let go of a device."""

import pytest

from tests.fake.guests import Guest
from tests.property.stacks import DiskWish, StackWish, VmWish, without
from tests.property.world import World
from vmstack.model.effects import AwaitReady
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.stamp import read_stamp

pytestmark = pytest.mark.timeout(120)

ONE = StackWish(vms=(VmWish("a", disks=(DiskWish("data1"),)),))


def _ready(world: World) -> str:
    [domain] = [domain for domain in world.host.machine.domains.values() if domain.name == "main-a"]
    stamp = read_stamp(domain.xml)
    assert stamp is not None
    return stamp.ready


def test_failed_cloud_init_is_told_and_not_hidden_by_the_next_run() -> None:
    world = World()
    world.host.machine.guests["main-a"] = Guest(exit=1, errors=("module failed",))
    result = world.apply(world.plan(ONE), ONE)
    assert not result.complete
    assert result.converged
    assert "module failed" in str(result.failed[0].error)
    assert _ready(world) == "failed"
    again = world.plan(ONE)
    assert any("cloud-init failed" in note.text and "module failed" in note.text for note in again.diagnostics)
    world.check_tidy(ONE)


def test_silent_guest_is_waited_for_again() -> None:
    world = World()
    world.host.machine.guests["main-a"] = Guest(silent=True)
    result = world.apply(world.plan(ONE), ONE)
    assert not result.complete
    assert _ready(world) == "pending"
    again = world.plan(ONE)
    assert [type(step.effect) for step in again.steps] == [AwaitReady]
    world.host.machine.guests.clear()
    assert world.apply(again, ONE).complete
    assert _ready(world) == "ok"
    world.check(ONE)


def test_stubborn_guest_is_powered_off_where_the_program_allows_it() -> None:
    world = World()
    world.converge(ONE)
    world.host.machine.guests["main-a"] = Guest(obeys_shutdown=False)
    world.converge(without(ONE, vms=(VmWish("a", disks=(DiskWish("data1"),), running=False),)))


def test_device_that_the_guest_keeps_goes_when_it_lets_go() -> None:
    world = World()
    world.converge(ONE)
    world.host.machine.guests["main-a"] = Guest(releases_devices=False)
    less = without(ONE, vms=(VmWish("a"),))
    result = world.apply(world.plan(less), less)
    assert not result.complete
    assert world.host.machine.files["/var/lib/libvirt/main-pool/a-data1.qcow2"].content.complete
    world.host.machine.guests.clear()
    [domain] = [domain for domain in world.host.machine.domains.values() if domain.name == "main-a"]
    assert "a-data1.qcow2" in _disks(domain.live_xml)
    # The guest lets go later, on its own.
    assert "a-data1.qcow2" not in _disks(world.host.domain(domain.uuid).live_xml)
    world.converge(less)


def _disks(xml: str | None) -> str:
    """The disks of a definition; its stamp tells of those that it had when it was last applied."""
    return " ".join(str(disk.path) for disk in read_domain(xml or "").disks)
