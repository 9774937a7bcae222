"""Commands that are killed or interrupted, and what the next one makes of it."""

import getpass
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from tests.live.stack.virsh import qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack, open_stack
from vmstack.model.ownership import EntryState

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(1200)]

# Everything that takes steps to make, and no guest to wait for.
PROGRAM = """
from vmstack import CloudInit, Disk, Host, Image, Network, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24")
probe = Image("probe", source="$probe")
for number, name in enumerate(["a", "b"]):
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, image=probe, memory="64MiB", wait=False, running=name == "a",
        disks=[Disk("data", size="4MiB", protect=False)], autostart=True, networks=[lan.at(10 + number)],
        cloud_init=CloudInit(hostname=name), shutdown_timeout=1, power_off_after_timeout=True,
    )
"""
# One of each: a resize, a copy, a VM that goes, one that comes, a restart, new seeds, a lease moved live.
CHANGE = (
    ('memory="64MiB"', 'memory="96MiB"'),
    ('size="4MiB"', 'size="8MiB"'),
    ('["a", "b"]', '["a", "c"]'),
    ("lan.at(10 + number)", "lan.at(20 + number)"),
    ("hostname=name", 'hostname=f"new-{name}"'),
    ("probe, memory", 'probe, full_copy=name == "c", memory'),
)
# Seven rounds of three kills; each round starts from nothing.
ROUNDS = 7


@dataclass
class Subject:
    """The stack, and how many steps each of the three commands has on it (the same in every round)."""

    stack: Stack
    steps: dict[str, int] = field(default_factory=dict)

    def kill(self, share: float, what: str, *command: str) -> None:
        """Run the command, and kill it when that share of its steps' events has been told.

        0 is when the ledger says what is about to be made, and the first effects begin.
        """
        if what not in self.steps:
            policy = ["--destroy"] if what == "destroy" else []
            self.steps[what] = len(self.stack.plan("--allow-data-loss", *policy)["steps"])
        running = self.stack.start(*command, "--yes", "--allow-data-loss")
        wanted = int(2 * self.steps[what] * share)
        next(line for line in running.lines() if line["type"] == "change_summary")
        events = (line for line in running.lines() if line["type"] in ("provision_start", "provision_complete"))
        for _ in islice(events, wanted):
            pass
        run = running.stop(signal.SIGKILL)
        assert run.code == -signal.SIGKILL, f"it ended before it could be killed: {run}"


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory, probe: str) -> Iterator[Subject]:
    with open_stack(tmp_path_factory.mktemp("kills")) as stack:
        stack.values["probe"] = probe
        yield Subject(stack)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_commands_leave_nothing_that_the_next_run_does_not_mend(subject: Subject, number: int) -> None:
    stack, share = subject.stack, number / ROUNDS
    stack.write(PROGRAM)
    subject.kill(share, "create", "apply")
    stack.apply()
    check(stack, vms="ab")

    for edit in CHANGE:
        stack.edit(*edit)
    subject.kill(share, "change", "apply")
    stack.apply("--allow-data-loss")
    check(stack, vms="ac")

    subject.kill(share, "destroy", "destroy")
    stack.destroy()
    assert stack.listed() == {command: [] for command in stack.listed()}
    assert not Path(stack.pool_folder).exists()
    assert stack.ledger() is None


def check(stack: Stack, *, vms: str) -> None:
    """Insist that the stack is as its program says, and that nothing else of it is left anywhere."""
    stack.is_converged()
    assert stack.locks() == []
    entries = stack.ledger().entries
    assert {entry.state for entry in entries} == {EntryState.READY}
    assert volumes(stack.name("pool")) == sorted(entry.label for entry in entries if entry.label)
    roles = sorted(entry.role for entry in entries)
    assert roles == sorted(["pool", "base", *(["volume", "volume", "seed"] * len(vms))])
    domains = [name for name in virsh("list", "--all", "--name").split() if name.startswith(f"{stack.prefix}-")]
    assert sorted(domains) == [stack.name(vm) for vm in vms]


# A guest that is waited for, and one that restarts: the waits are where an apply spends its time.
GUEST = """
from vmstack import CloudInit, Host, Image, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
probe = Image("probe", source="$probe")
VirtualMachine(
    "a", label="$prefix-a", pool=pool, image=probe, memory="128MiB", cloud_init=CloudInit(hostname="a"), wait="10min",
)
"""


@pytest.mark.guest
def test_apply_that_is_killed_or_interrupted_while_a_guest_boots_goes_on_waiting_next_time(
    stack: Stack, probe: str
) -> None:
    stack.write(GUEST, probe=probe)
    killed = stack.start("apply", "--yes")
    killed.until("AwaitReady")
    assert killed.stop(signal.SIGKILL).code == -signal.SIGKILL
    assert len(stack.locks()) == 1  # nobody could give it back
    pid = qemu_pid(stack.name("a"))

    # It takes the dead one's lock over and waits on; a Ctrl-C ends the wait at once.
    waiting = stack.start("apply", "--yes")
    waiting.until("AwaitReady")
    run = waiting.stop(signal.SIGINT)
    assert run.code == 130
    assert "apply was interrupted (SIGINT)" in run.err
    assert "not waited for: vm.a (AwaitReady)" in run.err
    assert "To go on: run it again" in run.err
    assert stack.locks() == []
    plan = stack.plan()
    assert [step["effect"] for step in plan["steps"]] == ["await_ready"]

    stack.apply()
    stack.is_converged()
    assert qemu_pid(stack.name("a")) == pid

    stack.edit('memory="128MiB"', 'memory="160MiB"')
    killed = stack.start("apply", "--yes")
    killed.until("ShutdownDomain", kind="provision_complete")
    assert killed.stop(signal.SIGKILL).code == -signal.SIGKILL
    stack.apply()
    check_guest(stack)


def check_guest(stack: Stack) -> None:
    stack.is_converged()
    assert stack.locks() == []
    assert {entry.state for entry in stack.ledger().entries} == {EntryState.READY}
    assert virsh("dominfo", stack.name("a")).count("163840 KiB") == 2


def test_of_two_applies_at_once_one_wins_and_the_other_names_it(stack: Stack) -> None:
    """The winner waits for a guest that has nothing to boot from and never reports."""
    stack.write(GUEST.replace("image=probe", 'disk="1MiB"'), probe="/nowhere")
    stack.edit('probe = Image("probe", source="/nowhere")\n', "")
    winner = stack.start("apply", "--yes")
    winner.until("AwaitReady")
    stack.edit('memory="128MiB"', 'memory="96MiB"')
    for command in ("apply", "destroy"):
        run = stack.run(command, "--yes", "--allow-data-loss", code=4)
        assert f"Error: {stack.project}/dev is locked" in run.err
        assert f"by {getpass.getuser()} on {socket.gethostname()} (process {winner.pid}): apply since" in run.err
        assert "vmstack unlock" in run.err
    assert "locked by" in stack.run("show").out
    assert virsh("dominfo", stack.name("a")).count("131072 KiB") == 2
    assert winner.process.poll() is None
    assert winner.stop(signal.SIGTERM).code == 130
    assert stack.locks() == []
    stack.destroy()
    assert stack.listed() == {command: [] for command in stack.listed()}
