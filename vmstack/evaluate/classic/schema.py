"""The inputs of `pulumi_libvirt` 0.5.4 by their names on the wire: their types, and which of them are refused and why.

As in the old provider, an input that is empty, zero or False counts as not given (Terraform's `GetOk`), so only one
that asks for something is refused.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

FieldKind = Literal["text", "number", "flag", "texts", "block", "blocks", "reference"]


class Field(NamedTuple):
    """An input. `fields` are those of a block; `refused` says why it cannot be had; `secret` admits secrets.

    A `reference` is a text that may be the id of another resource.
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
    "wwn": _no("text", "disks are known to the guest by their serial"),
    "url": _no("text", "disks are volumes of pools"),
    "file": _no("text", "disks are volumes of pools"),
    "blockDevice": _no("text", "disks are volumes of pools"),
}
_INTERFACE: Final[Schema] = {
    "networkId": _REFERENCE,
    "networkName": _TEXT,
    "hostname": _TEXT,
    "mac": _TEXT,
    "addresses": Field("texts"),
    "waitForLease": _FLAG,
    "bridge": _TEXT,
    "vepa": _no("text", "interfaces are on networks and bridges"),
    "macvtap": _no("text", "interfaces are on networks and bridges"),
    "passthrough": _no("text", "interfaces are on networks and bridges"),
}
_GRAPHICS: Final[Schema] = {
    "type": _TEXT,
    "autoport": _FLAG,
    "listenType": _TEXT,
    "listenAddress": _TEXT,
    "websocket": _no("number", "no port for websockets is opened"),
}
_CONSOLE: Final[Schema] = {
    "type": _TEXT,
    "targetPort": _TEXT,
    "targetType": _TEXT,
    "sourcePath": _no("text", "the serial port is a pty of libvirt's choice"),
    "sourceHost": _no("text", "the serial port is a pty"),
    "sourceService": _no("text", "the serial port is a pty"),
}
DOMAIN: Final[Schema] = {
    "name": _TEXT,
    "description": _TEXT,
    "metadata": _no("text", "the old provider never wrote it, and neither does vmstack"),
    "type": _TEXT,
    "vcpu": _NUMBER,
    "memory": _NUMBER,
    "arch": _no("text", "a guest has the architecture of its host"),
    "machine": _TEXT,
    "emulator": _no("text", "libvirt chooses the emulator"),
    "firmware": _no("text", "a loader cannot be named by its path; use vmstack.VirtualMachine(firmware='uefi')"),
    "nvram": _no("block", "variables of the firmware are libvirt's"),
    "cpu": Field("block", {"mode": _TEXT}),
    "running": _FLAG,
    "autostart": _FLAG,
    "cloudinit": _REFERENCE,
    "coreosIgnition": _no("text", "Ignition and Combustion are not supported"),
    "fwCfgName": _no("text", "Ignition and Combustion are not supported"),
    "kernel": _no("text", "guests boot from their disks"),
    "initrd": _no("text", "guests boot from their disks"),
    "cmdlines": _no("blocks", "guests boot from their disks"),
    "qemuAgent": _FLAG,
    "bootDevices": Field("blocks", {"devs": Field("texts")}),
    "disks": Field("blocks", _DISK),
    "filesystems": _no("blocks", "directories of the host are not shared"),
    "networkInterfaces": Field("blocks", _INTERFACE),
    "graphics": Field("block", _GRAPHICS),
    "video": _no("block", "the video device follows from the display"),
    "consoles": Field("blocks", _CONSOLE),
    "tpm": _no("block", "no TPM is made"),
    "xml": _XSLT,
}
