"""Checks of a desired graph that need no host: what can be known to be wrong before anything is touched."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from vmstack.errors import ConflictError, InputError, Place, VmstackError, raise_all
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.specs import VmSpec, VolumeSource, VolumeSpec
from vmstack.plan.address_checks import check_addresses
from vmstack.plan.catalog import Catalog, catalogue
from vmstack.plan.drift_policy import check_policies
from vmstack.plan.ignore import check_ignored
from vmstack.plan.seeds import SEED_SERIAL

ItemT = TypeVar("ItemT")
# Less than this boots nothing; it catches sizes written in the wrong unit.
_LEAST_MEMORY = 1024 * 1024
# Where virtlogd keeps what QEMU says, in a file named as the domain.
_LIBVIRT_LOGS = "/var/log/libvirt/qemu"
_FROM_IMAGES = (VolumeSource.LINKED_CLONE, VolumeSource.FULL_COPY, VolumeSource.UPLOAD)


def check_graph(desired: DesiredGraph) -> None:
    """Raise everything that is wrong with the graph, each with the place in the program: `InputError`,
    `ConflictError`, or an `ErrorGroup` of them. Pure; touches no host."""
    catalog = catalogue(desired)
    errors = [*_double_names(desired), *_unknown(catalog)]
    raise_all(errors)  # what follows looks references up
    errors += _labels(catalog)
    for volume in catalog.volumes.values():
        errors += _volume(volume, catalog=catalog)
    for vm in catalog.vms.values():
        errors += _vm(vm, catalog=catalog)
    errors += _seeds(catalog)
    errors += _groups(catalog)
    errors += check_addresses(catalog)
    for resource in desired.resources:
        errors += check_ignored(resource)
        errors += check_policies(resource)
    errors += _circles(desired)
    raise_all(errors)


def _double_names(desired: DesiredGraph) -> Iterator[VmstackError]:
    seen: dict[Key, Resource] = {}
    for resource in desired.resources:
        first = seen.setdefault(resource.key, resource)
        if first is not resource:
            yield ConflictError(
                f"two resources are named {resource.key}",
                details=[f"the other one is at {first.place}"] if first.place else (),
                resolution="give one of them another name",
                place=resource.place,
            )


def _unknown(catalog: Catalog) -> Iterator[VmstackError]:
    """References to what the program does not define."""

    def missing(kind: Kind, owner: str, *, wanted: Kind, name: str, known: Iterable[str]) -> VmstackError:
        some = ", ".join(sorted(known)[:5]) or "none"
        return InputError(
            f"{Key(kind, owner)} refers to {wanted.value} {name!r}, which the program does not define",
            details=[f"it defines: {some}"],
            resolution=f"define that {wanted.value}, or refer to one that is there",
            place=catalog.place(kind, owner),
        )

    def look(kind: Kind, owner: str, wanted: Kind, name: str | None, known: Iterable[str]) -> Iterator[VmstackError]:
        if name is not None and name not in known:
            yield missing(kind, owner, wanted=wanted, name=name, known=known)

    for pool in catalog.pools.values():
        yield from look(Kind.POOL, pool.name, Kind.HOST, pool.host, catalog.hosts)
    for network in catalog.networks.values():
        yield from look(Kind.NETWORK, network.name, Kind.HOST, network.host, catalog.hosts)
    for volume in catalog.volumes.values():
        yield from look(Kind.VOLUME, volume.name, Kind.POOL, volume.pool, catalog.pools)
        yield from look(Kind.VOLUME, volume.name, Kind.IMAGE, volume.image, catalog.images)
        yield from look(Kind.VOLUME, volume.name, Kind.VOLUME, volume.base, catalog.volumes)
    for seed in catalog.seeds.values():
        yield from look(Kind.SEED, seed.name, Kind.POOL, seed.pool, catalog.pools)
    for vm in catalog.vms.values():
        yield from look(Kind.VM, vm.name, Kind.HOST, vm.host, catalog.hosts)
        yield from look(Kind.VM, vm.name, Kind.SEED, vm.seed, catalog.seeds)
        yield from look(Kind.VM, vm.name, Kind.SEED, vm.ignition, catalog.seeds)
        for disk in vm.disks:
            yield from look(Kind.VM, vm.name, Kind.VOLUME, disk.volume, catalog.volumes)
        for nic in vm.nics:
            yield from look(Kind.VM, vm.name, Kind.NETWORK, nic.network, catalog.networks)
    for resource in catalog.resources.values():
        for need in resource.needs:
            if need not in catalog.resources:
                yield InputError(
                    f"{resource.key} depends on {need}, which the program does not define",
                    resolution=f"define {need}, or take it out of depends_on",
                    place=resource.place,
                )


def _labels(catalog: Catalog) -> Iterator[VmstackError]:
    """Two things that would be one on a host."""
    pools = catalog.pools
    yield from _doubles(
        catalog.hosts.values(),
        by=lambda host: host.uri,
        say=lambda host: (Key(Kind.HOST, host.name), f"the URI {host.uri}"),
        catalog=catalog,
    )
    yield from _doubles(
        pools.values(),
        by=lambda pool: (pool.host, pool.label),
        say=lambda pool: (Key(Kind.POOL, pool.name), f"the storage pool {pool.label!r} on host {pool.host}"),
        catalog=catalog,
    )
    yield from _doubles(
        (pool for pool in pools.values() if pool.path is not None),
        by=lambda pool: (pool.host, (pool.path or "").rstrip("/")),
        say=lambda pool: (Key(Kind.POOL, pool.name), f"the directory {pool.path} on host {pool.host}"),
        catalog=catalog,
    )
    yield from _doubles(
        catalog.networks.values(),
        by=lambda network: (network.host, network.label),
        say=lambda network: (Key(Kind.NETWORK, network.name), f"the network {network.label!r} on {network.host}"),
        catalog=catalog,
    )
    yield from _doubles(
        catalog.vms.values(),
        by=lambda vm: (vm.host, vm.label),
        say=lambda vm: (Key(Kind.VM, vm.name), f"the domain name {vm.label!r} on host {vm.host}"),
        catalog=catalog,
    )
    yield from _doubles(
        (vm for vm in catalog.vms.values() if vm.serial_log is not None),
        by=lambda vm: (vm.host, vm.serial_log),
        say=lambda vm: (Key(Kind.VM, vm.name), f"the serial log {vm.serial_log} on host {vm.host}"),
        catalog=catalog,
    )
    yield from _doubles(
        catalog.volumes.values(),
        by=lambda volume: (volume.pool, volume.label),
        say=lambda volume: (Key(Kind.VOLUME, volume.name), f"the volume {volume.label!r} in pool {volume.pool}"),
        catalog=catalog,
    )


def _doubles(
    items: Iterable[ItemT],
    *,
    by: Callable[[ItemT], Hashable],
    say: Callable[[ItemT], tuple[Key, str]],
    catalog: Catalog,
) -> Iterator[VmstackError]:
    seen: dict[Hashable, ItemT] = {}
    for item in items:
        first = seen.setdefault(by(item), item)
        if first is item:
            continue
        key, what = say(item)
        yield ConflictError(
            f"{key} and {say(first)[0]} both want {what}",
            resolution="change one of them",
            place=catalog.place(key.kind, key.name),
        )


def _volume(volume: VolumeSpec, *, catalog: Catalog) -> Iterator[VmstackError]:
    key, place = Key(Kind.VOLUME, volume.name), catalog.place(Kind.VOLUME, volume.name)
    blank = volume.source is VolumeSource.BLANK
    if volume.capacity is not None and volume.capacity <= 0:
        yield InputError(
            f"{key}: a size of {volume.capacity} makes no sense",
            resolution="give it a size such as 20GiB",
            place=place,
        )
    if blank and volume.capacity is None:
        yield InputError(
            f"{key}: a blank volume needs a size",
            resolution="give it a size such as 20GiB",
            place=place,
        )
    if blank and volume.image is not None:
        yield InputError(
            f"{key}: a blank volume has no image",
            resolution="take the image away, or make it a clone of the image",
            place=place,
        )
    if volume.source in _FROM_IMAGES and volume.image is None:
        yield InputError(
            f"{key}: the source {volume.source.value!r} needs an image",
            resolution="give it image=...",
            place=place,
        )
    if volume.source is VolumeSource.OVERLAY:
        yield from _overlay(volume, catalog=catalog)
    if volume.source is VolumeSource.LINKED_CLONE and volume.format != "qcow2":
        yield InputError(
            f"{key}: a linked clone must be qcow2, not {volume.format}",
            resolution="use a full copy for another format",
            place=place,
        )
    if catalog.pools[volume.pool].type == "logical":
        yield from _logical(volume, key=key, place=place)
    users = catalog.disk_users.get(volume.name, ())
    if len(users) > 1 and not all(disk.readonly for _, disk in users):
        names = ", ".join(f"{vm}.{disk.name}" for vm, disk in users)
        yield ConflictError(
            f"{key}: {len(users)} disks have it ({names}), and not all of them only read it",
            resolution="give each its own volume",
            place=place or catalog.place(Kind.VM, users[1][0]),
        )


def _logical(volume: VolumeSpec, *, key: Key, place: Place | None) -> Iterator[VmstackError]:
    if volume.source not in (VolumeSource.BLANK, VolumeSource.UPLOAD):
        yield InputError(
            f"{key}: in a logical pool there are only blank volumes and whole images, no {volume.source.value}",
            resolution="put it into a directory pool, or upload an image",
            place=place,
        )
    elif volume.format != "raw":
        yield InputError(
            f"{key}: in a logical pool it must be raw, not {volume.format}: LVM knows no formats",
            resolution='say format="raw"',
            place=place,
        )


def _overlay(volume: VolumeSpec, *, catalog: Catalog) -> Iterator[VmstackError]:
    key, place = Key(Kind.VOLUME, volume.name), catalog.place(Kind.VOLUME, volume.name)
    if volume.base is None:
        yield InputError(f"{key}: an overlay needs a volume that it is over", place=place)
        return
    if volume.format != "qcow2":
        yield InputError(f"{key}: an overlay must be qcow2, not {volume.format}", place=place)
    base = catalog.volumes[volume.base]
    here, there = catalog.pool_host(volume.pool), catalog.pool_host(base.pool)
    if here != there:
        yield InputError(f"{key} is on host {here}, and the volume it is over is on host {there}", place=place)
    for vm, disk in catalog.disk_users.get(volume.base, ()):
        if not disk.readonly:
            yield ConflictError(
                f"{key} is over volume.{volume.base}, which is a disk of vm.{vm}: what that guest writes destroys it",
                resolution="give the VM an overlay of its own",
                place=place,
            )


def _vm(vm: VmSpec, *, catalog: Catalog) -> Iterator[VmstackError]:
    key, place = Key(Kind.VM, vm.name), catalog.place(Kind.VM, vm.name)
    if vm.uuid != derive_uuid(catalog.stack, key):
        yield InputError(
            f"{key}: its UUID is not the one that its name gives",
            resolution="let vmstack derive it: a VM's UUID comes from the names of project, stack and VM",
            place=place,
        )
    if not 1 <= vm.vcpus <= vm.max_vcpus:
        yield InputError(
            f"{key}: {vm.vcpus} vcpus are not between 1 and the maximum of {vm.max_vcpus}",
            resolution=f"give it 1 to {vm.max_vcpus} vcpus, or a higher max_vcpus",
            place=place,
        )
    if vm.memory < _LEAST_MEMORY:
        yield InputError(
            f"{key}: {vm.memory} bytes of memory are too little",
            resolution='write the unit, as in memory="2GiB"',
            place=place,
        )
    if vm.memory > vm.max_memory:
        yield InputError(
            f"{key}: its memory is larger than its maximum of memory",
            resolution="raise max_memory, or lower memory",
            place=place,
        )
    if vm.ready_timeout is not None and vm.ready_timeout <= 0:
        yield InputError(
            f"{key}: a ready timeout of {vm.ready_timeout} seconds makes no sense",
            resolution="give wait= a number of seconds above 0, or wait=False",
            place=place,
        )
    if vm.serial_log == f"{_LIBVIRT_LOGS}/{vm.label}.log":
        yield InputError(
            f"{key}: libvirt itself writes {vm.serial_log}, so the serial log cannot be there",
            resolution="give serial_log= another file",
            place=place,
        )
    yield from _twice((disk.name for disk in vm.disks), what="disks", key=key, place=place)
    yield from _twice((nic.name for nic in vm.nics), what="NICs", key=key, place=place)
    for disk in vm.disks:
        if disk.name == SEED_SERIAL:
            yield InputError(
                f"{key}: {SEED_SERIAL!r} is the name of the cloud-init seed",
                resolution="give the disk another name",
                place=place,
            )
        volume = catalog.volumes[disk.volume]
        host = catalog.pool_host(volume.pool)
        if host != vm.host:
            yield InputError(
                f"{key} is on host {vm.host}, and its disk {disk.name} is in a pool on host {host}",
                resolution=f"put the disk into a pool on host {vm.host}, or the VM on host {host}",
                place=place,
            )
    for nic in vm.nics:
        if sum(where is not None for where in (nic.network, nic.bridge, nic.device)) != 1:
            yield InputError(
                f"{key}: its NIC {nic.name} must be on one network, one bridge or one interface of the host",
                place=place,
            )
        if nic.network is None:
            continue
        network = catalog.networks[nic.network]
        if network.host != vm.host:
            yield InputError(
                f"{key} is on host {vm.host}, and its NIC {nic.name} is on a network on host {network.host}",
                resolution=f"use a network on host {vm.host}, or put the VM on host {network.host}",
                place=place,
            )
    for seed in (vm.seed, vm.ignition):
        if seed is not None and catalog.pools[catalog.seeds[seed].pool].type == "logical":
            yield InputError(
                f"{key}: its seed is in a logical pool, and it must be a file",
                resolution="put it into a directory pool",
                place=place,
            )
        if seed is not None and catalog.pool_host(catalog.seeds[seed].pool) != vm.host:
            yield InputError(
                f"{key}: its seed is in a pool on another host",
                resolution=f"put it into a pool on host {vm.host}",
                place=place,
            )


def _twice(names: Iterable[str], *, what: str, key: Key, place: Place | None) -> Iterator[VmstackError]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield ConflictError(
                f"{key}: two of its {what} are named {name!r}",
                resolution="give one of them another name",
                place=place,
            )
        seen.add(name)


def _groups(catalog: Catalog) -> Iterator[VmstackError]:
    seen: dict[str, VmSpec] = {}
    for vm in catalog.vms.values():
        group = vm.restarts.group
        other = seen.setdefault(group.name, vm) if group is not None else vm
        if other.restarts.group != group:
            yield ConflictError(
                f"{Key(Kind.VM, vm.name)}: vm.{other.name} is in another rolling group of the same name",
                resolution="make the group once and give it to both, or give one of the two another name",
                place=catalog.place(Kind.VM, vm.name),
            )


def _seeds(catalog: Catalog) -> Iterator[VmstackError]:
    for name in catalog.seeds:
        users = catalog.seed_users.get(name, ())
        if len(users) != 1:
            yield ConflictError(
                f"{Key(Kind.SEED, name)}: a seed belongs to one VM, and {len(users)} have it",
                resolution="give each VM a seed of its own",
                place=catalog.place(Kind.SEED, name),
            )


def _circles(desired: DesiredGraph) -> Iterator[VmstackError]:
    needs = {resource.key: resource.needs for resource in desired.resources}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle: list[Key] = list(error.args[1])
        places = defaultdict(lambda: None, {resource.key: resource.place for resource in desired.resources})
        yield ConflictError(
            f"resources depend on each other in a circle: {' -> '.join(str(key) for key in circle)}",
            resolution="take one of these dependencies away",
            place=next((places[key] for key in circle if places[key] is not None), None),
        )
