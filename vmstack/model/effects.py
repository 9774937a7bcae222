"""The primitive effects: everything that apply can do to a host, one small idempotent or checkable step each.

An effect holds all it needs; whoever executes it decides nothing. "Idempotent" below means: when the object already
is as the effect would leave it, executing it again succeeds and changes nothing.
Names are libvirt names (pool, volume) or UUIDs (networks, domains); timeouts are seconds, capacities bytes.
"""

from typing import Literal

from vmstack.model.base import Data
from vmstack.model.hardware import IoTuneSpec
from vmstack.model.hooks import Hook

# What of a network libvirt changes while it runs.
NetworkSection = Literal["ip-dhcp-host", "ip-dhcp-range", "dns-host", "dns-srv", "dns-txt", "portgroup"]


class Effect(Data, frozen=True, kw_only=True, tag_field="effect", tag=True):
    """The root of the union; the tag is the class name."""


class DefinePool(Effect, frozen=True, kw_only=True):
    pool: str
    xml: str


class RebuildPool(Effect, frozen=True, kw_only=True):
    """Give the directory of a pool the permissions that the XML says: stop the pool, define it, build it and start it.

    libvirt sets them when it builds a pool, which it does only while the pool is off. Guests do not notice.
    """

    pool: str
    xml: str


class StartPool(Effect, frozen=True, kw_only=True):
    """Start the pool. Only with `build` is a missing directory made, and the ledger learns that it was.

    Without it a missing directory is an error: the file system that held it may not be mounted.
    """

    pool: str
    build: bool = False


class SetPoolAutostart(Effect, frozen=True, kw_only=True):
    pool: str
    enabled: bool


class RemovePool(Effect, frozen=True, kw_only=True):
    """Stop and undefine the pool; remove its directory only when `remove_directory`, and only if it is empty."""

    pool: str
    remove_directory: bool


class CreateVolume(Effect, frozen=True, kw_only=True):
    """Create from XML. An existing volume of the name is an error unless it is equal and the plan resumes it:
    only with `resume` did the ledger expect it when the plan was made, so that an interrupted run may have made it.
    """

    pool: str
    volume: str
    xml: str
    resume: bool = False


class CopyVolume(Effect, frozen=True, kw_only=True):
    """Create a full, independent copy of another volume on the host, then grow it to the XML's capacity."""

    pool: str
    volume: str
    xml: str
    source_pool: str
    source_volume: str
    capacity: int


class UploadImage(Effect, frozen=True, kw_only=True):
    """Stream the verified local file of an image into the volume (which exists, made by a step before)."""

    pool: str
    volume: str
    image: str


class UploadSeed(Effect, frozen=True, kw_only=True):
    """Build the seed ISO from the plan's payload and stream it into the volume (which exists)."""

    pool: str
    volume: str
    digest: str


class ResizeVolume(Effect, frozen=True, kw_only=True):
    """Grow a volume that no running guest uses. Never shrinks."""

    pool: str
    volume: str
    capacity: int


class DeleteVolume(Effect, frozen=True, kw_only=True):
    """Delete a volume; idempotent: already gone is done."""

    pool: str
    volume: str


class DefineNetwork(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str
    xml: str


class StartNetwork(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str


class SetNetworkAutostart(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str
    enabled: bool


class UpdateNetwork(Effect, frozen=True, kw_only=True):
    """One `virNetworkUpdate`. `parent_index` selects the `<ip>` element (-1: libvirt's choice)."""

    uuid: str
    name: str
    command: Literal["add", "modify", "delete"]
    section: NetworkSection
    xml: str
    parent_index: int = -1
    live: bool = True


class StopNetwork(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str


class UndefineNetwork(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str


class DefineDomain(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str
    xml: str


class DefineChecked(DefineDomain, frozen=True, kw_only=True):
    """Define from XML that patches of the program had a part in. What libvirt's schema does not know is an error of the
    host, and not left out without a word."""


class RenameDomain(Effect, frozen=True, kw_only=True):
    """Give a domain that is off another name; all else of it stays as it is."""

    uuid: str
    name: str
    new_name: str


class StartDomain(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str


class ResumeDomain(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str


class ShutdownDomain(Effect, frozen=True, kw_only=True):
    """Ask the guest to power down and wait. After `timeout`: fail, or power off when the program allowed it."""

    uuid: str
    name: str
    timeout: int
    power_off: bool


class PowerOffDomain(Effect, frozen=True, kw_only=True):
    """Stop the guest at once, as pulling the plug does. Only for guests that are being deleted or replaced."""

    uuid: str
    name: str


class SetDomainAutostart(Effect, frozen=True, kw_only=True):
    uuid: str
    name: str
    enabled: bool


class SetVcpus(Effect, frozen=True, kw_only=True):
    """Set the current count of vcpus of the running guest and of the persistent definition."""

    uuid: str
    name: str
    vcpus: int
    live: bool


class SetMemory(Effect, frozen=True, kw_only=True):
    """Set the current memory (KiB) of the running guest by its balloon, and of the persistent definition.

    A balloon moves when the guest lets it: the effect waits for it for a while, and says so where it did not move.
    """

    uuid: str
    name: str
    kib: int
    live: bool


class SetTitle(Effect, frozen=True, kw_only=True):
    """Set the domain's title, live too where the guest runs; `None` removes it."""

    uuid: str
    name: str
    title: str | None
    live: bool


class TuneDomain(Effect, frozen=True, kw_only=True):
    """Set limits of the domain's CPU time, by libvirt's names (`cpu_shares`, `vcpu_period`, `vcpu_quota`)."""

    uuid: str
    name: str
    values: dict[str, int]
    live: bool


class PinVcpu(Effect, frozen=True, kw_only=True):
    """Have a vcpu run on these CPUs of the host only (`0-2,5`)."""

    uuid: str
    name: str
    vcpu: int
    cpus: str
    live: bool


class SetDescription(Effect, frozen=True, kw_only=True):
    """Set the domain's description, live too where the guest runs; `None` removes it."""

    uuid: str
    name: str
    description: str | None
    live: bool


class AttachDevice(Effect, frozen=True, kw_only=True):
    """Attach a device to the persistent definition and, with `live`, to the running guest."""

    uuid: str
    name: str
    device: str
    xml: str
    live: bool


class DetachDevice(Effect, frozen=True, kw_only=True):
    """Detach a device and, with `live`, wait (bounded by `timeout`) until the guest has let go of it."""

    uuid: str
    name: str
    device: str
    xml: str
    live: bool
    timeout: int = 60


class PlugNics(Effect, frozen=True, kw_only=True):
    """Put NICs of a running guest back on the bridge of their network, which let go of them when it was stopped.

    `network` is the network's UUID. The guest keeps running, with the same taps; a NIC that is plugged in is left as
    it is.
    """

    uuid: str
    name: str
    network: str
    macs: tuple[str, ...]


class UpdateDevice(Effect, frozen=True, kw_only=True):
    """Change a device that is there, in the persistent definition and, with `live`, in the running guest: where a NIC
    is plugged in and what it may carry, the medium in a drive. Idempotent."""

    uuid: str
    name: str
    device: str
    xml: str
    live: bool


class SetIoTune(Effect, frozen=True, kw_only=True):
    """Set the limits of a disk, all of them, in the persistent definition and, with `live`, in the running guest.

    `target` is its slot (vda). Idempotent.
    """

    uuid: str
    name: str
    device: str
    target: str
    limits: IoTuneSpec
    live: bool


class SetIoThreads(Effect, frozen=True, kw_only=True):
    """Have so many I/O threads, numbered from 1, in the persistent definition and, with `live`, in the running guest.

    Idempotent. Threads that serve a disk are not taken away: that is an error of the host.
    """

    uuid: str
    name: str
    count: int
    live: bool


class SetPassword(Effect, frozen=True, kw_only=True):
    """Set the password of the domain's display, in the persistent definition and, with `live`, in the running guest.

    `password` is the name under which the plan's payload holds it; `None` takes the password away. Idempotent.
    """

    uuid: str
    name: str
    password: str | None
    live: bool


class ResizeDisk(Effect, frozen=True, kw_only=True):
    """Grow a disk of a running guest (block resize); `disk` is its path on the host."""

    uuid: str
    name: str
    disk: str
    capacity: int


class StampDomain(Effect, frozen=True, kw_only=True):
    """Replace our stamp in the domain's metadata, persistent and live; `None` removes it. The rest is untouched.

    `live_xml` is the stamp of the running guest where that has to list more, as it waits for a restart.
    """

    uuid: str
    name: str
    stamp_xml: str | None
    live: bool
    live_xml: str | None = None


class StampNetwork(Effect, frozen=True, kw_only=True):
    """Replace our stamp in the network's metadata, persistent and live; `None` removes it."""

    uuid: str
    name: str
    stamp_xml: str | None
    live: bool


class UndefineDomain(Effect, frozen=True, kw_only=True):
    """Undefine the domain with its NVRAM and managed-save image.

    `moments`: with the metadata of its snapshots and checkpoints, too. Otherwise a domain that has some is refused.
    """

    uuid: str
    name: str
    moments: bool = False


class AwaitReady(Effect, frozen=True, kw_only=True):
    """Wait until the guest reports over its readiness channel, then record the outcome in the stamp.

    Only a report of the instance-id `instance` counts (`None`: any), and only once the guest has all `addresses`.
    The executor rewrites only `ready` and `report` of the stamp; on a failure it raises `GuestError` after that. Unless
    `conclusive` the guest counts as ready only after something else that follows, and a success is not recorded.
    """

    uuid: str
    name: str
    timeout: int
    instance: str | None = None
    addresses: tuple[str, ...] = ()
    conclusive: bool = True


class RunHook(Effect, frozen=True, kw_only=True):
    """Run a function of the program. It touches no host by itself; what it does is the program's business."""

    hook: Hook


class AwaitLease(Effect, frozen=True, kw_only=True):
    """Wait until each of the guest's NICs with these MACs has an address, then record in the stamp that it is ready.

    `agent`: the guest agent tells the addresses, not the leases of the networks. `conclusive` as in `AwaitReady`.
    """

    uuid: str
    name: str
    macs: tuple[str, ...]
    agent: bool
    timeout: int
    conclusive: bool = True


class AwaitHealthy(Effect, frozen=True, kw_only=True):
    """Wait until the guest's health check passes, then record in the stamp that it is ready.

    Every `interval` seconds `command` is run on this machine (a program and its arguments, no shell; it must exit with
    0), and then `port` of `address` must take a TCP connection, each where it is given. The command finds the guest's
    name and `address` in the environment as VMSTACK_VM and VMSTACK_ADDRESS.
    """

    uuid: str
    name: str
    timeout: int
    interval: int
    command: tuple[str, ...] = ()
    address: str | None = None
    port: int | None = None


AnyEffect = (
    DefinePool
    | RebuildPool
    | StartPool
    | SetPoolAutostart
    | RemovePool
    | CreateVolume
    | CopyVolume
    | UploadImage
    | UploadSeed
    | ResizeVolume
    | DeleteVolume
    | DefineNetwork
    | StartNetwork
    | SetNetworkAutostart
    | UpdateNetwork
    | StopNetwork
    | UndefineNetwork
    | DefineDomain
    | DefineChecked
    | RenameDomain
    | StartDomain
    | ResumeDomain
    | ShutdownDomain
    | PowerOffDomain
    | SetDomainAutostart
    | SetVcpus
    | SetMemory
    | SetDescription
    | SetTitle
    | TuneDomain
    | PinVcpu
    | AttachDevice
    | DetachDevice
    | PlugNics
    | UpdateDevice
    | SetIoTune
    | SetIoThreads
    | SetPassword
    | ResizeDisk
    | StampDomain
    | StampNetwork
    | UndefineDomain
    | AwaitReady
    | RunHook
    | AwaitLease
    | AwaitHealthy
)

# What only watches a guest: it changes nothing but what the stamp says of the guest's being ready, and may be left.
WATCHING = (AwaitReady, AwaitLease, AwaitHealthy)
