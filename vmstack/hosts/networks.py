"""Networks over libvirt."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

import libvirt

from vmstack.hosts.driver import NetworkRecord
from vmstack.hosts.link import Calls
from vmstack.hosts.network_metadata import replace_metadata
from vmstack.model.effects import NetworkSection
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.stamp import PREFIX

_LISTINGS: Final = (
    0,
    libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE,
    libvirt.VIR_CONNECT_LIST_NETWORKS_PERSISTENT,
    libvirt.VIR_CONNECT_LIST_NETWORKS_AUTOSTART,
)
_COMMANDS: Final = {
    "add": libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
    "modify": libvirt.VIR_NETWORK_UPDATE_COMMAND_MODIFY,
    "delete": libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
}
_SECTIONS: Final = {
    "ip-dhcp-host": libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST,
    "ip-dhcp-range": libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
    "dns-host": libvirt.VIR_NETWORK_SECTION_DNS_HOST,
    "dns-srv": libvirt.VIR_NETWORK_SECTION_DNS_SRV,
    "dns-txt": libvirt.VIR_NETWORK_SECTION_DNS_TXT,
    "portgroup": libvirt.VIR_NETWORK_SECTION_PORTGROUP,
}


class NetworkCalls(Calls):
    """The network part of `Driver`."""

    def networks(self) -> list[NetworkRecord]:
        listings = self._link.together(*(partial(self._list_networks, flags) for flags in _LISTINGS))
        active, persistent, autostart = (frozenset(handle.UUID() for handle in listing) for listing in listings[1:])

        def read(handle: Any) -> NetworkRecord:
            key = handle.UUID()
            return self._network_record(
                handle, active=key in active, persistent=key in persistent, autostart=key in autostart
            )

        return self._link.each(read, listings[0])

    def network(self, uuid: str) -> NetworkRecord:
        with self._link.doing(f"read network {uuid}"):
            handle = self._link.connection.networkLookupByUUIDString(uuid)
            active, persistent = bool(handle.isActive()), bool(handle.isPersistent())
            # libvirt refuses the question for a transient network.
            autostart = persistent and bool(handle.autostart())
        return self._network_record(handle, active=active, persistent=persistent, autostart=autostart)

    def define_network(self, xml: str) -> None:
        root = parse_xml(xml, what="a network to define")
        name, uuid = root.findtext("name") or "", root.findtext("uuid") or ""
        with self._link.doing(f"define network {name}", taken=lambda: self._is_other_network(name, uuid)):
            self._link.connection.networkDefineXML(xml)

    def start_network(self, uuid: str) -> None:
        self._on_network("start network", uuid, lambda handle: handle.create())

    def set_network_autostart(self, uuid: str, *, enabled: bool) -> None:
        self._on_network("set autostart of network", uuid, lambda handle: handle.setAutostart(int(enabled)))

    def update_network(
        self,
        uuid: str,
        *,
        command: Literal["add", "modify", "delete"],
        section: NetworkSection,
        xml: str,
        parent_index: int,
        live: bool,
        config: bool,
    ) -> None:
        flags = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE if live else 0
        flags |= libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG if config else 0
        self._on_network(
            f"{command} a {section} of network",
            uuid,
            lambda handle: handle.update(_COMMANDS[command], _SECTIONS[section], parent_index, xml, flags),
        )

    def set_network_metadata(self, uuid: str, *, xml: str | None, namespace: str, live: bool) -> None:
        self._on_network(
            "set the metadata of network", uuid, lambda handle: self._set_metadata(handle, xml, namespace, live=live)
        )

    def stop_network(self, uuid: str) -> None:
        self._on_network("stop network", uuid, lambda handle: handle.destroy())

    def undefine_network(self, uuid: str) -> None:
        self._on_network("undefine network", uuid, lambda handle: handle.undefine())

    def _set_metadata(self, handle: Any, xml: str | None, namespace: str, *, live: bool) -> None:
        if hasattr(handle, "setMetadata"):
            flags = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE if live else 0
            flags |= libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
            prefix = PREFIX if xml is not None else None
            try:
                handle.setMetadata(libvirt.VIR_NETWORK_METADATA_ELEMENT, xml, prefix, namespace, flags)
                return
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:  # a new library, an old daemon
                    raise
        old = handle.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        self._link.connection.networkDefineXML(replace_metadata(old, element=xml, namespace=namespace))

    def _network_record(self, handle: Any, *, active: bool, persistent: bool, autostart: bool) -> NetworkRecord:
        with self._link.doing(f"read network {handle.name()}"):
            return NetworkRecord(
                uuid=handle.UUIDString(),
                name=handle.name(),
                active=active,
                persistent=persistent,
                autostart=autostart,
                xml=handle.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE),
                live_xml=handle.XMLDesc(0) if active else None,
                ports=self._ports(handle) if active else None,
            )

    def _ports(self, handle: Any) -> frozenset[str] | None:
        try:
            return frozenset(port.UUIDString() for port in handle.listAllPorts(0))
        except libvirt.libvirtError as error:
            # Not known before libvirt 5.5, nor of a network that somebody stopped since it was listed.
            if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_INVALID):
                return None
            raise

    def _list_networks(self, flags: int) -> list[Any]:
        with self._link.doing("list networks"):
            return list(self._link.connection.listAllNetworks(flags))

    def _on_network(self, what: str, uuid: str, call: Callable[[Any], Any]) -> Any:
        with self._link.doing(f"{what} {uuid}"):
            return call(self._link.connection.networkLookupByUUIDString(uuid))

    def _is_other_network(self, name: str, uuid: str) -> bool:
        try:
            return bool(self._link.connection.networkLookupByName(name).UUIDString() != uuid)
        except libvirt.libvirtError:
            return False
