"""The devices of a VM besides disks, NICs and its display, as a program says them.

A device is said where the program means just what the host has; what it cannot say so stays as it is.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, get_args

from vmstack.evaluate.authoring.source import Call, Code, Value
from vmstack.evaluate.authoring.storage import size_of
from vmstack.evaluate.native.peripherals import Action, WatchdogModel
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import BalloonSpec, ConsoleSpec, RngSpec, VsockSpec, WatchdogSpec
from vmstack.model.readiness import AGENT_CHANNEL, READY_CHANNEL

_WATCHDOGS: Final = get_args(WatchdogModel)
_ACTIONS: Final = get_args(Action)
_PANICS: Final = ("isa", "pseries", "hyperv", "s390")
# Channels of a display, which come and go with it, are not among those that a program gives.
_SPICE: Final = "com.redhat.spice."


class Said(NamedTuple):
    """A device in the program, and the words of `unsaid` for it."""

    call: Call
    words: frozenset[str]


class Row(NamedTuple):
    """One field of a domain's config: how a program says what it has of it."""

    field: str
    say: Callable[[DomainConfig], Iterator[Said]]


def _watchdog(config: DomainConfig) -> Iterator[Said]:
    found = config.watchdog
    if found is not None and found.model in _WATCHDOGS and found.action in _ACTIONS:
        model = None if found.model == WatchdogSpec().model else found.model
        yield _said("Watchdog", found.action, words=("watchdog",), model=model)


def _balloon(config: DomainConfig) -> Iterator[Said]:
    """Without a word of it, every guest has a plain one."""
    found = config.balloon
    if found == BalloonSpec(model="none"):
        yield _said("Balloon", Code("None"), words=("memballoon",))
    elif found is not None and found.model == "virtio" and found.stats_period is not None:
        yield _said(
            "Balloon",
            words=("memballoon",),
            autodeflate=found.autodeflate,
            free_page_reporting=found.free_page_reporting,
            stats=found.stats_period,
        )


def _rng(config: DomainConfig) -> Iterator[Said]:
    """Without a word of it, every guest has the usual one."""
    found = config.rng
    if found is None or found == RngSpec() or found.source is None:
        return
    plain = RngSpec(source=found.source, rate_bytes=found.rate_bytes, rate_period=found.rate_period)
    if found == plain and (found.rate_period is None or found.rate_bytes is not None):
        rate = None if found.rate_bytes is None else size_of(found.rate_bytes)
        yield _said("Rng", words=("rng",), source=found.source, rate=rate, period=found.rate_period)


def _vsock(config: DomainConfig) -> Iterator[Said]:
    found = config.vsock
    if found is not None and found.model == VsockSpec().model:
        yield _said("Vsock", words=("vsock",), cid=found.cid)


def _panic(config: DomainConfig) -> Iterator[Said]:
    if config.panic in _PANICS:
        yield _said("Panic", config.panic, words=("panic",))


def _channels(config: DomainConfig) -> Iterator[Said]:
    for name in config.channels:
        if name not in (AGENT_CHANNEL, READY_CHANNEL) and not name.startswith(_SPICE):
            yield _said("Channel", name, words=(f"channel {name}",))


def _consoles(config: DomainConfig) -> Iterator[Said]:
    """All of them, or, where a program would mean others than these, none."""
    found = config.consoles
    ports = {"serial": 0, "virtio": 0}
    calls = []
    for item in found:
        place: dict[str, Value | None] = {"file": item.path if item.type == "file" else None}
        place["tcp"] = f"{item.host}:{item.service}" if item.type == "tcp" and item.host and item.service else None
        plain = ConsoleSpec(
            target=item.target, port=ports[item.target], type=item.type, path=item.path if place["file"] else None,
            host=item.host if place["tcp"] else None, service=item.service if place["tcp"] else None,
        )  # fmt: skip
        if item != plain or (item.type != "pty" and not any(place.values())):
            return
        ports[item.target] += 1
        target = None if item.target == "serial" else item.target
        calls.append(_said("Console", words=("serial", "console"), target=target, **place))
    if ports["serial"] and found != (ConsoleSpec(),) and config.serial_log is None:
        yield from calls


def _filesystems(config: DomainConfig) -> Iterator[Said]:
    for item in config.filesystems:
        words = (f"filesystem {item.target}",)
        if item.driver == "virtiofs" and item.accessmode == "passthrough" and not item.readonly:
            yield _said("Filesystem", item.source, item.target, words=words)
        elif item.driver is None and item.accessmode in ("mapped", "passthrough", "squash"):
            access = None if item.accessmode == "mapped" else item.accessmode
            readonly = None if item.readonly else False
            yield _said(
                "Filesystem", item.source, item.target, words=words, driver="9p", access=access, readonly=readonly
            )


def _host_devices(config: DomainConfig) -> Iterator[Said]:
    for item in config.host_devices:
        place: dict[str, Value | None] = {item.kind: item.address, "managed": None if item.managed else False}
        yield _said("Passthrough", words=(f"hostdev {item.kind}",), **place)


# What becomes `devices=[...]`, in its order.
ROWS: Final = (
    Row("consoles", _consoles),
    Row("channels", _channels),
    Row("filesystems", _filesystems),
    Row("host_devices", _host_devices),
    Row("vsock", _vsock),
    Row("rng", _rng),
    Row("watchdog", _watchdog),
    Row("panic", _panic),
    Row("balloon", _balloon),
)


def write_devices(config: DomainConfig) -> list[Said]:
    """All devices that the program gives."""
    return [said for row in ROWS for said in row.say(config)]


def _said(function: str, *arguments: Value, words: tuple[str, ...], **named: Value | None) -> Said:
    return Said(Call(function, arguments, tuple(named.items())), frozenset(words))
