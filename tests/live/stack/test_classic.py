"""An unmodified `pulumi_libvirt` program on the real daemon: it comes, changes, fails without harm, and goes."""

import pytest

from tests.live.stack.virsh import dump, qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", name="$prefix-pool", type="dir", path="$folder", opts=on)
lan = libvirt.Network("lan", name="$prefix-lan", addresses=["$subnet.0/25"], opts=on)
base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source="$probe", opts=on)


class Machine(pulumi.ComponentResource):
    def __init__(self, name, address):
        super().__init__("unit:Machine", name, {}, pulumi.ResourceOptions(providers=[on.provider]))
        own = pulumi.ResourceOptions(parent=self)
        root = libvirt.Volume(f"{name}-root", name=f"{name}.qcow2", pool=pool.name, base_volume_id=base.id, opts=own)
        seed = libvirt.CloudInitDisk(f"{name}-init", pool=pool.name, user_data="#cloud-config", opts=own)
        self.vm = libvirt.Domain(
            name, name=f"$prefix-{name}", memory=128, cloudinit=seed.id, disks=[{"volume_id": root.id}],
            network_interfaces=[{"network_id": lan.id, "addresses": [address], "wait_for_lease": True}], opts=own,
        )


first, second = Machine("a", "$subnet.10"), Machine("b", "$subnet.11")
pulumi.export("ip", first.vm.network_interfaces[0].addresses[0])
"""


def test_a_classic_program_comes_changes_and_goes(stack: Stack, probe: str) -> None:
    before = stack.listed()
    stack.write(PROGRAM, probe=probe)
    assert stack.apply().out.rstrip().endswith('.10"')
    stack.is_converged()
    names = volumes(stack.name("pool"))
    assert {"base.qcow2", "a.qcow2", "b.qcow2"} < set(names)
    assert "base.qcow2" in virsh("vol-dumpxml", "a.qcow2", "--pool", stack.name("pool"))
    processes = [qemu_pid(stack.name(name)) for name in "ab"]

    stack.edit("first, second", "raise ValueError('half-way')\nfirst, second")
    failed = stack.run("plan", code=1)
    assert "ValueError: half-way" in failed.err
    stack.edit("raise ValueError('half-way')\n", "")

    stack.edit('f"$prefix-{name}", memory=128', 'f"$prefix-{name}", description="mine", memory=128')
    stack.apply()
    stack.is_converged()
    assert "<description>mine</description>" in dump("domain", stack.name("a"))
    assert [qemu_pid(stack.name(name)) for name in "ab"] == processes

    stack.destroy()
    assert stack.listed() == before
