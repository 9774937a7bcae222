"""The text side of a guest: its serial port with the log, and its virtio-serial channels."""

import copy
from collections.abc import Container, Iterable, Iterator
from typing import Final, Literal

from vmstack.errors import DocumentError
from vmstack.model.hardware import ConsoleSpec
from vmstack.xmlio.safe import Element, add, drop_children, replace_children, serialise, set_attribute
from vmstack.xmlio.table import new_root

# Kinds of the host's side that have a path which somebody chooses; that of a pty is libvirt's.
_WITH_PATH: Final = ("dev", "file", "pipe", "unix")
# What a machine has whose program names no console, or one of each kind.
_ORDINARY: Final = {ConsoleSpec(), ConsoleSpec(target="virtio")}


def read_serial_log(devices: Element) -> str | None:
    """Return the file that the first serial port is logged to."""
    log = devices.find("serial/log")
    return None if log is None else log.get("file")


def build_serial(devices: Element, *, log: str | None) -> None:
    """Add a serial port and the console on it, which must be the first of the consoles."""
    others = devices.findall("console")
    ports = [new_root(tag, type="pty") for tag in ("serial", "console")]
    for port in ports:
        if log is not None:
            _log_to(port, log)
    replace_children(devices, others, [*ports, *others])


def patch_serial_log(devices: Element, *, log: str | None) -> None:
    """Log the first serial port to `log`, or to nowhere; a port is added where there is none."""
    if log == read_serial_log(devices):
        return
    if devices.find("serial") is None:
        build_serial(devices, log=log)
        return
    # libvirt shows a serial port a second time as the first console; both must say the same.
    for port in (devices.find("serial"), devices.find("console")):
        if port is None or (port.tag == "console" and not _is_serial(port)):
            continue
        drop_children(port, "log")
        if log is not None:
            _log_to(port, log)


def read_virtio_console(devices: Element) -> bool | None:
    """Return whether there is a paravirtual console (`/dev/hvc0` in the guest); `None` where there is none."""
    return True if _virtio_consoles(devices) else None


def build_virtio_console(devices: Element) -> None:
    """Add a paravirtual console behind those that are there: the first one belongs to the serial port."""
    console = new_root("console", type="pty")
    add(console, "target", type="virtio", port="1")
    present = devices.findall("console") or devices.findall("serial")
    devices.insert(devices.index(present[-1]) + 1 if present else len(devices), console)


def patch_virtio_console(devices: Element, *, wanted: bool | None) -> None:
    """Have one paravirtual console, or none."""
    present = _virtio_consoles(devices)
    if wanted and not present:
        build_virtio_console(devices)
    elif not wanted:
        for console in present:
            devices.remove(console)


def _virtio_consoles(devices: Element) -> list[Element]:
    return [
        console
        for console in devices.findall("console")
        if (target := console.find("target")) is not None and target.get("type") == "virtio"
    ]


def read_consoles(devices: Element) -> tuple[ConsoleSpec, ...]:
    """Return the serial ports and the paravirtual consoles; nothing where there is no more than one pty of each.

    libvirt shows the first serial port a second time as a console, which counts once, and numbers paravirtual
    consoles by itself. The path of a pty is its own choice.
    """
    return settle_consoles(tuple(console for _, console in _consoles(devices)))


def settle_consoles(consoles: tuple[ConsoleSpec, ...]) -> tuple[ConsoleSpec, ...]:
    """The consoles as they are read back: nothing for what any machine has."""
    return () if all(map(is_ordinary, consoles)) and len(consoles) == len(set(consoles)) else consoles


def is_ordinary(console: ConsoleSpec) -> bool:
    """Whether any machine has the console, which nobody asked for then."""
    return console in _ORDINARY


def patch_consoles(devices: Element, wanted: tuple[ConsoleSpec, ...]) -> None:
    """Have these serial ports and paravirtual consoles, and no others; those that are so are not touched."""
    present = list(_consoles(devices))
    if tuple(console for _, console in present) == wanted:
        return
    mirrors = [console for console in devices.findall("console") if _is_serial(console)]
    serials: list[Element] = []
    consoles: list[Element] = []
    kept = {console: element for element, console in present}
    for console in wanted:
        element = kept.get(console)
        if element is None:
            element = _build_console(console)
        (serials if console.target == "serial" else consoles).append(element)
        if console.target == "serial":
            _put_port(element, console.port)
    if serials:
        consoles.insert(0, _mirror(serials[0]))
    old = [element for element, _ in present]
    others = [element for element in devices.findall("console") if element not in old and element not in mirrors]
    replace_children(devices, [*old, *mirrors, *others], [*serials, *consoles, *others])


def _put_port(serial: Element, port: int) -> None:
    """Say which port it is: libvirt numbers those that do not after those that do."""
    target = serial.find("target")
    if target is None:
        target = add(serial, "target")
    if target.get("port") is None:
        target.set("port", str(port))


def _consoles(devices: Element) -> Iterator[tuple[Element, ConsoleSpec]]:
    for index, serial in enumerate(devices.findall("serial")):
        yield serial, _read_console(serial, target="serial", port=index)
    for index, console in enumerate(_virtio_consoles(devices)):
        yield console, _read_console(console, target="virtio", port=index)


def _read_console(element: Element, *, target: Literal["serial", "virtio"], port: int) -> ConsoleSpec:
    source, place = element.find("source"), element.find("target")
    kind = element.get("type", "pty")
    text = place.get("port") if place is not None and target == "serial" else None
    try:
        number = port if text is None else int(text)
    except ValueError as error:
        raise DocumentError(f"serial: target/@port is not a number: {text!r}") from error
    return ConsoleSpec(
        target=target,
        port=number,
        type=kind,
        path=source.get("path") if source is not None and kind in _WITH_PATH else None,
        host=source.get("host") if source is not None and kind == "tcp" else None,
        service=source.get("service") if source is not None and kind == "tcp" else None,
    )


def _build_console(console: ConsoleSpec) -> Element:
    serial = console.target == "serial"
    element = new_root("serial" if serial else "console", type=console.type)
    if console.type == "tcp":
        # Whoever connects speaks telnet, as with the provider that this is compatible with.
        add(element, "source", mode="bind", host=console.host or "", service=console.service or "")
        add(element, "protocol", type="telnet")
    elif console.path is not None:
        source = add(element, "source", path=console.path)
        if console.type == "unix":
            source.set("mode", "bind")
    target = add(element, "target", port=str(console.port))
    if not serial:
        target.set("type", "virtio")
    return element


def _mirror(serial: Element) -> Element:
    """The console that stands for the first serial port."""
    console = new_root("console", type=serial.get("type", "pty"))
    for tag in ("source", "protocol", "log"):
        for node in serial.findall(tag):
            console.append(copy.deepcopy(node))
    add(console, "target", type="serial", port="0")
    return console


def read_channels(channels: Iterable[Element]) -> tuple[str, ...]:
    """Return the names of virtio-serial channels among `<channel>` elements."""
    targets = (channel.find("target") for channel in channels)
    names = (target.get("name") for target in targets if target is not None and target.get("type") == "virtio")
    return tuple(name for name in names if name)


def build_channel(devices: Element, name: str) -> None:
    """Add a virtio-serial channel behind a unix socket of libvirt's choice."""
    add(add(devices, "channel", type="unix"), "target", type="virtio", name=name)


def write_channel(name: str) -> str:
    """Write a virtio-serial channel, as for attaching it."""
    holder = new_root("devices")
    build_channel(holder, name)
    return serialise(holder[0])


def patch_channels(devices: Element, names: Iterable[str], *, drop: Container[str]) -> None:
    """Add the channels that are not there; of those that are, only the ones to `drop` go (`channels[name]`)."""
    for channel in devices.findall("channel"):
        if any(f"channels[{name}]" in drop for name in read_channels((channel,))):
            devices.remove(channel)
    present = set(read_channels(devices.findall("channel")))
    for name in names:
        if name not in present:
            build_channel(devices, name)


def _log_to(port: Element, path: str) -> None:
    log = add(port, "log")
    set_attribute(log, "file", path)
    log.set("append", "on")


def _is_serial(console: Element) -> bool:
    target = console.find("target")
    return target is None or target.get("type", "serial") == "serial"
