"""Resources that look like others under a new name: an alias would keep what is there, and the plan says how."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping

from vmstack.model.configs import DomainConfig, NetworkConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import NetworkMode, VmSpec, VolumeSource
from vmstack.plan.catalog import Catalog
from vmstack.plan.context import Context
from vmstack.plan.design import clean_path, design_network
from vmstack.plan.index import HostIndex
from vmstack.plan.seeds import SEED_SERIAL

# What a resource is besides its name. Equal ones are taken for the same resource.
Shape = tuple[Hashable, ...]
_KIB = 1024


def propose_aliases(context: Context) -> None:
    """Warn of each such resource with what to write in the program. Where the plan is refused, its last error says so:
    it may be for what would be deleted."""
    for new, old in sorted(find_aliases(context).items()):
        place = context.catalog.place(*new)
        text = (
            f"looks like {old} under another name, which would be deleted and made anew; to keep it as it is, "
            f"write opts=pulumi.ResourceOptions(aliases=[{old.name!r}])"
        )
        context.draft.warn(text, key=new, place=place)
        for error in context.draft.errors[-1:]:
            error.details += (f"{new}{f' ({place})' if place else ''} {text}",)


def find_aliases(context: Context) -> dict[Key, Key]:
    """The keys that resources of the program probably had before, by the new ones: what would go otherwise.

    Of several that look the same, each new one gets one of the old ones, by their names' order.
    """
    if context.policy.destroy or not context.whole:
        return {}
    found: dict[Key, Key] = {}
    for host, index in context.indexes.items():
        leaving = _leaving(index, context=context)
        if not leaving:
            continue
        held = dict(_held(index))
        wanted = dict(_wanted(host, context=context))
        fresh: dict[Shape, list[Key]] = defaultdict(list)
        for key in sorted(wanted.keys() - held.keys()):
            fresh[wanted[key]].append(key)
        for old in leaving:
            alike = [key for key in fresh.get(held.get(old, ()), ()) if key.kind is old.kind and key not in found]
            if alike:
                found[alike[0]] = old
    return {new: old for new, old in found.items() if not _comes_along(new, found=found, catalog=context.catalog)}


def _comes_along(key: Key, *, found: Mapping[Key, Key], catalog: Catalog) -> bool:
    """Whether a volume was made by a VM, and so is renamed with it."""
    if key.kind is not Kind.VOLUME:
        return False
    users = [Key(Kind.VM, vm) for vm, _ in catalog.disk_users.get(key.name, ())]
    return any(
        user in found and catalog.place(*user) == catalog.place(*key) and key.name.startswith(f"{user.name}-")
        for user in users
    )


def _leaving(index: HostIndex, *, context: Context) -> list[Key]:
    """What the program does not have any more. In most plans that is nothing, which must be found quickly."""
    keys = [Key(Kind.VM, name) for name in index.own_domains] + [Key(Kind.NETWORK, name) for name in index.own_networks]
    keys += [key for key in index.named_entries if key.kind in (Kind.VOLUME, Kind.POOL)]
    return sorted(key for key in keys if key not in context.order and not context.spares(key))


def _held(index: HostIndex) -> Iterator[tuple[Key, Shape]]:
    for name, domain in index.own_domains.items():
        yield Key(Kind.VM, name), _shape_of_domain(domain.config)
    for name, network in index.own_networks.items():
        yield Key(Kind.NETWORK, name), _shape_of_network(network.config)
    for key, entries in index.named_entries.items():
        [entry, *more] = entries
        if key.kind is Kind.VOLUME and not more:
            yield key, (entry.pool, entry.capacity, entry.format, entry.sha256, entry.data)
        if key.kind is Kind.POOL and not more and entry.path is not None:
            yield key, (entry.path,)


def _wanted(host: str, *, context: Context) -> Iterator[tuple[Key, Shape]]:
    catalog = context.catalog
    for name, vm in catalog.vms.items():
        if vm.host == host:
            yield Key(Kind.VM, name), _shape_of_vm(vm)
    for name, network in catalog.networks.items():
        if network.host == host and network.mode is not NetworkMode.EXISTING:
            yield Key(Kind.NETWORK, name), _shape_of_network(design_network(network, stack=context.stack))
    for name, volume in catalog.volumes.items():
        pool = catalog.pools[volume.pool]
        if pool.host == host and volume.source is not VolumeSource.EXISTING:
            facts = context.images.get(volume.image or "")
            sha256 = None if facts is None else facts.sha256
            capacity = volume.capacity or (facts.virtual_size if facts is not None else None)
            protect = context.catalog.options(Kind.VOLUME, name).protect
            yield (
                Key(Kind.VOLUME, name),
                (pool.label, capacity, volume.format, sha256, volume.data and protect is not False),
            )
    for name, spec in catalog.pools.items():
        if spec.host == host and not spec.existing:
            yield Key(Kind.POOL, name), (clean_path(spec.path),)


def _shape_of_vm(spec: VmSpec) -> Shape:
    disks = sorted(disk.name for disk in spec.disks)
    return (spec.vcpus, spec.memory // _KIB, len(spec.nics), tuple(disks), spec.seed is not None)


def _shape_of_domain(config: DomainConfig) -> Shape:
    serials = [disk.serial for disk in config.disks if disk.serial is not None]
    disks = sorted(serial for serial in serials if serial != SEED_SERIAL)
    return (config.vcpus, config.memory_kib, len(config.nics), tuple(disks), SEED_SERIAL in serials)


def _shape_of_network(config: NetworkConfig) -> Shape:
    subnets = tuple((subnet.gateway, subnet.prefix, subnet.ranges) for subnet in config.subnets)
    return (config.forward, config.domain, config.mtu, subnets)
