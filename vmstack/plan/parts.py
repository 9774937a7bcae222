"""Parts of a domain that are known by a key of their own, and how values of a domain are shown to people."""

from vmstack.model.compute import CellSpec, CpuFeatureSpec, PinSpec, TimerSpec, TopologySpec
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import (
    BalloonSpec,
    BandwidthSpec,
    ConsoleSpec,
    FilesystemSpec,
    FwCfgSpec,
    GraphicsSpec,
    HostDeviceSpec,
    IoTuneSpec,
    MetadataSpec,
    RngSpec,
    TpmSpec,
    VsockSpec,
    WatchdogSpec,
)
from vmstack.model.sizes import format_size

Keyed = ConsoleSpec | FilesystemSpec | MetadataSpec | HostDeviceSpec | CpuFeatureSpec | PinSpec | CellSpec | TimerSpec
_KIB = 1024


def keyed(config: DomainConfig, name: str) -> dict[str, Keyed]:
    """The items of a list by what tells them apart."""
    items: tuple[Keyed, ...] = getattr(config, name)
    return {_key(item): item for item in items}


def _key(item: Keyed) -> str:
    match item:
        case ConsoleSpec():
            return f"{item.target}{item.port}"
        case FilesystemSpec():
            return item.target
        case MetadataSpec():
            return item.namespace
        case CpuFeatureSpec() | TimerSpec():
            return item.name
        case PinSpec():
            return str(item.vcpu)
        case CellSpec():
            return str(item.id)
        case HostDeviceSpec():
            return item.name


def place_of(item: Keyed) -> tuple[str, int]:
    """What items are sorted by: serial ports count, whatever libvirt names them."""
    match item:
        case ConsoleSpec():
            return item.target, item.port
        case PinSpec():
            return "", item.vcpu
        case CellSpec():
            return "", item.id
    return _key(item), 0


def show(value: object) -> object:
    """A value as people read it, in one line."""
    match value:
        case GraphicsSpec():
            address = value.listen or "an address of libvirt's choice"
            where = {"address": address, "none": "no socket"}.get(value.how, "a UNIX socket")
            web = "" if value.websocket is None else f", websocket {value.websocket}"
            return f"{value.type} on {where}{web}"
        case TpmSpec():
            parts = (value.model, value.version, value.device, "encrypted" if value.secret else None)
            kept = "persistent" if value.persistent_state else None
            return " ".join(part for part in (value.backend, *parts, kept) if part)
        case FwCfgSpec():
            return f"{value.path} as {value.name}"
        case ConsoleSpec():
            place = f"{value.host}:{value.service}" if value.type == "tcp" else value.path
            return " ".join(part for part in (value.type, place) if part)
        case FilesystemSpec():
            how = f"{value.driver}, {value.accessmode}" if value.driver else value.accessmode
            return f"{value.source} ({how}{', read-only' if value.readonly else ''})"
        case MetadataSpec():
            return value.xml
        case CpuFeatureSpec():
            return value.policy
        case PinSpec():
            return f"CPUs {value.cpus}"
        case CellSpec():
            return f"vcpus {value.cpus}, {format_size(value.memory_kib * _KIB)}"
        case TimerSpec():
            there = {None: None, True: "present", False: "absent"}[value.present]
            return ", ".join(part for part in (there, value.tickpolicy) if part) or "as the hypervisor has it"
        case TopologySpec():
            counts = (
                (value.sockets, "sockets"),
                (value.dies, "dies"),
                (value.cores, "cores"),
                (value.threads, "threads"),
            )
            return ", ".join(f"{count} {name if count != 1 else name[:-1]}" for count, name in counts)
        case RngSpec():
            rate = f", {value.rate_bytes} bytes in {value.rate_period or 1000} ms" if value.rate_bytes else ""
            return f"{value.source or value.backend}{rate}{_other(value.model)}"
        case WatchdogSpec():
            return f"{value.model}, {value.action}"
        case BalloonSpec():
            marks = {
                "autodeflate": value.autodeflate,
                "free page reporting": value.free_page_reporting,
                f"figures every {value.stats_period} s": value.stats_period,
            }
            return ", ".join((value.model, *(mark for mark, there in marks.items() if there)))
        case VsockSpec():
            return f"{'any CID' if value.cid is None else f'CID {value.cid}'}{_other(value.model)}"
        case HostDeviceSpec():
            return value.name if value.managed else f"{value.name} (unmanaged)"
        case IoTuneSpec():
            limits = ((name, getattr(value, name)) for name in value.__struct_fields__)
            return ", ".join(
                f"{name} {format_size(limit) if name.endswith('bytes') else limit}/s" for name, limit in limits if limit
            )
        case BandwidthSpec():
            more = "".join(
                f", {name} {format_size(part * _KIB)}"
                for name, part in (("peak", value.peak), ("burst", value.burst))
                if part is not None
            )
            return f"{format_size(value.average * _KIB)}/s{more}"
        case tuple() if value and isinstance(value[0], tuple):
            return ", ".join("=".join(str(part) for part in item) for item in value)
        case tuple():
            return ", ".join(str(item) for item in value)
    return value


def _other(model: str) -> str:
    """A model worth telling."""
    return "" if model == "virtio" else f" ({model})"
