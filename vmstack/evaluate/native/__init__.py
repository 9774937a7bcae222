"""The vocabulary of stack programs."""

from vmstack.evaluate.native.cloud_init import CloudInit
from vmstack.evaluate.native.compute import Boot, Clock, Cpu, NumaCell, Tpm
from vmstack.evaluate.native.devices import Cdrom, Disk, Graphics, IoTune, Nic
from vmstack.evaluate.native.hosts import Host
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.machine import VirtualMachine
from vmstack.evaluate.native.networks import Network, Reservation
from vmstack.evaluate.native.peripherals import (
    Balloon,
    Channel,
    Console,
    Filesystem,
    Panic,
    Passthrough,
    Rng,
    Vsock,
    Watchdog,
)
from vmstack.evaluate.native.services import DnsForwarder, DnsSrv
from vmstack.evaluate.native.storage import StoragePool, Volume
from vmstack.evaluate.native.stylesheets import Patch
from vmstack.evaluate.native.traffic import Bandwidth, PortGroup
from vmstack.evaluate.native.upkeep import HealthCheck, RollingGroup
from vmstack.evaluate.policies import policy

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
