"""Options of classic resources in the model's words."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.classic.scene import NATIVE_URN, Scene
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.engine.values import reveal
from vmstack.model.graph import Options
from vmstack.model.hooks import Hook
from vmstack.model.identity import Key, Kind

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
_NONE: Final[frozenset[str]] = frozenset()
# How something runs; making it anew changes nothing about that.
_RUNNING: Final = frozenset({"power", "autostart"})
_MEMBER: Final = re.compile(r"(disks|networkInterfaces)\[(\d+)\](?:\.(\w+))?")
_WORD: Final = re.compile(r"_([a-z0-9])")

# From an input and a position in it to the name of the disk or NIC there, if there is one.
Members = Callable[[str, int], str | None]


def refuse_replacing(registration: Registration, *, why: str) -> None:
    """Raise `InputError` where the program asks to have made anew what never is."""
    options: dict[str, object] = {
        "replace_on_changes": registration.replace_on_changes,
        "replacement_trigger": registration.replacement_trigger,
        "replace_with": registration.replace_with,
    }
    for option, value in options.items():
        if value not in ((), None):
            raise InputError(
                f"{registration.title}: the option {option} is not supported: {why}", resolution="leave it out"
            )


def read_options(registration: Registration, *, kind: Kind, scene: Scene, members: Members | None = None) -> Options:
    """Translate the options. Raises `InputError` for what an option cannot name, such as a path that is no field."""

    def fields(option: str, paths: tuple[str, ...], *, what: str, but: frozenset[str] = _NONE) -> tuple[str, ...]:
        found: list[str] = []
        for path in paths:
            one = _translate(_camel(path), kind=kind, members=members)
            if not one or but & set(one):
                known = [name for name, found in _FIELDS.get(kind, {}).items() if not but & set(found)]
                raise InputError(
                    f"{option}: {path!r} cannot be {what}", resolution=f"these can: {', '.join(['*', *known])}"
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
        replace_on_changes=fields(
            "replace_on_changes", registration.replace_on_changes, what="a reason to make it anew", but=_RUNNING
        ),
        replacement_trigger=_digest(registration.replacement_trigger),
        replace_with=tuple(sorted(_partners(registration, scene=scene))),
        hooks=tuple(
            Hook(event=event, name=name, urn=registration.urn, tolerant=scene.recorder.hooks.tolerates(name))
            for event, name in registration.hooks
        ),
    )


def _digest(trigger: object) -> str | None:
    """Enough to tell a value from another; the value itself, which may be a secret, goes nowhere."""
    if trigger is None:
        return None
    text = json.dumps(reveal(trigger)[0], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _partners(registration: Registration, *, scene: Scene) -> Iterator[Key]:
    """The keys of what `replace_with` names. Raises `InputError` for what is never made anew."""
    for urn in registration.replace_with:
        declared = scene.declared.get(urn)
        key = declared.key if declared is not None else scene.deferred.get(urn)
        if key is None and urn.startswith(NATIVE_URN):
            kind, name = urn.split("/")[-2:]
            key = Key(Kind(kind), name)
        if key is None or key.kind not in (Kind.VOLUME, Kind.NETWORK, Kind.VM):
            raise InputError(
                f"replace_with: {urn.rpartition('::')[2]!r} is nothing that vmstack makes anew",
                resolution="name volumes, networks and domains of the program",
            )
        yield key


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
