"""The effects on pools and volumes."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from vmstack.errors import ExistsError, HostBusyError, HostError, NotFoundError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import Driver, VolumeRecord
from vmstack.model.configs import VolumeConfig
from vmstack.model.effects import (
    CopyVolume,
    CreateVolume,
    DeleteVolume,
    RebuildPool,
    RemovePool,
    ResizeVolume,
    StartPool,
)
from vmstack.xmlio.pool import read_pool
from vmstack.xmlio.volume import read_volume


class StorageEffects:
    """Effects on the storage of one host."""

    def __init__(self, driver: Driver, *, patience: Patience, report: Callable[[str, int, int], None]) -> None:
        self._driver = driver
        self._patience = patience
        self._report = report

    def start_pool(self, effect: StartPool) -> bool:
        """Start the pool; tell whether its directory had to be built.

        That it is about to be built is reported first, so that a journal can say whose directory it is. Where the
        effect does not ask for that, a missing directory is an error: on it may belong a file system with the disks.
        """
        name = effect.pool
        record = self._driver.pool(name)
        if record.active:
            return False
        built = False
        try:
            self._patience.settle(lambda: self._driver.start_pool(name), done=lambda: self._driver.pool(name).active)
        except HostError as error:
            config = read_pool(record.xml)
            if config.type == "logical" and not isinstance(error, HostBusyError):
                raise HostError(
                    f"the volume group of pool {name} cannot be used: {config.group}",
                    details=(error.brief,),
                    resolution=f"vmstack makes no volume groups: is it there? (vgs {config.group}, or vgcreate)",
                ) from error
            if not isinstance(error, NotFoundError):
                raise
            if not effect.build:
                path = config.path
                raise HostError(
                    f"the directory of pool {name} is missing: {path}",
                    details=(error.brief,),
                    resolution="is its file system mounted? mount it, or bring the directory back, and try again",
                ) from error
            self._report("directory", 0, 0)
            self._driver.build_pool(name)
            built = True
            self._patience.insist(lambda: self._driver.start_pool(name))
        return built

    def rebuild_pool(self, effect: RebuildPool) -> None:
        """Stop, define, build and start the pool. A run that ends between these leaves it off, or as it was."""
        name = effect.pool
        if self._driver.pool(name).active:
            self._patience.settle(lambda: self._driver.stop_pool(name), done=lambda: not self._driver.pool(name).active)
        self._patience.insist(lambda: self._driver.define_pool(effect.xml))
        self._patience.insist(lambda: self._driver.build_pool(name))
        self._patience.settle(lambda: self._driver.start_pool(name), done=lambda: self._driver.pool(name).active)

    def remove_pool(self, effect: RemovePool) -> tuple[str, ...]:
        """Stop and undefine the pool; return what people should know of its directory."""
        name = effect.pool
        try:
            if self._driver.pool(name).active:
                self._patience.settle(
                    lambda: self._driver.stop_pool(name), done=lambda: not self._driver.pool(name).active
                )
        except NotFoundError:
            return ()
        notes = self._remove_directory(name) if effect.remove_directory else ()
        try:
            self._patience.insist(lambda: self._driver.undefine_pool(name))
        except NotFoundError:
            return notes
        return notes

    def create_volume(self, effect: CreateVolume) -> None:
        """Create the volume. One that is there already counts only when the plan resumes it and it is as the XML says:

        else it is somebody's, who put it there unseen.
        """
        try:
            self._patience.insist(lambda: self._driver.create_volume(effect.pool, effect.xml))
        except ExistsError as error:
            # libvirt's list of a pool may be older than the directory, in both directions.
            self._patience.insist(lambda: self._driver.refresh_pool(effect.pool))
            existing = self._find(effect.pool, effect.volume)
            if existing is None:
                self._patience.insist(lambda: self._driver.create_volume(effect.pool, effect.xml))
            elif not effect.resume or not _is_same(read_volume(existing.xml), read_volume(effect.xml)):
                raise ExistsError(
                    f"there is a volume {effect.volume} in pool {effect.pool} already, which this stack did not make",
                    details=(f"its file is {read_volume(existing.xml).path}",),
                    resolution="move that file away, or give the volume another label in the program",
                ) from error

    def copy_volume(self, effect: CopyVolume) -> None:
        """Copy, then grow. A volume that is there already is an error: nothing shows whether its content is whole."""
        self._patience.insist(
            lambda: self._driver.copy_volume(
                effect.pool, effect.xml, source_pool=effect.source_pool, source=effect.source_volume
            )
        )
        self._grow(effect.pool, effect.volume, effect.capacity)

    def upload(self, pool: str, volume: str, *, chunks: Iterable[bytes | int], length: int) -> None:
        """Stream the content. Busy is not retried: the chunks may be gone by then."""
        self._driver.upload_volume(
            pool, volume, chunks=self._counted(chunks, what=f"{pool}/{volume}", length=length), length=length
        )

    def resize_volume(self, effect: ResizeVolume) -> None:
        self._grow(effect.pool, effect.volume, effect.capacity)

    def delete_volume(self, effect: DeleteVolume) -> None:
        """Delete; already gone is done."""
        try:
            self._patience.insist(lambda: self._driver.delete_volume(effect.pool, effect.volume))
        except NotFoundError:
            return

    def _grow(self, pool: str, volume: str, capacity: int) -> None:
        if read_volume(self._driver.volume(pool, volume).xml).capacity < capacity:
            self._patience.insist(lambda: self._driver.resize_volume(pool, volume, capacity=capacity))

    def _remove_directory(self, name: str) -> tuple[str, ...]:
        try:
            self._driver.delete_pool_directory(name)
        except NotFoundError:
            return ()
        except HostBusyError:
            raise
        except HostError as error:
            return (f"the directory of pool {name} was kept: {error.brief}",)
        return ()

    def _find(self, pool: str, name: str) -> VolumeRecord | None:
        try:
            return self._driver.volume(pool, name)
        except NotFoundError:
            return None

    def _counted(self, chunks: Iterable[bytes | int], *, what: str, length: int) -> Iterator[bytes | int]:
        done = 0
        self._report(what, done, length)
        for chunk in chunks:
            yield chunk
            done += chunk if isinstance(chunk, int) else len(chunk)
            self._report(what, done, length)


def _is_same(existing: VolumeConfig, wanted: VolumeConfig) -> bool:
    """Whether the volume is what the XML asks for; what only an existing volume has (its path, its use) aside.

    A logical volume has no format, and is as large as whole extents of LVM.
    """
    if existing.format is None and existing.capacity >= wanted.capacity:
        existing = msgspec.structs.replace(existing, format="raw", capacity=wanted.capacity)
    same = msgspec.structs.replace(existing, allocation=wanted.allocation, path=wanted.path)
    return same == wanted
