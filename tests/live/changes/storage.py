"""Rows of pools and volumes, all at once on one stack: what the plan says, and what became of files and guests."""

import hashlib
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.cases.classic.bench import DESTROY, Bench, describe
from tests.live.stack.virsh import virsh
from vmstack.apply.pipeline import Planned
from vmstack.errors import VmstackError
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Diagnostic, Plan
from vmstack.plan.changes.table import field_of

_PROGRAM = """
from vmstack import *
import pulumi

free = pulumi.ResourceOptions(protect=False)
host = Host("kvm", uri="$uri")
shared = StoragePool("shared", label="$prefix-shared", path="$folder", host=host)
image = Image("system", source="$system")


def pool(name, *, empty, **arguments):
    given = dict(label="$prefix-" + name, path="$folder-" + name, host=host)
    found = StoragePool(name, **(given | arguments))
    if not empty:
        Volume(name + "-in", label=name + ".qcow2", pool=found, size="1MiB", opts=free)


def volume(name, *, guest, running, **arguments):
    given = dict(label="$prefix-" + name + "-v.qcow2", pool=shared, opts=free)
    data = Volume(name, **(given | arguments))
    if guest:
        other = Disk("other", size="1MiB", format="raw", protect=False)
        VirtualMachine(name, host=host, pool=shared, label="$prefix-" + name, memory="32MiB", running=running,
                       disks=[Disk("data", volume=data), other])

"""
_SIZES = {"small": "1MiB", "large": "2MiB"}
_UNDER_PAUSE = ("running", "paused")


@dataclass(frozen=True, kw_only=True)
class StorageChange:
    """A change of a pool or volume: `fields` are those that the plan is to name, with their classes.

    `refused`: what the plan says instead. `kept`: what a note says of a volume that stays. `image`: the volume is made
    from an image, which the program then names another one of. `state` is that of the guest that has the volume.
    """

    kind: Literal["pool", "volume"]
    before: str
    after: str
    fields: Mapping[str, str] = field(default_factory=dict)
    state: Literal["running", "paused", "stopped", "detached"] = "stopped"
    refused: str = ""
    kept: str = ""
    image: bool = False
    full_copy: bool = False
    empty: bool = False


@dataclass(frozen=True)
class _Seen:
    """`pid` is that of the guest's process, `content` the digest of the volume, `other` that of the other disk."""

    pid: int | None
    inode: int | None
    content: str | None
    other: str | None
    modes: str | None


class StorageSession:
    """One stack on which all changes are made at once; those that are refused are planned one by one before."""

    def __init__(self, bench: Bench, changes: Sequence[StorageChange]) -> None:
        self._bench = bench
        self._changes = {f"s{number}": change for number, change in enumerate(changes)}

    def run(self) -> list[str]:
        """Make all changes; return what is not as it was said."""
        self._bench.apply(self._plan(frozenset()))
        for name, change in self._changes.items():
            if change.state == "paused":
                virsh("suspend", self._domain(name))
        faults = list(self._refusals())
        made = frozenset(name for name, change in self._changes.items() if not change.refused)
        before = {name: self._look(name) for name in made}
        changed = self._plan(made)
        self._bench.apply(changed)
        faults += [
            f"{name} ({change.kind} {', '.join(change.fields) or change.kept}, {change.state}): {fault}"
            for name, change in self._changes.items()
            if name in made
            for fault in _judge(name, change, changed.plan, before[name], self._look(name))
        ]
        again = self._plan(made)
        if not again.plan.empty:
            faults.append(f"something is left to do:\n{describe(again.plan)}")
        self._bench.apply(self._bench.plan(again.desired, policy=DESTROY))
        return faults

    def _refusals(self) -> Iterator[str]:
        for name, change in self._changes.items():
            if not change.refused:
                continue
            try:
                planned = self._plan(frozenset({name}), images=False)
            except VmstackError as error:
                if change.refused not in error.brief or error.place is None or not error.resolution:
                    yield f"{name} is refused, but otherwise: {error}"
            else:
                yield f"{name} is not refused:\n{describe(planned.plan)}"

    def _plan(self, made: frozenset[str], *, images: bool = True) -> Planned:
        lines = [self._statement(name, after=name in made) for name in self._changes]
        values = self._bench.values | {"system": self._bench.values["image"]}
        text = _PROGRAM
        if made and images:
            # The image gets another content; volumes that are not made from it do not care.
            values["system"] = self._bench.values["image2"]
        text = string.Template(text + "\n".join(lines)).substitute(values)
        return self._bench.plan(self._bench.evaluate(text))

    def _statement(self, name: str, *, after: bool) -> str:
        change = self._changes[name]
        given = [(change.after if after else change.before).format(name=name, **_SIZES)]
        if change.image:
            given += ["image=image", f"full_copy={change.full_copy}"]
        arguments = ", ".join(filter(None, given))
        if change.kind == "pool":
            return f"pool({name!r}, empty={change.empty}, {arguments})"
        guest, running = change.state != "detached", change.state in _UNDER_PAUSE
        return f"volume({name!r}, guest={guest}, running={running}, {arguments})"

    def _domain(self, name: str) -> str:
        return f"{self._bench.values['prefix']}-{name}"

    def _look(self, name: str) -> _Seen:
        folder = Path(self._bench.values["folder"])
        pid = Path(f"/run/libvirt/qemu/{self._domain(name)}.pid")
        file, other = folder / f"{self._domain(name)}-v.qcow2", folder / f"{name}-other.raw"
        own = Path(f"{folder}-{name}")
        return _Seen(
            pid=int(pid.read_text()) if pid.exists() else None,
            inode=file.stat().st_ino if file.exists() else None,
            content=_digest(file),
            other=_digest(other),
            modes=f"{own.stat().st_mode & 0o7777:04o}" if own.exists() else None,
        )


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _judge(name: str, change: StorageChange, plan: Plan, before: _Seen, after: _Seen) -> Iterator[str]:
    key = Key(Kind.POOL if change.kind == "pool" else Kind.VOLUME, name)
    found = next((one for one in plan.changes if one.key == key), None)
    said = {(field_of(one.path), one.disruption.value) for one in found.fields} if found is not None else set()
    if said != set(change.fields.items()):
        yield f"the plan says {sorted(said)}"
    notes: list[Diagnostic] = [note for note in plan.diagnostics if note.key == key]
    if change.kept and not any(change.kept in note.text for note in notes):
        yield f"the plan does not say that it {change.kept}: {[note.text for note in notes]}"
    lost = "data-loss" in change.fields.values()
    if change.kind == "volume" and (before.inode == after.inode) is lost:
        yield f"its file was number {before.inode}, and is {after.inode}"
    if change.kept and before.content != after.content:
        yield "it holds something else"
    if before.other != after.other:
        yield "another disk of its guest holds something else"
    restarts = lost and change.state in _UNDER_PAUSE
    if (before.pid != after.pid) is not restarts:
        yield f"the guest's process was {before.pid}, and is {after.pid}"
    if "permissions" in change.fields and before.modes == after.modes:
        yield f"its directory has {after.modes} still"
