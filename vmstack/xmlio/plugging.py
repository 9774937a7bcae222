"""Where the taps of a running guest are plugged in, and how to plug them in again.

A network that is stopped lets go of all taps on its bridge, and takes none back when it is started. libvirt puts a tap
on a bridge when an interface changes to another place, and does nothing when it stays where it was: so the interface is
first said to be on the bridge itself, and then on the network again (tried on libvirt 9.0).
"""

from collections.abc import Mapping
from copy import deepcopy

from vmstack.xmlio.safe import Element, as_root, drop_attributes, drop_children, replace_children, serialise
from vmstack.xmlio.table import new_root

# Of these kinds libvirt plugs a tap into a bridge.
_TAPS = ("network", "bridge")


def unplugged_nics(live: Element, *, ports: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The MACs of NICs of a running domain that libvirt's networks do not know any more.

    `ports` are the UUIDs of what is plugged in, by the names of active networks. A NIC on a bridge of the host stays
    plugged in whatever becomes of the network over that bridge.
    """
    found = []
    for nic in live.findall("devices/interface[@type='network']"):
        source, mac = nic.find("source"), nic.find("mac")
        if source is None or mac is None:
            continue
        known, port = ports.get(source.get("network", "")), source.get("portid")
        if known is not None and port is not None and port not in known:
            found.append(mac.get("address", "").lower())
    return tuple(found)


def plugging_documents(
    live_xml: str, xml: str, *, mac: str, network: str, bridge: str, ports: frozenset[str] | None
) -> tuple[str, ...]:
    """The `<interface>` documents that, one after the other, put a NIC of a running guest on the bridge.

    In the end it is on the network or on the bridge as its persistent definition says, or as it is now. None for a NIC
    that is there already, that is not there any more, or that has no tap. Raises `DocumentError`.
    """
    nic = _find(live_xml, mac=mac)
    if nic is None or nic.get("type") not in _TAPS:
        return ()
    source = nic.find("source")
    if source is None:
        return ()
    plugged = source.get("portid") in (ports or ()) and source.get("bridge") == bridge
    if nic.get("type") == "network" and plugged:
        return ()
    last = _last_source(source, _find(xml, mac=mac), network=network)
    first = new_root("source", bridge=bridge) if last.get("network") else new_root("source", network=network)
    return tuple(serialise(_moved(nic, where)) for where in (first, last))


def _last_source(live: Element, persistent: Element | None, *, network: str) -> Element:
    """Where the NIC belongs: as it runs, unless an interrupted plugging left it on the bridge alone."""
    held = None if persistent is None else persistent.find("source")
    if not live.get("network") and held is not None and held.get("network") == network:
        live = held
    last = deepcopy(live)
    if last.get("network"):
        drop_attributes(last, "portid", "bridge")
    return last


def _moved(nic: Element, source: Element) -> Element:
    moved = deepcopy(nic)
    moved.set("type", "network" if source.get("network") else "bridge")
    replace_children(moved, moved.findall("source"), [deepcopy(source)])
    if not source.get("network"):
        drop_children(moved, "virtualport")
    return moved


def _find(xml: str, *, mac: str) -> Element | None:
    root = as_root(xml, what="the XML of a domain", tag="domain")
    for nic in root.findall("devices/interface"):
        address = nic.find("mac")
        if address is not None and address.get("address", "").lower() == mac:
            return nic
    return None
