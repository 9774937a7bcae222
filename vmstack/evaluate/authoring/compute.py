"""Processor, memory, clock and start of a VM, as a program says them."""

from typing import Final, get_args

from vmstack.evaluate.authoring.source import Call, Value
from vmstack.evaluate.authoring.storage import size_of
from vmstack.evaluate.native.compute import (
    BOOTS,
    HYPERV,
    TIMERS,
    TPM_MODELS,
    CrashAction,
    FeaturePolicy,
    RebootAction,
)
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import TpmSpec
from vmstack.model.sizes import KIB

_POLICIES: Final = get_args(FeaturePolicy)
_CRASHES: Final = get_args(CrashAction)
_REBOOTS: Final = get_args(RebootAction)
# What `unsaid` calls the share of the host's processors.
TUNED: Final = ("cputune vcpupin", "cputune shares", "cputune quota", "cputune period")


def say_cpu(config: DomainConfig) -> Call | None:
    """The model and topology of the processor, and its share of the host's."""
    features: dict[str | int, Value] = {
        item.name: item.policy for item in config.cpu_features if item.policy in _POLICIES
    }
    pins: dict[str | int, Value] = {item.vcpu: item.cpus for item in config.pins}
    shape = config.topology
    call = Call(
        "Cpu",
        (),
        (
            ("model", config.cpu_model if config.cpu_mode == "custom" else None),
            ("features", features or None),
            *((name, getattr(shape, name) if shape is not None else None) for name in ("sockets", "cores", "threads")),
            ("dies", shape.dies if shape is not None and shape.dies > 1 else None),
            ("shares", config.shares),
            ("quota", config.quota),
            ("period", config.period if config.quota is not None else None),
            ("pins", pins or None),
        ),
    )
    return call if any(value is not None for _, value in call.named) else None


def say_numa(config: DomainConfig) -> list[Value] | None:
    """The NUMA cells, where they are all of the guest's memory."""
    if sum(cell.memory_kib for cell in config.numa) != config.max_memory_kib:
        return None
    cells = [Call("NumaCell", (cell.cpus,), (("memory", size_of(cell.memory_kib * KIB)),)) for cell in config.numa]
    return [*cells] or None


def say_hugepages(config: DomainConfig) -> Value | None:
    """The size of the pages, or that they are the host's usual huge ones."""
    if config.hugepages is None:
        return None
    return size_of(config.hugepages * KIB) if config.hugepages else True


def say_clock(config: DomainConfig) -> Call | None:
    """The offset and the timers, where a program can say all of them."""
    timers: dict[str | int, Value] = {}
    for timer in config.timers:
        value = timer.present if timer.tickpolicy is None else timer.tickpolicy
        if timer.name not in TIMERS or value is None or (timer.present is not None and timer.tickpolicy is not None):
            return None
        timers[timer.name] = value
    if config.clock not in (None, "utc", "localtime"):
        return None
    offset = "localtime" if config.clock == "localtime" else None
    if offset is None and not timers:
        return None
    return Call("Clock", (), (("offset", offset), ("timers", timers or None)))


def say_hyperv(config: DomainConfig) -> list[Value] | None:
    """All enlightenments, or none where one of them has no name in programs."""
    return [*config.hyperv] if config.hyperv and set(config.hyperv) <= set(HYPERV) else None


def say_boot(config: DomainConfig) -> Call | None:
    """The order of devices, unless it is that of every guest, or the kernel."""
    devices = config.boot if set(config.boot) <= set(BOOTS) and config.boot != ("hd",) else ()
    if not devices and config.kernel is None:
        return None
    return Call(
        "Boot",
        (),
        (
            ("devices", [*devices] or None),
            ("kernel", config.kernel),
            ("initrd", config.initrd if config.kernel else None),
            ("cmdline", config.cmdline if config.kernel else None),
        ),
    )


def say_tpm(config: DomainConfig) -> Call | None:
    """An emulated TPM that is just what a program means."""
    found = config.tpm
    if found is None or found.model not in TPM_MODELS or found != TpmSpec(model=found.model, version=found.version):
        return None
    if found.version not in ("1.2", "2.0"):
        return None
    return Call("Tpm", (), (("model", found.model), ("version", None if found.version == "2.0" else found.version)))


def say_end(value: str | None, *, known: tuple[str, ...], usual: str) -> str | None:
    """What is done when a guest ends in some way, unless it is what is done with every one."""
    return value if value in known and value != usual else None


def say_crash(config: DomainConfig) -> str | None:
    return say_end(config.on_crash, known=_CRASHES, usual="destroy")


def say_reboot(config: DomainConfig) -> str | None:
    return say_end(config.on_reboot, known=_REBOOTS, usual="restart")


def say_title(config: DomainConfig) -> str | None:
    return config.title if config.title is not None and config.title.isprintable() else None
