"""What a change of a device takes: which row of the change table it meets, by what the device is before and after."""

from typing import Final

from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.hardware import FilesystemSpec, HostDeviceSpec
from vmstack.plan.changes.row import Case
from vmstack.plan.changes.table import only_case

# What libvirt plugs into a running guest, of the things that a machine has one of.
HOT_PERIPHERALS: Final = frozenset({"rng", "vsock"})
# Models of NICs that sit on a PCIe port of their own.
HOT_MODELS: Final = frozenset({"virtio", "e1000e"})
_NIC_PLACES: Final = frozenset({"network", "bridge", "interface", "mode"})
# A NIC that differs in these is another one to the guest.
_NEW_CARD: Final = frozenset({"model", "mtu", "queues"})
# What says which medium is in a drive.
_MEDIUM: Final = frozenset({"volume", "url", "format", "kind", "backing"})


def disk_case(path: str, *, old: DiskConfig, new: DiskConfig) -> Case:
    """A field of a disk. What is in a drive of media can be another while the drive stays."""
    if path.rpartition(".")[2] not in _MEDIUM:
        return only_case(path)
    drive = old.device == new.device == "cdrom" and old.bus == new.bus
    return Case.MEDIUM if drive else Case.DEFINITION


def nic_case(field: str, *, old: NicConfig, new: NicConfig) -> Case:
    """A field of a NIC: libvirt moves a cable and sets limits; for the rest it must be another card."""
    straight = field in _NIC_PLACES and (old.device is not None or new.device is not None)
    if field not in _NEW_CARD and not straight:
        return Case.DEVICE_UPDATE
    return Case.REPLUG if {old.model, new.model} <= HOT_MODELS else Case.DEFINITION


def keyed_case(path: str, before: object, after: object) -> Case:
    """An item of a list: host devices and virtiofs can be plugged, 9p and consoles cannot."""
    items = [item for item in (before, after) if item is not None]
    if all(isinstance(item, HostDeviceSpec) for item in items):
        return plug_case(before, after)
    if all(isinstance(item, FilesystemSpec) for item in items):
        fast = all(isinstance(item, FilesystemSpec) and item.driver is not None for item in items)
        return plug_case(before, after) if fast else Case.DEFINITION
    return only_case(path)


def plug_case(before: object, after: object) -> Case:
    """A device that can be plugged: added, removed, or another one in its place."""
    if before is None:
        return Case.HOT_PLUG
    return Case.HOT_UNPLUG if after is None else Case.REPLUG


def takes_port(device: str, *, target: DomainConfig) -> bool:
    """Whether plugging the device (a serial, a MAC or a path) takes a PCIe port."""
    if device.startswith(("host_devices[usb:", "channels[")):
        return False
    return all(disk.bus == "virtio" for disk in target.disks if disk.serial == device)


def can_hot_plug(device: str, *, target: DomainConfig, live: DomainConfig) -> bool:
    """Whether the running guest has what the device is plugged into, ports aside.

    A SCSI disk needs the controller of another one, a channel that of another channel, and virtiofs shared memory.
    """
    for disk in target.disks:
        if disk.serial == device:
            scsi = disk.bus == "scsi" and any(other.bus == "scsi" for other in live.disks)
            return disk.bus == "virtio" or scsi
    for nic in target.nics:
        if nic.mac == device:
            return nic.model in HOT_MODELS
    if device.startswith("channels["):
        return bool(live.channels)
    return not device.startswith("filesystems[") or live.shared_memory is True


def can_hot_unplug(disk: DiskConfig) -> bool:
    """Whether a running guest can let go of the disk: not of one on SATA or IDE."""
    return disk.bus in ("virtio", "scsi") and disk.device == "disk"
