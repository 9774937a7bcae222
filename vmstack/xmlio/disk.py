"""`<disk>`: found by its serial, its format and its backing always stated."""

import itertools
from collections.abc import Container, Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from vmstack.errors import DocumentError
from vmstack.model.configs import DiskConfig, PoolConfig
from vmstack.model.hardware import IoTuneSpec
from vmstack.xmlio.codec import INTEGER, LOWER, PRESENCE
from vmstack.xmlio.safe import (
    Element,
    add,
    as_root,
    drop_attributes,
    drop_children,
    replace_children,
    serialise,
    set_attribute,
)
from vmstack.xmlio.table import Field, Table, new_root

# Block devices and directories have their path elsewhere; network disks and empty drives have none.
_DISK: Final = Table(
    "disk",
    Field("kind", "@type"),
    Field("device", "@device"),
    Field("format", "driver/@type"),
    Field("cache", "driver/@cache"),
    Field("discard", "driver/@discard"),
    Field("iothread", "driver/@iothread", INTEGER),
    Field("path", "source/@file", also=("source/@dev", "source/@dir")),
    Field("backing_format", "backingStore/format/@type"),
    Field("backing_path", "backingStore/source/@file", also=("backingStore/source/@dev",)),
    Field("target", "target/@dev"),
    Field("bus", "target/@bus"),
    Field("readonly", "readonly", PRESENCE),
    Field("serial", "serial"),
    Field("wwn", "wwn", LOWER),
)
# https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms: what is not limited is not there, or 0.
_IOTUNE: Final = Table(
    "iotune",
    Field("total_bytes", "total_bytes_sec", INTEGER),
    Field("read_bytes", "read_bytes_sec", INTEGER),
    Field("write_bytes", "write_bytes_sec", INTEGER),
    Field("total_iops", "total_iops_sec", INTEGER),
    Field("read_iops", "read_iops_sec", INTEGER),
    Field("write_iops", "write_iops_sec", INTEGER),
)
_ABSENT: Final = {"serial": None, "path": None, "format": None, "target": ""}
# What libvirt calls the slots of a bus (vda, vdb, ..., vdz, vdaa): https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms
_WRITTEN: Final = ("file", "block", "network")
_PREFIXES: Final = {"virtio": "vd", "ide": "hd", "fdc": "fd", "xen": "xvd"}
# Pools whose volumes have their own names below the pool's path.
_DIRECTORIES: Final = frozenset({"dir", "fs", "netfs", "logical"})
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def read_disk(xml: str | Element) -> DiskConfig:
    """Read a `<disk>` of any kind; one without a file or device path has `path` `None`. Raises `DocumentError`."""
    disk = as_root(xml, what="a disk", tag="disk")
    return DiskConfig(**_ABSENT | _DISK.read(disk), url=_read_url(disk), iotune=_read_iotune(disk))


def directories_of(pools: Iterable[PoolConfig]) -> dict[str, str]:
    """Where the files of pools are whose volumes are files or devices in one directory, by the pools' names."""
    return {pool.name: pool.path for pool in pools if pool.type in _DIRECTORIES and pool.path}


def locate_volumes(domain: Element, *, directories: Mapping[str, str]) -> None:
    """Note the file beside every source that names a volume of a pool, so that it is read as what it is.

    For reading only: a definition has one or the other.
    """
    for source in domain.iterfind("devices/disk/source[@pool]"):
        directory, volume = directories.get(source.get("pool", "")), source.get("volume")
        if directory is not None and volume:
            source.set("file", f"{directory.rstrip('/')}/{volume}")


def write_disk(config: DiskConfig) -> str:
    """Write a `<disk>`, as for attaching it. Raises `DocumentError` when a format is not stated."""
    return serialise(build_disk(config))


def build_disk(config: DiskConfig) -> Element:
    """Build the `<disk>` of a file, block device or URL. Raises `DocumentError` when a format is not stated."""
    _check(config)
    kind = config.kind if config.kind in _WRITTEN else "file"
    disk = new_root("disk", type=kind, device=config.device)
    # An empty drive holds nothing whose format could be mistaken, but it names one like all others.
    add(disk, "driver", name="qemu", type=config.format or "raw")
    _DISK.write(disk, msgspec.structs.replace(config, kind=kind))
    _put_iotune(disk, config.iotune)
    if config.url is not None:
        disk.insert(1, _build_source(config.url))
    source = disk.find("source")
    if source is not None and kind == "block":
        set_attribute(source, "dev", config.path or "")
        drop_attributes(source, "file")
    backing = disk.find("backingStore")
    if backing is not None:
        backing.set("type", "file")
    elif source is not None and kind != "network":
        # Without the empty element libvirt would ask the file, which its guest can write, for a backing file.
        source.addnext(new_root("backingStore"))
    return disk


def patch_disks(devices: Element, disks: Iterable[DiskConfig], *, drop: Container[str]) -> None:
    """Bring the disks under `<devices>` to `disks`, matched by serial (by path, or slot, where a config has no serial).

    Existing disks keep their slot (`target`) while their bus stays; a new one whose slot is taken gets the next free
    one. Disks that are not wanted stay, except those whose serial is in `drop`. Raises `DocumentError`.
    """
    existing: list[tuple[Element, DiskConfig]] = []
    for element in devices.findall("disk"):
        found = read_disk(element)
        if found.serial is not None and found.serial in drop:
            devices.remove(element)
        else:
            existing.append((element, found))
    added: list[DiskConfig] = []
    for config in disks:
        match = _match(config, existing)
        if match is None:
            added.append(config)
        else:
            existing.remove(match)
            _patch(match[0], before=match[1], after=config)
    for config in added:
        present = devices.findall("disk")
        taken = {read_disk(element).target for element in present}
        fresh = build_disk(msgspec.structs.replace(config, target=free_target(config, taken=taken)))
        devices.insert(devices.index(present[-1]) + 1 if present else 0, fresh)


def free_target(config: DiskConfig, *, taken: Container[str]) -> str:
    """Return the disk's own slot, or the first of its bus that is not taken."""
    if config.target not in taken:
        return config.target
    prefix = _PREFIXES.get(config.bus, "sd")
    names = (
        prefix + "".join(letters)
        for length in itertools.count(1)
        for letters in itertools.product(_LETTERS, repeat=length)
    )
    return next(name for name in names if name not in taken)


def _match(config: DiskConfig, existing: list[tuple[Element, DiskConfig]]) -> tuple[Element, DiskConfig] | None:
    """The element with the config's serial (the same file first, should a serial occur twice), or at its place."""
    candidates = [pair for pair in existing if pair[1].serial == config.serial]
    if config.serial is None:
        candidates = [pair for pair in candidates if _place(pair[1]) == _place(config)]
    return min(candidates, key=lambda pair: pair[1].path != config.path, default=None)


def _place(config: DiskConfig) -> str:
    """What tells disks without a serial apart: the file, or the slot of an empty drive."""
    return config.path or config.url or config.target


def _patch(disk: Element, *, before: DiskConfig, after: DiskConfig) -> None:
    if before.bus == after.bus:
        after = msgspec.structs.replace(after, target=before.target)
    if before == after:
        return
    _check(after)
    if _source(before) != _source(after):
        # What else stands in the old elements (encryption, slices, labels, the chain below) was the old file's.
        fresh = build_disk(after)
        disk.set("type", fresh.get("type", "file"))
        replace_children(disk, _files(disk), _files(fresh))
    if before.bus != after.bus or before.device != after.device:
        drop_children(disk, "address", "alias")
    if disk.find("driver") is None:
        add(disk, "driver", name="qemu", type=after.format or "raw")
    now = read_disk(disk)
    _DISK.patch(disk, before=now, after=msgspec.structs.replace(after, kind=now.kind))
    if before.iotune != after.iotune:
        _put_iotune(disk, after.iotune)


def _read_iotune(disk: Element) -> IoTuneSpec | None:
    element = disk.find("iotune")
    found = None if element is None else IoTuneSpec(**_IOTUNE.read(element))
    return None if found == IoTuneSpec() else found


def _put_iotune(disk: Element, wanted: IoTuneSpec | None) -> None:
    """Have these limits. Those that a config cannot say (bursts, groups) belonged to the old ones."""
    drop_children(disk, "iotune")
    if wanted is not None:
        element = add(disk, "iotune")
        for name in wanted.__struct_fields__:
            if getattr(wanted, name):
                add(element, f"{name}_sec", text=str(getattr(wanted, name)))


def _source(config: DiskConfig) -> tuple[str | None, ...]:
    # A kind that is not written here (a volume of a pool) says the same as the file in it.
    kind = config.kind if config.kind in ("block", "network") else "file"
    return (kind, config.url, config.path, config.backing_path, config.backing_format)


def _read_url(disk: Element) -> str | None:
    """The URL of a network disk, with its port; of one that no URL describes, as much as there is."""
    source = disk.find("source")
    if disk.get("type") != "network" or source is None:
        return None
    host = source.find("host")
    name, port = ("", None) if host is None else (host.get("name", ""), host.get("port"))
    query = source.get("query")
    path = source.get("name", "").removeprefix("/")
    where = f"[{name}]" if ":" in name else name
    return f"{source.get('protocol', '')}://{where}{f':{port}' if port else ''}/{path}{f'?{query}' if query else ''}"


def _build_source(url: str) -> Element:
    parts = urlsplit(url)
    source = new_root("source", protocol=parts.scheme, name=parts.path.removeprefix("/"))
    if parts.query:
        set_attribute(source, "query", parts.query)
    host = add(source, "host", name=parts.hostname or "")
    if parts.port is not None:
        set_attribute(host, "port", str(parts.port))
    return source


def _files(disk: Element) -> list[Element]:
    return [node for node in disk if node.tag in ("source", "backingStore", "mirror")]


def _check(config: DiskConfig) -> None:
    name = f"disk {config.serial or config.target}"
    if (config.path or config.url) and not config.format:
        raise DocumentError(f"{name} does not state its format, which must never be probed")
    if bool(config.backing_path) != bool(config.backing_format):
        raise DocumentError(f"{name}: the path and the format of a backing file belong together")
    if config.backing_path and not config.path:
        raise DocumentError(f"{name} has a backing file and no file")
