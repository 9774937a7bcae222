"""VMs that change their libvirt name, and disks that change their VM, on a real libvirt."""

from pathlib import Path

import pytest

from tests.live.stack.virsh import virsh
from tests.live.stack.workbench import open_stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]

PROGRAM = """
import pulumi
from vmstack import Disk, Host, StoragePool, VirtualMachine, Volume

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
shared = Volume("shared", pool=pool, size="4MiB")
taker = "a"
for name in ("a", "b"):
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, memory="64MiB", autostart=True, shutdown_timeout=1,
        power_off_after_timeout=True,
        disks=[Disk("own", size="4MiB"), *([Disk("shared", volume=shared)] if name == taker else [])],
    )
"""


def test_rename_keeps_what_libvirt_holds_of_the_domain(tmp_path: Path) -> None:
    with open_stack(tmp_path) as stack:
        stack.write(PROGRAM)
        stack.apply()
        uuid = stack.uuid("a")
        virsh("desc", uuid, "--config", "--title", "a title that vmstack knows nothing of")
        stack.edit('label=f"$prefix-{name}"', 'label=f"$prefix-{name}-new"')
        assert stack.plan()["changes"]["vm.a"]["disruption"] == "restart"
        stack.apply()
        assert (stack.uuid("a-new"), stack.state("a-new")) == (uuid, "running")
        assert "a title" in virsh("desc", uuid, "--config", "--title")
        assert "Autostart: enable" in " ".join(virsh("dominfo", uuid).split())
        stack.is_converged()
        virsh("managedsave", uuid)
        stack.edit('label=f"$prefix-{name}-new"', 'label=f"$prefix-{name}"')
        assert "saved state" in stack.run("plan", code=5).err
        virsh("managedsave-remove", uuid)
        stack.edit('label=f"$prefix-{name}"', 'label=f"$prefix-{name}-new"')
        stack.destroy()


def test_disk_moves_from_one_guest_to_another(tmp_path: Path) -> None:
    """Both restart, and QEMU's lock on the file lets the new one start only when the old one has let go."""
    with open_stack(tmp_path) as stack:
        stack.write(PROGRAM)
        stack.apply()
        for before, after, memory in (("a", "b", ("64MiB", "72MiB")), ("b", "a", ("72MiB", "80MiB"))):
            stack.edit(f'taker = "{before}"', f'taker = "{after}"')
            stack.edit(*memory)
            assert {change["disruption"] for change in stack.plan()["changes"].values()} == {"restart"}
            stack.apply()
            stack.is_converged()
            assert "shared.qcow2" in virsh("domblklist", stack.name(after))
            assert "shared.qcow2" not in virsh("domblklist", stack.name(before))
        stack.destroy()
