"""What a new network or NIC may not collide with on its host: other people's names, bridges, subnets and MACs."""

import ipaddress
from collections.abc import Iterable

from vmstack.errors import ConflictError
from vmstack.model.configs import DomainConfig, NetworkConfig, NicConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedDomain, ObservedNetwork
from vmstack.model.specs import NetworkMode, NetworkSpec
from vmstack.plan.context import Context
from vmstack.plan.index import HostIndex


def check_neighbours(design: NetworkConfig, *, host: str, key: Key, context: Context) -> tuple[str, ...]:
    """Report collisions with the host's other networks.

    Returns the libvirt names of own networks that collide and go in this very plan: they must be gone first.
    """
    index = context.indexes[host]
    first: list[str] = []
    for other in index.networks.values():
        if other.uuid == design.uuid:
            continue
        clashes = list(_clashes(design, other.config))
        if not clashes:
            continue
        owner = own_network_name(index, other)
        if owner is not None and leaves(owner, other, host=host, context=context):
            if context.spares(Key(Kind.NETWORK, owner)):
                context.draft.errors.append(
                    ConflictError(
                        f"{key}: it cannot be beside network.{owner} on host {host}, which the plan leaves out: "
                        f"{'; '.join(clashes)}",
                        resolution=f"name it as well (--target network.{owner}), so that it goes first",
                        place=context.catalog.place(Kind.NETWORK, key.name),
                    )
                )
            first.append(other.name)
        elif owner is None:
            context.draft.errors.append(
                ConflictError(
                    f"{key}: it cannot be beside the network {other.name!r} on host {host}: {'; '.join(clashes)}",
                    resolution="choose others in the program, or change that network",
                    place=context.catalog.place(Kind.NETWORK, key.name),
                )
            )
    return tuple(sorted(first))


def own_network_name(index: HostIndex, network: ObservedNetwork) -> str | None:
    """The name in the program of a network that is ours."""
    return next((name for name, own in index.own_networks.items() if own is network), None)


def leaves(name: str, network: ObservedNetwork, *, host: str, context: Context) -> bool:
    """Whether a network of ours goes in this plan: the program does not make it there, nor refer to it as existing."""
    spec = context.catalog.networks.get(name)
    if spec is not None and spec.host == host and spec.mode is not NetworkMode.EXISTING:
        return False
    return not any(
        other.mode is NetworkMode.EXISTING and other.host == host and other.label == network.name
        for other in context.catalog.networks.values()
    )


def check_macs(nics: Iterable[NicConfig], *, uuid: str, host: str, key: Key, context: Context) -> None:
    """Report MACs that another domain of the host has already."""
    index = context.indexes[host]
    for nic in nics:
        for other in index.macs.get(nic.mac, ()):
            if other.uuid != uuid and not index.is_own(other):
                context.draft.errors.append(
                    ConflictError(
                        f"{key}: the domain {other.name!r} on host {host} has the MAC address {nic.mac} already",
                        resolution="give the NIC another MAC in the program, or change that domain",
                        place=context.catalog.place(Kind.VM, key.name),
                    )
                )


def check_serials(
    design: DomainConfig, found: ObservedDomain, *, owned: frozenset[str], host: str, key: Key, context: Context
) -> None:
    """Report disks that somebody else attached with the serial of one of ours, which is how ours are found."""
    wanted = {disk.serial: disk.path for disk in design.disks if f"disks[{disk.serial}]" not in owned}
    held = {
        (disk.serial, disk.path): disk
        for config in (found.live, found.config)
        if config is not None
        for disk in config.disks
        if disk.serial in wanted and disk.path != wanted[disk.serial]
    }
    index = context.indexes[host]
    # What a killed run plugged in is ours, though no stamp says so yet.
    ours = {index.volume_path(slot) for slot in index.entries} if held else set()
    for (serial, path), disk in held.items():
        if path not in ours:
            context.draft.errors.append(
                ConflictError(
                    f"{key}: somebody else attached {path or 'a drive'} to the domain {found.name!r} with the "
                    f"serial {serial!r}, by which vmstack finds its own disk of that name",
                    resolution=f"detach it (virsh detach-disk {found.name} {disk.target}), or name the disk otherwise",
                    place=context.catalog.place(Kind.VM, key.name),
                )
            )


def check_reserved(theirs: NetworkConfig, *, spec: NetworkSpec, context: Context) -> None:
    """Report addresses of NICs that an existing network has reserved for another MAC."""
    reserved = {item.ip: item.mac for subnet in theirs.subnets for item in subnet.reservations if item.mac}
    for vm, nic in context.catalog.nic_users.get(spec.name, ()):
        for address in nic.addresses:
            if reserved.get(address, nic.mac) != nic.mac:
                context.draft.errors.append(
                    ConflictError(
                        f"vm.{vm}: the network {spec.label!r} on host {spec.host} has reserved {address} "
                        f"for {reserved[address]}",
                        resolution="use another address",
                        place=context.catalog.place(Kind.VM, vm),
                    )
                )


def _clashes(ours: NetworkConfig, theirs: NetworkConfig) -> Iterable[str]:
    if ours.forward != "bridge" and ours.bridge is not None and ours.bridge == theirs.bridge:
        yield f"both have the bridge {ours.bridge}"
    for own in _networks(ours):
        for other in _networks(theirs):
            if own.version == other.version and own.overlaps(other):
                yield f"{own} and {other} overlap"


def _networks(config: NetworkConfig) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for subnet in config.subnets:
        try:
            found.append(ipaddress.ip_network(f"{subnet.gateway}/{subnet.prefix}", strict=False))
        except ValueError:
            continue  # other people's networks may hold what we would never write
    return found
