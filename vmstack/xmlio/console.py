"""The text side of a guest: its serial port with the log, and its virtio-serial channels."""

from collections.abc import Iterable

from vmstack.xmlio.safe import Element, add, drop_children, replace_children, set_attribute
from vmstack.xmlio.table import new_root


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


def read_channels(channels: Iterable[Element]) -> tuple[str, ...]:
    """Return the names of virtio-serial channels among `<channel>` elements."""
    targets = (channel.find("target") for channel in channels)
    names = (target.get("name") for target in targets if target is not None and target.get("type") == "virtio")
    return tuple(name for name in names if name)


def build_channel(devices: Element, name: str) -> None:
    """Add a virtio-serial channel behind a unix socket of libvirt's choice."""
    add(add(devices, "channel", type="unix"), "target", type="virtio", name=name)


def patch_channels(devices: Element, names: Iterable[str]) -> None:
    """Add the channels that are not there; none is removed."""
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
