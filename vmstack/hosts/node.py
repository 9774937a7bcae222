"""The machine below the hypervisor over libvirt: processors, memory, devices; and what its guests' NICs have."""

from typing import Any, Final

import libvirt

from vmstack.hosts.driver import DeviceRecord, NicAddresses, NodeRecord
from vmstack.hosts.link import Calls

_KIB_PER_MIB: Final = 1024
_LINK_LOCAL: Final = ("fe80:", "169.254.")
# Errors that only say that there is nothing to hear: the guest is off, or its agent is not there (yet).
_SILENT: Final = frozenset(
    {
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    }
)


class NodeCalls(Calls):
    """The part of `Driver` that is about the machine."""

    def node(self) -> NodeRecord:
        connection = self._link.connection
        with self._link.doing("read the node's information"):
            model, mebibytes, cpus, _, nodes, sockets, cores, threads = connection.getInfo()
            try:
                memory = int(connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)["total"])
            except (libvirt.libvirtError, KeyError, TypeError):  # drivers that only have the rounded figure
                memory = mebibytes * _KIB_PER_MIB
        return NodeRecord(
            cpu_model=model, memory_kib=memory, cpus=cpus, nodes=nodes, sockets=sockets, cores=cores, threads=threads
        )

    def devices(self) -> list[DeviceRecord]:
        with self._link.doing("list devices"):
            handles = self._link.connection.listAllDevices(0)

        def read(handle: Any) -> DeviceRecord:
            with self._link.doing(f"read device {handle.name()}"):
                return DeviceRecord(
                    name=handle.name(),
                    parent=handle.parent(),
                    capabilities=tuple(sorted(handle.listCaps())),
                    xml=handle.XMLDesc(0),
                )

        return self._link.each(read, handles)

    def addresses(self, uuid: str, *, agent: bool) -> list[NicAddresses]:
        source = (
            libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
            if agent
            else libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
        )
        found: dict[str, Any] = {}
        with self._link.doing(f"read the addresses of domain {uuid}"):
            handle = self._link.connection.lookupByUUIDString(uuid)
            if not handle.isActive():
                return []
            try:
                found = handle.interfaceAddresses(source)
            except libvirt.libvirtError as error:
                if error.get_error_code() not in _SILENT:
                    raise
        macs: dict[str, list[str]] = {}
        for card in found.values():
            # The loopback of a guest that its agent tells of has a MAC of zeros.
            addresses = [str(item["addr"]) for item in card.get("addrs") or ()]
            mac = str(card.get("hwaddr") or "").lower()
            macs.setdefault(mac, []).extend(one for one in addresses if not one.startswith(_LINK_LOCAL))
        return [NicAddresses(mac=mac, addresses=tuple(sorted(set(macs[mac])))) for mac in sorted(macs) if mac]
