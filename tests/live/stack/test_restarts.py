"""Restarts on the real daemon: put off, interrupted, and made up for."""

import signal

import pytest

from tests.live.stack.virsh import qemu_pid, virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]

# Nobody in this guest hears the power button.
PROGRAM = """
from vmstack import Host, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
VirtualMachine("a", label="$prefix-a", pool=pool, disk="1MiB", memory="64MiB", shutdown_timeout=60, restart="defer")
"""


def memory(stack: Stack, *options: str) -> str:
    line = next(line for line in virsh("dumpxml", stack.name("a"), *options).splitlines() if "<memory " in line)
    return line.partition(">")[2].partition("<")[0]


def test_restart_that_is_put_off_and_then_interrupted_is_made_up_for(stack: Stack) -> None:
    stack.write(PROGRAM)
    stack.apply()
    pid = qemu_pid(stack.name("a"))

    stack.edit('memory="64MiB"', 'memory="96MiB"')
    change = stack.plan()["changes"]["vm.a"]
    assert change["disruption"] == "next-boot"
    stack.apply()
    assert (memory(stack), memory(stack, "--inactive"), qemu_pid(stack.name("a"))) == ("65536", "98304", pid)
    assert "pending restart: max_memory (64 MiB now, 96 MiB from its next start)" in stack.is_converged().err

    # What is defined already comes with a restart once that is allowed, also after a run that died in the middle of it.
    stack.edit(', restart="defer"', ', description="more"')
    running = stack.start("apply", "--yes")
    running.until("ShutdownDomain")
    running.stop(signal.SIGKILL)
    assert qemu_pid(stack.name("a")) == pid
    change = stack.plan()["changes"]["vm.a"]
    assert change["disruption"] == "restart"
    assert {field["path"]: (field["before"], field["after"]) for field in change["fields"]} == {
        "max_memory": ("64 MiB", "96 MiB")
    }

    stack.edit("shutdown_timeout=60", "shutdown_timeout=1")
    run = stack.apply(code=3)
    assert f"{stack.name('a')} did not power down within 1 s" in run.err
    assert qemu_pid(stack.name("a")) == pid

    stack.edit("shutdown_timeout=1", "shutdown_timeout=1, power_off_after_timeout=True")
    stack.apply()
    assert (memory(stack), memory(stack, "--inactive")) == ("98304", "98304")
    assert qemu_pid(stack.name("a")) != pid
    stack.is_converged()
