"""Two stacks with one pool of somebody else and one base image in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.stack.virsh import POOLS, dump, virsh, volumes
from tests.live.stack.workbench import Stack, open_stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
from vmstack import Host, Image, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool.existing("$pool")
probe = Image("$image", source="$probe")
VirtualMachine("$vm", label="$prefix-$vm", pool=pool, image=probe, running=False)
"""


@pytest.fixture
def pool(stack: Stack) -> str:
    """A pool that no stack made, with a volume of its own."""
    name = stack.name("their-pool")
    virsh("pool-define-as", name, "dir", "--target", str(POOLS / f"vmstack-{stack.prefix}-theirs"))
    virsh("pool-build", name)
    virsh("pool-start", name)
    virsh("vol-create-as", name, "their.qcow2", "1M", "--format", "qcow2")
    return name


@pytest.fixture
def other(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """A second stack; it goes before the first one and its pool."""
    with open_stack(tmp_path / "other") as found:
        yield found


def test_base_image_stays_until_its_last_stack_goes(stack: Stack, other: Stack, pool: str, probe: str) -> None:
    before = dump("pool", pool)
    stack.write(PROGRAM, pool=pool, probe=probe, image="base", vm="x")
    other.write(PROGRAM, pool=pool, probe=probe, image="base", vm="y")
    stack.apply()
    base = next(name for name in volumes(pool) if name.startswith("base-"))
    stamp = dump("vol", base, "--pool", pool)

    other.apply()
    assert volumes(pool) == sorted([base, "their.qcow2", "x-root.qcow2", "y-root.qcow2"])
    assert dump("vol", base, "--pool", pool) == stamp, "the image was uploaded a second time"
    for one in (stack, other):
        one.is_converged()

    stack.destroy()
    assert volumes(pool) == sorted([base, "their.qcow2", "y-root.qcow2"])
    other.is_converged()
    stack.apply()
    other.destroy()
    assert volumes(pool) == sorted([base, "their.qcow2", "x-root.qcow2"])
    stack.is_converged()
    stack.destroy()
    assert volumes(pool) == ["their.qcow2"]
    assert dump("pool", pool) == before


def test_stacks_do_not_touch_each_other_s_volumes(stack: Stack, other: Stack, pool: str, probe: str) -> None:
    stack.write(PROGRAM, pool=pool, probe=probe, image="base", vm="same")
    other.write(PROGRAM, pool=pool, probe=probe, image="base", vm="same")
    stack.apply()
    dumped = dump("vol", "same-root.qcow2", "--pool", pool)
    run = other.apply(code=1)
    assert "a volume 'same-root.qcow2' exists in pool" in run.err
    assert "another stack made it" in run.err
    assert dump("vol", "same-root.qcow2", "--pool", pool) == dumped
    assert other.ledger() is None
