"""Parts of a machine that specs and configs say in the same words: what a program asks for is what libvirt is told.

A value is `None` where nothing is said, so that the hypervisor chooses.
"""

from typing import Literal

from vmstack.model.base import Data


class GraphicsSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A display. `listen` is an address of the host; never a wildcard unless the program says so.

    `how` is `none` for a display that only libvirt's own connections reach, `socket` for a UNIX socket of libvirt's
    choice; both have no address. `websocket` is a TCP port of VNC for browsers, -1 one of libvirt's choice.
    """

    type: Literal["vnc", "spice"] = "vnc"
    listen: str = "127.0.0.1"
    how: Literal["address", "none", "socket"] = "address"
    websocket: int | None = None


class TpmSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A TPM. `device` is a passed-through one's path; `secret` is the UUID of the libvirt secret that encrypts its
    state. `version` and `persistent_state` belong to an emulated one."""

    model: str
    backend: Literal["emulator", "passthrough"] = "emulator"
    version: str | None = None
    persistent_state: bool = False
    device: str | None = None
    secret: str | None = None


class ConsoleSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A serial port (`port` counts from 0) or a paravirtual console, which the guest counts in their order.

    `path` is that of a device, file, pipe or socket on the host; `host` and `service` are where a TCP one listens.
    """

    target: Literal["serial", "virtio"] = "serial"
    port: int = 0
    type: str = "pty"
    path: str | None = None
    host: str | None = None
    service: str | None = None


class FilesystemSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A directory of the host that the guest mounts by its tag `target`: over 9p (`driver` is `None`), or over
    virtiofs, which needs memory that is shared with the host."""

    source: str
    target: str
    accessmode: str = "mapped"
    readonly: bool = True
    driver: Literal["virtiofs"] | None = None


class MediumSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A disk that is no volume of vmstack's: a file or block device of the host, or an image behind a URL.

    `name` is its serial. `place` is its position among all disks. It is never made, changed or deleted. A drive whose
    `source` is empty holds no medium.
    """

    name: str
    kind: Literal["file", "block", "network"]
    source: str
    format: Literal["qcow2", "raw"] = "raw"
    bus: Literal["virtio", "scsi", "sata", "ide"] = "virtio"
    device: Literal["disk", "cdrom"] = "disk"
    readonly: bool = False
    wwn: str | None = None
    place: int = 0


class MetadataSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An element of other people's in `<metadata>`: libvirt keeps one for each namespace. `xml` is canonical (C14N)."""

    namespace: str
    xml: str


class FwCfgSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A file of the host that the firmware shows to the guest under a name (QEMU's fw_cfg)."""

    name: str
    path: str


class RngSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A source of random numbers. `source` is a file of the host that the `random` backend reads; `rate_bytes` are at
    most given in `rate_period` milliseconds."""

    model: str = "virtio"
    backend: str = "random"
    source: str | None = "/dev/urandom"
    rate_bytes: int | None = None
    rate_period: int | None = None


class WatchdogSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A watchdog, and what is done to a guest that does not feed it."""

    model: str = "i6300esb"
    action: str = "reset"


class BalloonSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """The memory balloon. `stats_period` is in seconds; 0 gathers no figures."""

    model: str = "virtio"
    autodeflate: bool | None = None
    free_page_reporting: bool | None = None
    stats_period: int | None = None


class VsockSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A socket between guest and host. `cid` is the guest's address, `None` one of libvirt's choice at each start."""

    model: str = "virtio"
    cid: int | None = None


class HostDeviceSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A device of the host in the guest. `address` is `0000:3b:00.0` (pci), `046d:c52b` (usb: vendor and product) or
    a UUID (mdev). `managed`: libvirt takes a PCI device from the host's driver and gives it back."""

    kind: Literal["pci", "usb", "mdev"]
    address: str
    managed: bool = True

    @property
    def name(self) -> str:
        """What tells it from all others of the host."""
        return f"{self.kind}:{self.address}"


class IoTuneSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Limits of a disk, per second: bytes and operations. 0 is no limit."""

    total_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    total_iops: int = 0
    read_iops: int = 0
    write_iops: int = 0


class BandwidthSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Limits of one direction of a NIC: KiB a second on average and at most, and KiB in one burst."""

    average: int
    peak: int | None = None
    burst: int | None = None


class HardwareSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What a VM is besides its size, disks, NICs and display, all of it optional.

    `loader` is the firmware's file on the host; `nvram` keeps its variables, made from `nvram_template`. `boot` are
    kinds of devices in the order in which the firmware tries them. `stylesheet` is XSLT over the definition. `panic` is
    the model of the device that tells the host of a crash; `channels` are further virtio-serial channels.
    """

    arch: str | None = None
    emulator: str | None = None
    loader: str | None = None
    nvram: str | None = None
    nvram_template: str | None = None
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None
    boot: tuple[str, ...] = ()
    video: str | None = None
    tpm: TpmSpec | None = None
    consoles: tuple[ConsoleSpec, ...] = ()
    filesystems: tuple[FilesystemSpec, ...] = ()
    media: tuple[MediumSpec, ...] = ()
    metadata: tuple[MetadataSpec, ...] = ()
    stylesheet: str | None = None
    iothreads: int | None = None
    rng: RngSpec | None = None
    watchdog: WatchdogSpec | None = None
    balloon: BalloonSpec | None = None
    vsock: VsockSpec | None = None
    panic: str | None = None
    channels: tuple[str, ...] = ()
    host_devices: tuple[HostDeviceSpec, ...] = ()


NO_HARDWARE = HardwareSpec()
