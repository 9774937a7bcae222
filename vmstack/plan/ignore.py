"""`ignore_changes`: the fields whose observed value a program wants to keep."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from vmstack.errors import InputError
from vmstack.model.graph import Resource
from vmstack.model.specs import NetworkSpec, PoolSpec, VmSpec, VolumeSpec
from vmstack.plan.changes.row import Noun

_VM_FIELDS: Final = frozenset({
    "vcpus", "max_vcpus", "memory", "max_memory", "domain_type", "cpu_mode", "machine", "firmware", "graphics",
    "serial_log", "virtio_console", "description", "autostart", "power", "cloud_init", "disks", "nics", "label",
    "arch", "emulator", "loader", "nvram", "nvram_template", "kernel", "initrd", "cmdline", "boot", "video", "tpm",
    "title", "cpu_model", "cpu_features", "topology", "cpu_shares", "cpu_quota", "cpu_period", "pins", "hugepages",
    "numa", "clock", "timers", "hyperv", "on_reboot", "on_crash", "secure_boot",
    "ignition", "consoles", "filesystems", "metadata", "stylesheet",
    "channels", "iothreads", "rng", "watchdog", "balloon", "vsock", "panic", "host_devices",
})  # fmt: skip
_DISK_FIELDS: Final = frozenset(
    {"capacity", "volume", "bus", "cache", "discard", "readonly", "wwn", "url", "iothread", "iotune"}
)
_NIC_FIELDS: Final = frozenset({
    "network", "bridge", "interface", "mode", "model", "mtu", "portgroup", "link", "queues", "inbound", "outbound",
    "filter", "filter_parameters",
})  # fmt: skip
_NETWORK_FIELDS: Final = frozenset({
    "mode", "bridge", "subnets", "dhcp", "reservations", "dns_hosts", "dns_enabled", "dns_forwarders", "dns_srvs",
    "dns_txts", "routes", "dnsmasq_options", "domain", "domain_local", "mtu", "bandwidth", "port_groups", "autostart",
    "xslt",
})  # fmt: skip
_FIELDS: Final[dict[type, frozenset[str]]] = {
    VmSpec: _VM_FIELDS,
    VolumeSpec: frozenset({"capacity", "format", "source", "image", "xslt"}),
    NetworkSpec: _NETWORK_FIELDS,
    PoolSpec: frozenset({"path", "autostart", "devices", "permissions", "xslt"}),
}
# What programs call these fields when they write them.
_ALIASES: Final = {"seed": "cloud_init", "networks": "nics"}
_ITEM: Final = re.compile(r"(disks|nics|networks)\[([^\]]*)\](?:\.(\w+))?")


def written_paths() -> dict[Noun, frozenset[str]]:
    """The fields that programs can name, by noun; those of a VM's devices are named within their lists."""
    own = {Noun.VM: VmSpec, Noun.VOLUME: VolumeSpec, Noun.NETWORK: NetworkSpec, Noun.POOL: PoolSpec}
    parts = {*(f"disks[].{name}" for name in _DISK_FIELDS), *(f"nics[].{name}" for name in _NIC_FIELDS)}
    found = {noun: _FIELDS[kind] for noun, kind in own.items()}
    return found | {Noun.VM: found[Noun.VM] | parts}


def check_ignored(resource: Resource) -> list[InputError]:
    """Return an error for every path of the resource's `ignore_changes` that names no field of it."""
    return [
        InputError(
            f"{resource.key}: ignore_changes names {path!r}, which is no field of it",
            resolution=f"{_meant(path, resource)}use one of: {', '.join(field_choices(resource))}",
            place=resource.place,
        )
        for path in resource.options.ignore_changes
        if not is_field(resource, path)
    ]


def ignored_fields(paths: Iterable[str]) -> frozenset[str]:
    """Canonical paths, as the diff writes them."""
    return frozenset(_canonical(path) for path in paths)


def is_ignored(path: str, *, ignored: frozenset[str]) -> bool:
    """Whether a field, or what it is part of, is ignored: `disks[data].cache` by itself, `disks[data]` and `disks`."""
    if not ignored:
        return False
    if "*" in ignored or path in ignored:
        return True
    owner = path.partition(".")[0]
    return owner in ignored or owner.partition("[")[0] in ignored


def _canonical(path: str) -> str:
    if path == "disk":
        return "disks[root].capacity"
    if path in _ALIASES:
        return _ALIASES[path]
    if path.startswith("networks["):
        return "nics" + path[len("networks") :]
    return path


def is_field(resource: Resource, path: str) -> bool:
    """Whether the path names a field of the resource, or everything (`*`)."""
    canonical = _canonical(path)
    fields = _FIELDS.get(type(resource.spec), frozenset())
    if canonical == "*" or canonical in fields:
        return True
    match = _ITEM.fullmatch(canonical)
    if match is None or not isinstance(resource.spec, VmSpec):
        return False
    items, name, field = match.groups()
    if items == "disks":
        names = {disk.name for disk in resource.spec.disks}
        names |= {medium.name for medium in resource.spec.hardware.media}
        return name in names and (field is None or field in _DISK_FIELDS)
    return name in {nic.name for nic in resource.spec.nics} and (field is None or field in _NIC_FIELDS)


def _meant(path: str, resource: Resource) -> str:
    """What a path that is none may have been meant to be."""
    close = difflib.get_close_matches(path, field_choices(resource), n=2)
    return f"did you mean {' or '.join(close)}? " if close else ""


def field_choices(resource: Resource) -> list[str]:
    """The paths that one may name, for people."""
    fields = sorted(_FIELDS.get(type(resource.spec), frozenset()))
    if isinstance(resource.spec, VmSpec):
        fields += [f"disks[{disk.name}].capacity" for disk in resource.spec.disks]
    return [*fields, "*"]
