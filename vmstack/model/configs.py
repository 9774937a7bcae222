"""libvirt-level facts of one object: what its XML says, without policy.

`xmlio` reads and writes these; the planner designs them from specs, and reads observed ones for the diff. A value
is `None` where the XML says nothing. Sizes are bytes but for domain memory, which libvirt keeps in KiB.
"""

from typing import Literal

from vmstack.model.base import Data
from vmstack.model.compute import CellSpec, CpuFeatureSpec, PinSpec, TimerSpec, TopologySpec
from vmstack.model.hardware import (
    BalloonSpec,
    BandwidthSpec,
    ConsoleSpec,
    FilesystemSpec,
    FwCfgSpec,
    GraphicsSpec,
    HostDeviceSpec,
    IoTuneSpec,
    MetadataSpec,
    RngSpec,
    TpmSpec,
    VsockSpec,
    WatchdogSpec,
)
from vmstack.model.specs import DhcpRange, DnsForwarder, DnsHost, DnsSrv, DnsTxt, Permissions, Reservation, Route
from vmstack.model.traffic import PortGroup, Traffic


class DiskConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A disk. `serial` is its identity; `target` (vda, sda, ...) is only a slot.

    `kind` is libvirt's type of its source: of a file and a block device `path` is known, of a network disk `url`.
    """

    serial: str | None
    kind: str = "file"
    url: str | None = None
    wwn: str | None = None
    path: str | None
    format: str | None
    target: str
    bus: str = "virtio"
    cache: str | None = None
    discard: str | None = None
    readonly: bool = False
    backing_path: str | None = None
    backing_format: str | None = None
    device: str = "disk"
    iothread: int | None = None
    iotune: IoTuneSpec | None = None


class NicConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """An interface, found by its MAC. `network` is a libvirt network's name, `device` an interface of the host that it
    is straight on, in a `mode` of macvtap. `link` is `down`, or nothing."""

    mac: str
    network: str | None = None
    bridge: str | None = None
    device: str | None = None
    mode: str | None = None
    model: str | None = None
    mtu: int | None = None
    link: str | None = None
    queues: int | None = None
    inbound: BandwidthSpec | None = None
    outbound: BandwidthSpec | None = None
    filter: str | None = None
    filter_parameters: tuple[tuple[str, str], ...] = ()
    portgroup: str | None = None


class DomainConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A domain. `vcpus` is the current count, `max_vcpus` the maximum; memory is in KiB likewise.

    `pcie_ports` counts the spare `pcie-root-port` controllers that a designed domain asks for; it is written at
    creation and never read back (libvirt adds and numbers controllers as it likes).
    `channels` are the names of virtio-serial channels. `virtio_console` is a paravirtual console beside the serial one.
    From `title` to `secure_boot` the fields are those of `ComputeSpec`.
    `consoles` are all serial ports and paravirtual consoles, `metadata` the elements that are not vmstack's.
    `shared_memory`: the host's processes (virtiofs) can map the guest's memory.
    """

    name: str
    uuid: str
    type: str | None = None
    vcpus: int
    max_vcpus: int
    memory_kib: int
    max_memory_kib: int
    cpu_mode: str | None = None
    arch: str | None = None
    machine: str | None = None
    firmware: str | None = None
    description: str | None = None
    smbios_serial: str | None = None
    disks: tuple[DiskConfig, ...] = ()
    nics: tuple[NicConfig, ...] = ()
    graphics: GraphicsSpec | None = None
    serial_log: str | None = None
    virtio_console: bool | None = None
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
    fw_cfg: FwCfgSpec | None = None
    consoles: tuple[ConsoleSpec, ...] = ()
    filesystems: tuple[FilesystemSpec, ...] = ()
    metadata: tuple[MetadataSpec, ...] = ()
    channels: tuple[str, ...] = ()
    title: str | None = None
    cpu_model: str | None = None
    cpu_features: tuple[CpuFeatureSpec, ...] = ()
    topology: TopologySpec | None = None
    shares: int | None = None
    quota: int | None = None
    period: int | None = None
    pins: tuple[PinSpec, ...] = ()
    hugepages: int | None = None
    numa: tuple[CellSpec, ...] = ()
    clock: str | None = None
    timers: tuple[TimerSpec, ...] = ()
    hyperv: tuple[str, ...] = ()
    on_reboot: str | None = None
    on_crash: str | None = None
    secure_boot: bool | None = None
    iothreads: int | None = None
    shared_memory: bool | None = None
    rng: RngSpec | None = None
    watchdog: WatchdogSpec | None = None
    balloon: BalloonSpec | None = None
    vsock: VsockSpec | None = None
    panic: str | None = None
    host_devices: tuple[HostDeviceSpec, ...] = ()
    pcie_ports: int | None = None


class SubnetConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    family: Literal["ipv4", "ipv6"]
    gateway: str
    prefix: int
    ranges: tuple[DhcpRange, ...] = ()
    reservations: tuple[Reservation, ...] = ()


class NetworkConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A network. `forward` is libvirt's forward mode; `None` is an isolated network.

    `dns_enabled` of `None` says nothing, which means on. `domain_local` means nothing without a domain.
    """

    name: str
    uuid: str
    forward: str | None = None
    bridge: str | None = None
    domain: str | None = None
    domain_local: bool = True
    mtu: int | None = None
    dns_enabled: bool | None = None
    dns_forwarders: tuple[DnsForwarder, ...] = ()
    dns_srvs: tuple[DnsSrv, ...] = ()
    routes: tuple[Route, ...] = ()
    dnsmasq_options: tuple[str, ...] = ()
    subnets: tuple[SubnetConfig, ...] = ()
    dns_hosts: tuple[DnsHost, ...] = ()
    dns_txts: tuple[DnsTxt, ...] = ()
    bandwidth: Traffic | None = None
    port_groups: tuple[PortGroup, ...] = ()


class PoolConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A pool. `group` is the volume group of a logical one, `devices` are the paths of what it is on."""

    name: str
    uuid: str
    type: str
    path: str | None
    group: str | None = None
    devices: tuple[str, ...] = ()
    permissions: Permissions | None = None


class VolumeConfig(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A volume. `capacity` and `allocation` are bytes; `path` is absent in a config that is to be created."""

    name: str
    format: str | None
    capacity: int
    allocation: int | None = None
    path: str | None = None
    backing_path: str | None = None
    backing_format: str | None = None
