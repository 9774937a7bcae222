"""The parts of a Domain beyond size, disks, NICs and display: how it boots, its consoles, TPM, directories and XML."""

import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from lxml import etree

from vmstack.errors import DocumentError, InputError
from vmstack.evaluate.native.fields import check_choice, check_host_path, check_label
from vmstack.evaluate.native.subnets import read_address
from vmstack.model.hardware import ConsoleSpec, FilesystemSpec, HardwareSpec, MediumSpec, MetadataSpec, TpmSpec
from vmstack.model.text import check_text
from vmstack.xmlio.safe import parse_xml
from vmstack.xmlio.shares import canonical
from vmstack.xmlio.stamp import NAMESPACE
from vmstack.xmlio.stylesheet import check_stylesheet

_ARCHES: Final = ("x86_64", "i686", "aarch64", "armv7l", "ppc64", "ppc64le", "riscv64", "s390x")
_BOOT: Final = ("hd", "cdrom", "network", "fd")
_VIDEO: Final = (
    "vga", "cirrus", "vmvga", "xen", "vbox", "qxl", "virtio", "gop", "bochs", "ramfb", "none",
)  # fmt: skip
_ACCESS: Final = ("mapped", "passthrough", "squash")
_TPM_MODELS: Final = ("tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy", "tpm-tis-device")
_TPM_BACKENDS: Final[tuple[Literal["emulator", "passthrough"], ...]] = ("emulator", "passthrough")
_TPM_VERSIONS: Final = ("1.2", "2.0")
_TPM_DEVICE: Final = "/dev/tpm0"
_CONSOLES: Final = ("pty", "tcp", "dev", "file", "pipe", "unix", "null")
_TARGETS: Final[tuple[Literal["serial", "virtio"], ...]] = ("serial", "virtio")
_MAX_PORT: Final = 65535
_LOOPBACK: Final = "127.0.0.1"
# What QEMU's drivers for URLs can fetch, and the ports that they mean.
_SCHEMES: Final = {"http": 80, "https": 443, "ftp": 21, "ftps": 990, "tftp": 69}
_KEYLESS: Final = "_"
# QEMU: FW_CFG_MAX_FILE_PATH is 56 with the final NUL; libvirt takes names below opt/ only.
_FW_CFG: Final = re.compile(r"opt/[A-Za-z0-9._/-]{1,51}")
_WWN: Final = re.compile(r"[0-9a-f]{16}")
# The tag of a 9p share (QEMU: MAX_TAG_LEN less the final NUL); a blank would end it where it is mounted.
_TAG: Final = re.compile(r"[!-~]{1,31}")


def read_hardware(values: dict[str, Any]) -> HardwareSpec:
    """The parts as the model has them, disks of other people's (`read_medium`) excepted."""
    nvram = values.get("nvram", {})
    for name in ("file", "template"):
        if nvram.get(name) and not values.get("firmware"):
            raise InputError(f"nvram.{name}: it needs firmware, whose variables it keeps")
    for name in ("initrd", "cmdlines"):
        if values.get(name) and not values.get("kernel"):
            raise InputError(f"{name}: it needs kernel, which it goes with", resolution="name the kernel, too")
    devices = tuple(device for block in values.get("bootDevices", ()) for device in block.get("devs", ()))
    arch = values.get("arch")
    video = values.get("video", {}).get("type")
    return HardwareSpec(
        arch=check_choice(arch, field="arch", allowed=_ARCHES) if arch else None,
        emulator=_path(values, "emulator"),
        loader=_path(values, "firmware"),
        nvram=_path(nvram, "file", at="nvram."),
        nvram_template=_path(nvram, "template", at="nvram."),
        kernel=_path(values, "kernel"),
        initrd=_path(values, "initrd"),
        cmdline=_cmdline(values.get("cmdlines", ())),
        boot=tuple(check_choice(device, field="bootDevices", allowed=_BOOT) for device in devices),
        video=check_choice(video, field="video.type", allowed=_VIDEO) if video else None,
        tpm=_tpm(values.get("tpm", {})),
        consoles=_consoles(values.get("consoles", ())),
        filesystems=_filesystems(values.get("filesystems", ())),
        metadata=_metadata(values.get("metadata")),
        stylesheet=read_stylesheet(values),
    )


def read_stylesheet(values: dict[str, Any]) -> str | None:
    """The stylesheet of a resource, if it has one."""
    text: str | None = values.get("xml", {}).get("xslt")
    if not text or not text.strip():
        return None
    try:
        check_stylesheet(text)
    except DocumentError as error:
        raise InputError(f"xml.xslt: {error.brief}", details=error.details, resolution=error.resolution) from error
    return text


def read_medium(block: dict[str, Any], *, name: str, place: int, at: str, machine: str) -> MediumSpec:
    """A disk that is a file, a block device or behind a URL. `machine` decides which bus CD-ROMs are on."""
    source, kind = _source(block, at=at)
    path = urlsplit(source).path if kind == "network" else source
    optical = kind != "block" and path.endswith(".iso")
    bus: Literal["virtio", "scsi", "sata", "ide"] = "scsi" if block.get("scsi") else "virtio"
    if optical and bus == "virtio":
        bus = "ide" if machine.startswith(("pc-i440fx", "pc")) and "q35" not in machine else "sata"
    return MediumSpec(
        name=name,
        kind=kind,
        source=source,
        format="qcow2" if kind != "block" and path.endswith(".qcow2") else "raw",
        bus=bus,
        device="cdrom" if optical else "disk",
        # QEMU cannot write to what it fetches by a URL.
        readonly=optical or kind == "network",
        wwn=read_wwn(block, at=at),
        place=place,
    )


def read_wwn(block: dict[str, Any], *, at: str) -> str | None:
    """A world wide name: libvirt takes it for disks on a SCSI bus."""
    text = str(block.get("wwn") or "").lower().removeprefix("0x")
    if not text:
        return None
    if not _WWN.fullmatch(text):
        raise InputError(f"{at}.wwn: {text!r} is not a world wide name (16 hexadecimal digits)")
    if not block.get("scsi"):
        raise InputError(f"{at}.wwn: only disks on a SCSI bus have one", resolution="give the disk scsi=True")
    return text


def _source(block: dict[str, Any], *, at: str) -> tuple[str, Literal["file", "block", "network"]]:
    if block.get("file"):
        return check_host_path(block["file"], field=f"{at}.file"), "file"
    if block.get("blockDevice"):
        return check_host_path(block["blockDevice"], field=f"{at}.blockDevice"), "block"
    text = check_text(block["url"], field=f"{at}.url")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InputError(f"{at}.url: it is not a URL") from None
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{at}.url: it holds a user or a password, which would be shown in plans and on the host")
    if parts.scheme not in _SCHEMES or not parts.hostname or not parts.path.strip("/"):
        raise InputError(
            f"{at}.url: {text!r} is not a URL of a file",
            resolution=f"its scheme is one of {', '.join(_SCHEMES)}, and it names a host and a path",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    query = f"?{parts.query}" if parts.query else ""
    path = parts.path.removeprefix("/")
    return f"{parts.scheme}://{host}:{port or _SCHEMES[parts.scheme]}/{path}{query}", "network"


def _path(values: dict[str, Any], name: str, *, at: str = "") -> str | None:
    return check_host_path(values[name], field=f"{at}{name}") if values.get(name) else None


def _cmdline(blocks: list[dict[str, str]] | tuple[()]) -> str | None:
    """The arguments of the kernel in the old provider's order: all of them by the alphabet."""
    words = [value if name == _KEYLESS else f"{name}={value}" for block in blocks for name, value in block.items()]
    return check_text(" ".join(sorted(words)), field="cmdlines") or None


def _tpm(block: dict[str, Any]) -> TpmSpec | None:
    if not any(block.values()):
        return None
    backend = check_choice(block.get("backendType") or "emulator", field="tpm.backendType", allowed=_TPM_BACKENDS)
    emulated = backend == "emulator"
    for name, fits in (
        ("backendDevicePath", not emulated),
        ("backendVersion", emulated),
        ("backendPersistentState", emulated),
        ("backendEncryptionSecret", emulated),
    ):
        if block.get(name) and not fits:
            raise InputError(f"tpm.{name}: a TPM of the backend {backend!r} has none", resolution="leave it out")
    version = block.get("backendVersion") or "2.0"
    model = block.get("model")
    return TpmSpec(
        model=check_choice(model, field="tpm.model", allowed=_TPM_MODELS) if model else "",
        backend=backend,
        version=check_choice(version, field="tpm.backendVersion", allowed=_TPM_VERSIONS) if emulated else None,
        persistent_state=bool(block.get("backendPersistentState")),
        device=None if emulated else _path(block, "backendDevicePath", at="tpm.") or _TPM_DEVICE,
        secret=_secret(block.get("backendEncryptionSecret")),
    )


def _secret(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return str(UUID(text))
    except ValueError:  # whatever it is, it may be a passphrase
        raise InputError(
            "tpm.backendEncryptionSecret: it is not a UUID",
            resolution="make a secret in libvirt (virsh secret-define) and give its UUID; a passphrase never goes here",
        ) from None


def is_ordinary(block: dict[str, Any]) -> bool:
    """Whether a console is one that needs no word: the first serial port, or a paravirtual one, both as a pty."""
    kind, target, port = block.get("type"), block.get("targetType") or "serial", block.get("targetPort") or "0"
    return kind == "pty" and (target, port) in (("serial", "0"), ("virtio", "0"), ("virtio", "1"))


def has_virtio_console(values: dict[str, Any]) -> bool:
    return any(block.get("targetType") == "virtio" for block in values.get("consoles", ()))


def _consoles(blocks: list[dict[str, Any]] | tuple[()]) -> tuple[ConsoleSpec, ...]:
    """All serial ports and consoles, the first serial port among them; nothing where ordinary ones will do."""
    found = [_console(block, at=f"consoles[{index}]") for index, block in enumerate(blocks)]
    if all(is_ordinary(block) for block in blocks) and sum(item.target == "virtio" for item in found) <= 1:
        return ()
    serials: dict[int, ConsoleSpec] = {}
    for index, item in enumerate(found):
        if item.target == "serial" and serials.setdefault(item.port, item) is not item:
            raise InputError(f"consoles[{index}].targetPort: another console has the serial port {item.port}")
    serials.setdefault(0, ConsoleSpec())
    others = sorted((item for item in found if item.target == "virtio"), key=lambda item: item.port)
    # libvirt counts paravirtual consoles by itself.
    numbered = [
        ConsoleSpec(target="virtio", port=port, type=item.type, path=item.path, host=item.host, service=item.service)
        for port, item in enumerate(others)
    ]
    return (*(serials[port] for port in sorted(serials)), *numbered)


def _console(block: dict[str, Any], *, at: str) -> ConsoleSpec:
    kind = check_choice(block.get("type"), field=f"{at}.type", allowed=_CONSOLES)
    target = check_choice(block.get("targetType") or "serial", field=f"{at}.targetType", allowed=_TARGETS)
    port = block.get("targetPort") or "0"
    if not port.isdecimal() or int(port) > _MAX_PORT:
        raise InputError(f"{at}.targetPort: {port!r} is not a number of a port")
    host = service = None
    if kind == "tcp":
        host = str(read_address(block.get("sourceHost") or _LOOPBACK, field=f"{at}.sourceHost"))
        service = block.get("sourceService") or "0"
        if not service.isdecimal() or int(service) > _MAX_PORT:
            raise InputError(f"{at}.sourceService: {service!r} is not a TCP port")
    else:
        for name in ("sourceHost", "sourceService"):
            if block.get(name):
                raise InputError(f"{at}.{name}: only a console of the type 'tcp' has one", resolution="leave it out")
    path = None
    if kind in ("dev", "file", "pipe", "unix"):
        if not block.get("sourcePath"):
            raise InputError(f"{at}.sourcePath: it is missing", resolution=f"a console of the type {kind!r} needs it")
        path = check_host_path(block["sourcePath"], field=f"{at}.sourcePath")
    elif block.get("sourcePath") and kind != "pty":
        raise InputError(f"{at}.sourcePath: a console of the type {kind!r} has none", resolution="leave it out")
    return ConsoleSpec(target=target, port=int(port), type=kind, path=path, host=host, service=service)


def _filesystems(blocks: list[dict[str, Any]] | tuple[()]) -> tuple[FilesystemSpec, ...]:
    found: dict[str, FilesystemSpec] = {}
    for index, block in enumerate(blocks):
        at = f"filesystems[{index}]"
        tag = str(block.get("target") or "")
        if not _TAG.fullmatch(tag):
            raise InputError(f"{at}.target: {tag!r} is not a tag to mount by (1 to 31 visible ASCII characters)")
        if tag in found:
            raise InputError(f"{at}.target: another filesystem has the tag {tag!r}")
        mode = block.get("accessmode") or "mapped"
        found[tag] = FilesystemSpec(
            source=check_host_path(block.get("source") or "", field=f"{at}.source"),
            target=tag,
            accessmode=check_choice(mode, field=f"{at}.accessmode", allowed=_ACCESS),
            readonly=block.get("readonly", True),
        )
    return tuple(found[tag] for tag in sorted(found))


def _metadata(text: str | None) -> tuple[MetadataSpec, ...]:
    """An element for `<metadata>`. The old provider lost it; libvirt keeps one with a namespace."""
    if not text or not text.strip():
        return ()
    try:
        root = parse_xml(text.strip(), what="metadata", compact=True)
    except DocumentError as error:
        raise InputError(
            "metadata: it is not XML, and libvirt keeps nothing else",
            details=error.details or (error.brief,),
            resolution='write an element with a namespace: <app:info xmlns:app="urn:example:app">...</app:info>',
        ) from error
    namespace = etree.QName(root).namespace
    if not namespace or namespace.split() != [namespace] or namespace == NAMESPACE:
        raise InputError(
            "metadata: its element needs a namespace of its own, by which libvirt keeps it",
            resolution='write it as <app:info xmlns:app="urn:example:app">...</app:info>',
        )
    return (MetadataSpec(namespace=namespace, xml=canonical(root)),)


def read_fw_cfg_name(values: dict[str, Any]) -> str | None:
    """The name under which the guest finds its Ignition; QEMU keeps names outside of `opt/` for itself."""
    name = values.get("fwCfgName")
    if not name:
        return None
    if not values.get("coreosIgnition"):
        raise InputError("fwCfgName: it needs coreosIgnition, which it is the name of")
    if not _FW_CFG.fullmatch(name) or name.startswith("opt/ovmf/"):
        raise InputError(
            f"fwCfgName: {name!r} is not a name of the program's own",
            resolution='write it like "opt/com.coreos/config" (at most 55 characters; QEMU owns the others)',
        )
    return str(name)


def check_machine(values: dict[str, Any]) -> str | None:
    return check_label(values["machine"], field="machine") if values.get("machine") else None
