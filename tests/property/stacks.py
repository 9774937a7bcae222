"""Small stacks as plain data, and the desired graph that a program saying them would give."""

import hashlib
from dataclasses import dataclass, replace

from tests.fake.disk_images import qcow2
from vmstack.model.graph import DesiredGraph, Options, Output, Resource
from vmstack.model.hardware import (
    NO_HARDWARE,
    ConsoleSpec,
    FilesystemSpec,
    HardwareSpec,
    MetadataSpec,
    TpmSpec,
)
from vmstack.model.identity import Key, Kind, StackId, derive_mac, derive_uuid, ignition_name
from vmstack.model.observed import ImageFacts
from vmstack.model.specs import (
    DhcpRange,
    DiskSpec,
    DnsHost,
    GroupSpec,
    HealthSpec,
    HostSpec,
    ImageSpec,
    NetworkMode,
    NetworkSpec,
    NicSpec,
    PoolSpec,
    Power,
    Reservation,
    RestartSpec,
    SeedPolicy,
    SeedSpec,
    Spec,
    Subnet,
    VmSpec,
    VolumeSource,
    VolumeSpec,
)

GIB = 1 << 30
HOST = "kvm1"
VENDOR = "#!/bin/sh\n# writes to org.vmstack.ready.0\n"


@dataclass(frozen=True)
class DiskWish:
    """A data disk of a VM; sizes are GiB."""

    name: str
    size: int = 1
    bus: str = "virtio"
    protect: bool | None = False


@dataclass(frozen=True)
class VmWish:
    """A VM. `root` is where its root disk comes from, `seed` the variant of its cloud-init content (`None`: none).

    `group` is how many VMs like it may be down at once; one that is `checked` has a health check, and one that `defers`
    leaves its restarts to others.
    `suffix` ends the domain's name on the host, and `root_suffix` its root volume's, so that they can be renamed.
    """

    name: str
    vcpus: int = 1
    max_vcpus: int = 4
    memory: int = 512
    max_memory: int = 2048
    root: str = "linked-clone"
    root_size: int = 2
    image: str = "debian"
    disks: tuple[DiskWish, ...] = ()
    nets: tuple[str, ...] = ()
    seed: int | None = 1
    policy: str = "report"
    running: bool = True
    autostart: bool = False
    description: str | None = None
    waits: bool = True
    machine: str | None = None
    protect: bool | None = None
    suffix: str = ""
    root_suffix: str = ""
    hardware: int = 0
    ignition: int | None = None
    group: int | None = None
    checked: bool = False
    defers: bool = False


SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="node()|@*"><xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy></xsl:template>
<xsl:template match="devices"><devices><xsl:apply-templates/><watchdog model="i6300esb"/></devices></xsl:template>
</xsl:stylesheet>"""
# What machines may be besides: nothing said, two ways of saying much, and a stylesheet.
HARDWARE = (
    NO_HARDWARE,
    HardwareSpec(
        boot=("network", "hd"),
        video="cirrus",
        consoles=(ConsoleSpec(), ConsoleSpec(port=1, type="tcp", host="127.0.0.1", service="4555")),
        filesystems=(FilesystemSpec(source="/srv", target="srv"),),
        metadata=(MetadataSpec(namespace="urn:a", xml='<a:x xmlns:a="urn:a"></a:x>'),),
    ),
    HardwareSpec(
        loader="/usr/share/OVMF/OVMF_CODE_4M.fd",
        kernel="/boot/a",
        cmdline="quiet",
        tpm=TpmSpec(model="tpm-tis", version="2.0"),
        filesystems=(FilesystemSpec(source="/opt", target="srv"), FilesystemSpec(source="/tmp", target="tmp")),
    ),
    HardwareSpec(stylesheet=SHEET, boot=("hd", "cdrom")),
)


@dataclass(frozen=True)
class NetWish:
    """A network 10.`octet`.0.0/24; `hosts` are last bytes of its DNS hosts."""

    name: str
    octet: int
    mode: str = "nat"
    hosts: tuple[int, ...] = ()
    leases: tuple[int, ...] = ()
    autostart: bool = True
    domain: str | None = None
    mtu: int | None = None
    dhcp_end: int = 200


@dataclass(frozen=True)
class StackWish:
    """A stack on one host, with one pool. `image` is the variant of the image's content."""

    vms: tuple[VmWish, ...] = ()
    nets: tuple[NetWish, ...] = ()
    loose: tuple[DiskWish, ...] = ()
    image: int = 1
    pool_autostart: bool = True
    outputs: tuple[str, ...] = ()
    name: str = "main"

    def __str__(self) -> str:
        return repr(self)


STACK = StackId("shop", "main")


def stack_id(wish: StackWish) -> StackId:
    return StackId("shop", wish.name)


def image_bytes(variant: int) -> bytes:
    """The content of an image."""
    return qcow2(GIB, mark=b"image %d" % variant)


def image_facts(name: str, variant: int) -> ImageFacts:
    """What inspecting the image says. The file's path is only a word: the tests' supply knows the bytes."""
    digest = hashlib.sha256(image_bytes(variant)).hexdigest()
    return ImageFacts(name=name, sha256=digest, format="qcow2", virtual_size=GIB, path=f"/images/{digest}")


def images_of(wish: StackWish) -> dict[str, ImageFacts]:
    """All images that the stack may use."""
    return {"debian": image_facts("debian", wish.image), "alpine": image_facts("alpine", 90)}


def graph(wish: StackWish) -> DesiredGraph:
    """The desired graph of the wish."""
    stack = stack_id(wish)
    resources: list[Resource] = []

    def add(kind: Kind, spec: Spec, *needs: Key, protect: bool | None = None) -> Key:
        key = Key(kind, spec.name)
        resources.append(Resource(key=key, spec=spec, needs=tuple(needs), options=Options(protect=protect)))
        return key

    host = add(Kind.HOST, HostSpec(name=HOST, uri="qemu:///system"))
    pool_name = f"{wish.name}-pool"
    pool = add(
        Kind.POOL,
        PoolSpec(
            name="pool",
            label=pool_name,
            host=HOST,
            path=f"/var/lib/libvirt/{pool_name}",
            autostart=wish.pool_autostart,
        ),
        host,
    )
    used = {vm.image for vm in wish.vms if vm.root != "blank"}
    for name, facts in images_of(wish).items():
        if name in used:
            add(Kind.IMAGE, ImageSpec(name=name, source=f"/{name}.qcow2", sha256=facts.sha256, format="qcow2"))
    for net in wish.nets:
        add(Kind.NETWORK, _network(net, wish), host)
    for disk in wish.loose:
        _volume(add, disk.name, disk, pool)
    for vm in wish.vms:
        _vm(add, vm, wish, host=host, pool=pool)
    resources.sort(key=lambda resource: resource.key)
    return DesiredGraph(
        stack=stack, resources=tuple(resources), outputs={name: Output(value=name * 2) for name in wish.outputs}
    )


def _volume(add: object, name: str, disk: DiskWish, pool: Key) -> Key:
    spec = VolumeSpec(
        name=name,
        label=f"{name}.qcow2",
        pool="pool",
        format="qcow2",
        source=VolumeSource.BLANK,
        capacity=disk.size * GIB,
    )
    return add(Kind.VOLUME, spec, pool, protect=disk.protect)


def _nic(stack: StackId, vm: VmWish, net: str) -> tuple[str, str]:
    """A NIC's MAC, and the last byte of its address."""
    mac = derive_mac(stack, Key(Kind.VM, vm.name), nic=net)
    return mac, str(10 + int(hashlib.sha256(vm.name.encode()).hexdigest(), 16) % 80)


def _network(net: NetWish, wish: StackWish) -> NetworkSpec:
    stack, prefix = stack_id(wish), f"10.{net.octet}.0"
    leases = [Reservation(ip=f"{prefix}.{last}", mac=f"52:00:00:00:00:{last:02x}", name=None) for last in net.leases]
    for vm in wish.vms:
        if net.name in vm.nets:
            mac, last = _nic(stack, vm, net.name)
            leases.append(Reservation(ip=f"{prefix}.{last}", mac=mac, name=vm.name))
    return NetworkSpec(
        name=net.name,
        label=f"{wish.name}-{net.name}",
        host=HOST,
        mode=NetworkMode(net.mode),
        bridge=None,
        subnets=(
            Subnet(
                cidr=f"{prefix}.0/24",
                gateway=f"{prefix}.1",
                dhcp=DhcpRange(start=f"{prefix}.100", end=f"{prefix}.{net.dhcp_end}"),
            ),
        ),
        reservations=tuple(leases),
        dns_hosts=tuple(DnsHost(ip=f"{prefix}.{last}", hostnames=(f"h{last}", f"www{last}")) for last in net.hosts),
        domain=net.domain,
        mtu=net.mtu,
        autostart=net.autostart,
    )


def _vm(add: object, vm: VmWish, wish: StackWish, *, host: Key, pool: Key) -> None:
    stack = stack_id(wish)
    source = VolumeSource(vm.root)
    root = VolumeSpec(
        name=f"{vm.name}-root",
        label=f"{vm.name}-root{vm.root_suffix}.qcow2",
        pool="pool",
        format="qcow2",
        source=source,
        image=None if source is VolumeSource.BLANK else vm.image,
        capacity=vm.root_size * GIB,
        data=source is VolumeSource.BLANK,
    )
    needs = [host, add(Kind.VOLUME, root, pool, protect=False if source is VolumeSource.BLANK else None)]
    disks = [DiskSpec(name="root", volume=root.name)]
    for disk in vm.disks:
        needs.append(_volume(add, f"{vm.name}-{disk.name}", disk, pool))
        disks.append(DiskSpec(name=disk.name, volume=f"{vm.name}-{disk.name}", bus=disk.bus))
    nics = []
    nets = {net.name: net for net in wish.nets}
    for name in vm.nets:
        if name in nets:
            mac, last = _nic(stack, vm, name)
            nics.append(NicSpec(name=name, mac=mac, network=name, addresses=(f"10.{nets[name].octet}.0.{last}",)))
            needs.append(Key(Kind.NETWORK, name))
    if vm.seed is not None:
        seed = SeedSpec(
            name=vm.name,
            pool="pool",
            user_data=f"#cloud-config\nhostname: v{vm.seed}\n",
            vendor_data=VENDOR,
            network_config=None,
            meta_data={"local-hostname": vm.name},
        )
        needs.append(add(Kind.SEED, seed, pool))
    if vm.ignition is not None:
        shown = SeedSpec(
            name=ignition_name(vm.name),
            pool="pool",
            user_data="",
            vendor_data=None,
            network_config=None,
            meta_data={},
            raw=f'{{"number": {vm.ignition}}}',
        )
        needs.append(add(Kind.SEED, shown, pool))
    key = Key(Kind.VM, vm.name)
    spec = VmSpec(
        name=vm.name,
        label=f"{wish.name}-{vm.name}{vm.suffix}",
        uuid=derive_uuid(stack, key),
        host=HOST,
        vcpus=vm.vcpus,
        max_vcpus=max(vm.max_vcpus, vm.vcpus),
        memory=vm.memory << 20,
        max_memory=max(vm.max_memory, vm.memory) << 20,
        disks=tuple(disks),
        nics=tuple(nics),
        seed=vm.name if vm.seed is not None else None,
        seed_policy=SeedPolicy(vm.policy),
        machine=vm.machine,
        description=vm.description,
        hardware=HARDWARE[vm.hardware],
        ignition=ignition_name(vm.name) if vm.ignition is not None else None,
        autostart=vm.autostart,
        power=Power.RUNNING if vm.running else Power.STOPPED,
        ready_timeout=60 if vm.waits and vm.seed is not None else None,
        shutdown_timeout=1,
        power_off_after_timeout=True,
        restarts=RestartSpec(
            policy="defer" if vm.defers else "now",
            group=GroupSpec(name="group", limit=vm.group) if vm.group is not None else None,
            health=HealthSpec(command=("true",)) if vm.checked else None,
        ),
    )
    add(Kind.VM, spec, *needs, protect=vm.protect)


def without(wish: StackWish, **changes: object) -> StackWish:
    """The wish with some parts replaced."""
    return replace(wish, **changes)
