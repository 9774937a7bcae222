"""Addresses as libvirt gives them on a q35 machine: who sits on which PCIe port."""

from lxml import etree

from vmstack.errors import HostError

_PORT = "pcie-root-port"
_BRIDGED_NICS = {"e1000", "rtl8139", "pcnet", "ne2k_pci"}


def needs_port(device: etree._Element) -> bool:
    """Whether the device takes a PCIe port of its own."""
    if device.tag == "interface":
        model = device.find("model")
        return model is None or model.get("type") not in _BRIDGED_NICS
    if device.tag == "disk":
        target = device.find("target")
        return target is not None and target.get("bus") == "virtio"
    if device.tag == "controller":
        return device.get("type") in {"virtio-serial", "scsi", "usb"}
    if device.tag == "memballoon":
        return device.get("model") != "none"
    if device.tag == "hostdev":
        return device.get("type") != "usb"
    return device.tag in {"rng", "vsock", "filesystem"}


def ports(devices: etree._Element) -> list[int]:
    """Bus numbers of all ports."""
    return [
        int(controller.get("index", "0"))
        for controller in devices.iterfind("controller[@type='pci']")
        if controller.get("model") == _PORT
    ]


def busy_ports(devices: etree._Element) -> set[int]:
    """Bus numbers that a device sits on."""
    return {
        int(address.get("bus", "0"), 16)
        for address in devices.iterfind("*/address[@type='pci']")
        if int(address.get("bus", "0"), 16) > 0
    }


def free_ports(devices: etree._Element) -> list[int]:
    """Bus numbers of ports without a device."""
    busy = busy_ports(devices)
    return [bus for bus in ports(devices) if bus not in busy]


def place_on(device: etree._Element, bus: int) -> None:
    """Give the device its address."""
    etree.SubElement(device, "address", type="pci", domain="0x0000", bus=f"0x{bus:02x}", slot="0x00", function="0x0")


def give_root(devices: etree._Element, *, model: str) -> None:
    """Add the machine's own bus, or refuse that of another machine."""
    root = devices.find("controller[@type='pci'][@index='0']")
    if root is None:
        etree.SubElement(devices, "controller", type="pci", index="0", model=model)
    elif root.get("model") != model:
        raise HostError(
            f"XML error: The PCI controller with index='0' must be model='{model}' for this machine type, "
            f"but model='{root.get('model')}' was found instead"
        )


def assign(devices: etree._Element) -> None:
    """Address everything that has none; add ports as needed, and one spare where there was none of them yet."""
    if devices.find("controller[@model='pci-root']") is not None:
        _assign_slots(devices)
        return
    fresh = not busy_ports(devices) and not ports(devices)
    for controller in devices.iterfind("controller[@type='pci']"):
        if controller.get("model") == _PORT and controller.find("model") is None:
            _complete_port(controller)
    free = free_ports(devices)
    homeless = [device for device in devices if needs_port(device) and device.find("address") is None]
    # libvirt goes by kind: network cards first, then controllers, disks and the rest.
    rank = {"interface": 0, "controller": 1, "disk": 2}
    for device in sorted(homeless, key=lambda item: rank.get(item.tag, 3)):
        place_on(device, free.pop(0) if free else _add_port(devices))
    if fresh and not free:
        _add_port(devices)


def _assign_slots(devices: etree._Element) -> None:
    """A conventional bus has slots for all."""
    used = {int(address.get("slot", "0"), 16) for address in devices.iterfind("*/address[@type='pci']")}
    free = iter(number for number in range(2, 32) if number not in used)
    for device in devices:
        if needs_port(device) and device.find("address") is None:
            place_on(device, 0)
            device.find("address").set("slot", f"0x{next(free):02x}")


def _add_port(devices: etree._Element) -> int:
    taken = {int(item.get("index", "0")) for item in devices.iterfind("controller[@type='pci']")}
    bus = max(taken) + 1
    _complete_port(etree.SubElement(devices, "controller", type="pci", index=str(bus), model=_PORT))
    return bus


def _complete_port(controller: etree._Element) -> None:
    bus = int(controller.get("index", "0"))
    etree.SubElement(controller, "model", name=_PORT)
    etree.SubElement(controller, "target", chassis=str(bus), port=f"0x{bus + 7:x}")
    if controller.find("address") is None:
        slot, function = divmod(bus - 1, 8)
        address = etree.SubElement(
            controller,
            "address",
            type="pci",
            domain="0x0000",
            bus="0x00",
            slot=f"0x{slot + 1:02x}",
            function=f"0x{function}",
        )
        if function == 0:
            address.set("multifunction", "on")
