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


LEASES = """
import pulumi
import pulumi_libvirt as libvirt
from vmstack import Host, VirtualMachine

kvm = libvirt.Provider("kvm", uri="qemu:///system")
on = pulumi.ResourceOptions(provider=kvm)
pool = libvirt.Pool("pool", name="$prefix-pool", type="dir", path="$folder", opts=on)
lan = libvirt.Network("lan", name="$prefix-lan", addresses=["$subnet.0/25"], opts=on)
base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source="$probe", opts=on)
root = libvirt.Volume("root", name="root.qcow2", pool=pool.name, base_volume_id=base.id, opts=on)
seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=on)
first = libvirt.Domain(
    "first", name="$prefix-first", memory=128, cloudinit=seed.id, disks=[{"volume_id": root.id}],
    network_interfaces=[{"network_id": lan.id, "wait_for_lease": True}], opts=on,
)
ip = first.network_interfaces[0].addresses[0]
second = libvirt.Domain("second", name="$prefix-second", running=False, description=ip, opts=on)
third = VirtualMachine("third", label="$prefix-third", host=Host("here"), running=False, description=ip)
cores = libvirt.get_node_info(opts=pulumi.InvokeOptions(provider=kvm)).cpu_cores_total
pulumi.export("ip", ip)
pulumi.export("machine", first.machine)
pulumi.export("cores", cores)
"""


def test_what_hangs_on_a_lease_comes_in_a_second_wave(stack: Stack, probe: str) -> None:
    before = stack.listed()
    stack.write(LEASES, probe=probe)
    assert "The plan is incomplete" in stack.run("plan").out
    run = stack.apply()
    assert run.out.count("Plan: ") == 2
    address = stack.run("output", "ip", "--raw").out
    assert address.startswith(stack.subnet)
    assert address in virsh("domifaddr", stack.name("first"))
    for name in ("second", "third"):
        assert f"<description>{address}</description>" in dump("domain", stack.name(name))
    assert stack.run("output", "machine", "--raw").out == "q35"
    stack.is_converged()

    process = qemu_pid(stack.name("first"))
    stack.edit("cores = ", "import sys\nsys.exit(0)\ncores = ")
    assert "ended itself with sys.exit(0)" in stack.run("apply", "--yes", code=1).err
    stack.edit("import sys\nsys.exit(0)\n", "")
    stack.is_converged()
    assert qemu_pid(stack.name("first")) == process

    stack.destroy()
    assert stack.listed() == before
