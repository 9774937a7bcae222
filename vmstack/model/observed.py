"""What the hosts hold: an immutable snapshot of each, taken in bulk."""

from typing import Literal

from vmstack.model.base import Data
from vmstack.model.configs import DomainConfig, NetworkConfig, PoolConfig, VolumeConfig
from vmstack.model.ownership import Ledger, LockInfo, Stamp


class HostFacts(Data, frozen=True, kw_only=True):
    """What the hypervisor can do. Memory is in bytes.

    `domain_type` is `kvm` only where hardware virtualisation really works. `firmwares` are the loader kinds that
    the host can auto-select. `uuid` is the machine's own, and empty where it is not known.

    `machines` are the machine types by architecture, each with the most vcpus that it takes; `cpu_models` the names of
    processors of the host's architecture. Empty ones are not known. `emulates_tpm` and `secure_boot` are `None` where
    the connection may not ask: a read-only one is refused domain capabilities.
    """

    uri: str
    hostname: str
    arch: str
    domain_type: Literal["kvm", "qemu"]
    libvirt_version: int
    hypervisor_version: int
    cpus: int
    memory: int
    firmwares: tuple[str, ...] = ("bios",)
    uuid: str = ""
    machines: dict[str, dict[str, int]] = {}
    cpu_models: tuple[str, ...] = ()
    emulates_tpm: bool | None = None
    secure_boot: bool | None = None


class ObservedDomain(Data, frozen=True, kw_only=True):
    """A domain. `config` and `stamp` are of the persistent definition, `live` of the running one.

    `xml` is the persistent XML as libvirt gave it, kept for ours only, so that an update preserves what vmstack
    does not know; `live_xml` is kept beside it, for the fingerprint of those that a plan touches. `free_ports` counts
    the PCIe ports of the running guest that could take a device. A foreign domain carries its config too: its MACs
    and disk paths matter to others. `unplugged` are the MACs of NICs of the running guest that lead nowhere: their
    network was stopped under them and started again, which takes their taps off its bridge and puts none back.
    `lingering` are the fields that the stamp of the running guest lists and that of its definition does not: where the
    guest has them still, they are the stack's still. `snapshots` and `checkpoints` are how many libvirt keeps of it.
    """

    uuid: str
    name: str
    active: bool
    state: Literal["running", "paused", "shutoff", "crashed", "pmsuspended", "other"]
    persistent: bool
    autostart: bool
    config: DomainConfig
    live: DomainConfig | None = None
    stamp: Stamp | None = None
    has_managed_save: bool = False
    snapshots: int = 0
    checkpoints: int = 0
    free_ports: int | None = None
    unplugged: tuple[str, ...] = ()
    lingering: tuple[str, ...] = ()
    xml: str = ""
    live_xml: str | None = None


class ObservedNetwork(Data, frozen=True, kw_only=True):
    uuid: str
    name: str
    active: bool
    persistent: bool
    autostart: bool
    config: NetworkConfig
    live: NetworkConfig | None = None
    stamp: Stamp | None = None
    xml: str = ""
    fingerprint: str = ""


class ObservedVolume(Data, frozen=True, kw_only=True):
    """A volume. `xml` is kept for those of ours that a stylesheet of the program had a part in. `modified` is when its
    file was written last, by the host's clock and in its words."""

    pool: str
    name: str
    config: VolumeConfig
    xml: str = ""
    modified: str | None = None
    fingerprint: str = ""


class ObservedPool(Data, frozen=True, kw_only=True):
    """A pool. `volumes` is `None` where it was out of scope or the pool is inactive: unknown, not empty.

    `available` is free bytes, known while active. `xml` is its definition as libvirt gave it.
    """

    uuid: str
    name: str
    active: bool
    autostart: bool
    config: PoolConfig
    available: int | None = None
    volumes: tuple[ObservedVolume, ...] | None = None
    xml: str = ""
    fingerprint: str = ""


class HostSnapshot(Data, frozen=True, kw_only=True):
    """One host. `ledger` is this stack's, `other_ledgers` those of other stacks on it; `lock` is this stack's.

    `held` is the ledger as it stands on the host, where `ledger` calls things as the program does now.
    """

    host: str
    facts: HostFacts
    domains: tuple[ObservedDomain, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    pools: tuple[ObservedPool, ...] = ()
    ledger: Ledger | None = None
    other_ledgers: tuple[Ledger, ...] = ()
    lock: LockInfo | None = None
    held: Ledger | None = None


class Observed(Data, frozen=True, kw_only=True):
    """All hosts of a stack, by the name the program gave them. A host that could not be read is not in here:
    observing raises instead, because unknown is never empty."""

    hosts: dict[str, HostSnapshot]


class Scope(Data, frozen=True, kw_only=True):
    """What to read in depth on a host: the libvirt names of pools whose volumes matter (the ledger's come too), and
    the UUIDs or names of domains and networks that are to become the stack's. `everything`: all of them.
    """

    pools: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    everything: bool = False


class ImageFacts(Data, frozen=True, kw_only=True):
    """A verified image: digest of the source as published, real format and virtual size in bytes.

    `path` is the local, decompressed file, or `None` when no upload needs it (the host already holds the base).
    """

    name: str
    sha256: str
    format: Literal["qcow2", "raw"]
    virtual_size: int
    path: str | None = None
