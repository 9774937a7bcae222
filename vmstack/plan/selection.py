"""A part of a stack: which resources `--target` and `--exclude` leave in a plan. The rest stays as it is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from vmstack.errors import InputError
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import Observed, ObservedDomain
from vmstack.model.specs import NetworkSpec, PoolSpec, SeedSpec, VmSpec, VolumeSpec
from vmstack.plan.cables import has_nic_on
from vmstack.plan.catalog import Catalog, base_key, catalogue, parts_of
from vmstack.plan.context import Context
from vmstack.plan.index import HostIndex, Slot, entry_key, files_of, index_host
from vmstack.plan.patterns import list_keys, match_keys
from vmstack.plan.policy import PlanPolicy

Edges = Mapping[Key, frozenset[Key]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a plan is about: `keys`, of all that the program wants or the hosts hold of the stack.

    `named` are those that `--target` names, `left` is what stays as it is, and of that `dragged` what needs something
    that `--exclude` names, with one such need each.
    """

    keys: frozenset[Key]
    named: frozenset[Key]
    dragged: Mapping[Key, Key]
    left: frozenset[Key]

    def reduce(self, desired: DesiredGraph) -> DesiredGraph:
        """The graph of what is chosen. All hosts stay: they are read whole, and each keeps its ledger."""
        resources = tuple(one for one in desired.resources if one.key in self.keys or one.key.kind is Kind.HOST)
        return msgspec.structs.replace(desired, resources=resources)


def choose(desired: DesiredGraph, observed: Observed, *, policy: PlanPolicy) -> Chosen | None:
    """Find what the policy's selection leaves in the plan; `None` where it leaves all.

    What is made or changed brings what it needs, and what is deleted brings what must go before. Excluding leaves out
    what needs the excluded, in the same sense. Raises `InputError` for a pattern that names nothing, and where nothing
    is left.
    """
    selection = policy.selection
    if not selection.partial:
        return None
    catalog = catalogue(desired)
    indexes = [index_host(snapshot, stack=desired.stack) for _, snapshot in sorted(observed.hosts.items())]
    held = {key for index in indexes for key in _held_by(index)}
    realised = {base_key(image, pool=pool) for image, pool in catalog.realised}
    known = frozenset(held | realised | set(catalog.resources))
    needs = _needs(catalog, indexes, known=known, destroy=policy.destroy)
    users = _reversed(needs)
    targets = match_keys(selection.targets, known, option="--target", strict=selection.strict)
    excluded = match_keys(selection.excludes, known, option="--exclude", strict=selection.strict)
    dragged = _drag(excluded, users=users)
    wanted = targets if selection.targets else known
    if selection.dependents:
        wanted = _closure(wanted, edges=users)
    keys = _closure(wanted - excluded - dragged.keys(), edges=needs)
    if not policy.destroy:
        keys -= {key for key in realised if not _is_used(key, keys=keys, users=users)}
    alone = bool(targets) and all(key.kind is Kind.IMAGE for key in targets) and not realised & keys
    if alone and selection.strict and not policy.destroy:
        raise InputError(
            f"--target names {list_keys(targets)} alone, which comes with the volumes that are made of it",
            resolution="name those volumes, or add --target-dependents",
        )
    if targets and not keys and selection.strict:
        raise InputError(
            f"all that --target names is left out by --exclude: {list_keys(targets)}",
            resolution="take one of the two back",
        )
    left = frozenset(key for key in known - keys if key.kind is not Kind.HOST)
    return Chosen(keys=keys, named=targets, dragged=dragged, left=left)


def wanted_part(desired: DesiredGraph, *, policy: PlanPolicy) -> DesiredGraph:
    """What the selection leaves of the program by itself, whatever is on its hosts."""
    lax = msgspec.structs.replace(policy, selection=msgspec.structs.replace(policy.selection, strict=False))
    chosen = choose(desired, Observed(hosts={}), policy=lax)
    return desired if chosen is None else chosen.reduce(desired)


def describe_selection(chosen: Chosen, *, context: Context) -> None:
    """Say that the plan is partial, what it brings along, and what it leaves out."""
    draft = context.draft
    rest = f"; these stay as they are: {list_keys(chosen.left)}" if chosen.left else ", though nothing is left out"
    draft.warn(f"the plan is partial{rest}")
    brought = [change.key for change in draft.changes() if change.key not in chosen.named]
    if context.policy.selection.targets and brought:
        draft.note(f"planned as well, because what --target names needs it: {list_keys(set(brought))}")
    for key, need in sorted(chosen.dragged.items()):
        if key.kind is not Kind.HOST:
            draft.note(f"left out as well, because of {need}, which is left out", key=key)


def _needs(catalog: Catalog, indexes: Iterable[HostIndex], *, known: frozenset[Key], destroy: bool) -> Edges:
    """What each resource brings with it: what stays brings what it is made of, what goes brings what is on it."""
    made_of = {key: _parts(resource, catalog=catalog) for key, resource in catalog.resources.items()}
    made_of |= {
        base_key(image, pool=pool): {Key(Kind.IMAGE, image), Key(Kind.POOL, pool)} for image, pool in catalog.realised
    }
    users: dict[Key, set[Key]] = defaultdict(set)
    for key, parts in made_of.items():
        for part in parts:
            users[part].add(key)
    edges = {key: set[Key]() for key in known}
    if not destroy:
        for key, parts in made_of.items():
            edges[key] |= parts
        for key, resource in catalog.resources.items():
            for partner in resource.options.replace_with:
                edges.setdefault(partner, set()).add(key)  # it is made anew in the same plan, or never
        for seed, vms in catalog.seed_users.items():
            edges[Key(Kind.SEED, seed)] |= {Key(Kind.VM, vm) for vm in vms}
    for index in indexes:
        for user, part in _uses(index):
            users[part].add(user)
        for key, other in () if destroy else _in_the_way(catalog, index):
            edges[key].add(other)
    for key in known if destroy else known - made_of.keys():
        edges[key] |= users[key]
    return {key: frozenset(found & known - {key}) for key, found in edges.items()}


def _parts(resource: Resource, *, catalog: Catalog) -> set[Key]:
    """What a resource of the program comes after: what it is in, what it is made of, and what the program says."""
    spec = resource.spec
    found = {*resource.needs, *parts_of(spec), *catalog.bridge_makers(spec)}
    if isinstance(spec, PoolSpec | NetworkSpec | VmSpec):
        found.add(Key(Kind.HOST, spec.host))
    if isinstance(spec, VolumeSpec | SeedSpec):
        found.add(Key(Kind.POOL, spec.pool))
    if isinstance(spec, VolumeSpec):
        if spec.base is not None:
            found.add(Key(Kind.VOLUME, spec.base))
        if spec.image is not None:
            found |= {Key(Kind.IMAGE, spec.image), base_key(spec.image, pool=spec.pool)}
    return found


def _held_by(index: HostIndex) -> Iterator[Key]:
    """What of the stack is on a host."""
    yield from (Key(Kind.VM, name) for name in index.own_domains)
    yield from (Key(Kind.NETWORK, name) for name in index.own_networks)
    yield from map(entry_key, index.entries.values())


def _uses(index: HostIndex) -> Iterator[tuple[Key, Key]]:
    """What of the stack is on what else of it, as the host has it: guests on disks and networks, volumes in pools."""
    files = {index.volume_path(slot): entry_key(entry) for slot, entry in index.entries.items() if entry.label}
    for name, domain in index.own_domains.items():
        key = Key(Kind.VM, name)
        yield from ((key, files[path]) for path in _files(domain) if path in files)
        for network, found in index.own_networks.items():
            if has_nic_on(domain, found):
                yield key, Key(Kind.NETWORK, network)
    for slot, entry in index.entries.items():
        pool = index.entries.get((entry.pool, ""))
        if entry.label and pool is not None:
            yield entry_key(entry), entry_key(pool)
        for over in index.backed.get(index.volume_path(slot) or "", ()) if entry.label else ():
            if over in index.entries:
                yield entry_key(index.entries[over]), entry_key(entry)


def _files(domain: ObservedDomain) -> set[str | None]:
    configs = (domain.config, domain.live or domain.config)
    return {path for config in configs for path in (*files_of(config), *(disk.backing_path for disk in config.disks))}


def _in_the_way(catalog: Catalog, index: HostIndex) -> Iterator[tuple[Key, Key]]:
    """What of the stack holds a name, a disk or a MAC address that another resource of the program is to have."""
    names = {domain.uuid: name for name, domain in index.own_domains.items()}
    nets = {network.uuid: name for name, network in index.own_networks.items()}
    for name, vm in catalog.vms.items():
        if vm.host != index.host:
            continue
        slots = [_slot_of(catalog.volumes[disk.volume], catalog=catalog) for disk in vm.disks]
        holders = [index.domain_names.get(vm.label), *(user for nic in vm.nics for user in index.macs.get(nic.mac, ()))]
        holders += [user for slot in slots for user in index.own_users(index.volume_path(slot))]
        for holder in holders:
            if holder is not None and names.get(holder.uuid, name) != name:
                yield Key(Kind.VM, name), Key(Kind.VM, names[holder.uuid])
    for name, network in catalog.networks.items():
        found = index.network_names.get(network.label)
        if network.host == index.host and found is not None and nets.get(found.uuid, name) != name:
            yield Key(Kind.NETWORK, name), Key(Kind.NETWORK, nets[found.uuid])


def _slot_of(volume: VolumeSpec, *, catalog: Catalog) -> Slot:
    return (catalog.pools[volume.pool].label, volume.label)


def _reversed(edges: Edges) -> Edges:
    found: dict[Key, set[Key]] = {key: set() for key in edges}
    for key, needs in edges.items():
        for need in needs:
            found[need].add(key)
    return {key: frozenset(users) for key, users in found.items()}


def _closure(keys: Iterable[Key], *, edges: Edges) -> frozenset[Key]:
    """The keys and all that can be reached from them."""
    found = set(keys)
    ahead = list(found)
    while ahead:
        fresh = edges[ahead.pop()] - found
        found |= fresh
        ahead += fresh
    return frozenset(found)


def _drag(excluded: frozenset[Key], *, users: Edges) -> dict[Key, Key]:
    """What cannot be done without the excluded, each with something that it needs and that is left out."""
    found: dict[Key, Key] = {}
    ahead = sorted(excluded)
    for key in ahead:
        for user in sorted(users[key] - excluded - found.keys()):
            found[user] = key
            ahead.append(user)
    return found


def _is_used(base: Key, *, keys: frozenset[Key], users: Edges) -> bool:
    """Whether a base image is needed by a volume that is chosen: without one, it would be taken for unused."""
    return any(user.kind is Kind.VOLUME for user in users[base] & keys)
