"""The effects on networks."""

from typing import Final

from lxml import etree

from vmstack.errors import NotFoundError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import Driver
from vmstack.model.effects import StampNetwork, UpdateNetwork
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import NAMESPACE
from vmstack.xmlio.traffic import read_port_group

_PATHS: Final = {
    "ip-dhcp-host": "ip/dhcp/host",
    "ip-dhcp-range": "ip/dhcp/range",
    "dns-host": "dns/host",
    "dns-srv": "dns/srv",
    "dns-txt": "dns/txt",
    "portgroup": "portgroup",
}
# What makes entries different ones; a lease time, for one, does not.
_ATTRIBUTES: Final = (
    "ip", "name", "id", "start", "end", "service", "protocol", "domain", "target", "port", "priority", "weight",
    "value",
)  # fmt: skip


class NetworkEffects:
    """Effects on the networks of one host."""

    def __init__(self, driver: Driver, *, patience: Patience) -> None:
        self._driver = driver
        self._patience = patience

    def start(self, uuid: str) -> None:
        if not self._driver.network(uuid).active:
            self._patience.settle(
                lambda: self._driver.start_network(uuid), done=lambda: self._driver.network(uuid).active
            )

    def update(self, effect: UpdateNetwork) -> None:
        """Update the running network and the definition, each only where it is not so already."""
        record = self._driver.network(effect.uuid)
        live = effect.live and record.live_xml is not None and not _holds(record.live_xml, effect)
        config = not _holds(record.xml, effect)
        if live or config:
            self._driver.update_network(
                effect.uuid,
                command=effect.command,
                section=effect.section,
                xml=effect.xml,
                parent_index=effect.parent_index,
                live=live,
                config=config,
            )

    def stop(self, uuid: str) -> None:
        """Stop; gone or stopped already is done."""
        try:
            if self._driver.network(uuid).active:
                self._patience.settle(
                    lambda: self._driver.stop_network(uuid), done=lambda: not self._driver.network(uuid).active
                )
        except NotFoundError:
            return

    def undefine(self, uuid: str) -> None:
        """Undefine; already gone is done."""
        try:
            self._driver.undefine_network(uuid)
        except NotFoundError:
            return

    def stamp(self, effect: StampNetwork) -> None:
        self._driver.set_network_metadata(effect.uuid, xml=effect.stamp_xml, namespace=NAMESPACE, live=effect.live)


def _holds(xml: str, effect: UpdateNetwork) -> bool:
    """Whether a definition is as the update would leave it."""
    entry = _meaning(parse_xml(effect.xml, what="an entry of a network"))
    entries = [_meaning(item) for item in parse_xml(xml, what="a network").findall(_PATHS[effect.section])]
    return (entry in entries) == (effect.command != "delete")


def _meaning(entry: etree._Element) -> tuple[object, ...]:
    """What an entry says, however it is written. libvirt leaves out zeros."""
    if entry.tag == "portgroup":
        return ("portgroup", read_port_group(entry))
    names = frozenset((child.text or "").strip() for child in entry.findall("hostname"))
    mac = (entry.get("mac") or "").lower()
    return (mac, names, *(entry.get(name) if entry.get(name) != "0" else None for name in _ATTRIBUTES))
