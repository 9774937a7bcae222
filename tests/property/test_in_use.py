"""Volumes that others begin to use while a plan waits for somebody to say yes: they stay, whatever the plan says."""

from dataclasses import replace

import msgspec
import pytest

from tests.property import stacks
from tests.property.stacks import DiskWish, StackWish, VmWish
from tests.property.world import ALLOW, World
from vmstack.errors import StalePlanError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.plan.planner import make_plan
from vmstack.plan.validation import check_graph

MAIN = StackWish(vms=(VmWish("a"),), loose=(DiskWish("l"),))
SIDE = StackWish(name="side", vms=(VmWish("b"),))
POOL_PATH = "/var/lib/libvirt/main-pool"


def test_base_image_that_another_stack_took_meanwhile_stays() -> None:
    world = World()
    world.converge(MAIN)
    plan = world.plan(replace(MAIN, vms=()))
    assert any(step.key.kind is Kind.IMAGE for step in plan.steps), "the last clone goes, and so does the image"
    _converge_in_pool_of(world, SIDE, pool="main-pool")
    world.guests_write()
    with pytest.raises(StalePlanError):
        world.apply(plan, MAIN)
    bases = [path for path in world.host.machine.files if "debian" in path]
    assert len(bases) == 1
    assert [file.backing for path, file in world.host.machine.files.items() if path.endswith("b-root.qcow2")] == bases


def test_volume_that_somebody_attached_meanwhile_stays() -> None:
    world = World()
    world.converge(MAIN)
    plan = world.plan(replace(MAIN, loose=()))
    alien = next(domain for domain in world.host.machine.domains.values() if not domain.name.startswith("main-"))
    world.host.attach_device(alien.uuid, _disk(f"{POOL_PATH}/l.qcow2"), live=False, config=True)
    with pytest.raises(StalePlanError):
        world.apply(plan, MAIN)
    assert f"{POOL_PATH}/l.qcow2" in world.host.machine.files


def _disk(path: str) -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
        "<target dev='vdx' bus='virtio'/></disk>"
    )


def _converge_in_pool_of(world: World, wish: StackWish, *, pool: str) -> None:
    """Apply a stack whose pool is an existing one."""
    desired = _in_existing_pool(stacks.graph(wish), pool=pool)
    check_graph(desired)
    observed = world.observe(desired)
    plan = make_plan(desired, observed, policy=ALLOW, images=stacks.images_of(wish))
    result = world.apply(plan, wish)
    assert result.complete, [str(failure.error) for failure in result.failed]


def _in_existing_pool(desired: DesiredGraph, *, pool: str) -> DesiredGraph:
    key = Key(Kind.POOL, "pool")
    return msgspec.structs.replace(
        desired,
        resources=tuple(
            msgspec.structs.replace(
                resource, spec=msgspec.structs.replace(resource.spec, label=pool, path=None, existing=True)
            )
            if resource.key == key
            else resource
            for resource in desired.resources
        ),
    )
