"""The devices of a virtual machine besides disks, NICs and its display, for `devices=[...]`."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_host_path,
    check_int,
    check_label,
    check_list,
    check_seconds,
    check_size,
    describe,
)
from vmstack.model.hardware import (
    BalloonSpec,
    ConsoleSpec,
    FilesystemSpec,
    HostDeviceSpec,
    RngSpec,
    VsockSpec,
    WatchdogSpec,
)
from vmstack.model.readiness import AGENT_CHANNEL, READY_CHANNEL

Action = Literal["reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi"]
WatchdogModel = Literal["i6300esb", "ib700", "diag288"]

_ACTIONS: Final[tuple[Action, ...]] = ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")
_WATCHDOGS: Final[tuple[WatchdogModel, ...]] = ("i6300esb", "ib700", "diag288")
_PANICS: Final[tuple[Literal["isa", "pseries", "hyperv", "s390"], ...]] = ("isa", "pseries", "hyperv", "s390")
_ACCESS: Final[tuple[Literal["mapped", "passthrough", "squash"], ...]] = ("mapped", "passthrough", "squash")
_TARGETS: Final[tuple[Literal["serial", "virtio"], ...]] = ("serial", "virtio")
_ADDRESSES: Final[dict[Literal["pci", "usb", "mdev"], tuple[re.Pattern[str], str]]] = {
    "pci": (re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"), "0000:3b:00.0, as lspci -D shows it"),
    "usb": (re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}"), "046d:c52b, as lsusb shows it"),
    "mdev": (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "the UUID of the mediated device"),
}
_MOST: Final = 1 << 30
# Guests count from 3 (0 to 2 are the hypervisor's and the host's): vsock(7).
_CIDS: Final = (3, (1 << 32) - 2)


class Device:
    """A device for `devices=[...]`; `field` is what a VM's hardware calls it."""

    __slots__ = ("field", "value")

    field: str
    value: object


class Rng(Device):
    """A source of random numbers (every VM has one): from `source`, a file of the host, at most `rate` ("1KiB") in
    each `period` of milliseconds."""

    @validated
    def __init__(self, *, source: str = "/dev/urandom", rate: str | None = None, period: int | None = None) -> None:
        if period is not None and rate is None:
            raise InputError("period: there is no rate", resolution='say rate="1KiB"')
        self.field = "rng"
        self.value = RngSpec(
            source=check_host_path(source, field="source"),
            rate_bytes=None if rate is None else check_size(rate, field="rate", multiple=1),
            rate_period=None if period is None else check_int(period, field="period", low=1, high=_MOST),
        )


class Watchdog(Device):
    """A watchdog: what is done to a guest that began to feed it and stopped."""

    @validated
    def __init__(self, action: Action = "reset", *, model: WatchdogModel = "i6300esb") -> None:
        self.field = "watchdog"
        self.value = WatchdogSpec(
            model=check_choice(model, field="model", allowed=_WATCHDOGS),
            action=check_choice(action, field="action", allowed=_ACTIONS),
        )


class Balloon(Device):
    """The memory balloon (every VM has one). `autodeflate`: a guest that runs out of memory takes it back.
    `stats` is the period of its figures; 0 gathers none. `Balloon(None)` takes it away."""

    @validated
    def __init__(
        self,
        model: Literal["virtio"] | None = "virtio",
        *,
        autodeflate: bool | None = None,
        free_page_reporting: bool | None = None,
        stats: str | int = 10,
    ) -> None:
        self.field = "balloon"
        if model is None:
            if autodeflate is not None or free_page_reporting is not None:
                raise InputError("autodeflate and free_page_reporting: there is no balloon")
            self.value = BalloonSpec(model="none")
            return
        flags = {"autodeflate": autodeflate, "free_page_reporting": free_page_reporting}
        self.value = BalloonSpec(
            model=check_choice(model, field="model", allowed=("virtio",)),
            **{name: check_flag(value, field=name) for name, value in flags.items() if value is not None},
            stats_period=0 if stats == 0 else check_seconds(stats, field="stats"),
        )


class Vsock(Device):
    """A socket between guest and host; without a `cid`, one of libvirt's choice at each start."""

    @validated
    def __init__(self, cid: int | None = None) -> None:
        low, high = _CIDS
        self.field = "vsock"
        self.value = VsockSpec(cid=None if cid is None else check_int(cid, field="cid", low=low, high=high))


class Panic(Device):
    """The device by which a guest tells its host that it crashed."""

    @validated
    def __init__(self, model: Literal["isa", "pseries", "hyperv", "s390"] = "isa") -> None:
        self.field = "panic"
        self.value = check_choice(model, field="model", allowed=_PANICS)


class Channel(Device):
    """A further virtio-serial channel, which the guest finds by its name."""

    @validated
    def __init__(self, name: str) -> None:
        self.field = "channels"
        self.value = check_label(name, field="name")
        if name in (AGENT_CHANNEL, READY_CHANNEL):
            raise InputError(f"name: every VM has {name}", resolution="leave it out")


class Console(Device):
    """A serial port, or (`target="virtio"`) a paravirtual console; they count in their order.

    On the host it is a pty, a `file`, or a TCP port that telnet connects to (`tcp="127.0.0.1:4555"`).
    """

    @validated
    def __init__(
        self,
        *,
        target: Literal["serial", "virtio"] = "serial",
        file: str | None = None,
        tcp: str | None = None,
    ) -> None:
        if file is not None and tcp is not None:
            raise InputError("file: tcp is given too", resolution="a console is in one place")
        place: dict[str, Any] = {}
        if file is not None:
            place = {"type": "file", "path": check_host_path(file, field="file")}
        if tcp is not None:
            host, _, service = tcp.rpartition(":") if isinstance(tcp, str) else ("", "", "")
            if not host or not service.isdigit() or not 0 < int(service) < 1 << 16:
                raise InputError(f"tcp: {tcp!r} is no place to listen", resolution='such as "127.0.0.1:4555"')
            place = {"type": "tcp", "host": host, "service": service}
        self.field = "consoles"
        self.value = ConsoleSpec(target=check_choice(target, field="target", allowed=_TARGETS), **place)


class Filesystem(Device):
    """A directory of the host that the guest mounts by its `tag`.

    Over virtiofs it is the host's own, with its owners, and QEMU shares the guest's memory; over 9p `access` says whose
    the files are, and it is read-only unless `readonly=False`.
    """

    @validated
    def __init__(
        self,
        source: str,
        tag: str,
        *,
        driver: Literal["virtiofs", "9p"] = "virtiofs",
        access: Literal["mapped", "passthrough", "squash"] | None = None,
        readonly: bool | None = None,
    ) -> None:
        check_choice(driver, field="driver", allowed=("virtiofs", "9p"))
        fast = driver == "virtiofs"
        if fast and access not in (None, "passthrough"):
            raise InputError("access: virtiofs passes the host's own through", resolution='leave it out, or use "9p"')
        if fast and readonly:
            raise InputError("readonly: virtiofs cannot be", resolution='mount it read-only in the guest, or use "9p"')
        self.field = "filesystems"
        self.value = FilesystemSpec(
            source=check_host_path(source, field="source"),
            target=check_label(tag, field="tag"),
            accessmode="passthrough" if fast else check_choice(access or "mapped", field="access", allowed=_ACCESS),
            readonly=False if fast else check_flag(readonly is not False, field="readonly"),
            driver="virtiofs" if fast else None,
        )


class Passthrough(Device):
    """A device of the host that the guest gets for itself: one of `pci`, `usb` (vendor and product), `mdev`.

    `managed`: libvirt takes a PCI device from the host's driver at the start, and gives it back at the end.
    """

    @validated
    def __init__(
        self, *, pci: str | None = None, usb: str | None = None, mdev: str | None = None, managed: bool = True
    ) -> None:
        values = {"pci": pci, "usb": usb, "mdev": mdev}
        given = [(kind, values[kind]) for kind in _ADDRESSES if values[kind] is not None]
        if len(given) != 1:
            raise InputError("Passthrough: give one of pci, usb and mdev")
        kind, value = given[0]
        pattern, example = _ADDRESSES[kind]
        text = value.lower() if isinstance(value, str) else ""
        if not pattern.fullmatch(text):
            raise InputError(f"{kind}: {value!r} is not the address of such a device", resolution=f"write {example}")
        self.field = "host_devices"
        self.value = HostDeviceSpec(kind=kind, address=text, managed=check_flag(managed, field="managed"))


_LISTS: Final = ("channels", "consoles", "filesystems", "host_devices")


def read_devices(devices: Sequence[object]) -> dict[str, Any]:
    """The devices as fields of a VM's hardware. Raises `InputError`."""
    found: dict[str, Any] = {}
    for device in check_list(devices, field="devices"):
        if not isinstance(device, Device):
            raise InputError(
                f"devices: {describe(device)} is no device for here",
                resolution="disks go into disks=, NICs into networks=, the display into graphics=",
            )
        if device.field in _LISTS:
            found[device.field] = (*found.get(device.field, ()), device.value)
        elif device.field in found:
            raise InputError(f"devices: a VM has one {device.field}, and two are given")
        else:
            found[device.field] = device.value
    found |= {"consoles": _counted(found["consoles"])} if "consoles" in found else {}
    for field, name in (("channels", str), ("filesystems", _tag), ("host_devices", _place)):
        names = [name(item) for item in found.get(field, ())]
        twice = next((item for item in names if names.count(item) > 1), None)
        if twice is not None:
            raise InputError(f"devices: {twice} is given twice", resolution="leave one out")
    return found


def _counted(consoles: Sequence[ConsoleSpec]) -> tuple[ConsoleSpec, ...]:
    """The consoles, serial ports first, each numbered among its kind."""
    kinds = {target: [item for item in consoles if item.target == target] for target in _TARGETS}
    if not kinds["serial"]:
        kinds["serial"] = [ConsoleSpec()]  # the first console of every VM is its serial port
    return tuple(
        ConsoleSpec(target=item.target, port=port, type=item.type, path=item.path, host=item.host, service=item.service)
        for items in kinds.values()
        for port, item in enumerate(items)
    )


def _tag(item: FilesystemSpec) -> str:
    return item.target


def _place(item: HostDeviceSpec) -> str:
    return item.name
