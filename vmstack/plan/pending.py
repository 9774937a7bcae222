"""What a running guest waits for: fields and devices that its definition has otherwise, and it gets at its next start.

The persistent definition is compared with the live one by the machinery that compares a design with a definition
(`domain_diff`), after all that libvirt fills in for a running guest has been taken back out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from vmstack.model.base import Data
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.hardware import TpmSpec
from vmstack.model.observed import ObservedDomain
from vmstack.plan.changes.row import Case
from vmstack.plan.domain_diff import differences, disk_path, leftovers, nic_path, nic_place
from vmstack.plan.parts import keyed

DeviceT = TypeVar("DeviceT", DiskConfig, NicConfig)

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_NOTHING: Final[frozenset[str]] = frozenset()
# What a definition may leave open, and a running guest's tells as it was chosen at the start.
_CHOSEN: Final = ("loader", "nvram", "nvram_template", "emulator", "video", "machine", "firmware", "cpu_mode", "arch")
# The same of devices: the chain below a disk is found at the start, and a network lends its MTU to its NICs.
_CHOSEN_OF_DEVICES: Final = ("backing_path", "backing_format", "format", "mtu", "model")
# A mode by which libvirt writes the CPU that it chose, in all its parts, into a running guest's definition.
_EXPANDED_CPU: Final = "host-model"
# The balloon's state is the guest's own affair; notes are for people, who read the definition.
_NEVER: Final = frozenset({Case.MEMORY_WITHIN, Case.MEMORY_BEYOND, Case.NOTE})


class Pending(Data, frozen=True, kw_only=True):
    """A field or device that waits for a restart. `running` is what the guest has, `defined` what it is to get, as
    people read it; `None` is absent. `device` is the serial or MAC that it belongs to."""

    path: str
    running: object
    defined: object
    device: str | None = None


def pending_restart(domain: ObservedDomain, *, nic_names: Mapping[str, str] = _NO_NAMES) -> tuple[Pending, ...]:
    """What waits for a restart, by path, whoever put it into the definition; of a domain of ours, only devices that it
    lists go with a restart.

    Nothing waits in a guest that is off, nor in one whose definition is gone. `nic_names` are by MAC.
    """
    if domain.live is None or not domain.persistent or domain.live == domain.config:
        return ()
    defined = _slotted(domain.config)
    running = _as_defined(_slotted(domain.live), defined)
    names = dict(nic_names)
    owned = frozenset((*domain.stamp.fields, *domain.lingering)) if domain.stamp is not None else None
    found = {
        item.path: Pending(path=item.path, running=item.before, defined=item.after, device=item.device)
        for item in differences(defined, running, nic_names=names, live=running)
        if item.case not in _NEVER
    }
    disks, nics, _ = leftovers(defined, running, owned=_devices(running) if owned is None else owned, ignored=_NOTHING)
    for disk in disks:
        path = disk_path(disk)
        found[path] = Pending(path=path, running=disk.path or disk.url, defined=None, device=disk.serial)
    for nic in nics:
        path = nic_path(nic, names=names)
        found[path] = Pending(path=path, running=nic_place(nic), defined=None, device=nic.mac)
    return tuple(found[path] for path in sorted(found))


def tell_pending(item: Pending) -> str:
    """One that waits, in words."""
    now, then = ("absent" if value is None else str(value) for value in (item.running, item.defined))
    return f"{item.path} ({now} now, {then} from its next start)"


def _devices(config: DomainConfig) -> frozenset[str]:
    names = [f"disks[{disk.serial}]" for disk in config.disks]
    return frozenset((*names, *(f"nics[{nic.mac}]" for nic in config.nics)))


def _slotted(config: DomainConfig) -> DomainConfig:
    """The config with a name for every disk: one without a serial is known by its slot, which a running guest keeps."""
    if all(disk.serial is not None for disk in config.disks):
        return config
    disks = tuple(
        disk if disk.serial is not None else msgspec.structs.replace(disk, serial=disk.target) for disk in config.disks
    )
    return msgspec.structs.replace(config, disks=disks)


def _as_defined(running: DomainConfig, defined: DomainConfig) -> DomainConfig:
    """The running guest's config with the defined value wherever libvirt only filled it in."""
    kept: dict[str, object] = {}
    for name in running.__struct_fields__:
        was, now = getattr(defined, name), getattr(running, name)
        if was == now:
            continue
        expanded = name.startswith("cpu") and defined.cpu_mode == _EXPANDED_CPU
        if expanded or (name in _CHOSEN and was is None):
            kept[name] = was
        elif name == "cpu_features":
            # libvirt lists all features of a running guest's processor, as they came out.
            named = {feature.name for feature in running.cpu_features}
            kept[name] = tuple(feature for feature in defined.cpu_features if feature.name in named)
        elif isinstance(was, Data) and isinstance(now, Data):
            kept[name] = _filled_in(now, was)
    disks = {disk.serial: disk for disk in defined.disks}
    nics = {nic.mac: nic for nic in defined.nics}
    kept["disks"] = tuple(_device_as_defined(disk, disks.get(disk.serial)) for disk in running.disks)
    kept["nics"] = tuple(_device_as_defined(nic, nics.get(nic.mac)) for nic in running.nics)
    for name in ("consoles", "filesystems"):
        before = keyed(defined, name)
        kept[name] = tuple(
            _filled_in(item, before[key]) if key in before else item for key, item in keyed(running, name).items()
        )
    return msgspec.structs.replace(running, **kept)


def _device_as_defined(running: DeviceT, defined: DeviceT | None) -> DeviceT:
    if defined is None:
        return running
    open_fields = [
        name for name in _CHOSEN_OF_DEVICES if name in running.__struct_fields__ and getattr(defined, name) is None
    ]
    if isinstance(running, DiskConfig) and running.path is None and running.url is None:
        return msgspec.structs.replace(running, format=getattr(defined, "format", None))  # nothing has no format
    return msgspec.structs.replace(running, **dict.fromkeys(open_fields))


def _filled_in(running: Data, defined: Data) -> Data:
    """A part of the running guest, with the defined value wherever that leaves the choice to libvirt: an empty address,
    a port of -1, the version of a TPM."""
    if type(running) is not type(defined):
        return running
    open_fields = {
        name: value
        for name in running.__struct_fields__
        if (value := getattr(defined, name)) in ("", -1) or (isinstance(defined, TpmSpec) and value is None)
    }
    return msgspec.structs.replace(running, **open_fields)
