"""Checks of the disks and drives of a VM together, and what is said of them alone."""

from collections.abc import Sequence
from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.native.devices import Cdrom, Disk
from vmstack.evaluate.native.fields import check_flag, check_size, check_type
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.storage import Volume
from vmstack.model.specs import DiskSpec

_IDE_DRIVES: Final = 4


def read_root(disk: object, *, image: object, full_copy: object) -> Disk | None:
    """Return the root disk: what `disk` says, or a clone of the image at its own size."""
    if image is not None:
        check_type(image, Image, field="image")
    if isinstance(disk, Disk):
        if image is not None and (disk.volume is not None or disk.image is not None):
            raise InputError("disk: it has a volume or image of its own", resolution="leave out image=...")
        if full_copy:
            raise InputError("full_copy: the disk is given as a Disk", resolution="say it there")
        return disk
    if disk is None and image is None:
        if full_copy:
            raise InputError("full_copy: there is no image to copy")
        return None
    if disk is not None:
        check_size(disk, field="disk")
    root = Disk(
        "root", size=disk if isinstance(disk, str) else None, full_copy=check_flag(full_copy, field="full_copy")
    )
    if image is None and disk is None:
        return None
    return root


def check_ide(parts: Sequence[Disk | Cdrom], *, machine: str | None) -> None:
    """Only the machines before q35 have an IDE bus, for two drives on each of two cables."""
    drives = [part for part in parts if part.bus == "ide"]
    if drives and (not (machine or "").startswith("pc") or (machine or "").startswith("pc-q35")):
        raise InputError(
            f"disks: {drives[0].name}: the machine {machine or 'q35'} has no IDE bus",
            resolution='say bus="sata", or machine="pc"',
        )
    if len(drives) > _IDE_DRIVES:
        raise InputError(
            f"disks: {drives[_IDE_DRIVES].name}: an IDE bus has {_IDE_DRIVES} drives", resolution='say bus="sata"'
        )


def check_threads(parts: Sequence[Disk], *, iothreads: int | None) -> None:
    """Raise `InputError` for a disk on a thread that the VM does not have."""
    for part in parts:
        if part.iothread is not None and part.iothread > (iothreads or 0):
            raise InputError(
                f"disks: {part.name}: there is no I/O thread {part.iothread}",
                resolution=f"give the VM iothreads={part.iothread}, or the disk another one",
            )


def loaded(drive: Cdrom, volume: Volume) -> DiskSpec:
    """A drive with a volume of the stack in it."""
    return DiskSpec(name=drive.name, volume=volume.name, bus=drive.bus, device="cdrom", readonly=True, discard=False)
