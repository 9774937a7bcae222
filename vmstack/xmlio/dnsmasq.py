"""libvirt's own namespace for options of dnsmasq (https://libvirt.org/formatnetwork.html#network-namespaces)."""

from collections.abc import Iterable
from typing import Final

from vmstack.xmlio.safe import Element, set_attribute

NAMESPACE: Final = "http://libvirt.org/schemas/network/dnsmasq/1.0"
_OPTIONS: Final = f"{{{NAMESPACE}}}options"
_OPTION: Final = f"{{{NAMESPACE}}}option"


def read_dnsmasq_options(root: Element) -> tuple[str, ...]:
    """Read the lines of dnsmasq's configuration that the network adds."""
    return tuple(node.get("value") or "" for node in root.iterfind(f"{_OPTIONS}/{_OPTION}"))


def put_dnsmasq_options(root: Element, options: Iterable[str]) -> None:
    """Make the lines `options`, in their order. Raises `DocumentError` for one that XML cannot hold."""
    options = tuple(options)
    if options == read_dnsmasq_options(root):
        return
    for element in root.findall(_OPTIONS):
        root.remove(element)
    if not options:
        return
    element = root.makeelement(_OPTIONS, nsmap={"dnsmasq": NAMESPACE})
    root.append(element)
    for option in options:
        child = element.makeelement(_OPTION)
        set_attribute(child, "value", option)
        element.append(child)
