"""Options of classic resources in the model's words."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.engine.registration import Registration
from vmstack.model.graph import Options
from vmstack.model.identity import Kind

# Inputs (wire names) and the model's fields that they decide.
_FIELDS: Final[dict[Kind, dict[str, tuple[str, ...]]]] = {
    Kind.VM: {
        "name": ("label",), "description": ("description",), "type": ("domain_type",), "vcpu": ("vcpus", "max_vcpus"),
        "memory": ("memory", "max_memory"), "machine": ("machine",), "cpu": ("cpu_mode",), "cpu.mode": ("cpu_mode",),
        "running": ("power",), "autostart": ("autostart",), "cloudinit": ("cloud_init",), "disks": ("disks",),
        "networkInterfaces": ("nics",), "graphics": ("graphics",), "metadata": ("metadata",), "arch": ("arch",),
        "emulator": ("emulator",), "firmware": ("firmware", "loader"), "nvram": ("nvram", "nvram_template"),
        "nvram.file": ("nvram",), "nvram.template": ("nvram_template",), "kernel": ("kernel",),
        "initrd": ("initrd",), "cmdlines": ("cmdline",), "bootDevices": ("boot",), "filesystems": ("filesystems",),
        "video": ("video",), "video.type": ("video",), "consoles": ("consoles", "virtio_console"), "tpm": ("tpm",),
        "coreosIgnition": ("ignition",), "fwCfgName": ("ignition",),
        "xml": ("stylesheet",), "xml.xslt": ("stylesheet",),
    },
    Kind.VOLUME: {
        "source": ("source", "image"), "size": ("capacity",), "format": ("format",),
        "baseVolumeId": ("source", "image"), "baseVolumeName": ("source", "image"),
        "baseVolumePool": ("source", "image"), "xml": ("xslt",), "xml.xslt": ("xslt",),
    },
    Kind.NETWORK: {
        "mode": ("mode",), "bridge": ("bridge",), "addresses": ("subnets",), "domain": ("domain",), "mtu": ("mtu",),
        "autostart": ("autostart",), "dhcp": ("dhcp",), "dhcp.enabled": ("dhcp",),
        "dns": ("dns_enabled", "domain_local", "dns_forwarders", "dns_srvs", "dns_hosts"),
        "dns.enabled": ("dns_enabled",), "dns.localOnly": ("domain_local",), "dns.forwarders": ("dns_forwarders",),
        "dns.srvs": ("dns_srvs",), "dns.hosts": ("dns_hosts",), "routes": ("routes",),
        "dnsmasqOptions": ("dnsmasq_options",), "dnsmasqOptions.options": ("dnsmasq_options",), "xml": ("xslt",),
        "xml.xslt": ("xslt",),
    },
    Kind.POOL: {
        "path": ("path",), "target": ("path",), "target.path": ("path",), "source.devices": ("devices",),
        "xml": ("xslt",), "xml.xslt": ("xslt",),
    },
}  # fmt: skip
_ITEMS: Final = {
    "volumeId": "volume", "scsi": "bus", "file": "volume", "blockDevice": "volume", "url": "url", "wwn": "wwn",
}  # fmt: skip
_NICS: Final = {
    "networkId": "network", "networkName": "network", "bridge": "bridge", "vepa": "interface",
    "macvtap": "interface", "passthrough": "interface",
}  # fmt: skip
_MEMBER: Final = re.compile(r"(disks|networkInterfaces)\[(\d+)\](?:\.(\w+))?")
_WORD: Final = re.compile(r"_([a-z0-9])")

# From an input and a position in it to the name of the disk or NIC there, if there is one.
Members = Callable[[str, int], str | None]


def read_options(registration: Registration, *, kind: Kind, members: Members | None = None) -> Options:
    """Translate the options. Raises `InputError` for an ignored path that is no field of vmstack's."""

    def fields(option: str, paths: tuple[str, ...], *, what: str) -> tuple[str, ...]:
        found: list[str] = []
        for path in paths:
            one = _translate(_camel(path), kind=kind, members=members)
            if not one:
                raise InputError(
                    f"{option}: {path!r} cannot be {what}",
                    resolution=f"these can: {', '.join(['*', *_FIELDS.get(kind, {})])}",
                )
            found += one
        return tuple(dict.fromkeys(found))

    return Options(
        protect=registration.protect,
        ignore_changes=fields("ignore_changes", registration.ignore_changes, what="ignored"),
        aliases=tuple(name for name in registration.aliases if name != registration.name),
        hide_diffs=fields("hide_diffs", registration.hide_diffs, what="hidden"),
        retain=registration.retain,
        import_id=registration.import_id or None,
    )


def _translate(path: str, *, kind: Kind, members: Members | None) -> tuple[str, ...]:
    if path == "*":
        return ("*",)
    known: Mapping[str, tuple[str, ...]] = _FIELDS.get(kind, {})
    if path in known:
        return known[path]
    match = _MEMBER.fullmatch(path)
    if match is None or members is None:
        return ()
    group, position, field = match[1], int(match[2]), match[3]
    name = members(group, position)
    table, owner = (_ITEMS, "disks") if group == "disks" else (_NICS, "nics")
    if name is None or (field is not None and field not in table):
        return ()
    return (f"{owner}[{name}]" + (f".{table[field]}" if field else ""),)


def _camel(path: str) -> str:
    """The wire's spelling: programs write nested paths in either, and `["a"]` for `.a`."""
    dotted = re.sub(r"\[\"(\w+)\"\]", r".\1", path)
    return _WORD.sub(lambda match: match[1].upper(), dotted)
