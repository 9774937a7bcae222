"""What a new domain gets besides its config: the constants of every machine that vmstack makes.

The values are those of `virt-install` for a Linux guest, without a window system.
"""

from typing import Final

from vmstack.model.configs import DomainConfig
from vmstack.xmlio.console import (
    build_channel,
    build_serial,
    build_virtio_console,
    patch_consoles,
    patch_serial_log,
)
from vmstack.xmlio.disk import build_disk
from vmstack.xmlio.display import build_graphics, patch_video
from vmstack.xmlio.host_devices import patch_host_devices
from vmstack.xmlio.nic import build_nic
from vmstack.xmlio.peripherals import build_peripherals, put_shared_memory
from vmstack.xmlio.ports import build_ports
from vmstack.xmlio.safe import Element, add
from vmstack.xmlio.shares import patch_filesystems, patch_tpm

_X86: Final = ("x86_64", "i686")


def build_platform(root: Element, config: DomainConfig) -> None:
    """Add firmware tables, clock, power management and the answers to the guest's own power events."""
    x86 = is_x86(config)
    if x86 or config.firmware == "efi":  # other machines have ACPI only with UEFI
        features = add(root, "features")
        add(features, "acpi")
        if x86:
            add(features, "apic")
    clock = root.find("clock")
    if clock is None:
        clock = add(root, "clock", offset="utc")
    if x86 and not config.timers:
        add(clock, "timer", name="rtc", tickpolicy="catchup")
        add(clock, "timer", name="pit", tickpolicy="delay")
        add(clock, "timer", name="hpet", present="no")
    events = {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "restart"}
    for event, action in events.items():
        said = root.find(event)
        root.append(add(root, event, text=action) if said is None else said)  # libvirt's schema has them together
    if x86:
        power = add(root, "pm")
        add(power, "suspend-to-mem", enabled="no")
        add(power, "suspend-to-disk", enabled="no")


def build_devices(root: Element, config: DomainConfig) -> None:
    """Add `<devices>` with all that the config lists and what every machine has."""
    devices = root.find("devices")  # it is there when the emulator is named
    if devices is None:
        devices = add(root, "devices")
    devices.extend([build_disk(disk) for disk in config.disks])
    if any(disk.bus == "scsi" for disk in config.disks):
        build_scsi(devices)
    build_ports(devices, config)
    devices.extend([build_nic(nic) for nic in config.nics])
    build_serial(devices, log=config.serial_log)
    if config.virtio_console:
        build_virtio_console(devices)
    if config.consoles:
        patch_consoles(devices, config.consoles)
        patch_serial_log(devices, log=config.serial_log)
    patch_filesystems(devices, config.filesystems)
    for name in config.channels:
        build_channel(devices, name)
    build_graphics(devices, config.graphics, video=video_model(config))
    if config.video is not None:
        patch_video(devices, config.video)
    patch_tpm(devices, config.tpm)
    patch_host_devices(devices, config.host_devices, drop=())
    build_peripherals(devices, config)
    put_shared_memory(root, wanted=config.shared_memory)


def build_scsi(devices: Element) -> None:
    """Add the controller for SCSI disks; libvirt's own choice is one that cloud kernels have no driver for."""
    add(devices, "controller", type="scsi", index="0", model="virtio-scsi")


def video_model(config: DomainConfig) -> str:
    """The video device behind a display: VGA where firmware and every kernel know it, virtio elsewhere."""
    return "vga" if is_x86(config) else "virtio"


def is_x86(config: DomainConfig) -> bool:
    """Whether the machine is a PC; a config without an architecture leaves it to the hypervisor, which is one."""
    return config.arch in (None, *_X86)
