"""`Cpu`, `NumaCell`, `Clock`, `Tpm` and `Boot`: what a virtual machine is besides its size and its devices."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import (
    check_choice,
    check_flag,
    check_host_path,
    check_int,
    check_label,
    check_list,
    check_size,
    check_type,
)
from vmstack.model.compute import (
    CellSpec,
    ComputeSpec,
    CpuFeatureSpec,
    PinSpec,
    TimerSpec,
    TopologySpec,
    format_cpus,
    parse_cpus,
)
from vmstack.model.hardware import TpmSpec
from vmstack.model.sizes import KIB
from vmstack.model.text import check_text

AnyCpuMode = Literal["host-passthrough", "host-model", "maximum", "custom"]
FeaturePolicy = Literal["require", "disable", "force", "optional", "forbid"]
CrashAction = Literal["destroy", "restart", "preserve", "coredump-destroy", "coredump-restart"]
RebootAction = Literal["destroy", "restart"]

CPU_MODES: Final[tuple[Literal["host-passthrough", "host-model", "maximum"], ...]] = (
    "host-passthrough", "host-model", "maximum",
)  # fmt: skip
_POLICIES: Final[tuple[FeaturePolicy, ...]] = ("require", "disable", "force", "optional", "forbid")
_CRASHES: Final[tuple[CrashAction, ...]] = (
    "destroy", "restart", "preserve", "coredump-destroy", "coredump-restart",
)  # fmt: skip
_REBOOTS: Final[tuple[RebootAction, ...]] = ("destroy", "restart")
TIMERS: Final = ("rtc", "pit", "hpet", "tsc", "kvmclock", "hypervclock", "platform", "armvtimer")
_TICKS: Final = ("delay", "catchup", "merge", "discard")
BOOTS: Final = ("hd", "network", "cdrom", "fd")
TPM_MODELS: Final = ("tpm-tis", "tpm-crb", "tpm-spapr", "tpm-tis-device")
# https://libvirt.org/formatdomain.html#hypervisor-features; those that are a switch alone, or have one value that fits.
HYPERV: Final = (
    "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies",
    "reenlightenment", "tlbflush", "ipi", "evmcs", "avic",
)  # fmt: skip
# The limits of the kernel's scheduler, as libvirt checks them (formatdomain.html#cpu-tuning).
_SHARES: Final = (2, 262_144)
_QUOTA: Final = (1_000, 17_592_186_044_415)
_PERIOD: Final = (1_000, 1_000_000)
# The most that a q35 machine of QEMU 8.1 or later takes (MachineClass.max_cpus).
MAX_VCPUS: Final = 4096


class Cpu:
    """The processor of a VM, and its share of the host's.

    `model` is a model that libvirt knows by name; `features` maps names to a policy. `sockets`, `dies`, `cores` and
    `threads` multiply to the maximum of vcpus. `shares` weigh its CPU time against others', `quota` is how many
    microseconds of each `period` a vcpu may run. `pins` maps vcpus to sets of the host's CPUs (`{0: "0-3"}`).
    """

    __slots__ = ("mode", "spec", "topology")

    @validated
    def __init__(
        self,
        *,
        mode: Literal["host-passthrough", "host-model", "maximum"] | None = None,
        model: str | None = None,
        features: Mapping[str, FeaturePolicy] | None = None,
        sockets: int | None = None,
        dies: int | None = None,
        cores: int | None = None,
        threads: int | None = None,
        shares: int | None = None,
        quota: int | None = None,
        period: int | None = None,
        pins: Mapping[int, str] | None = None,
    ) -> None:
        self.mode: AnyCpuMode | None = None
        if model is not None:
            if mode is not None:
                raise InputError("mode: a model is named, which is a mode of its own", resolution="leave mode out")
            self.mode = "custom"
        elif mode is not None:
            self.mode = check_choice(mode, field="mode", allowed=CPU_MODES)
        parts = {"sockets": sockets, "dies": dies, "cores": cores, "threads": threads}
        said = {
            name: check_int(value, field=name, low=1, high=MAX_VCPUS)
            for name, value in parts.items()
            if value is not None
        }
        self.topology = TopologySpec(**said) if said else None
        self.spec = ComputeSpec(
            cpu_model=None if model is None else check_label(model, field="model"),
            cpu_features=_features(features),
            shares=_between(shares, field="shares", limits=_SHARES),
            quota=_between(quota, field="quota", limits=_QUOTA),
            period=_between(period, field="period", limits=_PERIOD),
            pins=_pins(pins),
        )


class NumaCell:
    """A NUMA cell of the guest: a set of its vcpus (`"0-1"`) and its memory."""

    __slots__ = ("cpus", "memory_kib")

    @validated
    def __init__(self, cpus: str, *, memory: str) -> None:
        self.cpus = _cpus(cpus, field="cpus")
        self.memory_kib = check_size(memory, field="memory", multiple=KIB) // KIB


class Clock:
    """The hardware clock of the guest: `offset` is what it shows, `timers` map names to whether they are there
    (`{"hpet": False}`), or to what becomes of late ticks (`{"rtc": "catchup"}`). Timers that are named replace those
    that every VM gets."""

    __slots__ = ("offset", "timers")

    @validated
    def __init__(
        self,
        *,
        offset: Literal["utc", "localtime"] | None = None,
        timers: Mapping[str, bool | Literal["delay", "catchup", "merge", "discard"]] | None = None,
    ) -> None:
        self.offset = None if offset is None else check_choice(offset, field="offset", allowed=("utc", "localtime"))
        found = []
        for name, value in _items(timers, field="timers"):
            kind = check_choice(name, field="timers", allowed=TIMERS)
            if isinstance(value, bool):
                found.append(TimerSpec(name=kind, present=value))
            else:
                tick: Any = check_choice(value, field=f"timers[{kind!r}]", allowed=_TICKS)
                found.append(TimerSpec(name=kind, tickpolicy=tick))
        self.timers = tuple(sorted(found, key=lambda timer: timer.name))


class Tpm:
    """A TPM that swtpm emulates on the host. Its state is deleted with the VM's definition."""

    __slots__ = ("spec",)

    @validated
    def __init__(
        self,
        *,
        model: Literal["tpm-tis", "tpm-crb", "tpm-spapr", "tpm-tis-device"] | None = None,
        version: Literal["1.2", "2.0"] = "2.0",
    ) -> None:
        self.spec = TpmSpec(
            model="" if model is None else check_choice(model, field="model", allowed=TPM_MODELS),
            version=check_choice(version, field="version", allowed=("1.2", "2.0")),
        )


class Boot:
    """What a VM boots: kinds of devices in the order in which the firmware tries them, or a kernel of the host's."""

    __slots__ = ("cmdline", "devices", "initrd", "kernel")

    @validated
    def __init__(
        self,
        *,
        devices: Sequence[Literal["hd", "network", "cdrom", "fd"]] = (),
        kernel: str | None = None,
        initrd: str | None = None,
        cmdline: str | None = None,
    ) -> None:
        self.devices = tuple(
            check_choice(item, field="devices", allowed=BOOTS) for item in check_list(devices, field="devices")
        )
        if len(set(self.devices)) != len(self.devices):
            raise InputError("devices: one is named twice")
        self.kernel = None if kernel is None else check_host_path(kernel, field="kernel")
        self.initrd = None if initrd is None else check_host_path(initrd, field="initrd")
        self.cmdline = None if cmdline is None else check_text(cmdline, field="cmdline")
        for name in ("initrd", "cmdline"):
            if getattr(self, name) is not None and kernel is None:
                raise InputError(f"{name}: it is passed to a kernel, and none is named", resolution="give kernel=...")


def compute_spec(
    *,
    cpu: Cpu | None,
    clock: Clock | None,
    numa: Sequence[NumaCell],
    hugepages: bool | str,
    hyperv: Sequence[str],
    secure_boot: bool,
    title: str | None,
    on_reboot: object,
    on_crash: object,
    max_vcpus: int,
    max_memory: int,
) -> ComputeSpec:
    """What the arguments of a VM say. Raises `InputError` for what contradicts its size (memory in bytes)."""
    chosen = None if cpu is None else check_type(cpu, Cpu, field="cpu")
    when = None if clock is None else check_type(clock, Clock, field="clock")
    topology = None if chosen is None else chosen.topology
    if topology is not None and topology.vcpus != max_vcpus:
        raise InputError(
            f"cpu: its sockets, dies, cores and threads make {topology.vcpus} vcpus, and the VM has a maximum of "
            f"{max_vcpus}",
            resolution=f"give the VM max_vcpus={topology.vcpus}, or another topology",
        )
    for pin in () if chosen is None else chosen.spec.pins:
        if pin.vcpu >= max_vcpus:
            raise InputError(f"cpu: it pins the vcpu {pin.vcpu}, and the last one is {max_vcpus - 1}")
    switches = tuple(
        sorted({check_choice(item, field="hyperv", allowed=HYPERV) for item in check_list(hyperv, field="hyperv")})
    )
    return msgspec.structs.replace(
        ComputeSpec() if chosen is None else chosen.spec,
        topology=topology,
        title=None if title is None else check_text(title, field="title"),
        numa=_cells(numa, max_vcpus=max_vcpus, memory_kib=max_memory // KIB),
        hugepages=_hugepages(hugepages),
        clock=None if when is None else when.offset,
        timers=() if when is None else when.timers,
        hyperv=switches,
        secure_boot=True if secure_boot else None,
        on_reboot=None if on_reboot is None else check_choice(on_reboot, field="on_reboot", allowed=_REBOOTS),
        on_crash=None if on_crash is None else check_choice(on_crash, field="on_crash", allowed=_CRASHES),
    )


def check_maximum(value: object, *, low: int) -> int:
    """The maximum of vcpus, which is their number where nothing is said."""
    return low if value is None else check_int(value, field="max_vcpus", low=low, high=MAX_VCPUS)


def check_max_memory(value: object, *, low: int) -> int:
    """The maximum of memory in bytes, which is the memory where nothing is said."""
    if value is None:
        return low
    size = check_size(value, field="max_memory", multiple=KIB)
    if size < low:
        raise InputError(f"max_memory: {value} is less than memory")
    return size


def check_secure_boot(value: object, *, firmware: str) -> bool:
    """Whether secure boot is asked for, of a firmware that has it."""
    wanted = check_flag(value, field="secure_boot")
    if wanted and firmware != "uefi":
        raise InputError("secure_boot: only UEFI has it", resolution='say firmware="uefi", too')
    return wanted


def choose_mode(value: object, *, cpu: Cpu | None) -> AnyCpuMode | None:
    """The mode of the processor, which may be said beside it or in it."""
    own = None if cpu is None else check_type(cpu, Cpu, field="cpu").mode
    if value is None:
        return own
    if own is not None:
        raise InputError("cpu_mode: cpu has a mode or a model already", resolution="leave cpu_mode out")
    return check_choice(value, field="cpu_mode", allowed=CPU_MODES)


def boot_fields(*, boot: Boot | None, tpm: Tpm | None) -> dict[str, Any]:
    """What the VM boots, and its TPM, by the names of a `HardwareSpec`."""
    start = Boot() if boot is None else check_type(boot, Boot, field="boot")
    return {
        "boot": start.devices,
        "kernel": start.kernel,
        "initrd": start.initrd,
        "cmdline": start.cmdline,
        "tpm": None if tpm is None else check_type(tpm, Tpm, field="tpm").spec,
    }


def _features(value: object) -> tuple[CpuFeatureSpec, ...]:
    return tuple(
        CpuFeatureSpec(
            name=check_label(name, field="features"),
            policy=check_choice(policy, field=f"features[{name!r}]", allowed=_POLICIES),
        )
        for name, policy in sorted(_items(value, field="features"))
    )


def _pins(value: object) -> tuple[PinSpec, ...]:
    return tuple(
        PinSpec(vcpu=check_int(vcpu, field="pins", low=0, high=MAX_VCPUS), cpus=_cpus(cpus, field=f"pins[{vcpu}]"))
        for vcpu, cpus in sorted(_items(value, field="pins"))
    )


def _cells(value: object, *, max_vcpus: int, memory_kib: int) -> tuple[CellSpec, ...]:
    cells = [check_type(item, NumaCell, field="numa") for item in check_list(value, field="numa")]
    if not cells:
        return ()
    held = [cpu for cell in cells for cpu in parse_cpus(cell.cpus)]
    if sorted(held) != list(range(max_vcpus)):
        raise InputError(
            f"numa: its cells hold the vcpus {format_cpus(frozenset(held))}, and the VM has 0-{max_vcpus - 1}",
            resolution="put each vcpu, up to the maximum, into one cell",
        )
    total = sum(cell.memory_kib for cell in cells)
    if total != memory_kib:
        raise InputError(
            f"numa: its cells have {total} KiB of memory, and the VM has a maximum of {memory_kib} KiB",
            resolution="give the cells all of max_memory",
        )
    return tuple(CellSpec(id=number, cpus=cell.cpus, memory_kib=cell.memory_kib) for number, cell in enumerate(cells))


def _hugepages(value: object) -> int | None:
    if isinstance(value, bool):
        return 0 if value else None
    return check_size(value, field="hugepages", multiple=KIB) // KIB


def _cpus(value: object, *, field: str) -> str:
    try:
        return format_cpus(parse_cpus(check_text(value, field=field)))
    except ValueError:
        raise InputError(f"{field}: {value!r} is no set of CPUs", resolution='such as "0-3" or "0,2"') from None


def _between(value: object, *, field: str, limits: tuple[int, int]) -> int | None:
    return None if value is None else check_int(value, field=field, low=limits[0], high=limits[1])


def _items(value: object, *, field: str) -> list[tuple[Any, Any]]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise InputError(f"{field}: {value!r} is not a mapping", resolution="pass a dict")
    return list(value.items())
