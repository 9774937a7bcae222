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
    """A directory of the host that the guest mounts by its tag `target` (9p)."""

    source: str
    target: str
    accessmode: str = "mapped"
    readonly: bool = True


class MediumSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A disk that is no volume of vmstack's: a file or block device of the host, or an image behind a URL.

    `name` is its serial. `place` is its position among all disks. It is never made, changed or deleted.
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


class HardwareSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What a VM is besides its size, disks, NICs and display, all of it optional.

    `loader` is the firmware's file on the host; `nvram` keeps its variables, made from `nvram_template`. `boot` are
    kinds of devices in the order in which the firmware tries them. `stylesheet` is XSLT over the definition.
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


NO_HARDWARE = HardwareSpec()
