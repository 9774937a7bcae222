"""Looking at a host as a whole, and writing a program that takes over what nobody owns there.

The program is tried before anybody gets it: it is evaluated, and what a plan would change beside taking over is left
out of it or left as it is, and said.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from vmstack.apply.adoption import adopt_named
from vmstack.apply.pipeline import ImageProgress
from vmstack.errors import InputError, VmstackError, flatten
from vmstack.evaluate.authoring.program import Authored, author
from vmstack.evaluate.authoring.survey import Lessons
from vmstack.evaluate.program import evaluate
from vmstack.hosts.driver import Driver
from vmstack.hosts.observe import observe_host
from vmstack.images.store import ImageStore
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import HostSnapshot, Scope
from vmstack.model.plan import Plan

# Each attempt leaves something out, or ends it.
_ATTEMPTS: Final = 8
# Fields that are called otherwise in programs.
_FIELDS: Final = {"power": "running"}


def read_everything(host: str, driver: Driver, *, stack: StackId) -> HostSnapshot:
    """A host with all its objects in depth. Changes nothing."""
    return observe_host(host, driver, stack=stack, scope=Scope(everything=True))


def write_program(
    snapshot: HostSnapshot,
    driver: Driver,
    *,
    stack: StackId,
    select: tuple[str, ...],
    insecure: bool,
    store: ImageStore,
    progress: ImageProgress,
) -> Authored:
    """The program for what nobody owns, tried until a plan of it takes over and does nothing else.

    Raises `InputError` when that does not come about, which names what stands in the way.
    """
    lessons = Lessons()
    learnt: Lessons | None = None
    for _ in range(_ATTEMPTS):
        authored = author(snapshot, stack=stack, select=select, lessons=lessons, insecure=insecure)
        if not authored.taken:
            return authored
        learnt = _try(authored, snapshot.host, driver, stack=stack, store=store, progress=progress, known=lessons)
        if learnt == lessons:
            return authored
        lessons = learnt
    raise InputError(
        "a program for these objects cannot be written: a plan of it would change something every time",
        details=[f"{kind.value} {name}: {why}" for (kind, name), why in sorted(lessons.refused.items())],
        resolution="choose fewer of them with --select",
    )


def _try(
    authored: Authored,
    host: str,
    driver: Driver,
    *,
    stack: StackId,
    store: ImageStore,
    progress: ImageProgress,
    known: Lessons,
) -> Lessons:
    """What is to be done otherwise than the program does it; the same lessons when it is right."""
    with tempfile.TemporaryDirectory(prefix="vmstack-discover-") as folder:
        write_files(authored, Path(folder))
        try:
            desired = evaluate(Path(folder), stack=stack.stack)
            adoption = adopt_named(desired, {host: driver}, store=store, progress=progress)
        except VmstackError as error:
            return _from_errors(error, authored, known=known)
    if adoption is None:
        return known
    if adoption.trouble is not None:
        return _from_errors(adoption.trouble, authored, known=known)
    return known if adoption.after is None else _from_plan(adoption.after, authored, known=known)


def write_files(authored: Authored, folder: Path) -> None:
    """Write the project into the folder. Raises `InputError` for a file that is there, before anything is written."""
    paths = {folder / name: text for name, text in authored.files.items()}
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise InputError(f"{there[0]} is there already", resolution="name another folder; nothing is overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise InputError(f"{error.filename}: it cannot be written: {error.strerror}") from error


def _from_errors(error: VmstackError, authored: Authored, *, known: Lessons) -> Lessons:
    """Leave out what an error is about, by its place. Raises it when that is not in the program."""
    refused = dict(known.refused)
    for single in flatten(error):
        key = None if single.place is None else _key_at(single.place.line, authored)
        if key is None or (key.kind, authored.labels[key]) in refused:
            raise error
        refused[key.kind, authored.labels[key]] = single.brief.removeprefix(f"{key}: ")
    return replace(known, refused=refused)


def _key_at(line: int, authored: Authored) -> Key | None:
    """The resource whose call has this line."""
    return authored.lines.get(max((first for first in authored.lines if first <= line), default=0))


def _from_plan(after: Plan, authored: Authored, *, known: Lessons) -> Lessons:
    """Ignore the fields of VMs that would change, and leave out what would change in another way."""
    refused, ignored = dict(known.refused), dict(known.ignored)
    for change in after.changes:
        label = authored.labels.get(change.key)
        if label is None:
            continue
        paths = [_FIELDS.get(field.path, field.path) for field in change.fields]
        new = [path for path in paths if path not in ignored.get(label, ())]
        if change.key.kind is Kind.VM and new:
            ignored[label] = tuple(sorted({*ignored.get(label, ()), *new}))
            continue
        what = ", ".join(field.path for field in change.fields) or ", ".join(change.reasons) or change.operation.value
        refused[change.key.kind, label] = f"a plan would change it all the same ({what})"
    return replace(known, refused=refused, ignored=ignored)
