"""Domains that vmstack did not make but took over: read by the names that the program has for their disks, and left as
they were found in all that the program leaves open.
"""

from collections.abc import Mapping

import msgspec

from vmstack.model.configs import DiskConfig, DomainConfig, VolumeConfig
from vmstack.model.identity import StackId
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Adopted
from vmstack.model.specs import VmSpec
from vmstack.plan.domain_diff import SCALARS
from vmstack.plan.seeds import SEED_SERIAL

# What no program can say, and only the domains that vmstack makes have.
_UNSAID = ("smbios_serial", "pcie_ports")


def adopted_of(domain: ObservedDomain | None) -> Adopted | None:
    """What is recorded of a domain that was taken over; `None` of any other."""
    return domain.stamp.adopted if domain is not None and domain.stamp is not None else None


def as_named(domain: ObservedDomain, *, stack: StackId, backing: Mapping[str, VolumeConfig]) -> ObservedDomain:
    """The domain with the logical names of its adopted disks as their serials, by which the planner knows disks.

    Where a definition leaves the backing file of such a disk to be found, it is what `backing` (by path) says.
    """
    adopted = adopted_of(domain)
    if adopted is None or adopted.uuid != domain.uuid or domain.stamp is None:
        return domain
    if not domain.stamp.path.startswith(f"{stack}/"):
        return domain
    return msgspec.structs.replace(
        domain,
        config=_named(domain.config, adopted=adopted, backing=backing),
        live=None if domain.live is None else _named(domain.live, adopted=adopted, backing=backing),
    )


def _named(config: DomainConfig, *, adopted: Adopted, backing: Mapping[str, VolumeConfig]) -> DomainConfig:
    names = {(item.target, item.serial): name for name, item in adopted.disks.items()}
    disks = []
    for disk in config.disks:
        name = names.get((disk.target, disk.serial))
        below = backing.get(disk.path or "") if name is not None and disk.backing_path is None else None
        if name is not None:
            disk = msgspec.structs.replace(disk, serial=name)
        if below is not None:
            disk = msgspec.structs.replace(
                disk, backing_path=below.backing_path, backing_format=below.backing_format or "raw"
            )
        disks.append(disk)
    return msgspec.structs.replace(config, disks=tuple(disks))


def real_disk(disk: DiskConfig, *, adopted: Adopted | None) -> DiskConfig:
    """The disk with the serial that it really has, for talking to libvirt about it."""
    item = adopted.disks.get(disk.serial or "") if adopted is not None else None
    if item is None or item.target != disk.target:
        return disk
    return msgspec.structs.replace(disk, serial=item.serial)


def as_found(
    design: DomainConfig, *, spec: VmSpec, observed: DomainConfig, adopted: Adopted, written: frozenset[str]
) -> DomainConfig:
    """The design of an adopted domain: what the program leaves open is as it was found.

    Its seed stays the kind of drive that it is; only its file may become another. `written` are the fields that the
    program had before: a channel among them goes when the program does not have it any more.
    """
    own = spec.hardware.channels
    channels = [name for name in observed.channels if name in own or f"channels[{name}]" not in written]
    kept: dict[str, object] = {name: getattr(observed, name) for name in _UNSAID}
    open_fields = {SCALARS[field]: True for field in spec.open}
    open_fields |= {"machine": spec.machine is None, "cpu_mode": spec.cpu_mode is None}
    kept |= {name: getattr(observed, name) for name, is_open in open_fields.items() if is_open}
    present = {disk.serial: disk for disk in observed.disks if disk.serial and disk.serial in adopted.disks}
    disks = tuple(_disk_as_found(disk, present.get(disk.serial or "")) for disk in design.disks)
    return msgspec.structs.replace(design, **kept, disks=disks, channels=tuple(dict.fromkeys((*channels, *own))))


def own_fields(fields: tuple[str, ...], *, spec: VmSpec) -> tuple[str, ...]:
    """The fields of an adopted domain's design that its program writes: channels that others gave it are not."""
    own = {f"channels[{name}]" for name in spec.hardware.channels}
    return tuple(field for field in fields if not field.startswith("channels[") or field in own)


def _disk_as_found(disk: DiskConfig, found: DiskConfig | None) -> DiskConfig:
    if found is None:
        return disk
    if disk.serial == SEED_SERIAL:
        return msgspec.structs.replace(
            found, path=disk.path, format=disk.format, backing_path=None, backing_format=None
        )
    return msgspec.structs.replace(
        disk,
        target=found.target if found.bus == disk.bus else disk.target,
        device=found.device,
        cache=disk.cache or found.cache,
        discard=found.discard if disk.discard is not None else None,
        readonly=disk.readonly or found.readonly,
    )
