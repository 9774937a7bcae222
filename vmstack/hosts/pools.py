"""Storage pools over libvirt."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import libvirt

from vmstack.errors import HostError
from vmstack.hosts.driver import PoolRecord, PoolUsage
from vmstack.hosts.link import Calls
from vmstack.xmlio.safe import parse_xml

_LISTINGS: Final = (
    0,
    libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE,
    libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART,
)


class PoolCalls(Calls):
    """The pool part of `Driver`."""

    def pools(self) -> list[PoolRecord]:
        listings = self._link.together(*(partial(self._list_pools, flags) for flags in _LISTINGS))
        active, autostart = (frozenset(handle.UUID() for handle in listing) for listing in listings[1:])

        def read(handle: Any) -> PoolRecord:
            return self._pool_record(handle, active=handle.UUID() in active, autostart=handle.UUID() in autostart)

        return self._link.each(read, listings[0])

    def pool(self, name: str) -> PoolRecord:
        with self._link.doing(f"read pool {name}"):
            handle = self._link.connection.storagePoolLookupByName(name)
            active = bool(handle.isActive())
            autostart = bool(handle.isPersistent() and handle.autostart())
        return self._pool_record(handle, active=active, autostart=autostart)

    def pool_usage(self, name: str) -> PoolUsage:
        handle = self._on_pool("read pool", name, lambda handle: handle)
        with self._link.doing(f"read pool {name}"):
            if not handle.isActive():
                raise HostError(f"pool {name} is not active")
            _, capacity, allocation, available = handle.info()
        return PoolUsage(capacity=capacity, allocation=allocation, available=available)

    def define_pool(self, xml: str) -> None:
        root = parse_xml(xml, what="a pool to define")
        name, uuid = root.findtext("name") or "", root.findtext("uuid") or ""
        self._link.forget_pool(name)
        with self._link.doing(f"define pool {name}", taken=lambda: self._is_other_pool(name, uuid)):
            self._link.connection.storagePoolDefineXML(xml, 0)

    def build_pool(self, name: str) -> None:
        self._on_pool("build pool", name, lambda handle: handle.build(0))

    def start_pool(self, name: str) -> None:
        self._on_pool("start pool", name, lambda handle: handle.create(0))

    def set_pool_autostart(self, name: str, *, enabled: bool) -> None:
        self._on_pool("set autostart of pool", name, lambda handle: handle.setAutostart(int(enabled)))

    def refresh_pool(self, name: str) -> None:
        self._on_pool("refresh pool", name, lambda handle: handle.refresh(0))

    def stop_pool(self, name: str) -> None:
        self._on_pool("stop pool", name, lambda handle: handle.destroy())

    def delete_pool_directory(self, name: str) -> None:
        self._on_pool("delete the directory of pool", name, lambda handle: handle.delete(0))

    def undefine_pool(self, name: str) -> None:
        self._on_pool("undefine pool", name, lambda handle: handle.undefine())

    def _pool_record(self, handle: Any, *, active: bool, autostart: bool) -> PoolRecord:
        with self._link.doing(f"read pool {handle.name()}"):
            return PoolRecord(
                uuid=handle.UUIDString(),
                name=handle.name(),
                active=active,
                autostart=autostart,
                xml=handle.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE),
                available=handle.info()[3] if active else None,
            )

    def _list_pools(self, flags: int) -> list[Any]:
        with self._link.doing("list pools"):
            return list(self._link.connection.listAllStoragePools(flags))

    def _on_pool(self, what: str, name: str, call: Callable[[Any], Any]) -> Any:
        self._link.forget_pool(name)
        with self._link.doing(f"{what} {name}"):
            return call(self._link.connection.storagePoolLookupByName(name))

    def _is_other_pool(self, name: str, uuid: str) -> bool:
        try:
            return bool(self._link.connection.storagePoolLookupByName(name).UUIDString() != uuid)
        except libvirt.libvirtError:
            return False
