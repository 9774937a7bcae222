"""From specs and a host's facts to the libvirt-level configs of what is to be. The policy of defaults lives here."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from string import ascii_lowercase
from typing import Final

import msgspec

from vmstack.model.compute import ComputeSpec
from vmstack.model.configs import DiskConfig, DomainConfig, NetworkConfig, NicConfig, PoolConfig, SubnetConfig
from vmstack.model.hardware import FwCfgSpec, MediumSpec, TpmSpec
from vmstack.model.identity import Key, Kind, StackId, derive_bridge, derive_uuid
from vmstack.model.observed import HostFacts
from vmstack.model.readiness import AGENT_CHANNEL, READY_CHANNEL
from vmstack.model.specs import DiskSpec, NetworkMode, NetworkSpec, PoolSpec, Reservation, VmSpec
from vmstack.plan.seeds import seed_disk
from vmstack.xmlio.console import settle_consoles

# cloud-init's ds-identify then finds the seed whatever it knows of the disk
# (https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html#dmi-specific-kernel-command-line).
CLOUD_INIT_SERIAL: Final = "ds=nocloud"
# Room for hot-plugged disks and NICs; every port costs a little boot time.
SPARE_PORTS: Final = 8
# Machines of these names have a PCIe bus, with one device to a port; the others have slots, and no place for ports.
_PCIE_MACHINES: Final = ("q35", "pc-q35-", "virt")
_MACHINES: Final = {"x86_64": "q35", "aarch64": "virt", "riscv64": "virt"}
_KIB: Final = 1024
# QEMU rounds the sizes of qcow2 images up to whole sectors, so whoever compares sizes must do it too.
_SECTOR: Final = 512
_FORWARD: Final = {
    NetworkMode.NAT: "nat",
    NetworkMode.ROUTE: "route",
    NetworkMode.ISOLATED: None,
    NetworkMode.OPEN: "open",
    NetworkMode.BRIDGE: "bridge",
}
_PREFIXES: Final = {"virtio": "vd", "scsi": "sd", "sata": "sd", "ide": "hd"}
# Where QEMU's firmware configuration reaches the guest; elsewhere Ignition looks for a disk of this serial.
_FW_CFG_ARCHES: Final = ("x86_64", "i686", "aarch64", "armv7l", "riscv64")
# libvirt's own choice; where it is stated, a change of it shows.
_TPM_MODELS: Final = {
    "aarch64": "tpm-tis-device",
    "armv7l": "tpm-tis-device",
    "ppc64": "tpm-spapr",
    "ppc64le": "tpm-spapr",
}
FW_CFG_NAME: Final = "opt/com.coreos/config"
IGNITION_SERIAL: Final = "ignition"


def whole_sectors(capacity: int) -> int:
    """Round a size in bytes up as the image formats do."""
    return -(-capacity // _SECTOR) * _SECTOR


def clean_path(path: str | None) -> str | None:
    """A directory as libvirt writes it: without a slash at its end."""
    return path if path is None else path.rstrip("/") or "/"


def design_pool(spec: PoolSpec, *, stack: StackId) -> PoolConfig:
    uuid = derive_uuid(stack, Key(Kind.POOL, spec.name))
    return PoolConfig(
        name=spec.label,
        uuid=uuid,
        type=spec.type,
        path=clean_path(spec.path),
        group=spec.group,
        devices=spec.devices,
        permissions=spec.permissions,
    )


def design_network(spec: NetworkSpec, *, stack: StackId) -> NetworkConfig:
    """The network as libvirt is to hold it. A network over a host's bridge has no addresses of its own."""
    key = Key(Kind.NETWORK, spec.name)
    bridged = spec.mode is NetworkMode.BRIDGE
    return NetworkConfig(
        name=spec.label,
        uuid=derive_uuid(stack, key),
        forward=_FORWARD[spec.mode],
        bridge=spec.bridge or (None if bridged else derive_bridge(stack, key)),
        domain=spec.domain,
        domain_local=spec.domain_local or spec.domain is None,
        mtu=spec.mtu,
        dns_enabled=spec.dns_enabled,
        dns_forwarders=spec.dns_forwarders,
        dns_srvs=spec.dns_srvs,
        routes=spec.routes,
        dnsmasq_options=spec.dnsmasq_options,
        subnets=() if bridged else tuple(_subnets(spec)),
        dns_hosts=() if bridged else tuple(sorted(spec.dns_hosts, key=lambda host: host.ip)),
        dns_txts=tuple(sorted(spec.dns_txts, key=lambda text: text.name)),
        bandwidth=spec.bandwidth,
        port_groups=tuple(sorted(spec.port_groups, key=lambda group: group.name)),
    )


def _subnets(spec: NetworkSpec) -> Iterator[SubnetConfig]:
    networks = [ipaddress.ip_network(subnet.cidr, strict=False) for subnet in spec.subnets]
    reservations: list[list[Reservation]] = [[] for _ in networks]
    for reservation in spec.reservations:
        address = ipaddress.ip_address(reservation.ip)
        for network, found in zip(networks, reservations, strict=True):
            if address in network:
                found.append(reservation)
                break
    for subnet, network, found in zip(spec.subnets, networks, reservations, strict=True):
        yield SubnetConfig(
            family="ipv4" if network.version == 4 else "ipv6",
            gateway=subnet.gateway,
            prefix=network.prefixlen,
            ranges=(subnet.dhcp,) if subnet.dhcp else (),
            reservations=tuple(sorted(found, key=lambda item: (item.ip, item.mac or "", item.name or ""))),
        )


def design_domain(
    spec: VmSpec,
    *,
    facts: HostFacts,
    disks: Callable[[DiskSpec], DiskConfig],
    seed_path: str | None,
    ignition_path: str | None = None,
    network_label: Callable[[str], str],
    observed: DomainConfig | None = None,
    live: DomainConfig | None = None,
    written: frozenset[str] = frozenset(),
) -> DomainConfig:
    """The domain as it is to be.

    `disks` gives a disk's config but for its slot: a disk that the observed domain has keeps its slot, and new ones
    take the first that are free in its definition and in the `live` guest. What the program leaves open about
    virtualisation stays as the domain was made, so that a host that loses or gains KVM does not restart anything.
    `written` are the fields that it was made with: an architecture of the program's own goes with the program.
    """
    hardware = spec.hardware
    kind = spec.domain_type or (observed.type if observed and observed.type else facts.domain_type)
    kept = observed.arch if observed is not None and "arch" not in written else None
    arch = hardware.arch or kept or facts.arch
    machine = spec.machine or _MACHINES.get(arch)
    wanted = [disks(disk) for disk in spec.disks]
    for medium in sorted(hardware.media, key=lambda medium: medium.place):
        wanted.insert(medium.place, _medium(medium))
    fw_cfg = None
    if ignition_path is not None and arch in _FW_CFG_ARCHES:
        fw_cfg = FwCfgSpec(name=spec.fw_cfg_name or FW_CFG_NAME, path=ignition_path)
    elif ignition_path is not None:
        wanted.append(DiskConfig(serial=IGNITION_SERIAL, path=ignition_path, format="raw", target="", readonly=True))
    if seed_path is not None:
        wanted.append(seed_disk(path=seed_path, target=""))
    consoles = settle_consoles(hardware.consoles)
    second = not consoles and any(console.target == "virtio" for console in hardware.consoles)
    return DomainConfig(
        name=spec.label,
        uuid=spec.uuid,
        type=kind,
        vcpus=spec.vcpus,
        max_vcpus=spec.max_vcpus,
        memory_kib=spec.memory // _KIB,
        max_memory_kib=spec.max_memory // _KIB,
        cpu_mode=spec.cpu_mode or ("maximum" if kind == "qemu" else "host-passthrough"),
        arch=arch,
        machine=machine,
        firmware="efi" if spec.firmware == "uefi" or hardware.loader is not None else None,
        emulator=hardware.emulator,
        loader=hardware.loader,
        nvram=hardware.nvram,
        nvram_template=hardware.nvram_template,
        kernel=hardware.kernel,
        initrd=hardware.initrd,
        cmdline=hardware.cmdline,
        boot=hardware.boot,
        video=hardware.video,
        tpm=_tpm(hardware.tpm, arch=arch),
        fw_cfg=fw_cfg,
        consoles=consoles,
        filesystems=hardware.filesystems,
        metadata=hardware.metadata,
        **{name: getattr(spec.compute, name) for name in ComputeSpec.__struct_fields__},
        description=spec.description,
        smbios_serial=CLOUD_INIT_SERIAL if seed_path is not None else None,
        disks=tuple(_slotted(wanted, configs=(live, observed))),
        nics=tuple(
            NicConfig(
                mac=nic.mac,
                network=network_label(nic.network) if nic.network is not None else None,
                bridge=nic.bridge,
                device=nic.device,
                mode=nic.mode,
                model=nic.model,
                mtu=nic.mtu,
                link=None if nic.link else "down",
                queues=nic.queues,
                inbound=nic.inbound,
                outbound=nic.outbound,
                filter=nic.filter,
                filter_parameters=nic.filter_parameters,
                portgroup=nic.portgroup,
            )
            for nic in spec.nics
        ),
        graphics=spec.graphics,
        serial_log=spec.serial_log,
        virtio_console=True if spec.virtio_console or second else None,
        channels=(AGENT_CHANNEL, READY_CHANNEL, *hardware.channels),
        iothreads=hardware.iothreads,
        shared_memory=True if any(item.driver == "virtiofs" for item in hardware.filesystems) else None,
        rng=hardware.rng,
        watchdog=hardware.watchdog,
        balloon=hardware.balloon,
        vsock=hardware.vsock,
        panic=hardware.panic,
        host_devices=tuple(sorted(hardware.host_devices, key=lambda item: (item.kind, item.address))),
        pcie_ports=SPARE_PORTS if (machine or "").startswith(_PCIE_MACHINES) else None,
    )


def design_disk(
    spec: DiskSpec,
    *,
    path: str,
    format: str,
    block: bool = False,
    backing_path: str | None = None,
    backing_format: str | None = None,
) -> DiskConfig:
    """A disk but for its slot; `block` says that it is a device of the host, as a logical volume is, and no file."""
    return DiskConfig(
        serial=spec.name,
        kind="block" if block else "file",
        path=path,
        format=format,
        target="",
        bus=spec.bus,
        cache=spec.cache,
        discard="unmap" if spec.discard and spec.device == "disk" else None,
        device=spec.device,
        iothread=spec.iothread,
        iotune=spec.iotune,
        wwn=spec.wwn,
        readonly=spec.readonly,
        backing_path=backing_path,
        backing_format=backing_format,
    )


def _tpm(spec: TpmSpec | None, *, arch: str) -> TpmSpec | None:
    if spec is None or spec.model:
        return spec
    return msgspec.structs.replace(spec, model=_TPM_MODELS.get(arch, "tpm-tis"))


def _medium(spec: MediumSpec) -> DiskConfig:
    """A disk that is no volume, but for its slot."""
    return DiskConfig(
        serial=spec.name,
        kind=spec.kind,
        url=spec.source if spec.kind == "network" else None,
        path=(spec.source or None) if spec.kind != "network" else None,
        format=spec.format,
        target="",
        bus=spec.bus,
        device=spec.device,
        readonly=spec.readonly,
        wwn=spec.wwn,
    )


def _slotted(disks: Iterable[DiskConfig], *, configs: Iterable[DomainConfig | None]) -> Iterator[DiskConfig]:
    present = [disk for config in configs if config is not None for disk in config.disks]
    slots = {disk.serial: disk for disk in present if disk.serial is not None}
    taken = {disk.target for disk in present}
    for disk in disks:
        old = slots.get(disk.serial or "")
        target = old.target if old is not None and old.bus == disk.bus else _free_slot(disk.bus, taken=taken)
        taken.add(target)
        yield msgspec.structs.replace(disk, target=target)


def _free_slot(bus: str, *, taken: set[str]) -> str:
    prefix = _PREFIXES.get(bus, "sd")
    names = (prefix + "".join(letters) for length in (1, 2) for letters in product(ascii_lowercase, repeat=length))
    return next(name for name in names if name not in taken)
