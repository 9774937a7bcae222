"""The seam between vmstack and a hypervisor: primitive calls over names, UUIDs and XML text.

`LibvirtDriver` implements it with libvirt; the tests' FakeHost implements it in memory. The same contract tests run
on both. Observing and executing are written once, on top of it.

Every method may raise `HostUnreachableError` (connection lost), `PermissionDeniedError`, `HostBusyError` (worth
retrying) or `HostError`; `NotFoundError` and `ExistsError` where said. Methods may be called from several threads.
Capacities and offsets are bytes, memory is KiB, timeouts are seconds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, Protocol

from vmstack.model.base import Data
from vmstack.model.effects import NetworkSection
from vmstack.model.hardware import IoTuneSpec
from vmstack.model.observed import HostFacts

State = Literal["running", "paused", "shutoff", "crashed", "pmsuspended", "other"]


class DomainRecord(Data, frozen=True, kw_only=True):
    """A domain as libvirt gives it. `xml` is the persistent definition; `live_xml` is there while it is active.

    `snapshots` and `checkpoints` are how many libvirt keeps of it.
    """

    uuid: str
    name: str
    state: State
    persistent: bool
    autostart: bool
    has_managed_save: bool
    xml: str
    live_xml: str | None
    snapshots: int = 0
    checkpoints: int = 0


class NetworkRecord(Data, frozen=True, kw_only=True):
    """A network. `ports` are the UUIDs of what is plugged in, `None` where it is off or the daemon does not tell."""

    uuid: str
    name: str
    active: bool
    persistent: bool
    autostart: bool
    xml: str
    live_xml: str | None
    ports: frozenset[str] | None = None


class PoolRecord(Data, frozen=True, kw_only=True):
    uuid: str
    name: str
    active: bool
    autostart: bool
    xml: str
    available: int | None


class VolumeRecord(Data, frozen=True, kw_only=True):
    name: str
    xml: str


class NicAddresses(Data, frozen=True, kw_only=True):
    """What a running guest's NIC has: addresses without prefix, link-local ones left out."""

    mac: str
    addresses: tuple[str, ...]


class PoolUsage(Data, frozen=True, kw_only=True):
    """Bytes of an active pool."""

    capacity: int
    allocation: int
    available: int


class NodeRecord(Data, frozen=True, kw_only=True):
    """The machine's processors and memory (KiB), as `virNodeGetInfo` counts them."""

    cpu_model: str
    memory_kib: int
    cpus: int
    nodes: int
    sockets: int
    cores: int
    threads: int


class DeviceRecord(Data, frozen=True, kw_only=True):
    """A device of the machine. `capabilities` are the kinds that it is of."""

    name: str
    parent: str | None
    capabilities: tuple[str, ...]
    xml: str


class SecretRecord(Data, frozen=True, kw_only=True):
    """A libvirt secret of usage type `volume`; `usage` is its usage id."""

    uuid: str
    usage: str
    description: str


class Driver(Protocol):
    """One connection to one hypervisor."""

    # Reads: none of them changes anything, all work on a read-only connection.
    def facts(self) -> HostFacts: ...
    def domains(self) -> list[DomainRecord]: ...
    def domain(self, uuid: str) -> DomainRecord: ...  # NotFoundError
    def networks(self) -> list[NetworkRecord]: ...
    def network(self, uuid: str) -> NetworkRecord: ...  # NotFoundError
    def pools(self) -> list[PoolRecord]: ...
    def pool(self, name: str) -> PoolRecord: ...  # NotFoundError
    def volumes(self, pool: str) -> list[VolumeRecord]: ...  # NotFoundError; an inactive pool is a HostError
    def volume(self, pool: str, name: str) -> VolumeRecord: ...  # NotFoundError
    def secrets(self, *, usage_prefix: str) -> list[SecretRecord]: ...
    def pool_usage(self, name: str) -> PoolUsage: ...  # NotFoundError; an inactive pool is a HostError
    def node(self) -> NodeRecord: ...
    def devices(self) -> list[DeviceRecord]: ...  # HostError where the daemon has no driver for devices
    def addresses(self, uuid: str, *, agent: bool) -> list[NicAddresses]:
        """The addresses of a running guest's NICs: the leases of its networks, or (`agent`) what its agent says.

        Nothing while it is off or the agent does not answer. `PermissionDeniedError` for `agent` on a read-only
        connection.
        """

    # Pools.
    def define_pool(self, xml: str) -> None: ...  # ExistsError when the name has another UUID
    def build_pool(self, name: str) -> None: ...
    def start_pool(self, name: str) -> None: ...  # NotFoundError when its directory is missing
    def set_pool_autostart(self, name: str, *, enabled: bool) -> None: ...
    def refresh_pool(self, name: str) -> None: ...
    def stop_pool(self, name: str) -> None: ...
    def delete_pool_directory(self, name: str) -> None: ...  # HostError when it is not empty
    def undefine_pool(self, name: str) -> None: ...

    # Volumes.
    def create_volume(self, pool: str, xml: str) -> None: ...  # ExistsError
    def copy_volume(self, pool: str, xml: str, *, source_pool: str, source: str) -> None: ...  # ExistsError
    def upload_volume(self, pool: str, name: str, *, chunks: Iterable[bytes | int], length: int) -> None:
        """Stream content into the volume from its start: bytes are data, an int is a hole of that many bytes.

        `length` is the total. What the volume held before is lost.
        """

    def download_volume(self, pool: str, name: str, *, length: int) -> Iterator[bytes]: ...
    def resize_volume(self, pool: str, name: str, *, capacity: int) -> None: ...
    def delete_volume(self, pool: str, name: str) -> None: ...  # NotFoundError

    # Networks.
    def define_network(self, xml: str) -> None: ...  # ExistsError when the name has another UUID
    def start_network(self, uuid: str) -> None: ...
    def set_network_autostart(self, uuid: str, *, enabled: bool) -> None: ...
    def update_network(
        self,
        uuid: str,
        *,
        command: Literal["add", "modify", "delete"],
        section: NetworkSection,
        xml: str,
        parent_index: int,
        live: bool,
        config: bool,
    ) -> None:
        """`virNetworkUpdate` on the running network (`live`), the persistent definition (`config`), or both at once.

        A `HostError` when an added entry is there already, a deleted one is not, or anything but an ip-dhcp-host is to
        be modified (libvirt can only add and delete those). Of a dns-srv what the XML leaves out matches anything.
        """

    def set_network_metadata(self, uuid: str, *, xml: str | None, namespace: str, live: bool) -> None:
        """Replace the element of the namespace in the persistent metadata; live too where libvirt can (9.7 and later).

        Older daemons get a redefinition of the network, which leaves the running one's metadata as it was.
        """

    def stop_network(self, uuid: str) -> None: ...
    def undefine_network(self, uuid: str) -> None: ...

    # Domains.
    def define_domain(self, xml: str, *, validate: bool = False) -> None:  # ExistsError: the name has another UUID
        """Define or redefine. Passwords of displays that reads never show survive when `xml` does not give any.

        `validate`: a `HostError` for what libvirt's schema does not know.
        """

    def rename_domain(self, uuid: str, *, name: str) -> None:  # ExistsError when the name is taken
        """Rename a domain that is off; with the name that it has already, nothing happens.

        A `HostError` when it runs or has a managed-save image. The autostart mark stays.
        """

    def start_domain(self, uuid: str) -> None: ...
    def resume_domain(self, uuid: str) -> None: ...
    def shutdown_domain(self, uuid: str) -> None: ...  # asks the guest's agent, else by ACPI; does not wait
    def power_off_domain(self, uuid: str) -> None: ...
    def set_domain_autostart(self, uuid: str, *, enabled: bool) -> None: ...
    def set_vcpus(self, uuid: str, count: int, *, live: bool, config: bool) -> None: ...
    def set_memory(self, uuid: str, kib: int, *, live: bool, config: bool) -> None: ...
    def set_description(self, uuid: str, text: str | None, *, live: bool) -> None: ...
    def set_title(self, uuid: str, text: str | None, *, live: bool) -> None: ...
    def tune_domain(self, uuid: str, values: Mapping[str, int], *, live: bool, config: bool) -> None: ...
    def pin_vcpu(self, uuid: str, vcpu: int, *, cpus: str, live: bool, config: bool) -> None: ...
    def attach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None: ...
    def detach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None: ...  # live: asks, does not wait
    def update_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        """Change a device that is there. A `HostError` for what cannot change in place, or where there is none."""

    def set_io_tune(self, uuid: str, target: str, *, limits: IoTuneSpec, live: bool, config: bool) -> None:
        """Set all limits of the disk in that slot. A `HostError` where there is none."""

    def add_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None: ...
    def remove_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None:
        """A `HostError` for a thread that is not there, or that serves a disk."""

    def resize_disk(self, uuid: str, path: str, *, capacity: int) -> None: ...
    def set_domain_metadata(
        self, uuid: str, *, xml: str | None, namespace: str, live: bool, config: bool = True
    ) -> None: ...
    def undefine_domain(self, uuid: str, *, moments: bool = False) -> None:
        """Undefine it, with its NVRAM and managed-save image.

        A `HostError` for one that is off and has snapshots or checkpoints, unless their metadata go too (`moments`).
        """

    def wait_for_domain(
        self, uuid: str, *, until: Callable[[DomainRecord | None], bool], timeout: float
    ) -> DomainRecord | None:
        """Wait until the predicate holds (it sees `None` once the domain is gone).

        Raises `TimeoutError` when it does not within `timeout`. Driven by events where the hypervisor has them.
        """

    def read_channel(self, uuid: str, channel: str, *, timeout: float) -> Iterator[bytes]:
        """Yield what the guest writes to the named virtio-serial channel until closed by the caller.

        Yields `b""` at least once a second while there is nothing, so that a caller can look at its own clock;
        stops (returns) at `timeout` or when the guest ends. Reconnects when the guest's end is reset.
        """

    # Secrets of usage type `volume` (the ledger and the lock live in them).
    def define_secret(self, *, uuid: str, usage: str, description: str) -> None: ...  # ExistsError: usage is taken
    def undefine_secret(self, uuid: str) -> None: ...  # NotFoundError

    def close(self) -> None: ...
