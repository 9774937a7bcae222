"""Parts of a stack, replacements and aliases, on a real libvirt. Guests have blank disks, and no OS."""

from pathlib import Path

import pytest

from tests.live.stack.virsh import virsh
from tests.live.stack.workbench import Stack, open_stack
from vmstack.cli.main import main

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]

PROGRAM = """
import pulumi
from vmstack import Disk, Host, Network, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24", mode="isolated")
for number, name in enumerate(["a", "b"]):
    VirtualMachine(
        name, label=f"$prefix-{number}", pool=pool, memory="64MiB", shutdown_timeout=1, power_off_after_timeout=True,
        disks=[Disk("own", size="4MiB")], networks=[lan.at(10 + number)], opts=None,
    )
"""


def test_a_stack_is_steered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(stack: Stack, command: str, *arguments: str, code: int = 0) -> str:
        assert main([command, str(stack.folder), *arguments]) == code, capsys.readouterr()
        return "".join(capsys.readouterr())

    with open_stack(tmp_path) as stack:
        stack.write(PROGRAM)
        run(stack, "apply", "--yes", "--target", "vm.b")
        uuid, pid = stack.uuid("1"), _pid(stack, "1")
        assert stack.name("0") not in virsh("list", "--all", "--name")
        run(stack, "apply", "--yes")
        assert (stack.uuid("1"), _pid(stack, "1")) == (uuid, pid)

        stack.edit('memory="64MiB"', 'memory="72MiB"')
        assert "vm.b: restart" in run(stack, "apply", "--yes", "--max-disruption", "live", code=5)
        other = _pid(stack, "0")
        run(stack, "apply", "--yes", "--exclude", "vm.b")
        assert (_pid(stack, "0") != other, _pid(stack, "1")) == (True, pid)
        run(stack, "apply", "--yes", "--target", "vm.b", "--replace", "vm.b")
        assert (stack.uuid("1"), _pid(stack, "1") != pid) == (uuid, True)
        pid = _pid(stack, "1")

        stack.edit('["a", "b"]', '["a", "c"]')
        assert "looks like vm.b under another name" in run(stack, "plan", "--allow-data-loss")
        stack.edit("opts=None", 'opts=pulumi.ResourceOptions(aliases=["b"] if name == "c" else [])')
        run(stack, "apply", "--yes")
        assert (stack.uuid("1"), _pid(stack, "1")) == (uuid, pid)
        assert "b-own.qcow2" in virsh("domblklist", stack.name("1"))
        assert "No changes." in run(stack, "plan", "--detailed-exitcode")
        run(stack, "destroy", "--yes", "--allow-data-loss")


def _pid(stack: Stack, part: str) -> str:
    """The process of a guest: the same one as long as that was not restarted."""
    return Path(f"/run/libvirt/qemu/{stack.name(part)}.pid").read_text()
