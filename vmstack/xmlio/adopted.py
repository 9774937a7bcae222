"""Disks of domains that others defined: named for as long as a definition is patched, and then as they were."""

from typing import NamedTuple

from vmstack.model.ownership import Adopted
from vmstack.xmlio.safe import Element, add, drop_children, set_text


class NamedDisk(NamedTuple):
    """A `<disk>` that has its logical name as its serial for now, and the serial that it really has."""

    element: Element
    serial: str | None


def name_disks(domain: Element, *, adopted: Adopted | None) -> tuple[NamedDisk, ...]:
    """Give the adopted disks of a domain their logical names as serials."""
    if adopted is None:
        return ()
    names = {(item.target, item.serial): name for name, item in adopted.disks.items()}
    found: list[NamedDisk] = []
    for disk in domain.iterfind("devices/disk"):
        target, serial = disk.find("target"), disk.findtext("serial")
        name = names.get((target.get("dev", "") if target is not None else "", serial))
        if name is not None:
            _put_serial(disk, name)
            found.append(NamedDisk(disk, serial))
    return tuple(found)


def unname_disks(named: tuple[NamedDisk, ...]) -> None:
    """Give them back the serials that they really have."""
    for disk in named:
        _put_serial(disk.element, disk.serial)


def unname_written(domain: Element, *, adopted: Adopted | None) -> None:
    """Give the adopted disks of a definition that was written anew the serials that they really have."""
    for disk in domain.iterfind("devices/disk") if adopted is not None else ():
        target, item = disk.find("target"), (adopted.disks if adopted else {}).get(disk.findtext("serial", ""))
        if item is not None and target is not None and target.get("dev") == item.target:
            _put_serial(disk, item.serial)


def _put_serial(disk: Element, serial: str | None) -> None:
    node = disk.find("serial")
    if serial is None:
        drop_children(disk, "serial")
    elif node is None:
        add(disk, "serial", text=serial)
    else:
        set_text(node, serial)
