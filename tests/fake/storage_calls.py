"""Pools and volumes of the fake hypervisor, as libvirt's `dir` backend treats them."""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from lxml import etree

from tests.fake.faults import Call
from tests.fake.machine import Content, File, Pool
from tests.fake.wire import Wire, mutates, need, parse, reads, size_of, text
from vmstack.errors import ExistsError, HostError, NotFoundError
from vmstack.hosts.driver import PoolRecord, PoolUsage, VolumeRecord

# The size of the file that `qemu-img create` makes for a qcow2 without data.
_EMPTY_QCOW2 = 196616
# What LVM rounds sizes up to, unless a group is made otherwise.
_EXTENT = 4 << 20
# What libvirt reads anew from a file.
_FILE_TAGS = ("path", "format", "permissions", "timestamps")


def detect(content: Content) -> tuple[str, int, str | None]:
    """What libvirt finds when it looks into a file: format, capacity, backing path."""
    head = content.head(32774)
    if head[:4] == b"QFI\xfb" and len(head) >= 32:
        (offset, length) = struct.unpack_from(">QI", head, 8)
        (capacity,) = struct.unpack_from(">Q", head, 24)
        return "qcow2", capacity, head[offset : offset + length].decode() if offset else None
    return ("iso" if head[32769:32774] == b"CD001" else "raw"), content.length, None


class StorageCalls(Wire):
    """The pool and volume methods of the driver."""

    @reads
    def pools(self) -> list[PoolRecord]:
        return [self._pool_record(pool) for pool in self.machine.pools.values()]

    @reads
    def pool(self, name: str) -> PoolRecord:
        return self._pool_record(self.find_pool(name))

    @reads
    def pool_usage(self, name: str) -> PoolUsage:
        found = self.find_pool(name, active=True)
        capacity, allocation, available = self._sizes(found)
        return PoolUsage(capacity=capacity, allocation=allocation, available=available)

    @reads
    def volumes(self, pool: str) -> list[VolumeRecord]:
        found = self.find_pool(pool, active=True)
        return [self._volume_record(found, name) for name in found.names]

    @reads
    def volume(self, pool: str, name: str) -> VolumeRecord:
        found = self.find_pool(pool, active=True)
        self._path(found, name)
        return self._volume_record(found, name)

    @mutates
    def define_pool(self, xml: str) -> None:
        root = parse(xml, root="pool")
        name, path = need(root, "name"), need(root, "target/path").rstrip("/")
        if root.get("type") not in ("dir", "logical"):
            raise HostError(f"Operation not supported: pool type {root.get('type')!r} is not in the fake")
        uuid = root.findtext("uuid") or f"00000000-0000-4000-8000-{self.machine.tick():012x}"
        known = self.machine.pools.get(name)
        if known is not None and known.uuid != uuid:
            raise ExistsError(f"operation failed: pool {name!r} already exists with uuid {known.uuid}")
        for other in self.machine.pools.values():
            if other.name != name and other.uuid == uuid:
                raise ExistsError(f"operation failed: pool {other.name!r} is already defined with uuid {uuid}")
            if other.name != name and other.path == path:
                raise HostError(f"operation failed: Storage source conflict with pool: {other.name!r}")
        if known is None:
            self.machine.pools[name] = Pool(uuid=uuid, name=name, xml=xml, path=path)
        else:
            known.xml, known.path, known.redefined = xml, path, known.active

    @mutates
    def build_pool(self, name: str) -> None:
        pool = self.find_pool(name)
        if pool.active:
            raise HostError(f"Requested operation is not valid: storage pool {name!r} is already active")
        self.machine.make_directory(pool.path)
        said = parse(pool.xml, root="pool").find("target/permissions")
        if said is not None:
            held = self._modes(pool.path)
            tags = zip(("mode", "owner", "group"), held, strict=True)
            self.machine.modes[pool.path] = tuple(said.findtext(tag) or old for tag, old in tags)

    def _modes(self, path: str) -> tuple[str, str, str]:
        return self.machine.modes.get(path, ("0711", "0", "0"))

    @mutates
    def start_pool(self, name: str) -> None:
        pool = self.find_pool(name, active=False)
        if pool.is_logical and pool.path not in self.machine.directories:
            raise HostError(f"operation failed: cannot find logical volume group name '{pool.path}'")
        self._scan(pool, pool.path)
        pool.active, pool.live_path = True, pool.path

    @mutates
    def set_pool_autostart(self, name: str, *, enabled: bool) -> None:
        self.find_pool(name).autostart = enabled

    @mutates
    def refresh_pool(self, name: str) -> None:
        pool = self.find_pool(name, active=True)
        self._scan(pool, pool.live_path or pool.path)

    @mutates
    def stop_pool(self, name: str) -> None:
        pool = self.find_pool(name, active=True)
        pool.active, pool.live_path, pool.redefined = False, None, False
        pool.names.clear()

    @mutates
    def delete_pool_directory(self, name: str) -> None:
        pool = self.find_pool(name)
        if pool.active:
            raise HostError(f"Requested operation is not valid: storage pool {name!r} is still active")
        if pool.path not in self.machine.directories:
            raise HostError(f"failed to remove pool {pool.path!r}: No such file or directory")
        if self.machine.inside(pool.path):
            raise HostError(f"failed to remove pool {pool.path!r}: Directory not empty")
        self.machine.directories.discard(pool.path)

    @mutates
    def undefine_pool(self, name: str) -> None:
        if self.find_pool(name).active:
            raise HostError(f"Requested operation is not valid: storage pool {name!r} is still active")
        del self.machine.pools[name]

    @mutates
    def create_volume(self, pool: str, xml: str) -> None:
        self._create(self.find_pool(pool, active=True), xml)

    @mutates
    def copy_volume(self, pool: str, xml: str, *, source_pool: str, source: str) -> None:
        into = self.find_pool(pool, active=True)
        origin = self.machine.file(self._path(self.find_pool(source_pool, active=True), source))
        if origin.backing is not None:
            self.machine.file(origin.backing)
        copy = self._create(into, xml)
        copy.content = Content(complete=False, digest="partial")
        arguments = {"pool": pool, "source": source}
        self.faults.fire("during", Call(0, self._changes, "copy_volume", arguments, mutates=True))
        # `qemu-img convert` keeps the size of what it reads, whatever capacity was asked for.
        copy.capacity, copy.content = origin.capacity, origin.content

    def _create(self, pool: Pool, xml: str) -> File:
        root = parse(xml, root="volume")
        name = need(root, "name")
        if "/" in name:
            raise HostError(f"XML error: volume name {name!r} cannot contain '/'")
        if name in pool.names:
            raise ExistsError(f"storage volume {name!r} exists already")
        path = f"{pool.live_path}/{name}"
        if path in self.machine.files:
            raise ExistsError(f"cannot create path {path!r}: File exists")
        backing, backing_format, capacity = root.findtext("backingStore/path"), None, None
        if backing is not None:
            if backing not in self.machine.files:
                raise HostError(f"inaccessible backing store volume {backing}: No such file or directory")
            capacity = self.machine.files[backing].capacity
            found = root.find("backingStore/format")
            backing_format = "raw" if found is None else found.get("type", "raw")
        if pool.is_logical and backing is not None:
            raise HostError("internal error: snapshots of logical volumes are not in the fake")
        asked = size_of(root.find("capacity"), default_unit="bytes")
        capacity = asked if asked is not None else capacity
        if capacity is None:
            raise HostError("XML error: missing capacity element")
        found = root.find("target/format")
        form = "raw" if found is None or pool.is_logical else found.get("type", "raw")
        if pool.is_logical:
            capacity = -(-capacity // _EXTENT) * _EXTENT
        if form not in {"raw", "qcow2"}:
            raise HostError(f"internal error: unsupported volume format {form!r}")
        if form == "raw" and backing is not None:
            raise HostError("unsupported configuration: format raw does not support a backing store")
        content = Content.blank(_EMPTY_QCOW2 if form == "qcow2" else capacity)
        file = File(path, form, capacity, content, backing, backing_format, mtime=self.machine.tick())
        target = root.find("target")
        file.extra = [text(item) for item in (() if target is None else target) if item.tag not in _FILE_TAGS]
        self.machine.files[path] = file
        pool.names[name] = path
        return file

    @mutates
    def upload_volume(self, pool: str, name: str, *, chunks: Iterable[bytes | int], length: int) -> None:
        file = self.machine.file(self._path(self.find_pool(pool, active=True), name))
        content, sofar = Content(complete=False, digest="partial"), hashlib.sha256()
        with self.machine.mutex:
            file.content, file.mtime = content, self.machine.tick()
        half = False
        for chunk in chunks:
            content.append(chunk, sofar)
            if not half and content.length * 2 >= length:
                half = True
                arguments = {"pool": pool, "name": name}
                self.faults.fire("during", Call(0, self._changes, "upload_volume", arguments, mutates=True))
        if content.length != length:
            raise HostError(f"internal error: {content.length} bytes came, {length} were announced")
        with self.machine.mutex:
            content.complete, content.digest = True, sofar.hexdigest()
            file.format, file.capacity, file.backing = detect(content)

    @reads
    def download_volume(self, pool: str, name: str, *, length: int) -> Iterator[bytes]:
        return self.machine.file(self._path(self.find_pool(pool, active=True), name)).content.read(length)

    @mutates
    def resize_volume(self, pool: str, name: str, *, capacity: int) -> None:
        file = self.machine.file(self._path(self.find_pool(pool, active=True), name))
        if self.find_pool(pool).is_logical:
            raise HostError("this function is not supported: storage pool does not support changing of volume capacity")
        if capacity < file.capacity:
            raise HostError("invalid argument: can't shrink capacity below existing allocation")
        file.capacity = capacity

    @mutates
    def delete_volume(self, pool: str, name: str) -> None:
        found = self.find_pool(pool, active=True)
        self.machine.files.pop(self._path(found, name), None)
        del found.names[name]

    def _path(self, pool: Pool, name: str) -> str:
        if name not in pool.names:
            raise NotFoundError(f"Storage volume not found: no storage vol with matching name {name!r}")
        return pool.names[name]

    def _scan(self, pool: Pool, path: str) -> None:
        if path not in self.machine.directories:
            raise NotFoundError(f"cannot open directory {path!r}: No such file or directory")
        names = self.machine.inside(path)
        pool.names = {name: f"{path}/{name}" for name in names if f"{path}/{name}" in self.machine.files}

    def _sizes(self, pool: Pool) -> tuple[int, int, int]:
        used = sum(file.content.length for file in self.machine.files.values()) if pool.active else 0
        return (self.machine.disk_size, used, self.machine.disk_size - used)

    def _pool_record(self, pool: Pool) -> PoolRecord:
        root = parse(pool.xml, root="pool")
        for tag in ("name", "uuid", "capacity", "allocation", "available"):
            for element in root.findall(tag):
                root.remove(element)
        _add(root, name=pool.name, uuid=pool.uuid)
        sizes = self._sizes(pool)
        # What is shown is the definition for the next start, where there is one apart from the running pool's.
        current = pool.active and not pool.redefined
        for tag, size in zip(("capacity", "allocation", "available"), sizes, strict=True):
            etree.SubElement(root, tag, unit="bytes").text = str(size if current else 0)
        if root.find("source") is None:
            etree.SubElement(root, "source").text = "\n  "
        target = root.find("target")
        assert target is not None
        if current:
            for said in target.findall("permissions"):
                target.remove(said)
            mode, owner, group = self._modes(pool.live_path or pool.path)
            _add(etree.SubElement(target, "permissions"), mode=mode, owner=owner, group=group)
        return PoolRecord(
            uuid=pool.uuid,
            name=pool.name,
            active=pool.active,
            autostart=pool.autostart,
            xml=text(root),
            available=sizes[2] if pool.active else None,
        )

    def _volume_record(self, pool: Pool, name: str) -> VolumeRecord:
        path = pool.names[name]
        file = self.machine.files.get(path)
        root = etree.Element("volume", type="file")
        _add(root, name=name, key=path)
        capacity, length = (file.capacity, file.content.length) if file else (0, 0)
        for tag, size in (("capacity", capacity), ("allocation", length), ("physical", length)):
            etree.SubElement(root, tag, unit="bytes").text = str(size)
        target = etree.SubElement(root, "target")
        _describe(target, path, file.format if file else "raw", file)
        target.extend(etree.fromstring(item) for item in (file.extra if file else ()))
        if pool.is_logical:
            root.set("type", "block")
            target.remove(target.find("format"))
        if file is not None and file.backing is not None:
            store = etree.SubElement(root, "backingStore")
            _describe(store, file.backing, file.backing_format or "raw", self.machine.files.get(file.backing))
        return VolumeRecord(name=name, xml=text(root))


def _add(parent: etree._Element, **texts: str) -> None:
    for tag, value in texts.items():
        etree.SubElement(parent, tag).text = value


def _describe(element: etree._Element, path: str, form: str, file: File | None) -> None:
    _add(element, path=path)
    etree.SubElement(element, "format", type=form)
    _add(etree.SubElement(element, "permissions"), mode="0600", owner="0", group="0")
    stamp = f"{file.mtime if file else 0}.000000000"
    _add(etree.SubElement(element, "timestamps"), atime=stamp, mtime=stamp, ctime=stamp, btime="0")
