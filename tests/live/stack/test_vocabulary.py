"""Everything a program can say: libvirt takes it, and what libvirt makes of it is no difference."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.stack.virsh import dump, virsh, volumes
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
import pulumi
from vmstack import (
    CloudInit, Disk, Graphics, Host, Image, Network, Nic, Reservation, StoragePool, VirtualMachine, Volume,
)

kvm = Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder", autostart=False)
probe = Image("probe", source="$probe")
nat = Network(
    "nat", label="$prefix-nat", cidr="$subnet.0/27", cidr6="fd10:217::/64", dhcp=("$subnet.20", "$subnet.25"),
    gateway="$subnet.30", domain="some.test", mtu=1400, autostart=False,
    dns_hosts={"$subnet.7": ["x.some.test", "y.some.test"], "fd10:217::7": "x6.some.test"},
    reservations=[Reservation("$subnet.8", mac="52:54:00:00:00:08")],
)
route = Network("route", label="$prefix-route", cidr="$subnet.32/27", mode="route")
opened = Network("open", label="$prefix-open", cidr="$subnet.64/27", mode="open", dhcp=False)
alone = Network("alone", label="$prefix-alone", mode="isolated")
six = Network(
    "six", label="$prefix-six", cidr6="fd10:218::/64", mode="isolated", dhcp6=("fd10:218::100", "fd10:218::1ff"),
    reservations=[Reservation("fd10:218::5", name="somebody")],
)
bridge = Network("bridge", label="$prefix-bridge", mode="bridge", bridge="$bridge")
shared = Volume("shared", pool=pool, size="3MiB", format="raw")
copy = Volume("copy", pool=pool, image=probe, full_copy=True, size="48MiB", format="raw")
clone = Volume("clone", pool=pool, image=probe, label="odd-name.img")

VirtualMachine(
    "full", label="$prefix-full", pool=pool, image=probe, disk="64MiB", vcpus=2, max_vcpus=4,
    memory="96MiB", max_memory="128MiB", cpu_mode="maximum", machine="q35",
    disks=[
        Disk("scsi-1", size="1MiB", bus="scsi", cache="none", discard=False),
        Disk("sata-1", size="1MiB", bus="sata", cache="writeback", format="raw"),
        Disk("both", volume=shared, readonly=True),
        Disk("clone", volume=clone, cache="unsafe"),
    ],
    networks=[nat.at(5), Nic(route, model="e1000e"), Nic(opened.at(5), name="o", mtu=1300), six, bridge.dhcp()],
    graphics=Graphics(type="vnc"), serial_log="/var/log/libvirt/qemu/$prefix-full-console.log",
    description="l'un & <l'autre>\\nsecond line \\u2713",
    cloud_init=CloudInit(
        hostname="full", packages=["tree"], users=["default", {"name": "ops", "lock_passwd": True}],
        meta_data={"extra": {"nested": ["list", 1, None]}}, timezone="UTC",
    ),
    wait=False, autostart=True, shutdown_timeout=1, power_off_after_timeout=True,
)
VirtualMachine(
    "bare", label="$prefix-bare", pool=pool, memory="32MiB", running=False,
    disks=[Disk("both", volume=shared, readonly=True), Disk("copy", volume=copy)],
    opts=pulumi.ResourceOptions(protect=False),
)
VirtualMachine("pc", label="$prefix-pc", pool=pool, memory="32MiB", disk="1MiB", machine="pc", running=False)
VirtualMachine(
    "efi", label="$prefix-efi", pool=pool, memory="64MiB", disk="1MiB", firmware="uefi", shutdown_timeout=1,
    power_off_after_timeout=True,
)
VirtualMachine("none", label="$prefix-none", memory="32MiB", host=kvm, running=False)
"""


@pytest.fixture
def bridge(stack: Stack) -> Iterator[str]:
    """A bridge of the host that libvirt knows nothing of."""
    name = f"lvb{stack.subnet.rsplit('.', 1)[1]}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


def test_all_of_it_is_made_and_is_no_difference_afterwards(stack: Stack, probe: str, bridge: str) -> None:
    stack.write(PROGRAM, probe=probe, bridge=bridge)
    stack.apply()
    stack.is_converged(fresh=True)
    text = dump("domain", stack.name("full"))
    for which in ("--live", "--config"):
        assert virsh("desc", stack.name("full"), which).strip() == "l'un & <l'autre>\nsecond line \u2713"
    assert len(re.findall(r"<interface type='(?:network|bridge)'", text)) == 10

    # After a boot of the host nothing runs that does not start by itself.
    for name in (
        "destroy full",
        "destroy efi",
        "net-destroy nat",
        "net-destroy route",
        "net-destroy six",
        "pool-destroy pool",
    ):
        command, part = name.split()
        virsh(command, stack.name(part))
    stack.apply()
    stack.is_converged(fresh=True)
    assert (stack.state("full"), stack.state("efi")) == ("running", "running")


def test_all_of_it_can_be_left_out_again(stack: Stack, probe: str, bridge: str) -> None:
    stack.write(PROGRAM, probe=probe, bridge=bridge)
    stack.edit("wait=False, autostart=True", "wait=False, running=False, autostart=True")
    stack.apply()
    program = stack.main.read_text()
    for pattern, instead in (
        (r" dns_hosts=\{[^}]*\},\n", ""),
        (r" domain=\"some.test\", mtu=1400,", ""),
        (r"\s+reservations=\[Reservation\(\"10\.[^\]]*\],", ""),
        (r" graphics=Graphics[^\n]*\n", "\n"),
        (r" description=[^\n]*\n", "\n"),
        (r' cache="none", discard=False', ""),
        (r"\(opened\.at\(5\), name=\"o\", mtu=1300\)", '(opened.at(5), name="o")'),
        (r", six, bridge\.dhcp\(\)", ""),
        (r" cpu_mode=\"maximum\", machine=\"q35\",", ""),
        (r" autostart=True,", ""),
    ):
        program, number = re.subn(pattern, instead, program)
        assert number == 1, pattern
    stack.main.write_text(program)
    stack.apply("--allow-data-loss")
    stack.is_converged()
    text = dump("domain", stack.name("full"))
    for word in ("<description", "<graphics", "<log ", "cache='none'", "<mtu size='1300'"):
        assert word not in text, text
    assert "y.some.test" not in dump("net", stack.name("nat"))
    assert "odd-name.img" in volumes(stack.name("pool"))
    nvram = re.search(r"<nvram[^>]*>([^<]*)<", dump("domain", stack.name("efi")))[1]
    assert Path(nvram).exists()
    stack.destroy()
    assert not Path(nvram).exists()
    assert stack.listed() == {command: [] for command in stack.listed()}
