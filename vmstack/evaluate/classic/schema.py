"""The inputs of `pulumi_libvirt` 0.5.4 by their names on the wire: their types, and which of them are refused and why.

As in the old provider, an input that is empty, zero or False counts as not given (Terraform's `GetOk`), so only one
that asks for something is refused.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

FieldKind = Literal["text", "number", "flag", "texts", "maps", "block", "blocks", "reference"]


class Field(NamedTuple):
    """An input. `fields` are those of a block; `refused` says why it cannot be had; `secret` admits secrets.

    A `reference` is a text that may be the id of another resource. `maps` are objects from names to texts.
    """

    kind: FieldKind
    fields: "Mapping[str, Field] | None" = None
    refused: str | None = None
    secret: bool = False


Schema = Mapping[str, Field]

_TEXT: Final = Field("text")
_NUMBER: Final = Field("number")
_FLAG: Final = Field("flag")
_REFERENCE: Final = Field("reference")


def _no(kind: FieldKind, why: str) -> Field:
    return Field(kind, refused=why)


_XSLT: Final = _no("block", "XSLT is not applied")
_STYLESHEET: Final = Field("block", {"xslt": _TEXT})
_COMPUTED: Final = "only the host knows it"

PROVIDER: Final[Schema] = {"uri": _TEXT}
POOL: Final[Schema] = {
    "name": _TEXT,
    "type": _TEXT,
    "path": _TEXT,
    "target": Field("block", {"path": _TEXT}),
    "source": Field("block", {"name": _TEXT, "devices": Field("blocks", {"path": _TEXT})}),
    "capacity": _no("number", _COMPUTED),
    "allocation": _no("number", _COMPUTED),
    "available": _no("number", _COMPUTED),
    "xml": _STYLESHEET,
}
VOLUME: Final[Schema] = {
    "name": _TEXT,
    "pool": _TEXT,
    "source": _TEXT,
    "size": _NUMBER,
    "format": _TEXT,
    "baseVolumeId": _REFERENCE,
    "baseVolumeName": _TEXT,
    "baseVolumePool": _TEXT,
    "xml": _STYLESHEET,
}
CLOUD_INIT_DISK: Final[Schema] = {
    "name": _TEXT,
    "pool": _TEXT,
    "userData": Field("text", secret=True),
    "metaData": Field("text", secret=True),
    "networkConfig": Field("text", secret=True),
}
_SRV: Final[Schema] = {
    "service": _TEXT,
    "protocol": _TEXT,
    "domain": _TEXT,
    "target": _TEXT,
    "port": _NUMBER,
    "priority": _NUMBER,
    "weight": _NUMBER,
}
IGNITION: Final[Schema] = {"name": _TEXT, "pool": _TEXT, "content": Field("text", secret=True)}
NETWORK: Final[Schema] = {
    "name": _TEXT,
    "mode": _TEXT,
    "domain": _TEXT,
    "bridge": _TEXT,
    "addresses": Field("texts"),
    "mtu": _NUMBER,
    "autostart": _FLAG,
    "dhcp": Field("block", {"enabled": _FLAG}),
    "dns": Field(
        "block",
        {
            "enabled": _FLAG,
            "localOnly": _FLAG,
            "forwarders": Field("blocks", {"address": _TEXT, "domain": _TEXT}),
            "srvs": Field("blocks", _SRV),
            "hosts": Field("blocks", {"ip": _TEXT, "hostname": _TEXT}),
        },
    ),
    "routes": Field("blocks", {"cidr": _TEXT, "gateway": _TEXT}),
    "dnsmasqOptions": Field("block", {"options": Field("blocks", {"optionName": _TEXT, "optionValue": _TEXT})}),
    "xml": _STYLESHEET,
}
_DISK: Final[Schema] = {
    "volumeId": _REFERENCE,
    "scsi": _FLAG,
    "wwn": _TEXT,
    "url": _TEXT,
    "file": _TEXT,
    "blockDevice": _TEXT,
}
_INTERFACE: Final[Schema] = {
    "networkId": _REFERENCE,
    "networkName": _TEXT,
    "hostname": _TEXT,
    "mac": _TEXT,
    "addresses": Field("texts"),
    "waitForLease": _FLAG,
    "bridge": _TEXT,
    "vepa": _TEXT,
    "macvtap": _TEXT,
    "passthrough": _TEXT,
}
_GRAPHICS: Final[Schema] = {
    "type": _TEXT,
    "autoport": _FLAG,
    "listenType": _TEXT,
    "listenAddress": _TEXT,
    "websocket": _NUMBER,
}
_CONSOLE: Final[Schema] = {
    "type": _TEXT,
    "targetPort": _TEXT,
    "targetType": _TEXT,
    "sourcePath": _TEXT,
    "sourceHost": _TEXT,
    "sourceService": _TEXT,
}
_FILESYSTEM: Final[Schema] = {"accessmode": _TEXT, "source": _TEXT, "target": _TEXT, "readonly": _FLAG}
_TPM: Final[Schema] = {
    "model": _TEXT,
    "backendType": _TEXT,
    "backendDevicePath": _TEXT,
    "backendEncryptionSecret": _TEXT,
    "backendVersion": _TEXT,
    "backendPersistentState": _FLAG,
}
DOMAIN: Final[Schema] = {
    "name": _TEXT,
    "description": _TEXT,
    "metadata": _TEXT,
    "type": _TEXT,
    "vcpu": _NUMBER,
    "memory": _NUMBER,
    "arch": _TEXT,
    "machine": _TEXT,
    "emulator": _TEXT,
    "firmware": _TEXT,
    "nvram": Field("block", {"file": _TEXT, "template": _TEXT}),
    "cpu": Field("block", {"mode": _TEXT}),
    "running": _FLAG,
    "autostart": _FLAG,
    "cloudinit": _REFERENCE,
    "coreosIgnition": _REFERENCE,
    "fwCfgName": _TEXT,
    "kernel": _TEXT,
    "initrd": _TEXT,
    "cmdlines": Field("maps"),
    "qemuAgent": _FLAG,
    "bootDevices": Field("blocks", {"devs": Field("texts")}),
    "disks": Field("blocks", _DISK),
    "filesystems": Field("blocks", _FILESYSTEM),
    "networkInterfaces": Field("blocks", _INTERFACE),
    "graphics": Field("block", _GRAPHICS),
    "video": Field("block", {"type": _TEXT}),
    "consoles": Field("blocks", _CONSOLE),
    "tpm": Field("block", _TPM),
    "xml": Field("block", {"xslt": _TEXT}),
}
