"""Pools, volumes and disks, as a program says them."""

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from vmstack.errors import InputError
from vmstack.evaluate.authoring.source import Call, Code, Value
from vmstack.evaluate.native.devices import Bus, Cache, DriveBus
from vmstack.evaluate.native.fields import SECTOR, check_label
from vmstack.evaluate.native.storage import FORMATS, SYSTEM_FOLDERS
from vmstack.model.configs import DiskConfig
from vmstack.model.hardware import IoTuneSpec
from vmstack.model.observed import HostSnapshot, ObservedPool, ObservedVolume
from vmstack.model.sizes import format_size

# Pools whose volumes are files below their path.
_FILES: Final = frozenset({"dir", "fs", "netfs"})
_BUSES: Final = get_args(Bus)
_CACHES: Final = get_args(Cache)
_DRIVES: Final = get_args(DriveBus)


def find_volumes(snapshot: HostSnapshot) -> dict[str, ObservedVolume]:
    """The volumes of pools whose volumes are files, by path."""
    return {
        volume.config.path: volume
        for pool in snapshot.pools
        if pool.config.type in _FILES
        for volume in pool.volumes or ()
        if volume.config.path
    }


def why_not_pool(pool: ObservedPool) -> str | None:
    """Why a program cannot say what the pool is; `None` when it can."""
    if pool.config.type != "dir":
        return f"it is of the type {pool.config.type}"
    if pool.config.path is None or pool.config.path in SYSTEM_FOLDERS:
        return f"its directory is {pool.config.path}, which is the system's"
    return None if _can_be_called(pool.name) else "its name is none that a program can give"


def why_not_disk(disk: DiskConfig, volume: ObservedVolume | None, *, files: Mapping[str, ObservedVolume]) -> str | None:
    """Why a program cannot speak of the disk; `None` when it can."""
    if disk.device == "cdrom" and disk.kind == "file" and disk.bus in _DRIVES:
        return None
    if disk.device != "disk":
        return f"it holds {disk.path}" if disk.path else "it is empty"
    if volume is None:
        return f"{disk.path or disk.url or 'its source'} is in no directory pool that is active"
    config = volume.config
    checks = (
        (disk.bus not in _BUSES, f"its bus is {disk.bus}"),
        (config.format not in FORMATS, f"its format is {config.format}"),
        (disk.format != config.format, f"it is used as {disk.format}, and its volume is {config.format}"),
        (config.capacity % SECTOR != 0 or not config.capacity, "its size is no multiple of 512 bytes"),
        (not _can_be_called(volume.name), "the name of its volume is none that a program can give"),
        (config.backing_path is not None and config.backing_path not in files,
         f"it is over {config.backing_path}, which is in no directory pool that is active"),
    )  # fmt: skip
    return next((why for wrong, why in checks if wrong), None)


def write_pool(name: str, *, pool: ObservedPool, reference: bool, found: str) -> Call:
    """The pool's constructor."""
    label = pool.name if pool.name != name else None
    if reference:
        return Call("StoragePool.existing", (name,), (("path", pool.config.path), ("label", label)))
    return Call(
        "StoragePool",
        (name,),
        (
            ("path", pool.config.path or ""),
            ("label", label),
            ("autostart", None if pool.autostart else False),
            ("opts", Call(found, (pool.name,))),
        ),
    )


def write_volume(
    name: str, *, volume: ObservedVolume, pool: str, base: str | None, reference: bool, found: str
) -> Call:
    """The volume's constructor; `pool` and `base` are variables."""
    config = volume.config
    if reference:
        label = volume.name if volume.name != name else None
        return Call("Volume.existing", (name,), (("pool", Code(pool)), ("label", label)))
    return Call(
        "Volume",
        (name,),
        (
            ("pool", Code(pool)),
            ("base", None if base is None else Code(base)),
            ("size", size_of(config.capacity)),
            ("format", None if config.format == "qcow2" else config.format),
            ("label", volume.name if volume.name != f"{name}.{config.format}" else None),
            ("opts", Call(found, (f"{volume.pool}/{volume.name}",))),
        ),
    )


def write_drive(disk: DiskConfig) -> Call:
    """The CD-ROM drive, by a name that is its slot."""
    return Call("Cdrom", (disk.target,), (("source", disk.path), ("bus", None if disk.bus == "sata" else disk.bus)))


def write_disk(disk: DiskConfig, *, volume: str) -> Call:
    """The disk, by a name that is its slot."""
    limits = disk.iotune
    tune = None if limits is None else Call("IoTune", (), tuple(_limits(limits)))
    return Call(
        "Disk",
        (disk.target,),
        (
            ("volume", Code(volume)),
            ("bus", None if disk.bus == "virtio" else disk.bus),
            ("cache", disk.cache if disk.cache in _CACHES else None),
            ("readonly", True if disk.readonly else None),
            ("iothread", disk.iothread if disk.bus == "virtio" else None),
            ("iotune", tune),
        ),
    )


def _limits(limits: IoTuneSpec) -> Iterator[tuple[str, Value | None]]:
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        yield name, (size_of(value) if name.endswith("bytes") else value) if value else None


def size_of(size: int) -> str:
    """A size in bytes as programs write it."""
    return format_size(size).replace(" ", "")


def _can_be_called(label: str) -> bool:
    try:
        check_label(label, field="label")
    except InputError:
        return False
    return True
