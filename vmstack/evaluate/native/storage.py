"""`StoragePool` and `Volume`."""

import re
from typing import Any, Final, Literal, Self

from vmstack.errors import InputError
from vmstack.evaluate.native.base import Native, validated
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_host_path,
    check_int,
    check_label,
    check_size,
    check_type,
)
from vmstack.evaluate.native.hosts import Host, choose_host
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.options import read_options
from vmstack.evaluate.recorder import Wishes
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import ImageChange, ImageFormat, Permissions, PoolSpec, VolumeSource, VolumeSpec

# Directories of the system: a pool there would list, and could delete, what the host lives on.
SYSTEM_FOLDERS: Final = frozenset(
    f"/{name}" for name in ("", "bin", "boot", "dev", "etc", "home", "lib", "lib64", "opt", "proc", "root", "run",
                            "sbin", "srv", "sys", "tmp", "usr", "var", "var/lib", "var/lib/libvirt")
)  # fmt: skip
_MODE: Final = re.compile(r"[0-7]{3,4}")
# The one after it means "nobody in particular" to the calls of the kernel.
_LAST_ID: Final = 2**32 - 2
FORMATS: Final[tuple[ImageFormat, ...]] = ("qcow2", "raw")


class StoragePool(Native):
    """A directory pool on a host. `label` is its name in libvirt (default: the name).

    `mode` (as "0711"), `owner` and `group` (numbers) are the permissions of its directory.
    """

    __slots__ = ("_path", "host", "label")
    kind = Kind.POOL

    @validated
    def __init__(
        self,
        name: str,
        *,
        path: str,
        host: Host | None = None,
        label: str | None = None,
        autostart: bool = True,
        mode: str | None = None,
        owner: int | None = None,
        group: int | None = None,
        opts: Any = None,
    ) -> None:
        super().__init__(name)
        permissions = _read_permissions(mode, owner=owner, group=group)
        self.fill(
            path,
            host=host,
            label=label,
            autostart=autostart,
            existing=False,
            permissions=permissions,
            opts=opts,
        )

    @classmethod
    @validated
    def existing(
        cls, name: str, *, path: str | None = None, host: Host | None = None, label: str | None = None, opts: Any = None
    ) -> Self:
        """Refer to a pool that is there already and is never changed. `path`, when known, gives volumes paths."""
        pool = cls.__new__(cls)
        Native.__init__(pool, name)
        pool.fill(path, host=host, label=label, autostart=True, existing=True, permissions=None, opts=opts)
        return pool

    def fill(
        self,
        path: str | None,
        *,
        host: object,
        label: object,
        autostart: object,
        existing: bool,
        permissions: Permissions | None,
        opts: object,
    ) -> None:
        self.host = choose_host(host, recorder=self.recorder)
        self.label = self.name if label is None else check_label(label, field="label")
        self._path = None if path is None and existing else check_host_path(path, field="path")
        if not existing and self._path in SYSTEM_FOLDERS:
            raise InputError(
                f"path: {self._path} is a directory of the system",
                resolution="give the pool a directory of its own, such as /var/lib/libvirt/web",
            )
        spec = PoolSpec(
            name=self.name,
            label=self.label,
            host=self.host.name,
            path=self._path,
            existing=existing,
            autostart=check_flag(autostart, field="autostart"),
            permissions=permissions,
        )
        wishes = read_options(opts, reference="an existing pool" if existing else None)
        self.record(spec, needs=(self.host.key,), wishes=wishes)

    @property
    def path(self) -> str:
        """The directory on the host."""
        if self._path is None:
            raise InputError(
                f"{self.key}: its path is not known",
                resolution=f'say where it is: StoragePool.existing("{self.name}", path="/...")',
            )
        return self._path


def _read_permissions(mode: object, *, owner: object, group: object) -> Permissions | None:
    if mode is not None and not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        raise InputError(f"mode: {mode!r} is no mode of a directory", resolution='write it in octal: mode="0711"')
    found = Permissions(
        mode=None if mode is None else str(mode).zfill(4),
        owner=None if owner is None else check_int(owner, field="owner", low=0, high=_LAST_ID),
        group=None if group is None else check_int(group, field="group", low=0, high=_LAST_ID),
    )
    return None if found == Permissions() else found


class Volume(Native):
    """A volume that holds data: blank, made from an image, or an overlay over another volume (`base`).

    With `image` it is a linked clone, or with `full_copy` an independent copy. `size` defaults to the image's, or to
    that of the base. `on_image_change` is what another image does to it: `keep` it as it is, or `replace` its content.
    """

    __slots__ = ("_host", "format", "label", "pool", "size")
    kind = Kind.VOLUME

    @validated
    def __init__(
        self,
        name: str,
        *,
        pool: StoragePool,
        size: str | None = None,
        image: Image | None = None,
        full_copy: bool = False,
        base: "Volume | None" = None,
        format: ImageFormat = "qcow2",
        on_image_change: Literal["keep", "replace"] = "keep",
        label: str | None = None,
        opts: Any = None,
    ) -> None:
        super().__init__(name)
        self.fill(
            pool=pool,
            size=size,
            image=image,
            base=base,
            full_copy=full_copy,
            format=format,
            on_image_change=on_image_change,
            label=label,
            data=True,
            wishes=read_options(opts),
        )

    @classmethod
    @validated
    def existing(cls, name: str, *, pool: StoragePool, label: str | None = None, opts: Any = None) -> Self:
        """Refer to a volume that is there already and is never changed, such as one that others are over."""
        volume = cls.__new__(cls)
        Native.__init__(volume, name)
        volume.pool = check_type(pool, StoragePool, field="pool")
        volume.label = volume.name if label is None else check_label(label, field="label")
        volume.size, volume.format = None, "qcow2"
        spec = VolumeSpec(
            name=volume.name,
            label=volume.label,
            pool=volume.pool.name,
            format=volume.format,
            source=VolumeSource.EXISTING,
            data=False,
        )
        volume.record(spec, needs=(volume.pool.key,), wishes=read_options(opts, reference="an existing volume"))
        return volume

    @classmethod
    def of_vm(
        cls,
        name: str,
        *,
        pool: StoragePool,
        size: object,
        image: Image | None,
        full_copy: object,
        format: object,
        on_image_change: object,
        label: object,
        data: bool,
        wishes: Wishes,
    ) -> Self:
        """Make the volume of a VM's disk; its name is longer than a user's may be."""
        volume = cls.__new__(cls)
        volume.recorder = pool.recorder
        volume.key = Key(Kind.VOLUME, name)
        volume.fill(
            pool=pool,
            size=size,
            image=image,
            full_copy=full_copy,
            format=format,
            on_image_change=on_image_change,
            label=label,
            data=data,
            wishes=wishes,
        )
        return volume

    def fill(
        self,
        *,
        pool: object,
        size: object,
        image: object,
        full_copy: object,
        format: object,
        on_image_change: object,
        label: object,
        data: bool,
        wishes: Wishes,
        base: object = None,
    ) -> None:
        self.pool = check_type(pool, StoragePool, field="pool")
        self.format = check_choice(format, field="format", allowed=FORMATS)
        origin = None if image is None else check_type(image, Image, field="image")
        below = None if base is None else check_type(base, Volume, field="base")
        copied = check_flag(full_copy, field="full_copy")
        self.size = None if size is None else check_size(size, field="size")
        source = VolumeSource.BLANK
        needs = [self.pool.key]
        if below is not None:
            if origin is not None or copied:
                raise InputError("base: image or full_copy is given, too", resolution="leave one of them out")
            source = VolumeSource.OVERLAY
            needs.append(below.key)
        elif origin is not None:
            source = VolumeSource.FULL_COPY if copied else VolumeSource.LINKED_CLONE
            needs.append(origin.key)
        elif copied:
            raise InputError("full_copy: there is no image to copy", resolution="give image=..., or leave it out")
        elif self.size is None:
            raise InputError("size: a blank volume needs one", resolution='give size="10GiB"')
        if source is VolumeSource.LINKED_CLONE and self.format != "qcow2":
            raise InputError(
                "format: a linked clone is always qcow2", resolution="leave format out, or say full_copy=True"
            )
        if source is VolumeSource.OVERLAY and self.format != "qcow2":
            raise InputError("format: an overlay is always qcow2", resolution="leave format out")
        self.label = f"{self.name}.{self.format}" if label is None else check_label(label, field="label")
        spec = VolumeSpec(
            name=self.name,
            label=self.label,
            pool=self.pool.name,
            format=self.format,
            source=source,
            image=origin.name if origin else None,
            base=below.name if below else None,
            capacity=self.size,
            data=data,
            on_image_change=ImageChange(
                check_choice(on_image_change, field="on_image_change", allowed=[str(item) for item in ImageChange])
            ),
        )
        self.record(spec, needs=tuple(needs), wishes=wishes)

    @property
    def path(self) -> str:
        """The file on the host."""
        return f"{self.pool.path}/{self.label}"
