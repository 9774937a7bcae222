"""What others gave a domain, carried over into a definition that is written anew, and where its devices are."""

from collections import defaultdict
from copy import deepcopy
from typing import Final

from lxml import etree

from vmstack.model.ownership import Adopted
from vmstack.xmlio.adopted import name_disks, unname_disks, unname_written
from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.overlay import identify
from vmstack.xmlio.safe import Element, add, drop_children, parse_xml, serialise

# An alias that people chose begins so; libvirt makes the others.
_ALIAS: Final = "ua-"
_PORT: Final = "pcie-root-port"
_ADDRESS: Final = ("domain", "bus", "slot", "function")
Address = tuple[int, ...]


def carry_foreign(xml: str, *, held: str, dropped: frozenset[str], adopted: Adopted | None = None) -> str:
    """Return the definition with what `held` has and it has not: disks and NICs (by serial and MAC) with the SCSI
    controllers that such disks are on, the description, and metadata (by namespace). Where both are of one type of
    machine, devices of the same model keep their PCI addresses, by which guests name their interfaces.

    What is `dropped` (a serial, a MAC, a namespace, or `description`) and disks in a slot that is taken stay behind,
    and so does the boot order of devices where the definition has one of its own. The disks of an `adopted` domain are
    known by their logical names, and keep the serials that they have. Raises `DocumentError`.
    """
    root, old = parse_xml(xml, what="a domain's XML"), parse_xml(held, what="a domain's XML as it is")
    named = name_disks(old, adopted=adopted)
    _carry_words(root, old, dropped=dropped)
    devices, others = root.find("devices"), old.find("devices")
    if devices is None or others is None:
        return serialise(root)
    kept = _foreign_devices(root, old, dropped=dropped)
    if any(_bus(element) == "scsi" for element in kept):
        _carry_controllers(devices, others, kind="scsi")
    taken = None
    if _machine(root) == _machine(old) and _agree(devices, others):
        _carry_ports(devices, others)
        taken = _carry_addresses(devices, others)
    unname_disks(named)
    unname_written(root, adopted=adopted)
    for element in kept:
        alias, address = element.find("alias"), element.find("address")
        if alias is not None and not alias.get("name", "").startswith(_ALIAS):
            element.remove(alias)
        if address is not None and _bus(element) != "scsi" and (taken is None or _pci(element) in (None, *taken)):
            element.remove(address)
        if root.find("os/boot") is not None:
            drop_children(element, "boot")
        devices.append(element)
    return serialise(root)


def _carry_words(root: Element, old: Element, *, dropped: frozenset[str]) -> None:
    """Move the description and metadata of others over."""
    description = old.find("description")
    if description is not None and root.find("description") is None and "description" not in dropped:
        root.insert(0, description)
    there = {etree.QName(child.tag).namespace for child in root.iterfind("metadata/*")} | dropped
    for child in old.findall("metadata/*"):
        if etree.QName(child.tag).namespace not in there:
            metadata = root.find("metadata")
            (add(root, "metadata") if metadata is None else metadata).append(child)


def _foreign_devices(root: Element, old: Element, *, dropped: frozenset[str]) -> list[Element]:
    """The disks and NICs of others."""
    now, before = read_domain(root), read_domain(old)
    known = {*dropped, *(disk.serial for disk in now.disks), *(nic.mac for nic in now.nics)} - {None}
    slots = {disk.target for disk in now.disks}
    kept = [
        element
        for element, disk in zip(old.findall("devices/disk"), before.disks, strict=True)
        if disk.serial not in known and disk.target not in slots
    ]
    return kept + [
        element
        for element, nic in zip(old.findall("devices/interface"), before.nics, strict=True)
        if nic.mac not in known
    ]


def _machine(root: Element) -> tuple[str, str]:
    """The architecture and the type of the machine, whatever its version."""
    kind = root.find("os/type")
    if kind is None:
        return "", ""
    version = kind.get("machine", "")
    name = next((name for name in ("q35", "i440fx", "virt") if f"-{name}" in version or name == version), version)
    return kind.get("arch", ""), {"pc": "i440fx"}.get(name, name)


def _controllers(devices: Element, *, kind: str) -> dict[str | None, Element]:
    return {identify(item): item for item in devices.iterfind("controller") if item.get("type") == kind}


def _agree(devices: Element, others: Element) -> bool:
    """Whether the buses of both are of the same models, so that an address means the same place."""
    now, before = _controllers(devices, kind="pci"), _controllers(others, kind="pci")
    return all(now[key].get("model") in (None, before[key].get("model")) for key in now.keys() & before.keys())


def _carry_controllers(devices: Element, others: Element, *, kind: str) -> None:
    there = _controllers(devices, kind=kind)
    for key, controller in _controllers(others, kind=kind).items():
        if key not in there:
            copy = deepcopy(controller)
            drop_children(copy, "alias", "address")  # addresses come later
            devices.append(copy)


def _carry_ports(devices: Element, others: Element) -> None:
    """Have the PCI buses that were there, and of free ports no more than both have."""
    _carry_controllers(devices, others, kind="pci")
    ports = [item for item in devices.iterfind("controller") if item.get("model") == _PORT]
    numbered = [item for item in ports if item.get("index") is not None]
    for port in [item for item in ports if item.get("index") is None][: len(numbered)]:
        devices.remove(port)


def _carry_addresses(devices: Element, others: Element) -> set[Address]:
    """Give the devices that both have their PCI addresses back, and return all that are taken then."""
    taken = {address for device in devices if (address := _pci(device)) is not None}
    before: dict[tuple[str, str | None], list[Element]] = defaultdict(list)
    for device in others.iterchildren(etree.Element):
        if _pci(device) is not None:
            before[str(device.tag), _name(device)].append(device)
    for device in devices.iterchildren(etree.Element):
        if device.find("address") is not None:
            continue
        alike = before.get((str(device.tag), _name(device)), [])
        source = next((item for item in alike if _model(device) in (None, _model(item))), None)
        if source is None:
            continue
        alike.remove(source)
        address = _pci(source)
        if address is not None and address not in taken:
            device.extend(deepcopy(source.findall("address")))
            taken.add(address)
    return taken


def _name(device: Element) -> str | None:
    """What tells a device from others of its kind: a host device has no name but what it is."""
    source = device.find("source") if device.tag == "hostdev" else None
    return identify(device) if source is None else canonicalise(source)


def _model(device: Element) -> str | None:
    """The model or bus: another one is another device, which may not fit the place; `None` where libvirt chooses."""
    model = device.find("model")
    return device.get("model") or (None if model is None else model.get("type")) or _bus(device)


def _pci(device: Element) -> Address | None:
    """Where a device is on its machine's PCI buses; `None` where it is said to be elsewhere or nowhere."""
    address = device.find("address") if isinstance(device.tag, str) else None
    if address is None or address.get("type") != "pci":
        return None
    try:
        return tuple(int(address.get(name, "0"), 0) for name in _ADDRESS)
    except ValueError:
        return None


def _bus(device: Element) -> str | None:
    target = device.find("target")
    return None if target is None or device.tag != "disk" else target.get("bus")
