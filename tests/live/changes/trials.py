"""Rows made on one stack, all at once: what each plan says, what became of each guest, and that nothing is left."""

import hashlib
import re
import string
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.cases.classic.bench import DESTROY, Bench, describe
from tests.live.changes.change import Trial
from tests.live.stack.virsh import virsh
from vmstack.apply.pipeline import Planned
from vmstack.hosts.driver import DomainRecord
from vmstack.model.effects import ShutdownDomain, StartDomain
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, Plan
from vmstack.plan.changes.table import field_of

_PROGRAM = """
from vmstack import *
import pulumi

host = Host("kvm", uri="$uri")
pool = StoragePool("pool", label="$prefix-pool", path="$folder", host=host)
data = Disk("data", size="1MiB", format="raw", protect=False)


def vm(name, **arguments):
    given = dict(label="$prefix-" + name, memory="48MiB", disks=[data])
    return VirtualMachine(name, host=host, pool=pool, **(given | arguments))

"""
# The stamp and the numbers of running processes say nothing about the hardware.
# What no definition shows to those who do not ask for secrets, or at all.
_UNSEEN = frozenset({"autostart", "graphics.password"})
_NOISE = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class _Seen:
    """A guest at a moment. `data` is the digest of its data disk, `pid` that of its QEMU process."""

    record: DomainRecord
    pid: int | None
    data: str | None


class Session:
    """One stack on which all trials are made at once."""

    def __init__(self, bench: Bench, trials: Sequence[Trial]) -> None:
        self._bench = bench
        self._trials = trials
        self._uuids: dict[str, str] = {}

    def run(self) -> list[str]:
        """Make all changes; return what is not as it was said."""
        planned = self._plan(after=False)
        self._bench.apply(planned)
        self._uuids = {
            resource.key.name: resource.spec.uuid
            for resource in planned.desired.resources
            if resource.key.kind is Kind.VM
        }
        with ThreadPoolExecutor(max_workers=8) as workers:
            list(workers.map(self._enter, self._trials))
        before = {trial.name: self._look(trial) for trial in self._trials}
        changed = self._plan(after=True)
        self._bench.apply(changed)
        after = {trial.name: self._look(trial) for trial in self._trials}
        faults = [
            f"{trial}: {fault}"
            for trial in self._trials
            for fault in _judge(trial, changed.plan, before=before[trial.name], after=after[trial.name])
        ]
        again = self._plan(after=True)
        if not again.plan.empty:
            faults.append(f"something is left to do:\n{describe(again.plan)}")
        self._bench.apply(self._bench.plan(again.desired, policy=DESTROY))
        return faults

    def _plan(self, *, after: bool) -> Planned:
        program = _PROGRAM + "\n".join(trial.statement(after=after) for trial in self._trials)
        return self._bench.plan(self._bench.evaluate(string.Template(program).substitute(self._bench.values)))

    def _enter(self, trial: Trial) -> None:
        """Bring the guest to its state, and mark its data."""
        file = self._data(trial)
        if file.exists():
            with file.open("r+b") as disk:
                disk.write(trial.name.encode() * 1000)
        match trial.state:
            case "paused":
                virsh("suspend", self._uuids[trial.name])
            case "saved":
                virsh("start", self._uuids[trial.name])
                virsh("managedsave", self._uuids[trial.name])

    def _look(self, trial: Trial) -> _Seen:
        record = self._bench.driver.domain(self._uuids[trial.name])
        file = self._data(trial)
        return _Seen(
            record,
            None if record.live_xml is None else int(Path(f"/run/libvirt/qemu/{record.name}.pid").read_text()),
            hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None,
        )

    def _data(self, trial: Trial) -> Path:
        return Path(self._bench.values["folder"]) / f"{trial.name}-data.raw"


def _judge(trial: Trial, plan: Plan, *, before: _Seen, after: _Seen) -> Iterator[str]:
    """What of a trial is not as it should be: the plan's word first, then what happened."""
    change = next((one for one in plan.changes if one.key == Key(Kind.VM, trial.name)), None)
    if change is None:
        yield "the plan does not know of it"
        return
    fields = [one for one in change.fields if field_of(one.path) == trial.change.field]
    expected = Disruption(trial.expected)
    if not fields:
        yield f"the plan names {[one.path for one in change.fields]}"
    for one in fields:
        if one.disruption is not expected:
            yield f"the plan says {one.disruption.value}, and {expected.value} is expected"
    steps = [step.effect for step in plan.steps if step.key == change.key]
    stops = sum(isinstance(effect, ShutdownDomain) for effect in steps)
    starts = sum(isinstance(effect, StartDomain) for effect in steps)
    if before.data != after.data:
        yield "its data disk holds something else"
    if before.record.has_managed_save != after.record.has_managed_save:
        yield "its saved state is gone"
    if expected is Disruption.RESTART:
        if before.pid == after.pid or after.pid is None:
            yield f"it was not restarted: process {before.pid}, then {after.pid}"
        if (stops, starts) != (1, 1):
            yield f"it was stopped {stops} times and started {starts} times"
        return
    if before.pid != after.pid:
        yield f"its process was {before.pid}, and is {after.pid}"
    unchanged = _hardware(before.record.live_xml) == _hardware(after.record.live_xml)
    if expected is Disruption.NEXT_BOOT and not unchanged:
        yield "the running guest changed"
    if expected is Disruption.LIVE and unchanged and trial.change.field not in _UNSEEN:
        yield "the running guest did not change"
    written = _hardware(before.record.xml) != _hardware(after.record.xml)
    if not written and trial.change.field not in _UNSEEN:
        yield "the definition did not change"


def _hardware(xml: str | None) -> str:
    return _NOISE.sub("", xml or "")
