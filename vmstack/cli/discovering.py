"""`vmstack discover`: what is on a host and whose it is, and a program for what is nobody's."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import msgspec

from vmstack.apply import pipeline
from vmstack.apply.discovery import read_everything, write_files, write_program
from vmstack.cli.image_cache import image_store
from vmstack.cli.progress import ImageProgress
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, InputError
from vmstack.evaluate.authoring.program import MAIN, Authored
from vmstack.evaluate.project import choose_stack, read_manifest
from vmstack.model.base import Data
from vmstack.model.identity import StackId
from vmstack.model.observed import HostSnapshot
from vmstack.model.specs import HostSpec
from vmstack.plan.finding import Found, find_objects

_DISCOVER_FORMAT: Final = 1
_URI: Final = "qemu:///system"
_URI_VARIABLE: Final = "LIBVIRT_DEFAULT_URI"
_HOST: Final = "kvm"
_PROJECT: Final = "found"
_STACK: Final = "dev"
_MANIFEST: Final = "Pulumi.yaml"
# A stack that nobody has: for looking without being one.
_NOBODY: Final = StackId("", "")


class HostFindings(Data, frozen=True, kw_only=True):
    """All that is on a host."""

    host: str
    uri: str
    hostname: str
    objects: tuple[Found, ...]


def discover(target: Target, terminal: Terminal, *, named: bool, uri: str | None, insecure: bool, json: bool) -> int:
    """List what is on the hosts. `named`: the folder was given; else it counts if there is a project in it.

    Without a URI the hosts are those of the project's program, or the local one where there is no project.
    """
    ours = None
    if named or (target.folder / _MANIFEST).is_file():
        manifest = read_manifest(target.folder)
        ours = StackId(manifest.name, choose_stack(manifest.settings, wanted=target.stack))
    hosts = [_host(uri, insecure=insecure)]
    if ours is not None and uri is None:
        hosts = list(pipeline.hosts_of(study(target, curious=False).desired).values())
        if not hosts:
            raise InputError("the program defines no Host", resolution="say which one with --host URI")
    found = tuple(_look(host, stack=ours or _NOBODY) for host in hosts)
    if json:
        document = {"format": _DISCOVER_FORMAT, "stack": None if ours is None else str(ours), "hosts": found}
        terminal.say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return EXIT_DONE
    for findings in found:
        for line in render_findings(findings, terminal, ours=None if ours is None else str(ours)):
            terminal.say(line)
    return EXIT_DONE


def generate(
    folder: Path,
    terminal: Terminal,
    *,
    stack: str | None,
    uri: str | None,
    insecure: bool,
    select: tuple[str, ...],
    json: bool,
) -> int:
    """Write a project for what is nobody's on a host, and tell what it takes over and what not."""
    try:
        there = [name for name in (_MANIFEST, MAIN, f"Pulumi.{stack or _STACK}.yaml") if (folder / name).exists()]
    except OSError as error:
        raise InputError(f"{folder}: it cannot be looked into: {error.strerror}") from error
    if there:
        raise InputError(
            f"{folder / there[0]} is there already", resolution="name another folder: nothing is overwritten"
        )
    host = _host(uri, insecure=insecure)
    identity = StackId(project_name(folder), stack or _STACK)
    driver = pipeline.connect_to_host(readonly=True)(host)
    try:
        snapshot = read_everything(host.name, driver, stack=identity)
        _check_select(select, snapshot)
        authored = write_program(
            snapshot,
            driver,
            stack=identity,
            select=select,
            insecure=insecure,
            store=image_store(),
            progress=ImageProgress(terminal),
        )
    finally:
        driver.close()
    if not authored.taken:
        for line in _render_left(authored):
            terminal.tell(line)
        raise InputError(
            "nothing is there that a program could take over", resolution="see what is there: vmstack discover"
        )
    write_files(authored, folder)
    if json:
        terminal.say(msgspec.json.format(msgspec.json.encode(_describe(authored, folder)), indent=2).decode())
        return EXIT_DONE
    for line in render_authored(authored, terminal, folder=folder):
        terminal.say(line)
    return EXIT_DONE


def _check_select(select: Iterable[str], snapshot: HostSnapshot) -> None:
    """Refuse a glob that names nothing that could be taken over: it is a slip."""
    names = sorted(
        {domain.name for domain in snapshot.domains}
        | {network.name for network in snapshot.networks}
        | {pool.name for pool in snapshot.pools}
    )
    for glob in select:
        if not any(fnmatchcase(name, glob) for name in names):
            near = difflib.get_close_matches(glob, names, n=3)
            raise InputError(
                f"--select {glob!r} names no VM, network or pool of the host",
                resolution=f"did you mean {' or '.join(near)}?" if near else "see what is there: vmstack discover",
            )


def project_name(folder: Path) -> str:
    """A project's name for a folder, as near to its own as the rules for names allow."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name)[:60]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", name) or _PROJECT


def render_findings(findings: HostFindings, terminal: Terminal, *, ours: str | None) -> Iterator[str]:
    """The lines of one host: this stack's, then other stacks', then nobody's."""
    yield f"{terminal.paint(escape(findings.uri), 'bold')}  ({escape(findings.hostname)})"
    owners = sorted({item.owner.stack for item in findings.objects if item.owner is not None})
    groups = [(ours, "This stack's")] if ours in owners else []
    groups += [(owner, f"The stack {owner}'s") for owner in owners if owner != ours]
    for owner, title in [*groups, (None, "Nobody's")]:
        members = [item for item in findings.objects if (item.owner.stack if item.owner else None) == owner]
        if members:
            yield f"  {terminal.paint(escape(title), 'bold')}:"
            yield from _rows(members, terminal)
    if not findings.objects:
        yield "  nothing"


def _rows(members: Iterable[Found], terminal: Terminal) -> Iterator[str]:
    members = list(members)
    width = max(len(escape(item.name)) for item in members)
    for item in members:
        fine = item.state in ("running", "active", "in use")
        facts = [terminal.paint(item.state, "green" if fine else "yellow")]
        facts += [escape(item.owner.address)] if item.owner is not None else []
        facts += [] if item.persistent else ["transient"]
        facts += [f"a copy of {escape(item.copied)}"] if item.copied is not None else []
        facts += [terminal.paint(escape(item.path), "dim")] if item.path and item.kind == "pool" else []
        yield f"    {item.kind:<8} {escape(item.name):<{width}}  {'  '.join(facts)}".rstrip()


def render_authored(authored: Authored, terminal: Terminal, *, folder: Path) -> Iterator[str]:
    """What was written, what of the host is not in it, and what to do next."""
    for name in authored.files:
        yield f"{terminal.paint('  +', 'green')} {escape(str(folder / name))}"
    yield ""
    yield from _render_left(authored)
    where = "" if folder == Path() else f" {folder}"
    yield f"The program takes over {len(authored.taken)} objects as they are; a plan of it changes nothing else."
    yield f"See it with: vmstack plan{where}"
    yield f"Take them over with: vmstack apply{where}"


def _render_left(authored: Authored) -> Iterator[str]:
    if authored.left:
        yield "Left out:"
        for kind, name, why, way in authored.left:
            yield f"  {kind.value} {escape(name)}: {escape(why)}" + (f"; to go on: {escape(way)}" if way else "")
        yield ""


def _describe(authored: Authored, folder: Path) -> dict[str, object]:
    return {
        "format": _DISCOVER_FORMAT,
        "folder": str(folder),
        "files": list(authored.files),
        "taken": [str(key) for key in authored.taken],
        "left": [
            {"kind": kind.value, "name": name, "why": why, "to_go_on": way} for kind, name, why, way in authored.left
        ],
    }


def _host(uri: str | None, *, insecure: bool) -> HostSpec:
    return HostSpec(name=_HOST, uri=uri or os.environ.get(_URI_VARIABLE) or _URI, insecure=insecure)


def _look(host: HostSpec, *, stack: StackId) -> HostFindings:
    driver = pipeline.connect_to_host(readonly=True)(host)
    try:
        snapshot: HostSnapshot = read_everything(host.name, driver, stack=stack)
    finally:
        driver.close()
    return HostFindings(host=host.name, uri=host.uri, hostname=snapshot.facts.hostname, objects=find_objects(snapshot))
