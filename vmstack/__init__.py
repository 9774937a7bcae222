"""Declarative infrastructure for libvirt/KVM: `from vmstack import Host, VirtualMachine, ...` in a stack program.

The names of the stack program's vocabulary are loaded on first use, so that `import vmstack` costs nothing.
"""

import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Balloon",
    "Bandwidth",
    "Boot",
    "Cdrom",
    "Channel",
    "Clock",
    "CloudInit",
    "Console",
    "Cpu",
    "Disk",
    "DnsForwarder",
    "DnsSrv",
    "Filesystem",
    "Graphics",
    "HealthCheck",
    "Host",
    "Image",
    "IoTune",
    "Network",
    "Nic",
    "NumaCell",
    "Panic",
    "Passthrough",
    "Patch",
    "PortGroup",
    "Reservation",
    "Rng",
    "RollingGroup",
    "StoragePool",
    "Tpm",
    "VirtualMachine",
    "Volume",
    "Vsock",
    "Watchdog",
    "policy",
]

if TYPE_CHECKING:
    from vmstack.evaluate.native import (
        Balloon,
        Bandwidth,
        Boot,
        Cdrom,
        Channel,
        Clock,
        CloudInit,
        Console,
        Cpu,
        Disk,
        DnsForwarder,
        DnsSrv,
        Filesystem,
        Graphics,
        HealthCheck,
        Host,
        Image,
        IoTune,
        Network,
        Nic,
        NumaCell,
        Panic,
        Passthrough,
        Patch,
        PortGroup,
        Reservation,
        Rng,
        RollingGroup,
        StoragePool,
        Tpm,
        VirtualMachine,
        Volume,
        Vsock,
        Watchdog,
        policy,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'vmstack' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    from vmstack.evaluate import native

    return getattr(native, name)
