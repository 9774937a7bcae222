"""Domains: read any that libvirt can hold, write new ones, patch existing ones."""

from collections import defaultdict
from typing import Any, Final

from vmstack.errors import DocumentError
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.hardware import ConsoleSpec
from vmstack.model.ownership import Adopted, Stamp
from vmstack.xmlio.adopted import name_disks, unname_disks
from vmstack.xmlio.boot import build_loader, patch_loader, put_boot, put_fw_cfg, read_boot, read_fw_cfg, read_loader
from vmstack.xmlio.codec import INTEGER, KIB, LOWER, SIGNED, YES_NO, Codec
from vmstack.xmlio.compute import put_compute, read_compute
from vmstack.xmlio.console import (
    patch_channels,
    patch_consoles,
    patch_serial_log,
    patch_virtio_console,
    read_channels,
    read_consoles,
    read_serial_log,
    read_virtio_console,
)
from vmstack.xmlio.disk import patch_disks, read_disk, write_disk
from vmstack.xmlio.display import patch_graphics, patch_video, read_graphics, read_video
from vmstack.xmlio.fresh import build_devices, build_platform, build_scsi, video_model
from vmstack.xmlio.host_devices import patch_host_devices, read_host_devices
from vmstack.xmlio.nic import patch_nics, read_nic, write_nic
from vmstack.xmlio.peripherals import patch_peripherals, put_shared_memory, read_peripherals, read_shared_memory
from vmstack.xmlio.ports import count_free_ports, rebuild_buses
from vmstack.xmlio.safe import Element, add, as_root, drop_attributes, drop_children, parse_xml, serialise
from vmstack.xmlio.shares import (
    patch_filesystems,
    patch_tpm,
    put_metadata,
    read_filesystems,
    read_metadata,
    read_tpm,
)
from vmstack.xmlio.stamp import put_stamp
from vmstack.xmlio.table import Field, Table, new_root

__all__ = [
    "count_free_ports",
    "patch_domain",
    "read_disk",
    "read_domain",
    "read_nic",
    "rewrite_disk",
    "rewrite_nic",
    "same_machine",
    "write_disk",
    "write_domain",
    "write_nic",
]


def _decode_firmware(text: str) -> str | None:
    """libvirt's own word, or the kind of loader: a running guest's XML names only the chosen loader."""
    return "efi" if text == "pflash" else text if text in ("bios", "efi") else None


def _encode_firmware(value: str) -> str:
    if value not in ("bios", "efi"):
        raise ValueError('is neither "bios" nor "efi"')
    return value


# No thread at all is what a domain has that says nothing.
COUNT: Final = Codec(lambda text: INTEGER.decode(text) or None, INTEGER.encode)
_DOMAIN: Final = Table(
    "domain",
    Field("type", "@type", keep=True),
    Field("name", "name"),
    Field("uuid", "uuid", LOWER),
    Field("title", "title"),
    Field("description", "description"),
    Field("max_memory_kib", "memory", KIB),
    Field("memory_kib", "currentMemory", KIB, also=("memory",)),
    Field("max_vcpus", "vcpu", INTEGER),
    Field("vcpus", "vcpu/@current", INTEGER, also=("vcpu",)),
    Field("shares", "cputune/shares", INTEGER),
    Field("period", "cputune/period", INTEGER),
    Field("quota", "cputune/quota", SIGNED),
    Field("firmware", "os/@firmware", Codec(_decode_firmware, _encode_firmware), also=("os/loader/@type",)),
    Field("arch", "os/type/@arch", keep=True),
    Field("machine", "os/type/@machine", keep=True),
    Field("smbios_serial", "sysinfo[@type='smbios']/system/entry[@name='serial']"),
    Field("cpu_mode", "cpu/@mode", keep=True),
    Field("cpu_model", "cpu/model"),
    Field("secure_boot", "os/firmware/feature[@name='secure-boot']/@enabled", YES_NO),
    Field("clock", "clock/@offset"),
    Field("on_reboot", "on_reboot"),
    Field("on_crash", "on_crash"),
    Field("kernel", "os/kernel"),
    Field("initrd", "os/initrd"),
    Field("cmdline", "os/cmdline"),
    Field("emulator", "devices/emulator"),
    Field("iothreads", "iothreads", COUNT, keep=True),
)
# The families of machine types, by the alias that libvirt expands into the newest version.
_FAMILIES: Final = {"q35": "pc-q35-", "pc": "pc-i440fx-", "virt": "virt-"}


def read_domain(xml: str | Element) -> DomainConfig:
    """Read a domain's XML, live or persistent, ours or not. `pcie_ports` is never read.

    Raises `DocumentError` when it is malformed or lacks a name, a UUID, memory or vcpus.
    """
    root = as_root(xml, what="a domain's XML", tag="domain")
    values: dict[str, Any] = _DOMAIN.read(root)
    missing = sorted({"name", "uuid", "memory_kib", "max_memory_kib", "vcpus", "max_vcpus"} - values.keys())
    if missing:
        raise DocumentError(f"domain {values.get('name', '')!r} has no {', '.join(missing)} in its XML")
    system = root.find("os")
    if system is not None:
        values |= read_loader(system)
        values["boot"] = read_boot(system)
    values |= {"fw_cfg": read_fw_cfg(root), "metadata": read_metadata(root)}
    values |= read_compute(root)
    values["shared_memory"] = read_shared_memory(root)
    devices = root.find("devices")
    if devices is None:
        return DomainConfig(**values)
    found: dict[str, list[Element]] = defaultdict(list)
    for device in devices:
        found[str(device.tag)].append(device)
    return DomainConfig(
        disks=tuple(read_disk(disk) for disk in found["disk"]),
        nics=tuple(read_nic(nic) for nic in found["interface"]),
        graphics=read_graphics(found["graphics"]),
        serial_log=read_serial_log(devices),
        virtio_console=read_virtio_console(devices),
        consoles=read_consoles(devices),
        video=read_video(devices),
        tpm=read_tpm(devices),
        filesystems=read_filesystems(devices),
        channels=read_channels(found["channel"]),
        host_devices=read_host_devices(found["hostdev"]),
        **read_peripherals(found),
        **values,
    )


def write_domain(config: DomainConfig, *, stamp: Stamp | None) -> str:
    """Write the complete XML of a new domain: the config and what every new domain gets (see `fresh`).

    Raises `DocumentError` for a value that XML or libvirt cannot hold, and for a disk whose format is not stated.
    """
    if not config.type:
        raise DocumentError(f"domain {config.name} does not state its type (kvm or qemu)")
    root = new_root("domain")
    _DOMAIN.write(root, config)
    vcpu, system = root.find("vcpu"), root.find("os")
    if vcpu is not None:
        vcpu.set("placement", "static")
    if system is None:
        system = add(root, "os")
    kind = system.find("type")
    if kind is None:
        kind = add(system, "type")
    kind.text = "hvm"
    build_loader(system, config)
    put_boot(system, config.boot)
    put_fw_cfg(root, config.fw_cfg)
    _announce_smbios(root)
    build_platform(root, config)
    put_compute(root, before=None, after=config)
    build_devices(root, config)
    put_metadata(root, config.metadata)
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root, indent=True)


def patch_domain(
    xml: str,
    *,
    config: DomainConfig,
    stamp: Stamp | None,
    drop_disks: frozenset[str] = frozenset(),
    drop_nics: frozenset[str] = frozenset(),
    dropped: frozenset[str] = frozenset(),
    adopted: Adopted | None = None,
) -> str:
    """Bring persistent XML, as libvirt gave it, to `config`; what the config does not speak of survives.

    Where the config equals what the XML says nothing is touched, so `patch_domain(x, config=read_domain(x))` is `x`.
    A value of `None` removes what the XML says, but for type, arch, machine and CPU mode, which stay. A machine alias
    (`q35`) never replaces one of its versions. Disks are matched by serial and keep their slot, NICs by MAC; those not
    in the config stay unless their serial or MAC is dropped. Channels, host devices, the small devices of
    `peripherals`, I/O threads and shared memory that the config does not have stay unless they are `dropped`, by the
    paths of the plan (`channels[name]`, `host_devices[pci:address]`, `rng`). `pcie_ports` counts only for
    another kind of machine, which gets buses of its own: its old controllers and addresses go.
    A stamp of `None` leaves the stamp that is there. Disks that are `adopted` have their logical names as serials in
    `config` and `drop_disks`, and keep the serials that they really have.
    Raises `DocumentError`, also when `xml` is another domain's.
    """
    root = parse_xml(xml, what=f"the XML of domain {config.name}")
    named = name_disks(root, adopted=adopted)
    before = read_domain(root)
    if before.uuid != config.uuid:
        raise DocumentError(f"the XML of domain {before.name} ({before.uuid}) is not that of {config.uuid}")
    machine = root.find("os/type")
    kept = None if machine is None or not same_machine(config.machine, before.machine) else machine.get("machine")
    changed = _DOMAIN.patch(root, before=before, after=config)
    if machine is not None and kept is not None:
        machine.set("machine", kept)
    if changed & {"vcpus", "max_vcpus"}:
        drop_children(root, "vcpus")  # a list of single vcpus, left by hot-plugging, contradicts a new count
    if "cpu_mode" in changed:
        _forget_model(root, model="cpu_model" in changed)
    put_compute(root, before=before, after=config)
    system = root.find("os")
    if system is not None:
        relocated = patch_loader(system, before=before, after=config)
        if "firmware" in changed and not relocated:
            drop_children(system, "loader", "nvram", "firmware")  # libvirt's choice for the old firmware
        put_boot(system, config.boot)
    put_fw_cfg(root, config.fw_cfg)
    put_metadata(root, config.metadata)
    if "smbios_serial" in changed:
        _announce_smbios(root)
    devices = root.find("devices")
    if devices is None:
        devices = new_root("devices")
    if kept is None and _family(config.machine) != _family(before.machine):
        rebuild_buses(devices, config)
    patch_disks(devices, config.disks, drop=drop_disks)
    if any(disk.bus == "scsi" for disk in config.disks) and devices.find("controller[@type='scsi']") is None:
        build_scsi(devices)
    patch_nics(devices, config.nics, drop=drop_nics)
    if config.consoles != before.consoles:
        patch_consoles(devices, config.consoles or default_consoles(config))
    patch_serial_log(devices, log=config.serial_log)
    patch_virtio_console(devices, wanted=config.virtio_console)
    patch_channels(devices, config.channels, drop=dropped)
    patch_graphics(devices, config.graphics, video=video_model(config))
    if config.video != before.video:
        patch_video(devices, config.video or ("none" if config.graphics is None else video_model(config)))
    patch_tpm(devices, config.tpm)
    patch_filesystems(devices, config.filesystems)
    patch_host_devices(devices, config.host_devices, drop=dropped)
    patch_peripherals(devices, before=before, after=config, drop=dropped)
    if config.shared_memory or "shared_memory" in dropped:
        put_shared_memory(root, wanted=config.shared_memory)
    if "iothreads" in dropped:
        drop_children(root, "iothreads", "iothreadids")
    elif "iothreads" in changed:
        drop_children(root, "iothreadids")  # a list of single threads contradicts a new count
    if devices.getparent() is None and len(devices):
        root.append(devices)
    unname_disks(named)
    if stamp is not None:
        put_stamp(root, stamp)
    return serialise(root)


def rewrite_disk(xml: str, disk: DiskConfig, *, adopted: Adopted | None = None) -> str | None:
    """The definition's `<disk>` of that serial, as it is once it is like `disk`; `None` where there is none."""
    root = parse_xml(xml, what="a domain's XML")
    named = name_disks(root, adopted=adopted)
    devices = root.find("devices")
    if devices is None:
        return None
    found = next((item for item in devices.findall("disk") if read_disk(item).serial == disk.serial), None)
    if found is None:
        return None
    patch_disks(devices, (disk,), drop=frozenset())
    unname_disks(named)
    return serialise(found)


def rewrite_nic(xml: str, nic: NicConfig) -> str | None:
    """The definition's `<interface>` of that MAC, as it is once it is like `nic`; `None` where there is none."""
    devices = parse_xml(xml, what="a domain's XML").find("devices")
    if devices is None:
        return None
    found = next((item for item in devices.findall("interface") if read_nic(item).mac == nic.mac), None)
    if found is None:
        return None
    patch_nics(devices, (nic,), drop=frozenset())
    return serialise(found)


def default_consoles(config: DomainConfig) -> tuple[ConsoleSpec, ...]:
    """The serial ports and consoles of a machine whose program names none of them."""
    return (ConsoleSpec(), *((ConsoleSpec(target="virtio"),) if config.virtio_console else ()))


def _family(machine: str | None) -> str | None:
    """The machine type without its version: another family has other buses."""
    for alias, family in _FAMILIES.items():
        if machine is not None and (machine == alias or machine.startswith(family)):
            return alias
    return machine


def same_machine(wanted: str | None, actual: str | None) -> bool:
    """Whether `actual` is what libvirt makes of `wanted`: the same, a version of the alias, or no wish at all."""
    if wanted is None or wanted == actual:
        return True
    family = _FAMILIES.get(wanted)
    return family is not None and actual is not None and actual.startswith(family)


def _announce_smbios(root: Element) -> None:
    """Make the firmware show `<sysinfo>` to the guest when there is one."""
    system, smbios = root.find("os"), root.find("os/smbios")
    if root.find("sysinfo[@type='smbios']") is not None:
        if smbios is None and system is not None:
            smbios = add(system, "smbios")
        if smbios is not None:
            smbios.set("mode", "sysinfo")
    elif system is not None and smbios is not None and smbios.get("mode") == "sysinfo":
        system.remove(smbios)


def _forget_model(root: Element, *, model: bool) -> None:
    """Remove from `<cpu>` what belonged to the old mode; topology, NUMA cells, caches and features stay, and so does
    a `model` that was just written."""
    cpu = root.find("cpu")
    if cpu is None:
        return
    drop_attributes(cpu, "match", "check", "migratable")
    drop_children(cpu, "vendor", *(() if model else ("model",)))
