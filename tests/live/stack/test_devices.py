"""Devices of a guest that answers, patches of its XML, and secrets: what no guest without a system can show."""

import re

import pytest

from tests.live.stack.virsh import dump, virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(600)]

PROGRAM = """
import pulumi
from vmstack import (
    Channel, CloudInit, Disk, Graphics, Host, Image, Network, Nic, Patch, Rng, StoragePool, VirtualMachine,
)

kvm = Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder", autostart=False)
probe = Image("probe", source="$probe")
lan = Network("lan", label="$prefix-lan", mode="isolated")
wan = Network("wan", label="$prefix-wan", mode="isolated")
VirtualMachine(
    "vm", label="$prefix-vm", pool=pool, image=probe, memory="96MiB",
    disks=[Disk("data", size="1MiB", format="raw", protect=False)],
    networks=[Nic(lan, name="e")],
    graphics=Graphics(password="s3cret-1"),
    devices=[],
    xml=[],
    cloud_init=CloudInit(hostname="vm"),
    shutdown_timeout=1, power_off_after_timeout=True,
)
"""


def process(stack: Stack) -> str:
    return virsh("qemu-monitor-command", stack.name("vm"), "--hmp", "info uuid") and virsh("domid", stack.name("vm"))


def test_what_a_guest_lets_go_of_is_exchanged_while_it_runs(stack: Stack, probe: str) -> None:
    stack.write(PROGRAM, probe=probe)
    planned = stack.run("plan", "--json").out
    applied = stack.apply("--json")
    before = process(stack)
    secure = virsh("dumpxml", "--security-info", stack.name("vm"))
    assert "passwd='s3cret-1'" in secure
    for text in (planned, str(applied), dump("domain", stack.name("vm")), str(stack.ledger())):
        assert "s3cret" not in text
    stack.is_converged()

    # A card of another model, other random numbers, a channel, a cable elsewhere, a disk less, another password.
    stack.edit('name="e")', 'name="e", model="e1000e", mtu=1300)')
    stack.edit("devices=[]", 'devices=[Rng(rate="1KiB"), Channel("org.example.0")]')
    stack.edit('disks=[Disk("data", size="1MiB", format="raw", protect=False)],', "")
    stack.edit("s3cret-1", "s3cret-2")
    change = stack.plan("--allow-data-loss")["changes"]["vm.vm"]
    assert {field["path"]: field["disruption"] for field in change["fields"]} == {
        "channels[org.example.0]": "live",
        "disks[data]": "live",
        "graphics.password": "live",
        "nics[e].model": "live",
        "nics[e].mtu": "live",
        "rng": "live",
    }
    stack.apply("--allow-data-loss")
    stack.is_converged()
    assert process(stack) == before
    live = virsh("dumpxml", stack.name("vm"))
    assert "<model type='e1000e'/>" in live
    assert "<rate bytes='1024'" in live
    assert "<serial>data</serial>" not in live
    assert "passwd='s3cret-2'" in virsh("dumpxml", "--security-info", stack.name("vm"))


def test_patches_are_fields(stack: Stack, probe: str) -> None:
    stack.write(PROGRAM, probe=probe)
    stack.edit('cloud_init=CloudInit(hostname="vm"),', "running=False,")
    stack.edit(
        "xml=[]",
        """xml=[
        Patch("/domain/features/vmport/@state", "off"),
        Patch("/domain/devices/sound", element="<sound model='ich9'/>"),
        Patch("/domain/devices/memballoon/@model", "virtio-non-transitional"),
    ]""",
    )
    stack.apply()
    stack.is_converged()
    text = dump("domain", stack.name("vm"))
    for part in ("<vmport state='off'/>", "<sound model='ich9'>", "memballoon model='virtio-non-transitional'"):
        assert part in text, text

    # What somebody takes of it comes back; another value is another; what leaves the program goes.
    path = stack.folder / "edited.xml"
    definition = virsh("dumpxml", "--inactive", stack.name("vm"))
    path.write_text(re.sub(r"<vmport[^>]*>", "", definition))
    virsh("define", str(path))
    assert [field["path"] for field in stack.plan()["changes"]["vm.vm"]["fields"]] == ["stylesheet[/features/vmport]"]
    stack.edit('"virtio-non-transitional"', '"virtio-transitional"')
    stack.edit("""Patch("/domain/devices/sound", element="<sound model='ich9'/>"),""", "")
    stack.apply()
    stack.is_converged()
    text = dump("domain", stack.name("vm"))
    assert "<vmport state='off'/>" in text
    assert "<sound" not in text
    assert "memballoon model='virtio-transitional'" in text

    # What libvirt would leave out without a word is refused, at its line, before anything is done.
    stack.edit('"/domain/features/vmport/@state", "off"', '"/domain/features/warp/@state", "on"')
    run = stack.run("plan", code=1)
    assert "libvirt's schema does not know" in run.err
    assert "__main__.py" in run.err
    assert "warp" in run.err
