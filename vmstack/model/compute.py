"""Processor, memory and clock of a machine, in the words that specs and configs share.

A value is `None`, or a list is empty, where nothing is said, so that the hypervisor chooses.
"""

from typing import Final, Literal

from vmstack.model.base import Data


class TopologySpec(Data, frozen=True, kw_only=True):
    """How the vcpus show themselves to the guest; their product is the maximum of vcpus."""

    sockets: int = 1
    dies: int = 1
    cores: int = 1
    threads: int = 1

    @property
    def vcpus(self) -> int:
        return self.sockets * self.dies * self.cores * self.threads


class CpuFeatureSpec(Data, frozen=True, kw_only=True):
    """A feature of the processor, and what becomes of it."""

    name: str
    policy: Literal["require", "disable", "force", "optional", "forbid"] = "require"


class PinSpec(Data, frozen=True, kw_only=True):
    """The CPUs of the host that a vcpu may run on, as libvirt writes sets of them (`0-2,5`)."""

    vcpu: int
    cpus: str


class TimerSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A timer of the guest's: whether it is there, and what becomes of ticks that come late."""

    name: str
    present: bool | None = None
    tickpolicy: Literal["delay", "catchup", "merge", "discard"] | None = None


class CellSpec(Data, frozen=True, kw_only=True):
    """A NUMA cell of the guest: its vcpus, as a set, and its memory in KiB."""

    id: int
    cpus: str
    memory_kib: int


class ComputeSpec(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What of a VM is neither size nor device. The names are those of `DomainConfig`.

    `shares` are the weight of the guest's CPU time against others', `quota` the microseconds of a `period` that each
    vcpu may use. `hugepages` is the size of the pages that back its memory, in KiB; 0 is the host's default size.
    `clock` is the offset of its hardware clock, `hyperv` are enlightenments for Windows that are on.
    """

    title: str | None = None
    cpu_model: str | None = None
    cpu_features: tuple[CpuFeatureSpec, ...] = ()
    topology: TopologySpec | None = None
    shares: int | None = None
    quota: int | None = None
    period: int | None = None
    pins: tuple[PinSpec, ...] = ()
    hugepages: int | None = None
    numa: tuple[CellSpec, ...] = ()
    clock: str | None = None
    timers: tuple[TimerSpec, ...] = ()
    hyperv: tuple[str, ...] = ()
    on_reboot: str | None = None
    on_crash: str | None = None
    secure_boot: bool | None = None


NO_COMPUTE: Final = ComputeSpec()


def parse_cpus(text: str) -> frozenset[int]:
    """The numbers of a set: `0-3,^2,8`. Raises `ValueError` for what is none, or is empty."""
    members: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.removeprefix("^").partition("-")
        low = int(first)
        high = int(last) if dash else low
        if not 0 <= low <= high < _MAX_CPUS:
            raise ValueError("is no range of CPUs")
        if part.startswith("^"):
            members -= set(range(low, high + 1))
        else:
            members |= set(range(low, high + 1))
    if not members:
        raise ValueError("is an empty set of CPUs")
    return frozenset(members)


def format_cpus(members: frozenset[int]) -> str:
    """A set as libvirt writes it."""
    parts: list[list[int]] = []
    for number in sorted(members):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


# More than any machine that Linux runs on has (CONFIG_NR_CPUS is 8192 at most).
_MAX_CPUS: Final = 8192
