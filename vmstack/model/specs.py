"""What a stack wants: one spec per resource, with references by name and wishes left open (`None`) for the planner.

Specs are made by producers (the native resources, later the Pulumi engine) and read by the planner. A spec never
holds what only a host can know: the planner resolves it, with the host's facts, into a config (`model.configs`).
Sizes are bytes, times are seconds, addresses are canonical text (`ipaddress`), MACs lower-case with colons.
"""

import enum
from typing import Final, Literal

from vmstack.model.base import Data
from vmstack.model.compute import NO_COMPUTE, ComputeSpec
from vmstack.model.hardware import NO_HARDWARE, BandwidthSpec, GraphicsSpec, HardwareSpec, IoTuneSpec
from vmstack.model.traffic import PortGroup, Traffic

__all__ = [
    "DhcpRange",
    "DiskSpec",
    "DnsHost",
    "GraphicsSpec",
    "HardwareSpec",
    "HostSpec",
    "ImageChange",
    "ImageFormat",
    "ImageSpec",
    "NetworkMode",
    "NetworkSpec",
    "NicSpec",
    "Permissions",
    "PoolSpec",
    "Power",
    "Reservation",
    "SeedPolicy",
    "SeedSpec",
    "Spec",
    "Subnet",
    "VmSpec",
    "VolumeSource",
    "VolumeSpec",
]

ImageFormat = Literal["qcow2", "raw"]


class HostSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A libvirt host. `insecure` admits transports and options that DESIGN's allow-list refuses."""

    name: str
    uri: str
    insecure: bool = False


class Permissions(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Of a directory on a host: `mode` as four octal digits, `owner` and `group` as numbers. `None` says nothing."""

    mode: str | None = None
    owner: int | None = None
    group: int | None = None


class PoolSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A pool, or (`existing`) a reference to one that is there and never changed.

    `label` is its name in libvirt. `path` may be missing only for an existing pool. A logical pool is the volume group
    `group` of LVM, which is there already: vmstack makes none, and deletes none. `devices` are what it is on, which
    libvirt checks. `xslt` is a stylesheet over the XML that vmstack writes. `permissions` are those of the directory.
    """

    name: str
    label: str
    host: str
    path: str | None
    existing: bool = False
    autostart: bool = True
    type: Literal["dir", "logical"] = "dir"
    group: str | None = None
    devices: tuple[str, ...] = ()
    xslt: str | None = None
    permissions: Permissions | None = None


class ImageSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A base image: an absolute file path or an https URL.

    `sha256` is of the source as published (compressed or not) and may be missing only for a file. `format` is the
    declared format of the decompressed image; it is verified, never probed.
    """

    name: str
    source: str
    sha256: str | None
    format: ImageFormat
    compression: Literal["gz", "xz", "zst"] | None = None


class VolumeSource(enum.StrEnum):
    """Where a volume's content comes from.

    blank: nowhere. linked-clone: an overlay over an image's base volume. full-copy: a copy of that base volume.
    upload: the image itself, without a base volume. overlay: an overlay over another volume (`VolumeSpec.base`).
    existing: the volume is there already and is never changed.
    """

    BLANK = "blank"
    LINKED_CLONE = "linked-clone"
    FULL_COPY = "full-copy"
    UPLOAD = "upload"
    OVERLAY = "overlay"
    EXISTING = "existing"


class ImageChange(enum.StrEnum):
    """What another image in the program does to a volume that was made from one.

    keep: it stays as it is, and the plan says so. replace: it is made anew from the new image.
    """

    KEEP = "keep"
    REPLACE = "replace"


class VolumeSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A volume that holds guest data. `label` is its file name in the pool.

    `capacity` is in bytes; `None` takes the image's virtual size and is refused for a blank volume.
    `data` tells a data volume (protected by default) from a root overlay that can be made again from its image.
    `base` names the volume that an overlay is over. `xslt` is a stylesheet over the XML that vmstack writes.
    """

    name: str
    label: str
    pool: str
    format: ImageFormat
    source: VolumeSource
    image: str | None = None
    base: str | None = None
    capacity: int | None = None
    data: bool = True
    xslt: str | None = None
    on_image_change: ImageChange = ImageChange.REPLACE


class SeedPolicy(enum.StrEnum):
    """What a change of a VM's cloud-init content does.

    report: the new seed is there for the next start, with the same instance-id: nothing re-runs.
    reseed: a new instance-id: cloud-init runs again as on first boot at the next start.
    replace: the root overlay is made anew.
    """

    REPORT = "report"
    RESEED = "reseed"
    REPLACE = "replace"


class SeedSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A NoCloud seed: the documents as they go on the disk, but for meta-data's instance-id, which the plan knows.

    `meta_data` is the YAML mapping's items as a JSON-able dict; an `instance-id` in it replaces the plan's own.
    With `raw` the seed is no ISO: the volume holds that text and nothing else (Ignition, Combustion).
    """

    name: str
    pool: str
    user_data: str
    vendor_data: str | None
    network_config: str | None
    meta_data: dict[str, object]
    raw: str | None = None


class DhcpRange(Data, frozen=True, kw_only=True, omit_defaults=True):
    start: str
    end: str


class Subnet(Data, frozen=True, kw_only=True, omit_defaults=True):
    """One address family of a network: the host's own address with the prefix (`10.20.0.1/24`)."""

    cidr: str
    gateway: str
    dhcp: DhcpRange | None = None


class Reservation(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A fixed lease. For IPv6 libvirt matches by name or DUID, so `mac` is used for IPv4 only."""

    ip: str
    mac: str | None
    name: str | None


class DnsHost(Data, frozen=True, kw_only=True, omit_defaults=True):
    ip: str
    hostnames: tuple[str, ...]


class DnsForwarder(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A server that dnsmasq asks; with `domain` for names of that domain only, without `address` the host's own."""

    address: str | None = None
    domain: str | None = None


class DnsSrv(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A service record, by the names without underscores. libvirt reads a zero as an absent number, so none is 0."""

    service: str
    protocol: str
    domain: str | None = None
    target: str | None = None
    port: int | None = None
    priority: int | None = None
    weight: int | None = None


class DnsTxt(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A text that DNS answers with for a name; libvirt finds it by the name alone."""

    name: str
    value: str


class Route(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A route of the host into `cidr` by a machine on the network."""

    cidr: str
    gateway: str


class NetworkMode(enum.StrEnum):
    NAT = "nat"
    ROUTE = "route"
    ISOLATED = "isolated"
    OPEN = "open"
    BRIDGE = "bridge"
    EXISTING = "existing"


class NetworkSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A network. `label` is its name in libvirt.

    mode `bridge`: over the host's bridge named `bridge`. mode `existing`: a reference to a libvirt network that is
    there, never changed (its subnets, when given, only validate addresses).
    `reservations` holds the network's own and those of the VMs' NICs on it. `dns_enabled` of `None` leaves DNS as
    libvirt has it (on). `domain_local`: names of `domain` are never asked of the outside. `dnsmasq_options` are lines
    of dnsmasq's configuration (`name` or `name=value`), `xslt` is a stylesheet over the XML that vmstack writes.
    `bandwidth` is that of the whole network together; at most one of `port_groups` is the default.
    """

    name: str
    label: str
    host: str
    mode: NetworkMode
    bridge: str | None
    subnets: tuple[Subnet, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    dns_hosts: tuple[DnsHost, ...] = ()
    dns_enabled: bool | None = None
    dns_forwarders: tuple[DnsForwarder, ...] = ()
    dns_srvs: tuple[DnsSrv, ...] = ()
    dns_txts: tuple[DnsTxt, ...] = ()
    routes: tuple[Route, ...] = ()
    dnsmasq_options: tuple[str, ...] = ()
    domain: str | None = None
    domain_local: bool = True
    mtu: int | None = None
    bandwidth: Traffic | None = None
    port_groups: tuple[PortGroup, ...] = ()
    autostart: bool = True
    xslt: str | None = None


class DiskSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A VM's disk. `name` is its logical name and its serial; `volume` names a VolumeSpec.

    `wwn` is the world wide name that the guest sees (16 hexadecimal digits), on a SCSI bus only. `iothread` is the
    number of one of the VM's, from 1.
    """

    name: str
    volume: str
    bus: Literal["virtio", "scsi", "sata", "ide"] = "virtio"
    cache: Literal["none", "writeback", "writethrough", "directsync", "unsafe"] | None = None
    discard: bool = True
    readonly: bool = False
    wwn: str | None = None
    device: Literal["disk", "cdrom"] = "disk"
    iothread: int | None = None
    iotune: IoTuneSpec | None = None


class NicSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A VM's NIC: on a network of the stack, or (`bridge`) on a bridge of the host without a network of libvirt's, or
    (`device`) straight on an interface of the host, in a mode of macvtap.

    `addresses` are the fixed ones (reserved or static), without prefix. `link` False: the cable is out. `filter` names
    a network filter of libvirt's, with its parameters by name. `portgroup` is one of the network's.
    """

    name: str
    mac: str
    network: str | None = None
    bridge: str | None = None
    device: str | None = None
    mode: Literal["vepa", "bridge", "passthrough"] | None = None
    addresses: tuple[str, ...] = ()
    model: Literal["virtio", "e1000e", "e1000", "rtl8139"] = "virtio"
    mtu: int | None = None
    link: bool = True
    queues: int | None = None
    inbound: BandwidthSpec | None = None
    outbound: BandwidthSpec | None = None
    filter: str | None = None
    filter_parameters: tuple[tuple[str, str], ...] = ()
    portgroup: str | None = None


class HealthSpec(Data, frozen=True, kw_only=True):
    """What must succeed before a guest counts as ready: a command, run where vmstack runs and never by a shell, that
    exits with 0, or a TCP port of the guest that takes a connection; both where both are given. Tried every `interval`
    seconds, for `timeout` seconds at most.
    """

    command: tuple[str, ...] = ()
    address: str | None = None
    port: int | None = None
    timeout: int = 120
    interval: int = 2


class GroupSpec(Data, frozen=True, kw_only=True):
    """VMs of which only some may be down at once: so many, or so many of a hundred (rounded down, but one at least)."""

    name: str
    limit: int | None = None
    percent: int | None = None

    def allows(self, members: int) -> int:
        """How many of `members` may be down at once."""
        if self.limit is not None:
            return self.limit
        return max(1, members * (self.percent or 0) // 100)


class RestartSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """How a VM is restarted. `policy`: at once (`now`), or whenever somebody else restarts the guest (`defer`)."""

    policy: Literal["now", "defer"] = "now"
    group: GroupSpec | None = None
    health: HealthSpec | None = None


NO_RESTARTS: Final = RestartSpec()


class Power(enum.StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class VmSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A virtual machine. `label` is the domain's name in libvirt; memory is in bytes.

    `cpu_mode`, `machine` and `domain_type` left open are chosen by the planner from the host's facts.
    `seed` names a SeedSpec, and `ignition` another one, which the guest finds in the firmware as `fw_cfg_name`.
    `ready_timeout` is in seconds; `None` means there is nothing to wait for (no cloud-init,
    or the program does not want to wait). `lease_macs` are the NICs that must have an address before the VM counts as
    ready, within `lease_timeout` seconds; `agent`: the guest agent tells of it, not the leases of the networks.
    `password` is the display's, a secret: it never leaves the spec but in a plan's payload.
    `open` names fields that hold a default only because the program says nothing of them: a domain that was taken over
    keeps what it has there.
    """

    name: str
    label: str
    uuid: str
    host: str
    vcpus: int
    max_vcpus: int
    memory: int
    max_memory: int
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    seed: str | None = None
    seed_policy: SeedPolicy = SeedPolicy.REPORT
    ignition: str | None = None
    fw_cfg_name: str | None = None
    domain_type: Literal["kvm", "qemu"] | None = None
    cpu_mode: Literal["host-passthrough", "host-model", "maximum", "custom"] | None = None
    machine: str | None = None
    firmware: Literal["bios", "uefi"] = "bios"
    graphics: GraphicsSpec | None = None
    password: str | None = None
    serial_log: str | None = None
    virtio_console: bool = False
    description: str | None = None
    hardware: HardwareSpec = NO_HARDWARE
    compute: ComputeSpec = NO_COMPUTE
    autostart: bool = False
    power: Power = Power.RUNNING
    ready_timeout: int | None = None
    lease_macs: tuple[str, ...] = ()
    lease_timeout: int = 300
    agent: bool = False
    shutdown_timeout: int = 120
    power_off_after_timeout: bool = False
    restarts: RestartSpec = NO_RESTARTS
    open: tuple[str, ...] = ()

    @property
    def reports(self) -> bool:
        """Whether it counts as ready only once something was heard of it."""
        return self.ready_timeout is not None or (
            (bool(self.lease_macs) or self.restarts.health is not None) and self.power is Power.RUNNING
        )


Spec = HostSpec | PoolSpec | ImageSpec | VolumeSpec | SeedSpec | NetworkSpec | VmSpec
