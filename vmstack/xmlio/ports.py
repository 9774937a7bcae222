"""PCI slots: where a device could be plugged into a running guest."""

from typing import Final

from vmstack.model.configs import DomainConfig
from vmstack.xmlio.safe import Element, add, as_root

_PORTS: Final = ("pcie-root-port", "pcie-switch-downstream-port")
_CONVENTIONAL: Final = ("pci-root", "pci-bridge")
# A conventional PCI bus has 32 slots, of which slot 0 is the bridge's own.
_SLOTS: Final = 31
_OF_THE_MACHINE: Final = ("pci", "ide", "sata", "usb", "fdc")
_CONVENTIONAL_NICS: Final = ("e1000", "rtl8139", "pcnet", "ne2k_pci")


def count_free_ports(live_xml: str | Element) -> int:
    """Count the places for a hot-plugged PCI device: empty PCIe ports, or empty slots of a conventional PCI machine.

    `live_xml` is a running domain's XML: only there do all devices have addresses. Raises `DocumentError`.
    """
    devices = as_root(live_xml, what="the XML of a running domain", tag="domain").find("devices")
    if devices is None:
        return 0
    used: dict[int | None, set[str]] = {}
    for address in devices.iter("address"):
        device = address.getparent()
        own = device is not None and device.getparent() is devices  # a host device's other address is under <source>
        if own and address.get("type") == "pci":
            used.setdefault(_read_number(address.get("bus"), base=0), set()).add(address.get("slot", ""))
    free = 0
    for controller in devices.findall("controller[@type='pci']"):
        index = _read_number(controller.get("index"), base=10)
        taken = len(used.get(index, ()))
        if controller.get("model") in _PORTS:
            free += taken == 0
        elif controller.get("model") in _CONVENTIONAL:
            free += max(0, _SLOTS - taken)
    return free


def build_ports(devices: Element, config: DomainConfig) -> None:
    """Add the PCIe ports that the config's own devices take, and `pcie_ports` more for what comes later.

    libvirt fills ports from the first one and, where ports are listed, adds only what it misses.
    """
    if config.pcie_ports is None:
        return
    add(devices, "controller", type="pci", index="0", model="pcie-root")
    for _ in range(_count_taken(config) + config.pcie_ports):
        add(devices, "controller", type="pci", model="pcie-root-port")


def rebuild_buses(devices: Element, config: DomainConfig) -> None:
    """Let go of the controllers and addresses that belong to another machine type, and ask for the ports of this one.

    libvirt refuses the root of another bus and IDE where there is none; what is left out it makes and assigns anew.
    """
    for controller in devices.findall("controller"):
        if controller.get("type") in _OF_THE_MACHINE:
            devices.remove(controller)
    for address in devices.findall("*/address[@type='pci']"):
        device = address.getparent()
        if device is not None:
            device.remove(address)
    build_ports(devices, config)


def _count_taken(config: DomainConfig) -> int:
    """Count the ports that libvirt gives to the devices of a new domain (tried on q35)."""
    always = 3  # USB controller (libvirt's own), memory balloon, random numbers
    disks = sum(disk.bus == "virtio" for disk in config.disks) + any(disk.bus == "scsi" for disk in config.disks)
    # For conventional PCI cards libvirt adds a bridge, with a port of its own.
    nics = sum(nic.model not in _CONVENTIONAL_NICS for nic in config.nics)
    # Consoles share the controller of the channels.
    serial = bool(config.channels) or any(console.target == "virtio" for console in config.consoles)
    extra = sum(device.kind != "usb" for device in config.host_devices) + (config.vsock is not None)
    return always + disks + nics + serial + len(config.filesystems) + extra


def _read_number(text: str | None, *, base: int) -> int | None:
    try:
        return int(text or "", base)
    except ValueError:
        return None
