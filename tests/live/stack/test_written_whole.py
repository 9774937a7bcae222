"""A definition under patches is written whole: the plan names all that goes with the old one, and nothing else."""

import pytest
from lxml import etree

from tests.live.stack.virsh import virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]

PROGRAM = """
from vmstack import *

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
MIB = 64
shapes = {
    "plain": {},
    "uefi": {"firmware": "uefi", "tpm": Tpm()},
    "lean": {"xml": [Patch("/domain/devices/memballoon", remove=True), Patch("/domain/devices/rng", remove=True)]},
    "rich": {
        "cpu_mode": "host-model", "graphics": Graphics(), "iothreads": 1, "clock": Clock(offset="localtime"),
        "title": "ours", "description": "ours too", "networks": [Nic(bridge="lo", mac="52:54:00:00:77:01")],
        "xml": [
            Patch("/domain/devices/sound", element="<sound model='ich9'/>"),
            Patch("/domain/devices/watchdog", element="<watchdog model='i6300esb' action='none'/>"),
        ],
    },
}
for name, more in shapes.items():
    patches = [Patch("/domain/features/vmport/@state", "off"), *more.pop("xml", [])]
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, disk="1MiB", memory=f"{MIB}MiB", running=False, xml=patches, **more
    )
"""

THEIRS = """
<controller type='scsi' index='0' model='virtio-scsi'><driver queues='2'/></controller>
<disk type='file' device='cdrom'><target dev='sdc' bus='scsi'/><serial>theirs</serial></disk>
<interface type='bridge'><mac address='52:54:00:00:77:09'/><source bridge='lo'/><model type='virtio'/></interface>
</devices>"""


def test_what_goes_with_the_old_definition_is_in_the_plan(stack: Stack) -> None:
    stack.write(PROGRAM)
    new = stack.plan()["changes"]["vm.plain"]
    told = {field["path"]: field["after"] for field in new["fields"]}
    assert told["stylesheet[/features/vmport]"] == '<vmport state="off"/>'
    stack.apply()
    stack.is_converged()

    stack.edit("MIB = 64", "MIB = 80")
    for name, change in stack.plan()["changes"].items():
        assert {field["path"] for field in change["fields"]} == {"memory"}, name
    stack.apply()
    stack.is_converged()

    name = f"{stack.prefix}-plain"
    edit(name, "</name>", "</name><title>theirs</title><description>theirs, too</description>")
    edit(name, "<suspend-to-disk enabled='no'/>", "<suspend-to-disk enabled='yes'/>")
    edit(name, "</devices>", "<sound model='ac97'/></devices>")
    edit(name, "discard='unmap'", "discard='unmap' detect_zeroes='on'")
    edit(name, "</type>", "</type><boot dev='network'/>")
    edit(name, "</devices>", "<watchdog model='i6300esb' action='none'/></devices>")
    edit(name, "</devices>", THEIRS)
    edit(name, "</devices>", "<controller type='usb' index='3' model='nec-xhci'/></devices>")
    places = addresses(name)
    virsh("metadata", name, "urn:theirs", "--key", "t", "--set", "<x/>", "--config")
    plan = stack.run("plan", "--detailed-exitcode")
    assert "description (theirs, too) was set outside vmstack and is kept" in plan.err
    drift = stack.run("drift", code=2).out
    assert 'description: "theirs, too" was added   (apply leaves it)' in drift

    stack.edit("MIB = 80", "MIB = 64")
    changes = stack.plan()["changes"]
    fields = {field["path"]: field["before"] for field in changes["vm.plain"]["fields"]}
    assert fields.pop("memory") == "80 MiB"
    assert fields == {
        "title": "theirs",
        "xml[/pm/suspend-to-disk/@enabled]": "yes",
        "xml[/devices/sound]": '<sound model="ac97"/>',
        "xml[/devices/disk[vda]/driver/@detect_zeroes]": "on",
        "xml[/devices/watchdog]": '<watchdog model="i6300esb" action="none"/>',
        "xml[/devices/controller[usb|3]]": '<controller type="usb" index="3" model="nec-xhci"/>',
        "xml[/os/boot]": '<boot dev="network"/>',
    }
    assert {field["path"] for field in changes["vm.rich"]["fields"]} == {"memory"}
    stack.apply()
    after = virsh("dumpxml", name, "--inactive")
    assert "theirs, too" in after
    assert "urn:theirs" in after
    for gone in ("<title>", "to-disk enabled='yes'", "ac97", "detect_zeroes", "i6300esb", "nec-xhci", "'network'"):
        assert gone not in after
    assert "queues='2'" in after
    assert addresses(name) == places  # by which guests name their interfaces
    stack.is_converged()

    stack.edit("model='ich9'", "model='ac97'")
    places = addresses(f"{stack.prefix}-rich")
    stack.apply()
    assert addresses(f"{stack.prefix}-rich") == places
    stack.is_converged()


def test_a_disk_of_others_is_not_put_out_of_its_place(stack: Stack) -> None:
    stack.write(PROGRAM)
    stack.apply()
    edit(f"{stack.prefix}-plain", "</devices>", THEIRS)
    patch = """Patch("/domain/devices/disk[@device='cdrom']/target/@dev", "sdc")"""
    stack.edit('"plain": {}', f'"plain": {{"disks": [Cdrom("cd")], "xml": [{patch}]}}')
    run = stack.run("plan", code=1)
    assert "vm.plain: a patch or stylesheet puts a disk at sdc, where others gave the VM one" in run.err


def addresses(name: str) -> dict[str, str]:
    """Where the disks and NICs of a domain are on its PCI buses, by serial and MAC."""
    devices = etree.fromstring(virsh("dumpxml", name, "--inactive")).iterfind("devices/*")
    found = {}
    for device in devices:
        address = device.find("address[@type='pci']")
        key = device.findtext("serial") or next((mac.get("address") for mac in device.iterfind("mac")), None)
        if address is not None and key is not None:
            found[key] = etree.tostring(address, with_tail=False).decode()
    return found


def edit(name: str, before: str, after: str) -> None:
    xml = virsh("dumpxml", name, "--inactive")
    assert before in xml
    virsh("define", "/dev/stdin", stdin=xml.replace(before, after, 1))
