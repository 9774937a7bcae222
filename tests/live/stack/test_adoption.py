"""What another tool made is taken over: the same guests, in the same processes, and an empty plan."""

from pathlib import Path

import pytest

from tests.live.stack.legacy import META_DATA, USER_DATA, Legacy, build, pulumi_export, tfstate
from tests.live.stack.virsh import dump, qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack
from vmstack.xmlio.stamp import NAMESPACE

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", name="$prefix-pool", type="dir", target={"path": "$folder"}, opts=on)
lan = libvirt.Network("lan", name="$prefix-net", mode="nat", addresses=["$subnet.0/24"], opts=on)
base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source="$probe", opts=on)
init = libvirt.CloudInitDisk("init", name="init.iso", pool=pool.name, user_data=$user, meta_data=$meta, opts=on)


class Machine(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("unit:Machine", name, {}, pulumi.ResourceOptions(providers=[on.provider]))
        own = pulumi.ResourceOptions(parent=self)
        root = libvirt.Volume("root", name="web.qcow2", pool=pool.name, base_volume_id=base.id, opts=own)
        self.vm = libvirt.Domain(
            name, name="$prefix-web", memory=128, cloudinit=init.id, disks=[{"volume_id": root.id}],
            network_interfaces=[{"network_id": lan.id, "hostname": "web", "addresses": ["$subnet.10"]}],
            consoles=[{"type": "pty", "target_type": "serial", "target_port": "0"}], opts=own,
        )


web = Machine("web")
pulumi.export("uuid", web.vm.id)
pulumi.export("mac", web.vm.network_interfaces[0].mac)
"""


def _without_stamps(text: str) -> str:
    """An XML dump without what importing writes, which is all under `<metadata>`."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if NAMESPACE not in line and line not in ("<metadata>", "</metadata>")]
    return "\n".join(kept)


def _without_use(text: str) -> str:
    """An XML dump of storage without what moves while a guest writes."""
    moving = ("<allocation", "<available", "<physical")
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith(moving))


def _looks(legacy: Legacy) -> dict[str, str]:
    return {
        "domain": _without_stamps(dump("domain", legacy.domain)),
        "network": _without_stamps(dump("net", legacy.network)),
        "pool": _without_use(dump("pool", legacy.pool)),
        "root": _without_use(virsh("vol-dumpxml", "web.qcow2", "--pool", legacy.pool).partition("<timestamps>")[0]),
    }


@pytest.mark.parametrize("tool", ["pulumi", "terraform"])
def test_running_objects_are_taken_over_and_kept(stack: Stack, probe: str, tmp_path: Path, tool: str) -> None:
    legacy = build(stack, probe=probe, work=tmp_path / "iso")
    before, pid = _looks(legacy), qemu_pid(legacy.domain)
    stack.write(PROGRAM, probe=probe, user=repr(USER_DATA), meta=repr(META_DATA))
    state = stack.folder / "state.json"
    state.write_text(pulumi_export(legacy, project=stack.project) if tool == "pulumi" else tfstate(legacy))
    option = "--from-pulumi" if tool == "pulumi" else "--from-tfstate"

    shown = stack.run("import", option, "state.json", "--preview").out
    assert "Import: 6 to take over, 0 held already, 0 not found" in shown
    assert "A plan after it is empty" in shown
    assert ("random:index/randomPet:RandomPet" in shown) == (tool == "pulumi")
    assert stack.ledger() is None
    stack.run("import", option, "state.json", code=1)  # nobody can be asked
    assert stack.ledger() is None

    done = stack.run("import", option, "state.json", "--yes")
    assert "Import complete! Resources: 6 taken over." in done.out
    assert (_looks(legacy), qemu_pid(legacy.domain)) == (before, pid)
    stack.is_converged()
    assert legacy.ids["domain"] in stack.run("output", "uuid").out
    assert legacy.mac.upper() in stack.run("output", "mac").out
    again = stack.run("import", option, "state.json", "--yes")
    assert "Import: 0 to take over, 6 held already" in again.out
    if tool == "terraform":
        return  # what follows asks the same of the same objects

    stack.edit("memory=128,", 'memory=128, description="mine", autostart=True,')
    stack.apply()
    stack.is_converged()
    assert "<description>mine</description>" in dump("domain", legacy.domain)
    assert qemu_pid(legacy.domain) == pid

    stack.edit("memory=128,", "memory=160,")
    stack.edit(f"user_data={USER_DATA!r}", "user_data='#cloud-config\\n'")
    plan = stack.plan()
    assert {address: change["disruption"] for address, change in plan["changes"].items()} == {
        "vm.web": "restart",
        "seed.web": "none",
    }
    virsh("destroy", legacy.domain)
    stack.apply()
    stack.is_converged()
    xml = virsh("dumpxml", legacy.domain)
    assert "163840</memory>" in xml
    assert "machine='pc-i440fx" in xml
    assert "web-seed-" in xml
    assert "init.iso" not in volumes(legacy.pool)

    refused = stack.run("destroy", "--yes", code=5)
    assert "volume.base holds data" in refused.err
    stack.destroy()
    assert stack.listed() == {command: [] for command in stack.listed()}
