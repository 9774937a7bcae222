"""Fingerprints: has an object moved since it was observed?"""

import hashlib
from typing import Final, Protocol

from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.safe import Element, drop_attributes, drop_children, parse_xml, replace_children

# Children of the root that tell of use, not of definition.
_USE: Final = {
    "pool": ("capacity", "allocation", "available"),
    "volume": ("allocation", "physical", "key"),
}
# What a volume says of its file and of its backing file at the moment: QEMU's user owns them while the guest runs,
# and some details of the format are there only after a refresh.
_FILE_STATE: Final = ("permissions", "timestamps", "clusterSize", "features")
# Attributes that libvirt fills in for as long as a guest runs, by the element that bears them.
_RUNNING: Final = {
    "source": ("index", "portid", "path"),
    "backingStore": ("index",),
    "console": ("tty",),
    "target": ("state",),
    "graphics": ("port", "tlsPort", "websocket"),
}


def fingerprint(*parts: str | None) -> str:
    """Return one SHA-256 (hex) over the parts, in order: XML documents, plain words such as a state, or nothing.

    Equal for documents that differ only in layout, in the order of attributes and in what changes by itself: ids,
    aliases and addresses of devices, ports and sockets of a running guest, its balloon, the use of pools and volumes.
    Raises `DocumentError` for a part that begins as XML and is none.
    """
    digest = hashlib.sha256()
    for part in parts:
        content = b"" if part is None else _canonicalise(part)
        # The length tells where a part ends, so that two parts never read as another two.
        digest.update(f"{'none' if part is None else len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


class DomainFacts(Protocol):
    """A domain as a host tells of it, or as it was observed: what its fingerprint is of."""

    @property
    def xml(self) -> str: ...
    @property
    def live_xml(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def persistent(self) -> bool: ...
    @property
    def autostart(self) -> bool: ...
    @property
    def has_managed_save(self) -> bool: ...


def domain_fingerprint(domain: DomainFacts) -> str:
    """Of both definitions, the power state and the marks that libvirt keeps beside them."""
    marks = (domain.persistent, domain.autostart, domain.has_managed_save)
    return fingerprint(domain.xml, domain.live_xml, domain.state, *map(str, marks))


def _canonicalise(part: str) -> bytes:
    if not part.lstrip().startswith("<"):
        return part.encode(errors="surrogatepass")
    root = parse_xml(part, what="XML to fingerprint", compact=True)
    if root.tag == "domain":
        _settle_domain(root)
    elif root.tag == "network":
        for node in (root, *root.findall("forward/interface"), *root.findall("portgroup")):
            drop_attributes(node, "connections")
    else:
        drop_children(root, *_USE.get(str(root.tag), ()))
        for kind in root.findall("target/format[@type='iso']"):
            kind.set("type", "raw")  # what a refresh makes of it
        for place in root if root.tag == "volume" else ():
            drop_children(place, *_FILE_STATE)
    return canonicalise(root).encode()


def _settle_domain(root: Element) -> None:
    running = "id" in root.attrib
    drop_attributes(root, "id")
    devices = root.find("devices")
    if devices is None:
        return
    for node in list(devices.iter("alias", "address")):
        device = node.getparent()
        if device is not None and device.getparent() is devices:  # not the address of a host device
            device.remove(node)
    # libvirt lists controllers in another order once it has read its own definition again.
    controllers = devices.findall("controller")
    replace_children(devices, controllers, sorted(controllers, key=_identify_controller))
    if not running:
        return
    drop_children(root, "currentMemory", "seclabel")
    for node in devices.iter(*_RUNNING):
        drop_attributes(node, *_RUNNING[str(node.tag)])
    for target in devices.iterfind("interface/target"):
        drop_attributes(target, "dev")


def _identify_controller(controller: Element) -> tuple[str, str]:
    return controller.get("type", ""), controller.get("index", "")
