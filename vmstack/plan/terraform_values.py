"""The attributes of resources that plan JSON shows: of what a program wants, and of what is there and goes.

Nothing here may be a secret: attributes are named one by one, and the content of seeds is not among them.
"""

from typing import Any, Final

from vmstack.model.graph import Resource
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import HostSnapshot, Observed, ObservedDomain, ObservedNetwork
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import NetworkMode, NetworkSpec, PoolSpec, SeedSpec, VmSpec, VolumeSource, VolumeSpec

# The documents of a seed, which are secret as a whole.
SEED_SECRETS: Final = ("user_data", "network_config", "meta_data")
_ROLES: Final = {Kind.POOL: "pool", Kind.IMAGE: "base", Kind.VOLUME: "volume", Kind.SEED: "seed"}
_KIB: Final = 1024


def host_of(resource: Resource, *, pools: dict[str, PoolSpec]) -> str | None:
    """The host that a resource is on; `None` of what is on none, such as an image."""
    spec = resource.spec
    if isinstance(spec, PoolSpec | NetworkSpec | VmSpec):
        return spec.host
    return pools[spec.pool].host if isinstance(spec, VolumeSpec | SeedSpec) else None


def is_managed(resource: Resource) -> bool:
    """Whether the stack makes it: neither a host nor an image, nor a reference to what is there already."""
    spec = resource.spec
    if isinstance(spec, PoolSpec):
        return not spec.existing
    if isinstance(spec, VolumeSpec):
        return spec.source is not VolumeSource.EXISTING
    if isinstance(spec, NetworkSpec):
        return spec.mode is not NetworkMode.EXISTING
    return isinstance(spec, SeedSpec | VmSpec)


def wanted_values(resource: Resource, *, pools: dict[str, PoolSpec]) -> dict[str, Any]:
    """The attributes of a resource of the program. Sizes are bytes."""
    spec = resource.spec
    values: dict[str, Any] = {"host": host_of(resource, pools=pools), "protect": resource.options.protect}
    if isinstance(spec, PoolSpec):
        values |= {"name": spec.label, "path": spec.path, "type": spec.type, "autostart": spec.autostart}
    elif isinstance(spec, VolumeSpec):
        values |= {
            "name": spec.label,
            "pool": pools[spec.pool].label,
            "format": spec.format,
            "source": spec.source.value,
            "image": spec.image,
            "base": spec.base,
            "capacity": spec.capacity,
            "data": spec.data,
        }
    elif isinstance(spec, SeedSpec):
        values |= {"name": spec.name, "pool": pools[spec.pool].label, **dict.fromkeys(SEED_SECRETS)}
    elif isinstance(spec, NetworkSpec):
        values |= {
            "name": spec.label,
            "mode": spec.mode.value,
            "bridge": spec.bridge,
            "addresses": [subnet.cidr for subnet in spec.subnets],
            "domain": spec.domain,
            "mtu": spec.mtu,
            "autostart": spec.autostart,
        }
    elif isinstance(spec, VmSpec):
        values |= _machine(spec)
    return values


def _machine(spec: VmSpec) -> dict[str, Any]:
    graphics = spec.graphics
    return {
        "name": spec.label,
        "uuid": spec.uuid,
        "vcpus": spec.vcpus,
        "max_vcpus": spec.max_vcpus,
        "memory": spec.memory,
        "max_memory": spec.max_memory,
        "firmware": spec.firmware,
        "machine": spec.machine,
        "domain_type": spec.domain_type,
        "cpu_mode": spec.cpu_mode,
        "autostart": spec.autostart,
        "power": spec.power.value,
        "seed": spec.seed,
        "graphics": None if graphics is None else {"type": graphics.type, "listen": graphics.listen},
        "disks": [
            {"name": disk.name, "volume": disk.volume, "bus": disk.bus, "readonly": disk.readonly}
            for disk in spec.disks
        ],
        "nics": [
            {
                "name": nic.name,
                "mac": nic.mac,
                "network": nic.network,
                "bridge": nic.bridge,
                "device": nic.device,
                "addresses": list(nic.addresses),
            }
            for nic in spec.nics
        ],
    }


class Holdings:
    """What the hosts hold of the stack, for the attributes of what no program describes any more."""

    def __init__(self, observed: Observed, *, stack: StackId) -> None:
        self._hosts = observed.hosts
        self._domains: dict[tuple[str, str], ObservedDomain] = {}
        self._networks: dict[tuple[str, str], ObservedNetwork] = {}
        self._entries: dict[tuple[str, str, str], LedgerEntry] = {}
        self._stack = stack
        for host, snapshot in observed.hosts.items():
            self._take_in(host, snapshot)

    def _take_in(self, host: str, snapshot: HostSnapshot) -> None:
        self._domains |= {(host, domain.stamp.path): domain for domain in snapshot.domains if domain.stamp is not None}
        self._networks |= {(host, net.stamp.path): net for net in snapshot.networks if net.stamp is not None}
        if snapshot.ledger is not None:
            self._entries |= {(host, entry.role, entry.name): entry for entry in snapshot.ledger.entries}

    def values(self, key: Key, *, host: str) -> dict[str, Any]:
        """The attributes of a resource as the host has it; few of what the stack cannot find there."""
        path = self._stack.path(key)
        values: dict[str, Any] = {"host": host}
        if (domain := self._domains.get((host, path))) is not None and key.kind is Kind.VM:
            return values | _domain(domain)
        if (network := self._networks.get((host, path))) is not None and key.kind is Kind.NETWORK:
            config = network.config
            return values | {
                "name": network.name,
                "uuid": network.uuid,
                "mode": config.forward or "isolated",
                "bridge": config.bridge,
                "autostart": network.autostart,
            }
        entry = self._entries.get((host, _ROLES.get(key.kind, ""), key.name))
        return values if entry is None else values | _entry(entry)


def _domain(domain: ObservedDomain) -> dict[str, Any]:
    config = domain.config
    return {
        "name": domain.name,
        "uuid": domain.uuid,
        "vcpus": config.vcpus,
        "max_vcpus": config.max_vcpus,
        "memory": config.memory_kib * _KIB,
        "max_memory": config.max_memory_kib * _KIB,
        "machine": config.machine,
        "domain_type": config.type,
        "autostart": domain.autostart,
        "power": "running" if domain.active else "stopped",
        "protect": domain.stamp.protect if domain.stamp is not None else None,
        "disks": [{"name": disk.serial, "path": disk.path, "bus": disk.bus} for disk in config.disks],
        "nics": [{"mac": nic.mac, "network": nic.network, "bridge": nic.bridge} for nic in config.nics],
    }


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "name": entry.label or entry.pool,
        "pool": entry.pool,
        "path": entry.path,
        "format": entry.format,
        "capacity": entry.capacity,
        "sha256": entry.sha256,
        "image": entry.image,
        "data": entry.data,
        "protect": entry.protect,
    }
