"""Storage volumes over libvirt, and their content by streams."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import libvirt

from vmstack.hosts.driver import VolumeRecord
from vmstack.hosts.link import Calls
from vmstack.xmlio.safe import parse_xml

# The largest stream message that every libvirt takes: 256 KiB with its header (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX).
_MESSAGE: Final = 262120
_ZEROS: Final = bytes(_MESSAGE)


class VolumeCalls(Calls):
    """The volume part of `Driver`."""

    def volumes(self, pool: str) -> list[VolumeRecord]:
        with self._link.doing(f"list the volumes of pool {pool}"):
            # What a pool holds guards deletions, so it is asked of the pool that has the name now.
            handles = self._link.connection.storagePoolLookupByName(pool).listAllVolumes(0)
        return self._link.each(self._volume_record, handles)

    def volume(self, pool: str, name: str) -> VolumeRecord:
        return self._volume_record(self._find_volume(pool, name))

    def create_volume(self, pool: str, xml: str) -> None:
        root = parse_xml(xml, what="a volume to create")
        name = root.findtext("name") or ""
        with self._link.changing(f"create volume {pool}/{name}", pool=pool, streaming=True):
            if root.findtext("allocation") != "0" or root.find("target/format[@type='raw']") is None:
                self._link.pool(pool).createXML(xml, 0)
                return
            with self._link.streams.pool_calls(self._link.pool(pool).UUIDString()) as (_connection, handle):
                self._link.blank[pool, name] = handle.createXML(xml, 0)

    def copy_volume(self, pool: str, xml: str, *, source_pool: str, source: str) -> None:
        origin = self._find_volume(source_pool, source)
        name = _name_in(xml)
        # Unlike creating, copying onto a name that is taken is an "internal error" to libvirt.
        doing = f"copy volume {source_pool}/{source} to {pool}/{name}"
        with self._link.changing(doing, pool=pool, taken=lambda: self._is_there(pool, name)):
            self._link.pool(pool).createXMLFrom(xml, origin, 0)

    def upload_volume(self, pool: str, name: str, *, chunks: Iterable[bytes | int], length: int) -> None:
        with self._link.changing(f"upload to volume {pool}/{name}", pool=pool, streaming=True):
            blank = self._link.blank.pop((pool, name), None)
            if blank is not None:
                self._send(pool, name, chunks, length=length, handle=blank)
                return
            handle = self._link.pool(pool).storageVolLookupByName(name)
            _kind, _capacity, allocated = handle.info()
            _kind, _capacity, physical = handle.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)
            if allocated and physical > length:
                # A hole cuts the file at its end: what would stay behind the new content goes.
                self._send(pool, name, [1], length=1)
                physical = 1
            self._send(pool, name, _cover(chunks, old=physical if allocated else 0), length=length)

    def download_volume(self, pool: str, name: str, *, length: int) -> Iterator[bytes]:
        with self._link.changing(f"download volume {pool}/{name}", pool=pool, streaming=True):
            with self._stream(pool, name) as (stream, handle):
                handle.download(stream, 0, length, 0)
            with self._ending(stream):
                while chunk := stream.recv(_MESSAGE):
                    yield chunk

    def resize_volume(self, pool: str, name: str, *, capacity: int) -> None:
        self._on_volume("resize volume", pool, name, lambda handle: handle.resize(capacity, 0))

    def delete_volume(self, pool: str, name: str) -> None:
        self._link.blank.pop((pool, name), None)
        self._on_volume("delete volume", pool, name, lambda handle: handle.delete(0))

    def _send(self, pool: str, name: str, chunks: Iterable[bytes | int], *, length: int, handle: Any = None) -> None:
        with self._stream(pool, name, handle=handle) as (stream, volume):
            volume.upload(stream, 0, length, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM)
        with self._ending(stream):
            for chunk in chunks:
                if isinstance(chunk, int):
                    stream.sendHole(chunk, 0)
                else:
                    _send_data(stream, chunk)

    @contextmanager
    def _stream(self, pool: str, name: str, *, handle: Any = None) -> Iterator[tuple[Any, Any]]:
        """Yield a new stream and the volume that it is for; it is begun inside the block.

        The volume is one of the pool that this driver knows by that name, though another may bear it by now.
        """
        uuid = self._link.pool(pool).UUIDString()
        with self._link.streams.pool_calls(uuid) as (connection, found):
            yield connection.newStream(0), handle or found.storageVolLookupByName(name)

    @contextmanager
    def _ending(self, stream: Any) -> Iterator[None]:
        """Finish the stream after the block, or abort it after a failure."""
        finished = False
        try:
            yield
            self._link.streams.end(stream.finish)
            finished = True
        finally:
            if not finished:
                with suppress(libvirt.libvirtError):
                    self._link.streams.end(stream.abort)

    def _find_volume(self, pool: str, name: str) -> Any:
        with self._link.changing(f"find volume {pool}/{name}", pool=pool):
            return self._link.pool(pool).storageVolLookupByName(name)

    def _is_there(self, pool: str, name: str) -> bool:
        try:
            self._link.pool(pool).storageVolLookupByName(name)
        except libvirt.libvirtError:
            return False
        return True

    def _volume_record(self, handle: Any) -> VolumeRecord:
        with self._link.doing(f"read volume {handle.name()}"):
            return VolumeRecord(name=handle.name(), xml=handle.XMLDesc(0))

    def _on_volume(self, what: str, pool: str, name: str, call: Callable[[Any], Any]) -> None:
        handle = self._find_volume(pool, name)
        with self._link.changing(f"{what} {pool}/{name}", pool=pool):
            call(handle)


def _send_data(stream: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        sent = stream.send(bytes(view[:_MESSAGE]))
        view = view[sent:]


def _cover(chunks: Iterable[bytes | int], *, old: int) -> Iterator[bytes | int]:
    """Turn holes into zeros where the file held something (its first `old` bytes): a hole only skips what is there.

    Tried on libvirt 9.0: the daemon seeks over a hole and sets the file's length, and the old bytes stay.
    """
    offset = 0
    for chunk in chunks:
        if isinstance(chunk, bytes):
            yield chunk
            offset += len(chunk)
            continue
        rest = chunk
        while rest and offset < old:
            size = min(rest, old - offset, _MESSAGE)
            yield _ZEROS[:size]
            offset += size
            rest -= size
        if rest:
            yield rest
            offset += rest


def _name_in(xml: str) -> str:
    return parse_xml(xml, what="a volume to create").findtext("name") or ""
