"""Every input that the classes and functions of the SDK itself have, by its path on the wire."""

import inspect
import re
from collections.abc import Iterator

import pulumi_libvirt
from pulumi_libvirt import _inputs

RESOURCES = {
    "Provider": pulumi_libvirt.provider.ProviderArgs,
    "Pool": pulumi_libvirt.pool.PoolArgs,
    "Volume": pulumi_libvirt.volume.VolumeArgs,
    "Network": pulumi_libvirt.network.NetworkArgs,
    "Domain": pulumi_libvirt.domain.DomainArgs,
    "CloudInitDisk": pulumi_libvirt.cloud_init_disk.CloudInitDiskArgs,
    "Ignition": pulumi_libvirt.ignition.IgnitionArgs,
    "Combustion": pulumi_libvirt.combustion.CombustionArgs,
}
# Updates that version 0.8.1 of the provider took and lost.
SILENT_NO_OPS = frozenset(
    """
    Domain.metadata Domain.arch Domain.machine Domain.emulator Domain.kernel Domain.initrd Domain.bootDevices
    Domain.bootDevices.devs Domain.video.type Domain.cpu.mode Domain.running Domain.disks.volumeId Domain.disks.url
    Domain.disks.file Domain.disks.blockDevice Domain.disks.wwn Domain.filesystems.source Domain.filesystems.target
    Domain.filesystems.accessmode Domain.filesystems.readonly Domain.networkInterfaces
    Domain.networkInterfaces.networkId Domain.networkInterfaces.networkName Domain.networkInterfaces.bridge
    Domain.networkInterfaces.vepa Domain.networkInterfaces.macvtap Domain.networkInterfaces.passthrough
    Domain.networkInterfaces.mac Domain.graphics.websocket Domain.qemuAgent Network.mtu Network.dhcp.enabled
    Network.dns.enabled Network.dns.localOnly Network.routes.cidr Network.routes.gateway
    Network.dnsmasqOptions.options.optionName Network.dnsmasqOptions.options.optionValue
    """.split()  # noqa: SIM905 - a list of words reads better than a list of strings
)


def all_inputs() -> frozenset[str]:
    """What needs a case: `Domain.disks.volumeId` and so on, without the blocks around, and arguments of functions."""
    names = set(all_names())
    return frozenset(name for name in names if not any(other.startswith(f"{name}.") for other in names))


def all_names() -> Iterator[str]:
    """The blocks too."""
    for name, owner in RESOURCES.items():
        yield from _inputs_of(owner, at=name)
    for name in dir(pulumi_libvirt):
        function = getattr(pulumi_libvirt, name)
        if re.fullmatch(r"get_\w+(?<!_output)", name) and inspect.isfunction(function):
            wire = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
            yield wire
            for argument in inspect.signature(function).parameters:
                if argument != "opts":
                    yield f"{wire}.{re.sub(r'_(.)', lambda match: match[1].upper(), argument)}"


def _inputs_of(owner: type, *, at: str) -> Iterator[str]:
    for name, member in vars(owner).items():
        if not isinstance(member, property):
            continue
        path = f"{at}.{getattr(member.fget, '_pulumi_name', name)}"
        yield path
        nested = re.search(r"'(\w+Args)'", str(member.fget.__annotations__["return"]))
        if nested is not None:
            yield from _inputs_of(getattr(_inputs, nested[1]), at=path)
