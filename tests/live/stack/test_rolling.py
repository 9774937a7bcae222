"""Twelve guests get more memory, two at a time; one that does not come back stops it, and the rest run on untouched."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.live.stack.tiny import break_tiny, write_tiny
from tests.live.stack.virsh import URI, dump, qemu_pid
from tests.live.stack.workbench import Run, Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(600)]

PROGRAM = """
from vmstack import Disk, HealthCheck, Host, Image, RollingGroup, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
tiny = Image("tiny", source="$tiny", format="raw")
fleet = RollingGroup("fleet", max_unavailable=2)
for number in range(12):
    name, log = f"g{number:02}", f"/var/log/libvirt/qemu/$prefix-{number:02}-says.log"
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, disk=Disk("root", image=tiny, full_copy=True, format="raw"),
        memory="32MiB", serial_log=log, shutdown_timeout="60s", group=fleet,
        health=HealthCheck(command=["./came-up", log], timeout="60s", interval=1),
    )
"""
# What a guest says stays in its log, so that whoever has read of this start takes it out.
CAME_UP = """#!/bin/sh
grep -q '^up' "$1" && : >"$1"
"""
NAMES = [f"g{number:02}" for number in range(12)]
_EVENT = re.compile(r"event 'lifecycle' for domain '?([^' ]+)'?: (\w+) ")


@pytest.fixture
def fleet(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    stack.write(PROGRAM, tiny=str(write_tiny(tmp_path / "tiny.raw")))
    check = stack.folder / "came-up"
    check.write_text(CAME_UP)
    check.chmod(0o755)
    stack.apply()
    yield stack
    for log in Path("/var/log/libvirt/qemu").glob(f"{stack.prefix}-*-says.log"):
        log.unlink()


@contextmanager
def most_off_at_once(stack: Stack) -> Iterator[list[int]]:
    """Listen to libvirt meanwhile; the list then holds how many guests were off together at most."""
    command = ["virsh", "-c", URI, "event", "--event", "lifecycle", "--loop"]
    found: list[int] = []
    with subprocess.Popen(["stdbuf", "-oL", *command], stdout=subprocess.PIPE, text=True) as listener:
        try:
            yield found
        finally:
            listener.terminate()
        off: set[str] = set()
        most = 0
        for name, what in _EVENT.findall(listener.communicate()[0]):
            if name.startswith(f"{stack.prefix}-"):
                (off.add if what == "Stopped" else off.discard if what == "Started" else len)(name)
                most = max(most, len(off))
        found.append(most)


def most_down_at_once(run: Run) -> int:
    """By the log of the apply: from when a guest is asked to go down until its health check passed."""
    moments: list[tuple[datetime, int]] = []
    for line in run.events:
        hook = line.get("hook", {})
        if (line["type"], hook.get("provisioner")) == ("provision_start", "ShutdownDomain"):
            moments.append((datetime.fromisoformat(line["@timestamp"]), 1))
        if (line["type"], hook.get("provisioner")) == ("provision_complete", "AwaitHealthy"):
            moments.append((datetime.fromisoformat(line["@timestamp"]), -1))
    down = most = 0
    for _, step in sorted(moments):
        down += step
        most = max(most, down)
    return most


def test_memory_of_a_fleet_changes_by_rolling_restarts(fleet: Stack) -> None:
    pids = {name: qemu_pid(fleet.name(name)) for name in NAMES}
    fleet.edit('memory="32MiB"', 'memory="40MiB"')
    assert "Rolling over group fleet: 12 guests, at most 2 of them down at once" in fleet.run("plan").out
    with most_off_at_once(fleet) as off:
        run = fleet.apply("--json")
    assert most_down_at_once(run) == 2
    assert 1 <= off[0] <= 2
    after = {name: qemu_pid(fleet.name(name)) for name in NAMES}
    assert all(after[name] != pids[name] for name in NAMES)
    fleet.is_converged()

    break_tiny(Path(fleet.pool_folder) / "g03-root.raw")
    fleet.edit('memory="40MiB"', 'memory="48MiB"')
    fleet.edit('timeout="60s", interval', 'timeout="5s", interval')
    before = {name: dump("domain", fleet.name(name)) for name in NAMES}
    run = fleet.apply("--json", code=3)
    assert f"{fleet.name('g03')} did not pass its health check within 5 s" in run.err
    restarted = {name for name in NAMES if qemu_pid(fleet.name(name)) != after[name]}
    # What was begun beside it is finished; nothing else is. Others come back quickly while it does not.
    begun = [line["hook"] for line in run.events if line["type"] == "provision_start"]
    begun = {hook["resource"]["vmstack"][3:] for hook in begun if hook["provisioner"] == "ShutdownDomain"}
    assert {"g00", "g01", "g02", "g03"} <= restarted
    assert restarted == begun, restarted
    assert len(restarted) < len(NAMES)
    rest = [name for name in NAMES if name not in restarted]
    untouched = ", ".join(f"vm.{name}" for name in rest)
    assert f"group fleet stopped at the first failure: {len(rest)} of 12" in run.err
    assert untouched in run.err
    assert {name: dump("domain", fleet.name(name)) for name in rest} == {name: before.get(name) for name in rest}
