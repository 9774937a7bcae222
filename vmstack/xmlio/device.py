"""Devices of a host as `pulumi_libvirt` tells of them. Format: https://libvirt.org/formatnode.html"""

from typing import Any, Final

from vmstack.xmlio.safe import Element, parse_xml

# What the old provider knows, and the members of `capability` that stand in the XML as elements of these names.
_TEXTS: Final = {
    "class": "class", "domain": "domain", "bus": "bus", "slot": "slot", "function": "function", "block": "block",
    "drive_type": "driveType", "model": "model", "serial": "serial", "size": "size",
    "logical_block_size": "logicalBlockSize", "num_blocks": "numBlocks", "device": "device", "number": "number",
    "subclass": "subclass", "protocol": "protocol", "description": "description", "interface": "interface",
    "address": "address", "host": "host", "target": "target", "lun": "lun", "type": "scsiType",
    "unique_id": "uniqueId",
}  # fmt: skip
_KINDS: Final = frozenset({"system", "pci", "usb_device", "usb", "storage", "net", "scsi", "scsi_host", "drm"})


def describe_device(xml: str) -> dict[str, object]:
    """Name, path, parent, device nodes and what it can; no `capability` for a kind that the old provider refused."""
    root = parse_xml(xml, what="a device's XML")
    told: dict[str, object] = {
        "name": root.findtext("name"),
        "path": root.findtext("path"),
        "parent": root.findtext("parent"),
        "xml": xml,
        "devnodes": [{"type": node.get("type"), "path": node.text} for node in root.findall("devnode")],
    }
    capability = root.find("capability")
    if capability is not None and capability.get("type") in _KINDS:
        told["capability"] = _capability(capability)
    return told


def _capability(element: Element) -> dict[str, Any]:
    kind = element.get("type")
    told: dict[str, Any] = {"type": kind, "drmType": "", **dict.fromkeys(_TEXTS.values(), "")}
    for child in element:
        tag = str(child.tag)
        if kind == "drm" and tag == "type":
            told["drmType"] = child.text
        elif tag in ("product", "vendor"):
            told[tag] = {"id": child.get("id"), "name": child.text} if kind != "system" else child.text
        elif tag in ("hardware", "firmware"):
            told[tag] = {str(item.tag): item.text for item in child}
        elif tag == "link":
            told["link"] = dict(child.attrib)
        elif tag == "feature":
            told.setdefault("features", []).append(child.get("name"))
        elif tag == "capability":
            told["capability"] = {"type": child.get("type")} | {str(item.tag): item.text for item in child}
        elif tag == "iommuGroup":
            told["iommuGroup"] = {
                "number": child.get("number"),
                "addresses": [dict(item.attrib) for item in child.findall("address")],
            }
        elif tag in _TEXTS and len(child) == 0:
            told[_TEXTS[tag]] = child.text
    if isinstance(told.get("product"), str):
        told["product"] = {"name": told["product"]}
    return told
