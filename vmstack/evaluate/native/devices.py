"""`Disk`, `Nic` and `Graphics`: parts of a virtual machine."""

import ipaddress
from typing import Final, Literal

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_int,
    check_mac,
    check_size,
    check_type,
    describe,
)
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.networks import Attachment, Network
from vmstack.evaluate.native.storage import FORMATS, StoragePool, Volume
from vmstack.model.specs import GraphicsSpec, ImageFormat
from vmstack.model.text import check_disk_name, check_name

Bus = Literal["virtio", "scsi", "sata"]
Cache = Literal["none", "writeback", "writethrough", "directsync", "unsafe"]
NicModel = Literal["virtio", "e1000e", "e1000"]

_BUSES: Final[tuple[Bus, ...]] = ("virtio", "scsi", "sata")
_CACHES: Final[tuple[Cache, ...]] = ("none", "writeback", "writethrough", "directsync", "unsafe")
_MODELS: Final[tuple[NicModel, ...]] = ("virtio", "e1000e", "e1000")
_DISPLAYS: Final[tuple[Literal["vnc", "spice"], ...]] = ("vnc", "spice")


class Disk:
    """A disk of a VM: a volume of its own (`size`, or `image`), or an existing `Volume`.

    The guest sees `name` as the disk's serial. `protect` overrides the default for data disks (protected).
    """

    __slots__ = (
        "bus", "cache", "discard", "format", "full_copy", "image", "label", "name", "pool", "protect", "readonly",
        "size", "volume",
    )  # fmt: skip

    @validated
    def __init__(
        self,
        name: str,
        *,
        size: str | None = None,
        volume: Volume | None = None,
        image: Image | None = None,
        full_copy: bool = False,
        pool: StoragePool | None = None,
        format: ImageFormat = "qcow2",
        label: str | None = None,
        bus: Bus = "virtio",
        cache: Cache | None = None,
        discard: bool = True,
        readonly: bool = False,
        protect: bool | None = None,
    ) -> None:
        self.name = check_disk_name(name, field="name")
        self.size = size
        self.volume = None if volume is None else check_type(volume, Volume, field="volume")
        self.image = None if image is None else check_type(image, Image, field="image")
        self.full_copy = check_flag(full_copy, field="full_copy")
        self.pool = None if pool is None else check_type(pool, StoragePool, field="pool")
        self.format = check_choice(format, field="format", allowed=FORMATS)
        self.label = label
        self.bus = check_choice(bus, field="bus", allowed=_BUSES)
        self.cache = None if cache is None else check_choice(cache, field="cache", allowed=_CACHES)
        self.discard = check_flag(discard, field="discard")
        self.readonly = check_flag(readonly, field="readonly")
        self.protect = None if protect is None else check_flag(protect, field="protect")
        if size is not None:
            check_size(size, field="size")
        if self.volume is not None:
            made = {"size": size, "image": image, "pool": pool, "label": label, "protect": protect}
            both = [field for field, value in made.items() if value is not None]
            if both or full_copy or format != "qcow2":
                raise InputError(
                    f"{both[0] if both else 'full_copy or format'}: the volume is given and has its own",
                    resolution="give either volume=..., or what a new volume needs",
                )
        elif size is None and image is None and name != "root":
            raise InputError("size: a new disk needs one", resolution='give size="10GiB", or volume=...')


class Nic:
    """A NIC with more than its network: `Nic(lan.at(10), model="e1000e")`.

    `name` is what its MAC address is derived from (default: the network's name), so that it is stable.
    """

    __slots__ = ("attachment", "mac", "model", "mtu", "name")

    @validated
    def __init__(
        self,
        network: Network | Attachment,
        *,
        name: str | None = None,
        mac: str | None = None,
        model: NicModel = "virtio",
        mtu: int | None = None,
    ) -> None:
        self.attachment = as_attachment(network)
        self.name = None if name is None else check_name(name, field="name")
        self.mac = None if mac is None else check_mac(mac, field="mac")
        self.model = check_choice(model, field="model", allowed=_MODELS)
        # From the smallest IPv4 datagram every host accepts (RFC 791) to the largest that exists.
        self.mtu = None if mtu is None else check_int(mtu, field="mtu", low=576, high=65535)


def as_attachment(value: object) -> Attachment:
    """Return where a NIC goes: a network stands for one derived address on it."""
    if isinstance(value, Network):
        return value.attach()
    if isinstance(value, Attachment):
        return value
    raise InputError(
        f"networks: {describe(value)} is no place for a NIC",
        resolution="pass a network, lan.at(...), lan.dhcp() or Nic(...)",
    )


class Graphics:
    """A display that clients connect to, on the host's loopback unless `listen` says otherwise."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, *, type: Literal["vnc", "spice"] = "vnc", listen: str = "127.0.0.1") -> None:
        try:
            address = ipaddress.ip_address(listen)
        except ValueError:
            raise InputError(f"listen: {listen!r} is not an address", resolution='such as "127.0.0.1"') from None
        self.spec = GraphicsSpec(type=check_choice(type, field="type", allowed=_DISPLAYS), listen=str(address))
