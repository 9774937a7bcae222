"""What a document says besides the fields that vmstack knows: its digest, and whether a host still holds it."""

import hashlib
from collections.abc import Iterator

from lxml import etree

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


def find_missing(wanted: Element, held: Element) -> str | None:
    """The path of the first thing in `wanted` that `held` does not say; `None` when it says it all.

    What only `held` says is not looked at: libvirt adds to every document.
    """
    return next(_missing(wanted, held, at=f"/{_name(wanted)}"), None)


def _missing(wanted: Element, held: Element, *, at: str) -> Iterator[str]:
    for name, value in wanted.attrib.items():
        if not _same(str(value), held.get(name)):
            yield f"{at}/@{name!s}"
    if (wanted.text or "").strip() and not _same(wanted.text or "", held.text):
        yield at
    left = list(held)
    # Those that say most choose first, so that none of them finds its place taken by one that fits anything.
    for child in sorted(wanted.iterchildren(etree.Element), key=_says_less):
        path = f"{at}/{_name(child)}"
        fit = next((item for item in left if item.tag == child.tag and not any(_missing(child, item, at=path))), None)
        if fit is None:
            alike = [item for item in left if item.tag == child.tag]
            # Of a single one it can be said what of it is missing.
            yield next(_missing(child, alike[0], at=path), path) if len(alike) == 1 else path
        else:
            left.remove(fit)


def _says_less(element: Element) -> int:
    """A key that sorts what says most to the front."""
    return -sum(1 + len(item.attrib) for item in element.iter(etree.Element))


def _same(wanted: str, held: str | None) -> bool:
    """libvirt writes addresses and numbers its own way."""
    one, other = wanted.strip().lower(), (held or "").strip().lower()
    if one == other:
        return True
    return one.isdecimal() and other.isdecimal() and int(one) == int(other)


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _drop_empty(root: Element, *paths: str) -> None:
    for path in paths:
        for element in root.findall(path):
            if not len(element) and not element.attrib and not (element.text or "").strip():
                _remove(element)
