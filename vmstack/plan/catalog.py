"""The desired graph, indexed: every lookup that the planner and the validation make, built once."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from vmstack.errors import Place
from vmstack.model.graph import DesiredGraph, Options, Resource
from vmstack.model.identity import Key, Kind, StackId, derive_bridge
from vmstack.model.specs import (
    DiskSpec,
    HostSpec,
    ImageSpec,
    NetworkMode,
    NetworkSpec,
    NicSpec,
    PoolSpec,
    SeedSpec,
    Spec,
    VmSpec,
    VolumeSource,
    VolumeSpec,
)

SpecT = TypeVar("SpecT", HostSpec, PoolSpec, ImageSpec, VolumeSpec, SeedSpec, NetworkSpec, VmSpec)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a stack wants, by kind and name. All mappings are in the graph's (sorted) order.

    `disk_users`, `nic_users` and `seed_users` say which VMs use a volume, a network and a seed, `overlays` which
    volumes are over a volume, and `bridges` which network makes a bridge (by host and bridge). `realised` holds the
    pairs of image and pool in which a base volume is needed.
    """

    stack: StackId
    resources: Mapping[Key, Resource]
    hosts: Mapping[str, HostSpec]
    pools: Mapping[str, PoolSpec]
    images: Mapping[str, ImageSpec]
    volumes: Mapping[str, VolumeSpec]
    seeds: Mapping[str, SeedSpec]
    networks: Mapping[str, NetworkSpec]
    vms: Mapping[str, VmSpec]
    disk_users: Mapping[str, tuple[tuple[str, DiskSpec], ...]]
    nic_users: Mapping[str, tuple[tuple[str, NicSpec], ...]]
    seed_users: Mapping[str, tuple[str, ...]]
    realised: tuple[tuple[str, str], ...]
    overlays: Mapping[str, tuple[str, ...]]
    bridges: Mapping[tuple[str, str], str]

    def place(self, kind: Kind, name: str) -> Place | None:
        """Where the program made the resource."""
        resource = self.resources.get(Key(kind, name))
        return resource.place if resource else None

    def options(self, kind: Kind, name: str) -> Options:
        """The resource's options; the default ones for what the program does not name itself (base images)."""
        resource = self.resources.get(Key(kind, name))
        return resource.options if resource else _NO_OPTIONS

    def bridge_makers(self, spec: Spec) -> tuple[Key, ...]:
        """The networks of the program that make the bridges which a VM's NICs are on by their names."""
        names = [nic.bridge for nic in spec.nics if nic.bridge is not None] if isinstance(spec, VmSpec) else []
        makers = (self.bridges.get((spec.host, name)) for name in names if isinstance(spec, VmSpec))
        return tuple(Key(Kind.NETWORK, maker) for maker in makers if maker is not None)

    def pool_host(self, pool: str) -> str:
        return self.pools[pool].host


_NO_OPTIONS = Options()


def catalogue(desired: DesiredGraph) -> Catalog:
    """Index the graph. References are not checked here (`plan.validation` does that)."""
    disk_users: dict[str, list[tuple[str, DiskSpec]]] = defaultdict(list)
    nic_users: dict[str, list[tuple[str, NicSpec]]] = defaultdict(list)
    seed_users: dict[str, list[str]] = defaultdict(list)
    vms = _of_kind(desired, VmSpec)
    for vm in vms.values():
        for disk in vm.disks:
            disk_users[disk.volume].append((vm.name, disk))
        for nic in vm.nics:
            if nic.network is not None:
                nic_users[nic.network].append((vm.name, nic))
        for seed in (vm.seed, vm.ignition):
            if seed is not None:
                seed_users[seed].append(vm.name)
    volumes, networks = _of_kind(desired, VolumeSpec), _of_kind(desired, NetworkSpec)
    realised = {
        (volume.image, volume.pool)
        for volume in volumes.values()
        if volume.image is not None and volume.source is not VolumeSource.UPLOAD
    }
    overlays: dict[str, list[str]] = defaultdict(list)
    for volume in volumes.values():
        if volume.base is not None:
            overlays[volume.base].append(volume.name)
    makers = {
        Key(Kind.NETWORK, name): spec
        for name, spec in networks.items()
        if spec.mode not in (NetworkMode.EXISTING, NetworkMode.BRIDGE)
    }
    return Catalog(
        stack=desired.stack,
        resources={resource.key: resource for resource in desired.resources},
        hosts=_of_kind(desired, HostSpec),
        pools=_of_kind(desired, PoolSpec),
        images=_of_kind(desired, ImageSpec),
        volumes=volumes,
        seeds=_of_kind(desired, SeedSpec),
        networks=networks,
        vms=vms,
        disk_users={name: tuple(users) for name, users in disk_users.items()},
        nic_users={name: tuple(users) for name, users in nic_users.items()},
        seed_users={name: tuple(users) for name, users in seed_users.items()},
        realised=tuple(sorted(realised)),
        overlays={name: tuple(found) for name, found in overlays.items()},
        bridges={
            (spec.host, spec.bridge or derive_bridge(desired.stack, key)): spec.name for key, spec in makers.items()
        },
    )


def parts_of(spec: Spec) -> tuple[Key, ...]:
    """What a VM is made of; everything else says by itself what it is in and comes from."""
    if not isinstance(spec, VmSpec):
        return ()
    parts = [Key(Kind.VOLUME, disk.volume) for disk in spec.disks]
    parts += [Key(Kind.NETWORK, nic.network) for nic in spec.nics if nic.network is not None]
    parts += [Key(Kind.SEED, seed) for seed in (spec.seed, spec.ignition) if seed is not None]
    return tuple(parts)


def base_key(image: str, *, pool: str) -> Key:
    """The key of an image realised in a pool (both by their names in the program)."""
    return Key(Kind.IMAGE, f"{image}@{pool}")


def _of_kind(desired: DesiredGraph, kind: type[SpecT]) -> dict[str, SpecT]:
    return {resource.spec.name: resource.spec for resource in desired.resources if isinstance(resource.spec, kind)}
