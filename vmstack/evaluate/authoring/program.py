"""The whole program: files of a project that takes over what was found."""

import builtins
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import yaml

from vmstack.evaluate.authoring.constants import factor
from vmstack.evaluate.authoring.machines import told_reservations, unsaid, write_machine
from vmstack.evaluate.authoring.networks import kept_reservations, write_network
from vmstack.evaluate.authoring.source import Call, Code, comment, statement
from vmstack.evaluate.authoring.storage import write_pool, write_volume
from vmstack.evaluate.authoring.survey import Left, Lessons, Survey, VolumePart, survey
from vmstack.evaluate.authoring.unsaid import unsaid_of_network
from vmstack.model.base import Data
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import HostSnapshot
from vmstack.model.specs import Reservation

# What the program imports, as far as it uses it.
_VOCABULARY: Final = (
    "Balloon", "Bandwidth", "Boot", "Cdrom", "Channel", "Clock", "Console", "Cpu", "Disk", "DnsForwarder", "DnsSrv",
    "Filesystem", "Graphics", "Host", "IoTune", "Network", "Nic", "NumaCell", "Panic", "Passthrough", "PortGroup",
    "Reservation", "Rng", "StoragePool", "Tpm", "VirtualMachine", "Volume", "Vsock", "Watchdog",
)  # fmt: skip
_HOST: Final = "kvm"
_FOUND: Final = "found"
_OPTIONS: Final = "pulumi.ResourceOptions"
_TAKEN: Final = frozenset({*_VOCABULARY, *dir(builtins), _HOST, _FOUND, "pulumi", "vmstack"})
MAIN: Final = "__main__.py"


class Authored(Data, frozen=True, kw_only=True):
    """A program. `files` are texts by name; `lines` are the first line of each resource in `__main__.py`, and `labels`
    what libvirt calls each. `left` is what it does not take over, as kind, name, reason and way on."""

    files: dict[str, str]
    lines: dict[int, Key]
    labels: dict[Key, str]
    taken: tuple[Key, ...]
    left: tuple[tuple[Kind, str, str, str | None], ...]


def author(
    snapshot: HostSnapshot, *, stack: StackId, select: tuple[str, ...], lessons: Lessons, insecure: bool = False
) -> Authored:
    """Write the program for what nobody owns on a host that was read in depth. Pure and deterministic."""
    found = survey(snapshot, select=select, lessons=lessons, taken=_TAKEN)
    text = _Text()
    _write_parts(found, text)
    _write_machines(found, text)
    _write_left(found.left, text)
    head = _head(text.lines, snapshot=snapshot, insecure=insecure)
    files = {
        "Pulumi.yaml": _yaml(
            {
                "name": stack.project,
                "runtime": "python",
                "description": f"Machines found on {_place(snapshot.facts.uri)}",
            }
        ),
        f"Pulumi.{stack.stack}.yaml": _yaml({"config": {f"{stack.project}:uri": snapshot.facts.uri}}),
        MAIN: "\n".join([*head, *text.lines]).rstrip("\n") + "\n",
    }
    return Authored(
        files=files,
        lines={line + len(head): key for line, key in text.places.items()},
        labels=text.labels,
        taken=tuple(sorted(text.taken)),
        left=tuple((item.kind, item.name, item.why, item.way) for item in found.left),
    )


class _Text:
    """The lines after the head, and where in them each resource is."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: dict[int, Key] = {}
        self.labels: dict[Key, str] = {}
        self.taken: list[Key] = []

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def note(self, text: str, *, hang: str = "") -> None:
        self.lines += comment(text, hang=hang)

    def put(self, key: Key, call: Call, *, label: str, taken: bool, variable: str | None = None) -> None:
        self.places[len(self.lines) + 1] = key
        self.labels[key] = label
        if taken:
            self.taken.append(key)
        self.lines += statement(call, target=variable)


def _write_parts(found: Survey, text: _Text) -> None:
    told = _told(found)
    for part, network in found.networks:
        call = write_network(part.name, network=network, reference=part.reference, found=_FOUND, told=frozenset(told))
        kept = [] if part.reference or not network.xml else unsaid_of_network(network.xml)
        if kept:
            text.note(f"Stays as it is on the host: {', '.join(kept)}.")
        key = Key(Kind.NETWORK, part.name)
        text.put(key, call, label=part.label, taken=not part.reference, variable=part.variable)
    text.blank()
    for part, pool in found.pools:
        call = write_pool(part.name, pool=pool, reference=part.reference, found=_FOUND)
        text.put(Key(Kind.POOL, part.name), call, label=part.label, taken=not part.reference, variable=part.variable)
    pools = {part.label: part.variable for part, _ in found.pools}
    bases = [part for part in found.volumes if part.reference]
    text.blank()
    for part in bases:
        _put_volume(part, text, pools=pools)


def _put_volume(part: VolumePart, text: _Text, *, pools: Mapping[str, str]) -> None:
    call = write_volume(
        part.name,
        volume=part.volume,
        pool=pools[part.slot[0]],
        base=part.base.variable if part.base else None,
        reference=part.reference,
        found=_FOUND,
    )
    key = Key(Kind.VOLUME, part.name)
    text.put(key, call, label="/".join(part.slot), taken=not part.reference, variable=part.variable)


def _told(found: Survey) -> set[Reservation]:
    """The reservations that machines say by `lan.at(...)`."""
    kept = {
        part.label: list(kept_reservations(network.config)) for part, network in found.networks if not part.reference
    }
    return {item for machine in found.machines for item in told_reservations(machine, reservations=kept)}


def _write_machines(found: Survey, text: _Text) -> None:
    pools = {part.label: part.variable for part, _ in found.pools}
    reserved = frozenset(_told(found))
    calls = [write_machine(machine, found=_FOUND, options=_OPTIONS, reserved=reserved) for machine in found.machines]
    calls, constants = factor(calls)
    text.blank()
    for name, value in constants.items():
        text.lines += statement(value, target=name)
    for machine, call in zip(found.machines, calls, strict=True):
        text.blank()
        for _, part in machine.disks:
            if part is not None and not part.reference:
                _put_volume(part, text, pools=pools)
        stays = [*machine.apart, *unsaid(machine)]
        if stays:
            text.note(f"Stays as it is on the host: {'; '.join(stays)}.", hang="  ")
        text.put(Key(Kind.VM, machine.name), call, label=machine.domain.name, taken=True)


def _write_left(left: list[Left], text: _Text) -> None:
    if not left:
        return
    text.blank()
    text.lines.append("# Left out:")
    for item in left:
        way = f" To go on: {item.way}." if item.way else ""
        text.note(f"* {item.kind.value} {item.name!r}: {item.why}.{way}", hang="  ")


def _head(lines: list[str], *, snapshot: HostSnapshot, insecure: bool) -> list[str]:
    """What stands above: the docstring, what is imported, and the host."""
    body = "\n".join(line for line in lines if not line.startswith("#"))
    used = [name for name in _VOCABULARY if name == "Host" or f"{name}(" in body or f"{name}.existing(" in body]
    host = Call(
        "Host",
        (_HOST,),
        (("uri", Code('pulumi.Config().require("uri")')), ("insecure", True if insecure else None)),
    )
    return [
        f'"""What was found on {_place(snapshot.facts.uri)}: `vmstack plan` shows that it is taken over as it is.',
        "",
        "Nothing is changed by that, and no guest notices. What this program does not say of a",
        "machine stays as it is on the host, and so do the objects that it only refers to.",
        '"""',
        "",
        "import pulumi",
        *_imports(used),
        "",
        "",
        f"def {_FOUND}(id: str) -> {_OPTIONS}:",
        '    """What is there already; once it is the stack\'s, `import_` may go."""',
        f"    return {_OPTIONS}(import_=id)",
        "",
        "",
        *statement(host, target=_HOST),
        "",
    ]


def _imports(names: list[str]) -> list[str]:
    line = f"from vmstack import {', '.join(names)}"
    if len(line) <= 88:
        return [line]
    return ["from vmstack import (", *(f"    {name}," for name in names), ")"]


def _place(uri: str) -> str:
    """The host for people, without what may be long in its URI."""
    parts = urlsplit(uri)
    return parts.hostname or uri.partition("?")[0]


def _yaml(document: Mapping[str, object]) -> str:
    return str(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True))
