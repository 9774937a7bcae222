"""The vocabulary of stack programs."""

from vmstack.evaluate.native.cloud_init import CloudInit
from vmstack.evaluate.native.devices import Disk, Graphics, Nic
from vmstack.evaluate.native.hosts import Host
from vmstack.evaluate.native.images import Image
from vmstack.evaluate.native.machine import VirtualMachine
from vmstack.evaluate.native.networks import Network, Reservation
from vmstack.evaluate.native.services import DnsForwarder, DnsSrv
from vmstack.evaluate.native.storage import StoragePool, Volume
from vmstack.evaluate.native.traffic import Bandwidth, PortGroup, Rate

__all__ = [
    "Bandwidth",
    "CloudInit",
    "Disk",
    "DnsForwarder",
    "DnsSrv",
    "Graphics",
    "Host",
    "Image",
    "Network",
    "Nic",
    "PortGroup",
    "Rate",
    "Reservation",
    "StoragePool",
    "VirtualMachine",
    "Volume",
]
