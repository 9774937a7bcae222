"""Values that others gave a domain where the stack says nothing."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import ConsoleSpec
from vmstack.plan.domain_diff import SCALARS, disk_path, nic_path
from vmstack.plan.ignore import is_ignored
from vmstack.plan.parts import keyed, show
from vmstack.xmlio.console import is_ordinary

# What libvirt puts into no definition by itself, so that somebody did who has a reason.
_SCALARS: Final = (
    "description", "kernel", "initrd", "cmdline", "graphics", "serial_log", "tpm", "ignition", "title", "topology",
    "cpu_shares", "cpu_quota", "cpu_period", "hugepages", "iothreads", "shared_memory", "vsock",
)  # fmt: skip
_LISTS: Final = ("filesystems", "consoles", "pins", "host_devices")
_DISK: Final = ("cache", "discard", "wwn", "iothread", "iotune")
_NIC: Final = ("mtu", "portgroup", "link", "queues", "inbound", "outbound", "filter", "filter_parameters")
_NOTHING: Final = (None, ())


class ForeignValue(NamedTuple):
    """A value by its path, and by that under which a stamp would list it (devices by serial and MAC)."""

    path: str
    value: object
    listed: str


def foreign_values(
    ours: DomainConfig,
    found: DomainConfig,
    *,
    ignored: frozenset[str],
    nic_names: Mapping[str, str],
) -> Iterator[ForeignValue]:
    """Yield what `found` says and `ours`, after its stylesheet, does not, of what only people say."""
    for path in _SCALARS:
        value = getattr(found, SCALARS[path])
        if value not in _NOTHING and getattr(ours, SCALARS[path]) in _NOTHING and not is_ignored(path, ignored=ignored):
            yield ForeignValue(path, show(value), path)
    for name in _LISTS:
        wanted, there = getattr(ours, name), getattr(found, name)
        if wanted == there or is_ignored(name, ignored=ignored):
            continue
        known = keyed(ours, name)
        for key, item in keyed(found, name).items():
            if key not in known and not (isinstance(item, ConsoleSpec) and is_ordinary(item)):
                yield ForeignValue(f"{name}[{key}]", show(item), f"{name}[{key}]")
    disks = {disk.serial: disk for disk in found.disks}
    for disk in ours.disks:
        shown, at = disk_path(disk), f"disks[{disk.serial}]"
        for name in _DISK:
            yield from _of_device(disk, disks.get(disk.serial), name, shown=shown, at=at, ignored=ignored)
    nics = {nic.mac: nic for nic in found.nics}
    for nic in ours.nics:
        shown, at = nic_path(nic, names=dict(nic_names)), f"nics[{nic.mac}]"
        for name in _NIC:
            yield from _of_device(nic, nics.get(nic.mac), name, shown=shown, at=at, ignored=ignored)


def _of_device(
    ours: object, found: object, name: str, *, shown: str, at: str, ignored: frozenset[str]
) -> Iterator[ForeignValue]:
    value = getattr(found, name, None)
    if value not in _NOTHING and getattr(ours, name) in _NOTHING and not is_ignored(f"{shown}.{name}", ignored=ignored):
        yield ForeignValue(f"{shown}.{name}", show(value), f"{at}.{name}")
