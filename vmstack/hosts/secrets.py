"""Secrets of usage type `volume` over libvirt."""

from typing import Any

import libvirt

from vmstack.hosts.driver import SecretRecord
from vmstack.hosts.link import Calls
from vmstack.hosts.secret_xml import read_description, write_secret


class SecretCalls(Calls):
    """The secrets part of `Driver`."""

    def secrets(self, *, usage_prefix: str) -> list[SecretRecord]:
        with self._link.doing("list secrets"):
            handles = self._link.connection.listAllSecrets(0)
        return self._link.each(
            self._secret_record,
            [
                handle
                for handle in handles
                if handle.usageType() == libvirt.VIR_SECRET_USAGE_TYPE_VOLUME
                and handle.usageID().startswith(usage_prefix)
            ],
        )

    def define_secret(self, *, uuid: str, usage: str, description: str) -> None:
        xml = write_secret(uuid=uuid, usage=usage, description=description)
        with self._link.doing(f"define secret {usage}", taken=lambda: self._is_other_secret(usage, uuid)):
            self._link.connection.secretDefineXML(xml, 0)

    def undefine_secret(self, uuid: str) -> None:
        with self._link.doing(f"undefine secret {uuid}"):
            self._link.connection.secretLookupByUUIDString(uuid).undefine()

    def _secret_record(self, handle: Any) -> SecretRecord:
        with self._link.doing(f"read secret {handle.usageID()}"):
            return SecretRecord(
                uuid=handle.UUIDString(), usage=handle.usageID(), description=read_description(handle.XMLDesc(0))
            )

    def _is_other_secret(self, usage: str, uuid: str) -> bool:
        try:
            handle = self._link.connection.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, usage)
            return bool(handle.UUIDString() != uuid)
        except libvirt.libvirtError:
            return False
