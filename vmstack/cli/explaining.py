"""`vmstack explain`: what a change of a field does to the guest, from the change table; and the guide's page of it."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

import msgspec

from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, InputError
from vmstack.plan.changes.row import Noun, Outcome, Row, VmState
from vmstack.plan.changes.table import TABLE, field_of, without_keys

_EXPLAIN_FORMAT: Final = 1
Entry = tuple[Noun, Row]
_ENTRIES: Final[tuple[Entry, ...]] = tuple((noun, row) for noun, rows in TABLE.items() for row in rows)
# What programs say for what plans call otherwise.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "disk": ("vm.disks[].capacity",),
    "disks": ("vm.disks[]",),
    "networks": ("vm.nics[]",),
    "nics": ("vm.nics[]",),
    "running": ("vm.power",),
    "cpu": (
        "vm.cpu_mode", "vm.cpu_model", "vm.cpu_features[]", "vm.topology", "vm.cpu_shares", "vm.cpu_quota",
        "vm.cpu_period", "vm.pins[]",
    ),
    "devices": (
        "pool.devices", "vm.rng", "vm.balloon", "vm.watchdog", "vm.vsock", "vm.panic", "vm.channels[]", "vm.consoles[]",
        "vm.filesystems[]", "vm.host_devices[]",
    ),
    "boot": ("vm.boot", "vm.kernel", "vm.initrd", "vm.cmdline"),
    "xml": ("vm.stylesheet[]", "vm.stylesheet", "network.xslt"),
    "xslt": ("vm.stylesheet[]", "vm.stylesheet", "network.xslt", "pool.xslt", "volume.xslt"),
    "image": ("volume.image",),
    "size": ("volume.capacity",),
    "full_copy": ("volume.source",),
    "cidr": ("network.subnets",),
    "cidr6": ("network.subnets",),
    "gateway": ("network.subnets",),
    "gateway6": ("network.subnets",),
    "dhcp": ("network.dhcp[]",),
    "dhcp6": ("network.dhcp[]",),
    "dns": ("network.dns_enabled",),
    "inbound": ("network.bandwidth", "vm.nics[].inbound"),
    "outbound": ("network.bandwidth", "vm.nics[].outbound"),
    "nameservers": ("vm.cloud_init",),
    "owner": ("pool.permissions",),
    "pool": ("volume.place",),
    "seed": ("vm.cloud_init",),
}  # fmt: skip
# Parameters that are no part of what they are given to, but say how vmstack goes about it.
_STEERING: Final = frozenset({
    "group", "health", "on_drift", "on_image_change", "on_seed_change", "opts", "power_off_after_timeout", "restart",
    "shutdown_timeout", "wait",
})  # fmt: skip
_COLOURS: Final = {
    Outcome.RESTART: "yellow",
    Outcome.STOP: "yellow",
    Outcome.REPLACE: "yellow",
    Outcome.DATA_LOSS: "red",
    Outcome.REFUSED: "red",
}
_MEANINGS: Final = {
    Outcome.NONE: "no running guest notices",
    Outcome.LIVE: "made while the guest runs; the same process goes on",
    Outcome.NEXT_BOOT: "written now; the guest has it once it has been off and on again",
    Outcome.RESTART: "the guest is shut down in order, and started again",
    Outcome.STOP: "the guest is shut down, and stays off",
    Outcome.REPLACE: "made anew; its data is kept",
    Outcome.DATA_LOSS: "made anew; its data is lost, which needs `--allow-data-loss` where nobody can be asked",
    Outcome.REFUSED: "not planned; the error says the way on",
}
_TITLES: Final = {
    Noun.VM: "Virtual machines",
    Noun.NETWORK: "Networks",
    Noun.POOL: "Storage pools",
    Noun.VOLUME: "Volumes",
}
_INTROS: Final = {
    Noun.VM: "`saved` is a guest that is off with its memory kept on disk (`virsh managedsave`).",
    Noun.NETWORK: "*in use* is a network that running guests are on. `restart` is theirs.",
    Noun.POOL: "Nothing that changes here touches a guest.",
    Noun.VOLUME: "*in use* is a volume that a running guest has as a disk.",
}
_PAGE: Final = """\
# What will this change do to my VM?

This page is made from the change table by which plans are made (`vmstack explain --markdown`); `vmstack explain FIELD`
prints the part of one field. What a plan says of a field is what stands here, by the state of the VM and by what was
seen on its host: whether a port is free, what maximum the guest was started with.

| class | what it means |
|---|---|
"""


def explain(field: str | None, terminal: Terminal, *, json: bool, markdown: bool) -> int:
    """Print what a change of the field does; without one all fields. Raises `InputError` for an unknown field."""
    entries = _ENTRIES if field is None else find(field)
    if markdown:
        terminal.say(page().rstrip("\n"))
    elif json:
        document = {"format": _EXPLAIN_FORMAT, "fields": [_data(group) for group in _groups(entries)]}
        terminal.say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    elif field is None:
        for noun in Noun:
            names = dict.fromkeys(_name(row) for row in TABLE[noun] if row.field != "*")
            terminal.say(terminal.paint(noun.value, "bold"))
            terminal.say("  " + "\n  ".join(_wrapped(names)))
        terminal.say("\nvmstack explain FIELD says what a change of it does (vmstack explain vm.vcpus).")
    else:
        for group in _groups(entries):
            _print(group, terminal)
    return EXIT_DONE


def find(text: str) -> tuple[Entry, ...]:
    """The rows of a field, named as in plans, in `ignore_changes` or in programs, with or without its noun.

    Raises `InputError` with the fields that are spelt alike.
    """
    found = _rows(*_ALIASES.get(text, (without_keys(text),))) or _rows(field_of(text))
    if found:
        return found
    if text in _STEERING:
        raise InputError(
            f"{text!r} is no field: it says how vmstack makes changes, and changing it changes nothing on a host",
            resolution="docs/reference.md says what it does",
        )
    if text == "host":
        raise InputError(
            "'host' is no field: on another host it is another object, made there, and the one here is deleted",
            resolution="look at the plan, which says data-loss where data goes; copy the data before",
        )
    names = {spelling for noun, row in _ENTRIES for spelling in _spellings(noun, row)} | set(_ALIASES)
    last = text.rpartition(".")[2]
    inner = [name for name in sorted(names) if name.endswith(f"[].{last}") and not name.startswith("vm.")]
    near = inner or difflib.get_close_matches(field_of(text), sorted(names), n=3)
    near = [name for name in near if name.partition(".")[2] not in near]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(f"vmstack writes no field {text!r}", resolution=f"{hint}`vmstack explain` lists all fields")


def _rows(*names: str) -> tuple[Entry, ...]:
    return tuple(
        (noun, row)
        for noun, row in _ENTRIES
        if not _spellings(noun, row).isdisjoint(names) and (row.field != "*" or "*" in names)
    )


def page() -> str:
    """The guide's page, as Markdown."""
    lines = [_PAGE + "\n".join(f"| `{outcome.value}` | {words} |" for outcome, words in _MEANINGS.items())]
    for noun in Noun:
        states = _states(noun)
        heads = [{"running": "in use", "stopped": "not in use"}.get(state, state) for state in states]
        if noun is Noun.VM:
            heads = list(states)
        lines += ["", f"## {_TITLES[noun]}", "", _INTROS[noun], ""]
        lines += [f"| field | {' | '.join(heads)} | why |", "|---" * (len(heads) + 2) + "|"]
        for row in TABLE[noun]:
            field = "any field" if row.field == "*" else f"`{_name(row)}`"
            when = f": {row.when}" if row.when else ""
            classes = " | ".join(f"{getattr(row.classes, state).value}" for state in states)
            why = " ".join(part for part in (row.why, row.refusal) if part)
            lines.append(f"| {field}{when} | {classes} | {why} |")
    return "\n".join(lines) + "\n"


def _states(noun: Noun) -> tuple[VmState, ...]:
    """The states that make a difference to such a thing."""
    return tuple(VmState) if noun is Noun.VM else (VmState.RUNNING, VmState.STOPPED)


def _spellings(noun: Noun, row: Row) -> set[str]:
    plain = row.field.replace("[]", "")
    return {row.field, plain, f"{noun.value}.{row.field}", f"{noun.value}.{plain}"}


def _name(row: Row) -> str:
    return "network.NAME" if row.field == "network.*" else row.field


def _groups(entries: Iterable[Entry]) -> Iterator[tuple[Noun, str, list[Row]]]:
    """The rows of each field, in the order of the table."""
    ordered = sorted(entries, key=lambda entry: list(Noun).index(entry[0]))
    fields = dict.fromkeys((noun, row.field) for noun, row in ordered)
    for noun, field in fields:
        yield noun, field, [row for other, row in ordered if (other, row.field) == (noun, field)]


def _data(group: tuple[Noun, str, list[Row]]) -> dict[str, object]:
    noun, field, rows = group
    return {
        "noun": noun.value,
        "field": field,
        "rows": [
            {
                "when": row.when or None,
                "why": row.why,
                "refusal": row.refusal or None,
                "classes": {state.value: row.classes.of(state).value for state in _states(noun)},
            }
            for row in rows
        ],
    }


def _print(group: tuple[Noun, str, list[Row]], terminal: Terminal) -> None:
    noun, _, rows = group
    terminal.say(terminal.paint(f"{noun.value} {_name(rows[0])}", "bold"))
    for row in rows:
        if row.when:
            terminal.say(f"  {escape(row.when)}:")
        for same, states in groupby(_states(noun), key=row.classes.of):
            words = ", ".join(_state_words(noun, state) for state in states)
            shown = terminal.paint(same.value, *([_COLOURS[same]] if same in _COLOURS else []))
            terminal.say(f"    {words}: {shown} ({_MEANINGS[same]})")
        terminal.say(f"    {escape(row.why)}" + (f" {escape(row.refusal)}" if row.refusal else ""))


def _state_words(noun: Noun, state: VmState) -> str:
    if noun is Noun.VM:
        return state.value
    return "in use" if state is VmState.RUNNING else "not in use"


def _wrapped(names: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 2 <= 110:
            lines[-1] += f", {name}"
        else:
            lines.append(name)
    return lines
