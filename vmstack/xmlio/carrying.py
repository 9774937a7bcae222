"""What others gave a domain, carried over into a definition that is written anew."""

from lxml import etree

from vmstack.model.ownership import Adopted
from vmstack.xmlio.adopted import name_disks, unname_disks
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.safe import Element, add, drop_children, parse_xml, serialise


def carry_foreign(xml: str, *, held: str, dropped: frozenset[str], adopted: Adopted | None = None) -> str:
    """Return the definition with what `held` has and it has not: disks and NICs (by serial and MAC), the description,
    and metadata (by namespace).

    What is `dropped` (a serial, a MAC, a namespace, or `description`) and disks without a serial in a slot that is
    taken stay behind. The disks of an `adopted` domain are known by their logical names, whatever serials they have.
    Raises `DocumentError`.
    """
    root, old = parse_xml(xml, what="a domain's XML"), parse_xml(held, what="a domain's XML as it is")
    named = name_disks(old, adopted=adopted)
    now, before = read_domain(root), read_domain(old)
    carried = _carry_words(root, old, dropped=dropped)
    devices, others = root.find("devices"), old.find("devices")
    if devices is None or others is None:
        return serialise(root) if carried else xml
    known = {*dropped, *(disk.serial for disk in now.disks), *(nic.mac for nic in now.nics)} - {None}
    slots = {disk.target for disk in now.disks}
    kept = [
        element
        for element, disk in zip(others.findall("disk"), before.disks, strict=True)
        if disk.serial not in known and disk.target not in slots
    ]
    kept += [
        element for element, nic in zip(others.findall("interface"), before.nics, strict=True) if nic.mac not in known
    ]
    unname_disks(named)
    for element in kept:
        drop_children(element, "address", "alias")
        devices.append(element)
    return serialise(root) if kept or carried else xml


def _carry_words(root: Element, old: Element, *, dropped: frozenset[str]) -> bool:
    """Move the description and metadata of others over; whether there were any."""
    moved = False
    description = old.find("description")
    if description is not None and root.find("description") is None and "description" not in dropped:
        root.insert(0, description)
        moved = True
    there = {etree.QName(child.tag).namespace for child in root.iterfind("metadata/*")} | dropped
    for child in old.findall("metadata/*"):
        if etree.QName(child.tag).namespace not in there:
            metadata = root.find("metadata")
            (add(root, "metadata") if metadata is None else metadata).append(child)
            moved = True
    return moved
