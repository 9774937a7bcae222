"""`<hostdev>`: devices of the host that a guest has for itself, known by where they are on the host."""

import re
from collections.abc import Container, Iterable
from typing import Final

from vmstack.errors import DocumentError
from vmstack.model.hardware import HostDeviceSpec
from vmstack.xmlio.safe import Element, add, replace_children, serialise
from vmstack.xmlio.table import new_root

_PCI: Final = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")
_USB: Final = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")
_NUMBERS: Final = ("domain", "bus", "slot", "function")


def read_host_devices(elements: Iterable[Element]) -> tuple[HostDeviceSpec, ...]:
    """Return the devices that a config can say, sorted; those of other kinds are left out."""
    found = (_read(element) for element in elements)
    return tuple(sorted((spec for spec in found if spec is not None), key=lambda spec: (spec.kind, spec.address)))


def write_host_device(spec: HostDeviceSpec) -> str:
    """Write a `<hostdev>`, as for attaching it. Raises `DocumentError` for an address of another form."""
    return serialise(build_host_device(spec))


def build_host_device(spec: HostDeviceSpec) -> Element:
    """Build a `<hostdev>`. Raises `DocumentError` for an address of another form."""
    if spec.kind == "mdev":
        device = new_root("hostdev", mode="subsystem", type="mdev", model="vfio-pci")
        add(add(device, "source"), "address", uuid=spec.address)
        return device
    match = (_PCI if spec.kind == "pci" else _USB).fullmatch(spec.address)
    if match is None:
        raise DocumentError(f"{spec.address!r} is not the address of a {spec.kind} device")
    device = new_root("hostdev", mode="subsystem", type=spec.kind, managed="yes" if spec.managed else "no")
    source = add(device, "source")
    if spec.kind == "pci":
        numbers = dict(zip(_NUMBERS, (f"0x{part}" for part in match.groups()), strict=True))
        add(source, "address", **numbers)
    else:
        add(source, "vendor", id=f"0x{match[1]}")
        add(source, "product", id=f"0x{match[2]}")
    return device


def patch_host_devices(devices: Element, wanted: Iterable[HostDeviceSpec], *, drop: Container[str]) -> None:
    """Add the devices that are not there; of those that are, only the ones to `drop` go (`host_devices[name]`)."""
    missing = {spec.name: spec for spec in wanted}
    for element in devices.findall("hostdev"):
        found = _read(element)
        if found is None:
            continue
        spec = missing.pop(found.name, None)
        if spec is not None and spec != found:
            replace_children(devices, [element], [build_host_device(spec)])
        elif spec is None and f"host_devices[{found.name}]" in drop:
            devices.remove(element)
    devices.extend([build_host_device(spec) for spec in missing.values()])


def _read(element: Element) -> HostDeviceSpec | None:
    kind, source = element.get("type"), element.find("source")
    managed = element.get("managed") == "yes"
    if source is None:
        return None
    address = source.find("address")
    if kind == "pci" and address is not None:
        domain, bus, slot, function = (_number(address.get(name)) for name in _NUMBERS)
        text = f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"
        return HostDeviceSpec(kind="pci", address=text, managed=managed)
    if kind == "usb":
        vendor, product = source.find("vendor"), source.find("product")
        if vendor is not None and product is not None:
            text = f"{_number(vendor.get('id')):04x}:{_number(product.get('id')):04x}"
            return HostDeviceSpec(kind="usb", address=text, managed=managed)
    if kind == "mdev" and address is not None and address.get("uuid"):
        return HostDeviceSpec(kind="mdev", address=address.get("uuid", "").lower())
    return None


def _number(text: str | None) -> int:
    try:
        return int(text or "0", 0)
    except ValueError as error:
        raise DocumentError(f"hostdev: {text!r} is not a number") from error
