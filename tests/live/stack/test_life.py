"""A stack from its first apply to its destruction, among objects of other people."""

from pathlib import Path

import pytest

from tests.live.stack.foreign import make_neighbours
from tests.live.stack.virsh import dump, qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

# The guests run, and nobody waits for them.
PROGRAM = """
import pulumi
from vmstack import CloudInit, Disk, Host, Image, Network, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/25")
probe = Image("probe", source="$probe")
for name in ["a", "b", "c"]:
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, image=probe, memory="128MiB", wait=False,
        disks=[Disk("data", size="4MiB", protect=False)] if name == "a" else [],
        networks=[lan.at(10) if name == "a" else lan.dhcp()],
        cloud_init=CloudInit(hostname=name),
    )
pulumi.export("bridge", lan.bridge)
"""


def test_stack_comes_changes_and_goes_and_touches_nothing_else(stack: Stack, probe: str) -> None:
    neighbours = make_neighbours(stack)
    before, theirs = stack.listed(), neighbours.dumps()
    stack.write(PROGRAM, probe=probe)

    stack.run("plan", "--detailed-exitcode", code=2)
    assert stack.listed() == before
    assert 'bridge = "vs-' in stack.apply().out
    stack.is_converged()
    assert "Apply complete" not in stack.apply().out
    names = volumes(stack.name("pool"))
    assert [name for name in names if name.endswith("-root.qcow2")] == [f"{name}-root.qcow2" for name in "abc"]
    assert [name[:7] for name in names if name.endswith(".iso")] == ["a-seed-", "b-seed-", "c-seed-"]
    assert sum(name.startswith("probe-") for name in names) == 1
    assert len(names) == 8
    assert neighbours.dumps() == theirs

    stack.edit('memory="128MiB"', 'memory="160MiB"')
    stack.edit("wait=False", "wait=False, running=False, power_off_after_timeout=True, shutdown_timeout=1")
    stack.edit('["a", "b", "c"]', '["a", "b", "c", "d"]')
    stack.apply()
    stack.is_converged()
    assert neighbours.dumps() == theirs

    stack.run("destroy", "--yes", code=5)
    assert stack.state("a") == "shut off"
    stack.destroy()
    assert stack.listed() == before
    assert neighbours.dumps() == theirs
    assert not Path(stack.pool_folder).exists()
    assert stack.ledger() is None


def test_vm_out_of_the_program_goes_with_its_disk_and_seed_and_nothing_else(stack: Stack, probe: str) -> None:
    def rest() -> list[object]:
        dumps = [dump("domain", stack.name(name)) for name in "ac"]
        return [*dumps, dump("net", stack.name("lan")), [qemu_pid(stack.name(name)) for name in "ac"]]

    stack.write(PROGRAM, probe=probe)
    stack.apply()
    before, files = rest(), volumes(stack.name("pool"))
    stack.edit('["a", "b", "c"]', '["a", "c"]')
    plan = stack.plan()
    assert {name: change["actions"] for name, change in plan["changes"].items()} == {
        "vm.b": ["delete"],
        "volume.b-root": ["delete"],
        "seed.b": ["delete"],
    }
    stack.apply("--allow-data-loss")
    stack.is_converged()
    # libvirt counts the ports in use of a running network; the rest must not have moved.
    assert [str(item).replace("connections='2'", "connections='3'") for item in rest()] == list(map(str, before))
    assert volumes(stack.name("pool")) == [name for name in files if not name.startswith("b-")]
    assert stack.name("b") not in virsh("list", "--all", "--name").split()
