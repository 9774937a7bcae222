"""Field by field: a designed domain against an observed one.

Only what the stack writes is compared. A field that it wrote before and no longer writes is removed; a field that it
never wrote is other people's, and kept.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.readiness import AGENT_CHANNEL, READY_CHANNEL
from vmstack.model.sizes import format_size
from vmstack.plan.changes.row import Case
from vmstack.plan.changes.table import only_case
from vmstack.plan.device_cases import HOT_PERIPHERALS, disk_case, keyed_case, nic_case, plug_case
from vmstack.plan.ignore import is_ignored
from vmstack.plan.parts import Keyed, keyed, place_of, show
from vmstack.plan.seeds import SEED_SERIAL
from vmstack.xmlio.domain import same_machine
from vmstack.xmlio.peripherals import KINDS

DeviceT = TypeVar("DeviceT", DiskConfig, NicConfig)
_Pairs = list[tuple[DeviceT, DeviceT | None]]

_KIB: Final = 1024
# Where the model's name for a field differs from the one that programs use.
SCALARS: Final = {
    "label": "name",
    "domain_type": "type",
    "vcpus": "vcpus",
    "max_vcpus": "max_vcpus",
    "memory": "memory_kib",
    "max_memory": "max_memory_kib",
    "cpu_mode": "cpu_mode",
    "machine": "machine",
    "firmware": "firmware",
    "description": "description",
    "cloud_init_marker": "smbios_serial",
    "graphics": "graphics",
    "serial_log": "serial_log",
    "virtio_console": "virtio_console",
    "arch": "arch",
    "emulator": "emulator",
    "loader": "loader",
    "nvram": "nvram",
    "nvram_template": "nvram_template",
    "kernel": "kernel",
    "initrd": "initrd",
    "cmdline": "cmdline",
    "boot": "boot",
    "video": "video",
    "tpm": "tpm",
    "ignition": "fw_cfg",
    "title": "title",
    "cpu_model": "cpu_model",
    "topology": "topology",
    "cpu_shares": "shares",
    "cpu_quota": "quota",
    "cpu_period": "period",
    "hugepages": "hugepages",
    "clock": "clock",
    "hyperv": "hyperv",
    "on_reboot": "on_reboot",
    "on_crash": "on_crash",
    "secure_boot": "secure_boot",
    "iothreads": "iothreads",
    "shared_memory": "shared_memory",
    "rng": "rng",
    "watchdog": "watchdog",
    "balloon": "balloon",
    "vsock": "vsock",
    "panic": "panic",
}
# What libvirt or somebody else may have put there where the program says nothing.
_OPTIONAL: Final = (
    "description", "cloud_init_marker", "graphics", "serial_log", "virtio_console", "emulator", "loader", "nvram",
    "nvram_template", "kernel", "initrd", "cmdline", "boot", "video", "tpm", "ignition", "iothreads", "shared_memory",
    "rng", "watchdog", "balloon", "vsock", "panic", "title", "cpu_model", "topology", "cpu_shares", "cpu_quota",
    "cpu_period", "hugepages", "clock", "hyperv", "on_reboot", "on_crash", "secure_boot",
)  # fmt: skip
# Lists of things that are known by a key, so that those of others can stay.
_KEYED: Final = (
    "consoles", "filesystems", "metadata", "host_devices", "cpu_features", "pins", "numa", "timers",
)  # fmt: skip
_TUNED: Final = frozenset({"cpu_shares", "cpu_quota", "cpu_period"})
_DISK_FIELDS: Final = {
    "volume": "path", "url": "url", "format": "format", "bus": "bus", "cache": "cache", "discard": "discard",
    "readonly": "readonly", "wwn": "wwn", "iothread": "iothread", "iotune": "iotune",
}  # fmt: skip
_NIC_FIELDS: Final = {
    "network": "network", "bridge": "bridge", "interface": "device", "mode": "mode", "model": "model", "mtu": "mtu",
    "portgroup": "portgroup", "link": "link", "queues": "queues", "inbound": "inbound", "outbound": "outbound",
    "filter": "filter", "filter_parameters": "filter_parameters",
}  # fmt: skip
# A program may leave these open; libvirt never fills them in by itself.
_OPTIONAL_DISK_FIELDS: Final = ("cache", "discard", "wwn", "iothread", "iotune")
_OPTIONAL_NIC_FIELDS: Final = (
    "mtu", "portgroup", "link", "queues", "inbound", "outbound", "filter", "filter_parameters",
)  # fmt: skip
_NOTHING: Final = (None, ())
# The kinds of sources that vmstack writes; a volume of a pool, which it reads, is as good as the file in it.
_KINDS: Final = frozenset({"file", "block", "network"})


_CHANNELS: Final = frozenset({AGENT_CHANNEL, READY_CHANNEL})


class Difference(NamedTuple):
    """One field that differs, with values as people read them. `device` is the serial or MAC it belongs to."""

    path: str
    before: object
    after: object
    case: Case
    device: str | None = None


class Extra(NamedTuple):
    """A device that somebody else gave to our domain."""

    path: str
    what: str


def is_written(path: str, *, device: str | None, owned: Iterable[str]) -> bool:
    """Whether a stamp lists a field: it knows devices by serial and MAC, whatever the program calls them."""
    _, _, field = path.partition("]")
    return not {path, f"disks[{device}]{field}", f"nics[{device}]{field}"}.isdisjoint(owned)


def is_optional(path: str) -> bool:
    """Whether a field of a disk or NIC is listed in a stamp where it is written: others need not say anything."""
    _, _, field = path.partition("].")
    return field in _OPTIONAL_DISK_FIELDS or field in _OPTIONAL_NIC_FIELDS


def written_fields(config: DomainConfig, *, arch: bool = False) -> tuple[str, ...]:
    """The fields that the config writes, as a stamp lists them: by serial and MAC, whatever their names are.

    `arch`: the program chooses the architecture, which otherwise is the host's.
    """
    fields = [path for path, name in SCALARS.items() if getattr(config, name) not in (None, ()) and path != "arch"]
    fields += ["arch"] if arch else []
    fields += [f"{name}[{key}]" for name in _KEYED for key in keyed(config, name)]
    for disk in config.disks:
        fields.append(f"disks[{disk.serial}]")
        fields += [f"disks[{disk.serial}].{name}" for name in _OPTIONAL_DISK_FIELDS if getattr(disk, name)]
    for nic in config.nics:
        fields.append(f"nics[{nic.mac}]")
        fields += [f"nics[{nic.mac}].{name}" for name in _OPTIONAL_NIC_FIELDS if getattr(nic, name)]
    # Those that every machine has are not listed.
    fields += [f"channels[{name}]" for name in config.channels if name not in _CHANNELS]
    return tuple(sorted(fields))


def settle_target(
    design: DomainConfig,
    *,
    observed: DomainConfig,
    owned: frozenset[str],
    ignored: frozenset[str],
    nic_names: dict[str, str],
) -> DomainConfig:
    """The config to aim at: the design, with the observed value wherever the field is ignored or not ours.

    Devices of the observed domain that are ignored stay; those that are somebody else's are not in the result (a
    patch keeps what it is not told to drop).
    """
    settled: dict[str, object] = {}
    for path, name in SCALARS.items():
        wanted, found = getattr(design, name), getattr(observed, name)
        if wanted == found and (wanted is not None or path not in KINDS):
            continue
        foreign = wanted in _NOTHING and path in _OPTIONAL and path not in owned
        if wanted is None and path in KINDS:
            wanted = KINDS[path].usual  # what every machine has is not taken away
        left = foreign or is_ignored(path, ignored=ignored) or _equal(path, wanted, found)
        settled[name] = found if left else wanted
    for name in _KEYED:
        if getattr(design, name) != getattr(observed, name):
            settled[name] = _settle_keyed(name, design, observed, owned=owned, ignored=ignored)
    disks = tuple(
        _settle_device(disk, found, owned=owned, ignored=ignored, at=f"disks[{disk.serial}]", shown=disk_path(disk))
        for disk, found in _pair_disks(design.disks, observed.disks)
        if found is not None or not is_ignored("disks", ignored=ignored)
    )
    nics = tuple(
        _settle_device(
            nic, found, owned=owned, ignored=ignored, at=f"nics[{nic.mac}]", shown=nic_path(nic, names=nic_names)
        )
        for nic, found in _pair_nics(design.nics, observed.nics)
        if found is not None or not is_ignored("nics", ignored=ignored)
    )
    target = msgspec.structs.replace(
        design,
        **settled,
        disks=disks,
        nics=nics,
        channels=_settle_channels(design, observed, owned=owned, ignored=ignored),
        pcie_ports=observed.pcie_ports,  # spare ports are made once, and libvirt numbers them as it likes
    )
    # An ignored count may be larger than the maximum that the program asks for.
    return msgspec.structs.replace(
        target,
        max_vcpus=max(target.max_vcpus, target.vcpus),
        max_memory_kib=max(target.max_memory_kib, target.memory_kib),
    )


def _settle_channels(
    design: DomainConfig, observed: DomainConfig, *, owned: frozenset[str], ignored: frozenset[str]
) -> tuple[str, ...]:
    """The channels to have: those that are there, but for ours that are no longer wanted, and the new ones."""
    if is_ignored("channels", ignored=ignored):
        return observed.channels
    kept = [name for name in observed.channels if name in design.channels or f"channels[{name}]" not in owned]
    return (*kept, *(name for name in design.channels if name not in observed.channels))


def differences(
    target: DomainConfig, observed: DomainConfig, *, nic_names: dict[str, str], live: DomainConfig | None = None
) -> Iterator[Difference]:
    """Yield every field of the target that the observed domain does not have so, removed devices excepted.

    `live` is the running domain, whose maxima decide what can be changed in place.
    """
    if target == observed:
        return
    for path, name in SCALARS.items():
        wanted, found = getattr(target, name), getattr(observed, name)
        if wanted != found and not _equal(path, wanted, found):
            case = _scalar_case(path, found, wanted, running=live or observed)
            device = path if path in HOT_PERIPHERALS else None
            yield Difference(path, _shown(path, found), _shown(path, wanted), case, device)
    for name in _KEYED:
        if getattr(target, name) == getattr(observed, name):
            continue
        wanted_items, found_items = keyed(target, name), keyed(observed, name)
        for key in sorted({*wanted_items, *found_items}):
            before, after = found_items.get(key), wanted_items.get(key)
            if before != after:
                path = f"{name}[{key}]"
                case = _tuning(after) if name == "pins" else keyed_case(path, before, after)
                yield Difference(path, show(before), show(after), case, path)
    for channel in (*target.channels, *observed.channels):
        path = f"channels[{channel}]"
        if channel not in observed.channels:
            yield Difference(path, None, "present", Case.HOT_PLUG, path)
        elif channel not in target.channels:
            yield Difference(path, "present", None, Case.HOT_UNPLUG, path)
    for disk, old in _pair_disks(target.disks, observed.disks):
        path = disk_path(disk)
        if old is None:
            yield Difference(path, None, disk.path or disk.url, Case.HOT_PLUG, disk.serial)
            continue
        if disk.serial == SEED_SERIAL and disk.path != old.path:
            yield Difference(path, _file(old.path), _file(disk.path), Case.SEED, disk.serial)
        for field, name in _DISK_FIELDS.items():
            before, after = getattr(old, name), getattr(disk, name)
            seeded = disk.serial == SEED_SERIAL and name in ("path", "discard", "cache")
            empty = name == "format" and disk.path is None and disk.url is None  # nothing has no format
            if before != after and not seeded and not empty:
                yield _disk_part(field, before, after, disk=disk, old=old)
        if disk.kind != old.kind and disk.path == old.path and {disk.kind, old.kind} <= _KINDS:
            yield _disk_part("kind", old.kind, disk.kind, disk=disk, old=old)
        if disk.backing_path != old.backing_path and disk.serial != SEED_SERIAL:
            yield _disk_part("backing", old.backing_path, disk.backing_path, disk=disk, old=old)
    for nic, old_nic in _pair_nics(target.nics, observed.nics):
        path = nic_path(nic, names=nic_names)
        if old_nic is None:
            yield Difference(path, None, nic_place(nic), Case.HOT_PLUG, nic.mac)
            continue
        for field, name in _NIC_FIELDS.items():
            before, after = getattr(old_nic, name), getattr(nic, name)
            if before != after:
                case = nic_case(field, old=old_nic, new=nic)
                yield Difference(f"{path}.{field}", show(before), show(after), case, nic.mac)


def _disk_part(field: str, before: object, after: object, *, disk: DiskConfig, old: DiskConfig) -> Difference:
    path = f"{disk_path(disk)}.{field}"
    return Difference(path, show(before), show(after), disk_case(path, old=old, new=disk), disk.serial)


def leftovers(
    target: DomainConfig, observed: DomainConfig, *, owned: frozenset[str], ignored: frozenset[str]
) -> tuple[tuple[DiskConfig, ...], tuple[NicConfig, ...], tuple[Extra, ...]]:
    """Devices of the observed domain that the target lacks: ours to remove (disks, NICs), and other people's."""
    disks: list[DiskConfig] = []
    nics: list[NicConfig] = []
    extras: list[Extra] = []
    serials = {disk.serial for disk in target.disks}
    macs = {nic.mac for nic in target.nics}
    for disk in observed.disks:
        if disk.serial is not None and disk.serial in serials:
            continue
        at = f"disks[{disk.serial}]"
        if is_ignored("disks", ignored=ignored):
            continue
        if disk.serial is not None and at in owned:
            disks.append(disk)
        else:
            extras.append(Extra(f"disks[{disk.serial or disk.target}]", disk.path or disk.url or "an empty drive"))
    for nic in observed.nics:
        if nic.mac in macs or is_ignored("nics", ignored=ignored):
            continue
        if f"nics[{nic.mac}]" in owned:
            nics.append(nic)
        else:
            extras.append(Extra(f"nics[{nic.mac}]", f"on {nic_place(nic) or 'no network'}"))
    return tuple(disks), tuple(nics), tuple(extras)


def disk_path(disk: DiskConfig) -> str:
    return "cloud_init" if disk.serial == SEED_SERIAL else f"disks[{disk.serial or disk.target}]"


def nic_place(nic: NicConfig) -> str | None:
    """What an interface is on, for people."""
    return nic.network or nic.bridge or nic.device


def hardware_fields(config: DomainConfig) -> Iterator[tuple[str, object]]:
    """What a config says beyond what every machine has, as people read it."""
    for path in _OPTIONAL[5:]:
        value = getattr(config, SCALARS[path])
        if value not in (None, ()):
            yield path, _shown(path, value)
    for name in _KEYED:
        for key, item in keyed(config, name).items():
            yield f"{name}[{key}]", show(item)


def _settle_keyed(
    name: str, design: DomainConfig, observed: DomainConfig, *, owned: frozenset[str], ignored: frozenset[str]
) -> tuple[Keyed, ...]:
    """The items to have: the program's, and those of other people."""
    wanted, found = keyed(design, name), keyed(observed, name)
    if is_ignored(name, ignored=ignored):
        return tuple(found.values())
    kept = {key: item for key, item in found.items() if key not in wanted and f"{name}[{key}]" not in owned}
    merged = {**wanted, **kept}
    if merged == found:
        return tuple(found.values())  # in whatever order libvirt keeps them
    return tuple(item for _, item in sorted(merged.items(), key=lambda pair: place_of(pair[1])))


def nic_path(nic: NicConfig, *, names: dict[str, str]) -> str:
    return f"nics[{names.get(nic.mac, nic.mac)}]"


def _pair_disks(wanted: tuple[DiskConfig, ...], found: tuple[DiskConfig, ...]) -> _Pairs[DiskConfig]:
    present = {disk.serial: disk for disk in found if disk.serial is not None}
    return [(disk, present.get(disk.serial or "")) for disk in wanted]


def _pair_nics(wanted: tuple[NicConfig, ...], found: tuple[NicConfig, ...]) -> _Pairs[NicConfig]:
    present = {nic.mac: nic for nic in found}
    return [(nic, present.get(nic.mac)) for nic in wanted]


def _settle_device(
    wanted: DeviceT, found: DeviceT | None, *, owned: frozenset[str], ignored: frozenset[str], at: str, shown: str
) -> DeviceT:
    """The device to aim at: observed values where a field is ignored, or open and not ours."""
    if found is None or wanted == found:
        return wanted
    a_disk = isinstance(wanted, DiskConfig)
    fields, optional = (_DISK_FIELDS, _OPTIONAL_DISK_FIELDS) if a_disk else (_NIC_FIELDS, _OPTIONAL_NIC_FIELDS)
    kept = {}
    for field, name in fields.items():
        foreign = field in optional and getattr(wanted, name) in _NOTHING and f"{at}.{field}" not in owned
        if foreign or is_ignored(f"{shown}.{field}", ignored=ignored):
            kept[name] = getattr(found, name)
    moved = kept.get("path", found) not in (found, getattr(wanted, "path", None))
    if moved and isinstance(found, DiskConfig):
        kept |= {"backing_path": found.backing_path, "backing_format": found.backing_format}
    return msgspec.structs.replace(wanted, **kept) if kept else wanted


def _equal(path: str, wanted: object, found: object) -> bool:
    if wanted == found:
        return True
    if path == "machine":
        return same_machine(_text(wanted), _text(found))
    if path == "firmware":
        return (wanted or "bios") == (found or "bios")
    return path in ("cpu_mode", "arch") and wanted is None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _scalar_case(path: str, found: object, wanted: object, *, running: DomainConfig) -> Case:
    if path in HOT_PERIPHERALS:
        return plug_case(found, wanted)
    if path == "vcpus" and isinstance(wanted, int):
        if wanted < running.vcpus:
            return Case.VCPUS_DOWN
        return Case.VCPUS_UP if wanted <= running.max_vcpus else Case.VCPUS_BEYOND
    if path == "memory" and isinstance(wanted, int):
        return Case.MEMORY_WITHIN if wanted <= running.max_memory_kib else Case.MEMORY_BEYOND
    if path in _TUNED:
        return _tuning(wanted)
    return Case.DEFINITION if path == "label" else only_case(path)


def _tuning(wanted: object) -> Case:
    """What the host enforces is set while the guest runs; libvirt has no call that takes it away again."""
    return Case.DEFINITION if wanted is None else Case.TUNED


def _shown(path: str, value: object) -> object:
    if isinstance(value, int) and path in ("memory", "max_memory"):
        return format_size(value * _KIB)
    return show(value)


def _file(path: str | None) -> str | None:
    return path.rpartition("/")[2] if path else None
