"""VMs, as a program says them."""

import ipaddress
from collections.abc import Callable
from typing import Final, NamedTuple, get_args

from vmstack.evaluate.authoring.compute import (
    TUNED,
    say_boot,
    say_clock,
    say_cpu,
    say_crash,
    say_hugepages,
    say_hyperv,
    say_numa,
    say_reboot,
    say_title,
    say_tpm,
)
from vmstack.evaluate.authoring.devices import write_devices
from vmstack.evaluate.authoring.networks import write_bandwidth
from vmstack.evaluate.authoring.source import Call, Value
from vmstack.evaluate.authoring.storage import size_of, write_disk, write_drive
from vmstack.evaluate.authoring.survey import Machine, Part
from vmstack.evaluate.authoring.unsaid import unsaid_of_domain
from vmstack.evaluate.native.devices import VideoModel
from vmstack.evaluate.native.machine import CpuMode
from vmstack.model.configs import DomainConfig, NicConfig
from vmstack.model.hardware import GraphicsSpec
from vmstack.model.observed import ObservedDomain
from vmstack.model.sizes import KIB
from vmstack.model.specs import Reservation

_CPU_MODES: Final = get_args(CpuMode)
_VIDEOS: Final = get_args(VideoModel)
_NEW_MACHINES: Final = ("q35", "pc-q35-")
# A description for people in the program; longer ones stay on the host.
_LONGEST: Final = 200


class Row(NamedTuple):
    """One argument: how the program says what the domain has, `None` for nothing; `words` begin what `unsaid` says."""

    argument: str
    say: Callable[[ObservedDomain], Value | None]
    words: tuple[str, ...] = ()


def _config(read: Callable[[DomainConfig], Value | None]) -> Callable[[ObservedDomain], Value | None]:
    return lambda domain: read(domain.config)


def _machine(config: DomainConfig) -> str | None:
    """The family of an older machine type; new VMs are q35."""
    machine = config.machine or ""
    if machine.startswith(_NEW_MACHINES):
        return None
    return "pc" if machine.startswith("pc-i440fx-") else machine or None


def _cpu_mode(config: DomainConfig) -> str | None:
    chosen = "maximum" if config.type == "qemu" else "host-passthrough"
    return config.cpu_mode if config.cpu_mode in _CPU_MODES and config.cpu_mode != chosen else None


def _graphics(config: DomainConfig) -> Call | None:
    shown = config.graphics
    if shown is None or shown != GraphicsSpec(type=shown.type, listen=shown.listen):
        return None
    try:
        ipaddress.ip_address(shown.listen)
    except ValueError:
        return None
    return Call(
        "Graphics",
        (),
        (
            ("type", None if shown.type == "vnc" else shown.type),
            ("listen", None if shown.listen == "127.0.0.1" else shown.listen),
            ("video", config.video if config.video in _VIDEOS else None),
        ),
    )


def _description(config: DomainConfig) -> str | None:
    text = config.description or ""
    return text if 0 < len(text) <= _LONGEST and text.isprintable() else None


# What a program can say of a VM beside its disks and NICs, in the order of the arguments.
ROWS: Final = (
    Row("vcpus", _config(lambda config: config.vcpus)),
    Row("max_vcpus", _config(lambda config: config.max_vcpus if config.max_vcpus > config.vcpus else None)),
    Row("memory", _config(lambda config: size_of(config.memory_kib * KIB))),
    Row(
        "max_memory",
        _config(
            lambda config: size_of(config.max_memory_kib * KIB) if config.max_memory_kib > config.memory_kib else None
        ),
    ),
    Row("machine", _config(_machine)),
    Row("cpu_mode", _config(_cpu_mode)),
    Row("cpu", _config(say_cpu), ("cpu model", "cpu feature", "cpu topology", *TUNED)),
    Row("numa", _config(say_numa), ("cpu numa",)),
    Row("hugepages", _config(say_hugepages), ("memoryBacking hugepages",)),
    Row("clock", _config(say_clock), ("clock",)),
    Row("hyperv", _config(say_hyperv), ("features hyperv",)),
    Row("firmware", _config(lambda config: "uefi" if config.firmware == "efi" else None)),
    Row("secure_boot", _config(lambda config: config.secure_boot or None), ("firmware secure-boot", "loader secure")),
    Row("boot", _config(say_boot), ("boot", "kernel", "initrd", "cmdline")),
    Row("tpm", _config(say_tpm), ("tpm",)),
    Row("on_reboot", _config(say_reboot), ("on_reboot",)),
    Row("on_crash", _config(say_crash), ("on_crash",)),
    Row("title", _config(say_title), ("title",)),
    Row("graphics", _config(_graphics), ("graphics",)),
    Row("iothreads", _config(lambda config: config.iothreads), ("iothreads",)),
    Row("serial_log", _config(lambda config: config.serial_log)),
    Row("description", _config(_description)),
    Row("autostart", lambda domain: True if domain.autostart else None),
    Row("running", lambda domain: False if domain.state == "shutoff" else None),
)


def write_machine(machine: Machine, *, found: str, options: str, reserved: frozenset[Reservation]) -> Call:
    """The VM's constructor. `found` makes options with `import_` alone, `options` is the constructor of any.

    `reserved` are addresses that its networks keep for its NICs.
    """
    domain = machine.domain
    rows = [(row.argument, row.say(domain)) for row in ROWS]
    disks = [
        write_drive(disk) if part is None else write_disk(disk, volume=part.variable) for disk, part in machine.disks
    ]
    devices = [said.call for said in write_devices(domain.config)]
    nics = [_write_nic(nic, part, vm=machine.name, reserved=reserved) for nic, part in machine.nics]
    opts = Call(found, (domain.name,))
    if machine.ignored:
        opts = Call(options, (), (("import_", domain.name), ("ignore_changes", list(machine.ignored))))
    return Call(
        "VirtualMachine",
        (machine.name,),
        (
            ("label", domain.name if domain.name != machine.name else None),
            *rows,
            ("disks", disks or None),
            ("networks", nics or None),
            ("devices", devices or None),
            ("opts", opts),
        ),
    )


def unsaid(machine: Machine) -> list[str]:
    """What stays as it is on the host, in a few words each."""
    domain = machine.domain
    said = frozenset(word for row in ROWS if row.words and row.say(domain) is not None for word in row.words)
    said |= {word for device in write_devices(domain.config) for word in device.words}
    if "graphics" in said and domain.config.video in _VIDEOS:
        said |= {"video"}
    phrases = unsaid_of_domain(domain.xml, said=said)
    if domain.config.graphics is not None and "graphics" not in said:
        phrases.append(f"graphics {domain.config.graphics.type}")
    return [phrase for phrase in phrases if not (phrase == "cpu model custom" and domain.config.cpu_mode is None)]


def told_reservations(machine: Machine, *, reservations: dict[str, list[Reservation]]) -> list[Reservation]:
    """The reservations that are just what `lan.at(...)` of the VM's NICs means; `reservations` are by network."""
    told = []
    for position, (nic, part) in enumerate(machine.nics):
        if part is None:
            continue
        first = all(other is None or other.label != part.label for _, other in machine.nics[:position])
        own = [item for item in reservations.get(part.label, ()) if item.mac == nic.mac]
        if first and len(own) == 1 and own[0].name == machine.name and machine.name[0].isalpha():
            told.append(own[0])
    return told


def _write_nic(nic: NicConfig, part: Part | None, *, vm: str, reserved: frozenset[Reservation]) -> Value:
    address = next((item.ip for item in reserved if item.mac == nic.mac and item.name == vm), None)
    place: tuple[Value, ...] = ()
    if part is not None:
        place = (Call(f"{part.variable}.dhcp") if address is None else Call(f"{part.variable}.at", (address,)),)
    own = None if part is not None else nic
    return Call(
        "Nic",
        place,
        (
            ("bridge", own.bridge if own is not None else None),
            ("device", own.device if own is not None else None),
            ("mode", own.mode if own is not None and own.mode != "bridge" else None),
            ("mac", nic.mac),
            ("model", None if nic.model == "virtio" else nic.model),
            ("mtu", nic.mtu),
            ("link", False if nic.link == "down" else None),
            ("queues", nic.queues if nic.model == "virtio" else None),
            ("inbound", write_bandwidth(nic.inbound)),
            ("outbound", write_bandwidth(nic.outbound)),
            ("filter", nic.filter),
            ("filter_parameters", dict(nic.filter_parameters) or None),
            ("portgroup", nic.portgroup),
        ),
    )
