"""Commands that are killed or interrupted, and what the next one makes of it."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from tests.live.stack.virsh import virsh, volumes
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
        """Run the command, and kill it when that share of its steps' events has been told."""
        if what not in self.steps:
            policy = ["--destroy"] if what == "destroy" else []
            self.steps[what] = len(self.stack.plan("--allow-data-loss", *policy)["steps"])
        running = self.stack.start(*command, "--yes", "--allow-data-loss")
        wanted = int(2 * self.steps[what] * share)
        events = (line for line in running.lines() if line["type"] in ("apply_start", "apply_complete"))
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
    stack, share = subject.stack, (number + 0.5) / ROUNDS * 0.9
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
