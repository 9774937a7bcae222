"""`Disk`, `Cdrom`, `Nic` and `Graphics`: parts of a virtual machine. Its other devices are in `peripherals`."""

import ipaddress
from collections.abc import Mapping
from typing import Final, Literal

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_host_path,
    check_int,
    check_interface,
    check_label,
    check_mac,
    check_size,
    check_type,
    describe,
)
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.networks import Attachment, Network
from vmstack.evaluate.native.storage import FORMATS, StoragePool, Volume
from vmstack.evaluate.native.traffic import Bandwidth, read_bandwidth
from vmstack.model.hardware import IoTuneSpec
from vmstack.model.specs import GraphicsSpec, ImageFormat
from vmstack.model.text import check_disk_name, check_name, check_text

Bus = Literal["virtio", "scsi", "sata", "ide"]
Cache = Literal["none", "writeback", "writethrough", "directsync", "unsafe"]
NicModel = Literal["virtio", "e1000e", "e1000", "rtl8139"]

# libvirt counts in 64 bits.
_MOST: Final = 1 << 50
MAX_IOTHREADS: Final = 256
NicMode = Literal["vepa", "bridge", "passthrough"]
_NIC_MODES: Final[tuple[NicMode, ...]] = ("vepa", "bridge", "passthrough")
DriveBus = Literal["sata", "scsi", "ide"]
_DRIVES: Final[tuple[DriveBus, ...]] = ("sata", "scsi", "ide")
_BUSES: Final[tuple[Bus, ...]] = ("virtio", "scsi", "sata", "ide")
_CACHES: Final[tuple[Cache, ...]] = ("none", "writeback", "writethrough", "directsync", "unsafe")
_MODELS: Final[tuple[NicModel, ...]] = ("virtio", "e1000e", "e1000", "rtl8139")
VideoModel = Literal["virtio", "vga", "qxl", "cirrus", "bochs", "ramfb"]
VIDEOS: Final[tuple[VideoModel, ...]] = ("virtio", "vga", "qxl", "cirrus", "bochs", "ramfb")
# RFC 6143, section 7.2.2: the password is a DES key.
_VNC_PASSWORD: Final = 8
_DISPLAYS: Final[tuple[Literal["vnc", "spice"], ...]] = ("vnc", "spice")


class IoTune:
    """Limits of a disk: bytes a second as sizes ("20MiB"), operations a second as numbers; in all, or each way."""

    __slots__ = ("spec",)

    @validated
    def __init__(
        self,
        *,
        total_bytes: str | None = None,
        read_bytes: str | None = None,
        write_bytes: str | None = None,
        total_iops: int | None = None,
        read_iops: int | None = None,
        write_iops: int | None = None,
    ) -> None:
        sizes = {"total_bytes": total_bytes, "read_bytes": read_bytes, "write_bytes": write_bytes}
        counts = {"total_iops": total_iops, "read_iops": read_iops, "write_iops": write_iops}
        values = {name: check_size(value, field=name, multiple=1) for name, value in sizes.items() if value is not None}
        values |= {
            name: check_int(value, field=name, low=1, high=_MOST) for name, value in counts.items() if value is not None
        }
        if not values:
            raise InputError("IoTune: it limits nothing", resolution='say what, such as total_bytes="20MiB"')
        for unit in ("bytes", "iops"):
            each = [name for name in (f"read_{unit}", f"write_{unit}") if name in values]
            if f"total_{unit}" in values and each:
                raise InputError(
                    f"total_{unit}: {each[0]} is given too", resolution="limit both ways together, or each by itself"
                )
        self.spec = IoTuneSpec(**values)


class Cdrom:
    """A CD-ROM drive with a medium in it: an ISO file of the host (`source`), a `volume` of the stack, or none.

    Another medium is put in while the guest runs. `name` is the drive's serial.
    """

    __slots__ = ("bus", "name", "source", "volume")

    @validated
    def __init__(
        self,
        name: str,
        *,
        source: str | None = None,
        volume: Volume | None = None,
        bus: DriveBus = "sata",
    ) -> None:
        self.name = check_disk_name(name, field="name")
        self.source = None if source is None else check_host_path(source, field="source")
        self.volume = None if volume is None else check_type(volume, Volume, field="volume")
        self.bus = check_choice(bus, field="bus", allowed=_DRIVES)
        if source is not None and volume is not None:
            raise InputError("source: volume is given too", resolution="one medium is in the drive")


class Disk:
    """A disk of a VM: a volume of its own (`size`, or `image`), or an existing `Volume`.

    The guest sees `name` as the disk's serial. `protect` overrides the default for data disks (protected).
    """

    __slots__ = (
        "bus", "cache", "discard", "format", "full_copy", "image", "iothread", "iotune", "label", "name", "pool",
        "protect", "readonly", "size", "volume",
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
        iothread: int | None = None,
        iotune: IoTune | None = None,
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
        self.iothread = None if iothread is None else check_int(iothread, field="iothread", low=1, high=MAX_IOTHREADS)
        self.iotune = None if iotune is None else check_type(iotune, IoTune, field="iotune").spec
        if iothread is not None and bus != "virtio":
            raise InputError(f"iothread: a disk on {bus} has none", resolution='leave it out, or say bus="virtio"')
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

    Without a network it is on a `bridge` of the host, or straight on an interface of the host (`device`, in a `mode` of
    macvtap). `name` is what its MAC address is derived from (default: the network's name, or the interface's), so that
    it is stable: a NIC of a name moves to another network and stays the same card. `link=False` pulls the cable out.
    `filter` names a network filter of the host. `inbound` and `outbound` are sizes a second, or `Bandwidth`s.
    """

    __slots__ = (
        "attachment", "bridge", "device", "filter", "filter_parameters", "inbound", "link", "mac", "mode", "model",
        "mtu", "name", "outbound", "portgroup", "queues",
    )  # fmt: skip

    @validated
    def __init__(
        self,
        network: Network | Attachment | None = None,
        *,
        bridge: str | None = None,
        device: str | None = None,
        mode: NicMode | None = None,
        name: str | None = None,
        mac: str | None = None,
        model: NicModel = "virtio",
        mtu: int | None = None,
        link: bool = True,
        queues: int | None = None,
        inbound: str | Bandwidth | None = None,
        outbound: str | Bandwidth | None = None,
        filter: str | None = None,
        filter_parameters: Mapping[str, str] | None = None,
        portgroup: str | None = None,
    ) -> None:
        places = {"network": network, "bridge": bridge, "device": device}
        given = [place for place, value in places.items() if value is not None]
        if len(given) != 1:
            raise InputError(
                f"networks: a NIC is in one place, and {' and '.join(given) or 'none'} is given",
                resolution='give a network, or bridge="br0", or device="eth0"',
            )
        self.attachment = None if network is None else as_attachment(network)
        self.bridge = None if bridge is None else check_interface(bridge, field="bridge")
        self.device = None if device is None else check_interface(device, field="device")
        self.mode = None
        if device is not None:
            self.mode = check_choice(mode or "bridge", field="mode", allowed=_NIC_MODES)
        elif mode is not None:
            raise InputError("mode: it is for NICs on an interface of the host", resolution="leave it out")
        if portgroup is not None and network is None:
            raise InputError("portgroup: only networks have some", resolution="leave it out")
        self.name = None if name is None else check_name(name, field="name")
        self.mac = None if mac is None else check_mac(mac, field="mac")
        self.model = check_choice(model, field="model", allowed=_MODELS)
        # From the smallest IPv4 datagram every host accepts (RFC 791) to the largest that exists.
        self.mtu = None if mtu is None else check_int(mtu, field="mtu", low=576, high=65535)
        self.link = check_flag(link, field="link")
        # QEMU's own limit, of tap devices (MAX_TAP_QUEUES).
        self.queues = None if queues is None else check_int(queues, field="queues", low=2, high=256)
        self.inbound = read_bandwidth(inbound, field="inbound")
        self.outbound = read_bandwidth(outbound, field="outbound")
        self.filter = None if filter is None else check_label(filter, field="filter")
        self.portgroup = None if portgroup is None else check_label(portgroup, field="portgroup")
        parameters = check_type(filter_parameters or {}, dict, field="filter_parameters")
        self.filter_parameters = tuple(
            sorted(
                (check_label(key, field="filter_parameters"), check_text(value, field=f"filter_parameters: {key}"))
                for key, value in parameters.items()
            )
        )
        if parameters and filter is None:
            raise InputError("filter_parameters: there is no filter", resolution='say filter="clean-traffic"')
        if queues is not None and model != "virtio":
            raise InputError(f"queues: an {model} has one", resolution='leave it out, or say model="virtio"')


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
    """A display that clients connect to, on the host's loopback unless `listen` says otherwise.

    `password` is a secret (a text, or a secret Output); it is in no plan, no log and no metadata. VNC reads eight
    characters of it. `video` is the model of the graphics card.
    """

    __slots__ = ("password", "spec", "video")

    @validated
    def __init__(
        self,
        *,
        type: Literal["vnc", "spice"] = "vnc",
        listen: str = "127.0.0.1",
        password: str | None = None,
        video: VideoModel | None = None,
    ) -> None:
        try:
            address = ipaddress.ip_address(listen)
        except ValueError:
            raise InputError(f"listen: {listen!r} is not an address", resolution='such as "127.0.0.1"') from None
        self.spec = GraphicsSpec(type=check_choice(type, field="type", allowed=_DISPLAYS), listen=str(address))
        self.video = None if video is None else check_choice(video, field="video", allowed=VIDEOS)
        self.password = None
        if password is not None:
            if not isinstance(password, str) or not password or not password.isprintable():
                raise InputError("password: it is not a text that can be typed", resolution="use printable characters")
            if type == "vnc" and len(password) > _VNC_PASSWORD:
                raise InputError(
                    f"password: VNC reads {_VNC_PASSWORD} characters of it, and it is longer",
                    resolution="give a shorter one, so that nobody takes it for stronger than it is",
                )
            self.password = password
