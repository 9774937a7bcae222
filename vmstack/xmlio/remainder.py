"""What a document says besides the fields that vmstack knows, and its digest."""

import hashlib

from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.safe import Element, drop_attributes, drop_children, parse_xml

# Digits of a digest that are kept: enough to tell one document of an object from its next.
_DIGITS = 12


def network_remainder(xml: str) -> Element:
    """A network without what `NetworkConfig` holds; leases that say more than that stay. Raises `DocumentError`."""
    root = parse_xml(xml, what="a network's XML", compact=True)
    drop_children(root, "name", "uuid", "metadata", "mtu", "mac", "domain", "route")
    for element in [*root.iterfind("{*}options"), *root.iterfind("dns/host")]:
        _remove(element)
    for path in ("dns/srv", "dns/txt", "dns/forwarder", "bandwidth", "portgroup/bandwidth"):
        for element in root.findall(path):
            _remove(element)
    for group in root.findall("portgroup"):
        drop_attributes(group, "default")
        if not len(group) and group.keys() == ["name"]:
            _remove(group)
    for element in [*root.iterfind("ip/dhcp/range"), *root.iterfind("ip/dhcp/host")]:
        if not len(element):
            _remove(element)
    for dns in root.findall("dns"):
        drop_attributes(dns, "enable")
    for bridge in root.findall("bridge"):
        drop_attributes(bridge, "name")
    _drop_empty(root, "dns", "ip/dhcp")
    return root


def pool_remainder(xml: str) -> Element:
    """A pool without what `PoolConfig` holds, and without what libvirt counts. Raises `DocumentError`."""
    root = parse_xml(xml, what="a pool's XML", compact=True)
    drop_children(root, "name", "uuid", "capacity", "allocation", "available")
    for path in ("target/path", "source/name", "source/device"):
        for element in root.findall(path):
            _remove(element)
    _drop_empty(root, "target", "source")
    return root


def volume_remainder(xml: str) -> Element:
    """A volume without what vmstack compares of it; how much is allocated stays. Raises `DocumentError`."""
    root = parse_xml(xml, what="a volume's XML", compact=True)
    drop_children(root, "name", "key", "capacity", "physical", "backingStore")
    for path in ("target/path", "target/format"):
        for element in root.findall(path):
            _remove(element)
    _drop_empty(root, "target")
    return root


def digest_of_remainder(root: Element) -> str:
    """SHA-256 (hex, shortened) of a remainder: layout, comments and the order of attributes do not count."""
    return hashlib.sha256(canonicalise(root).encode()).hexdigest()[:_DIGITS]


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _drop_empty(root: Element, *paths: str) -> None:
    for path in paths:
        for element in root.findall(path):
            if not len(element) and not element.attrib and not (element.text or "").strip():
                _remove(element)
