"""A small stack, built in a few words, and the hosts that it would have made."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tests.fake.host import FakeHost
from vmstack.errors import Place
from vmstack.hosts.observe import observe
from vmstack.model.graph import DesiredGraph, Options, Output, Resource
from vmstack.model.identity import Key, Kind, StackId, derive_mac, derive_uuid
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.specs import (
    DhcpRange,
    DiskSpec,
    HostSpec,
    ImageSpec,
    NetworkMode,
    NetworkSpec,
    NicSpec,
    PoolSpec,
    Reservation,
    SeedSpec,
    Spec,
    Subnet,
    VmSpec,
    VolumeSource,
    VolumeSpec,
)
from vmstack.plan.scope import scope_of

GIB = 1 << 30
MIB = 1 << 20
STACK = StackId("shop", "dev")
SHA = "ab" * 32
FACTS = ImageFacts(name="debian", sha256=SHA, format="qcow2", virtual_size=GIB, path="/images/debian.qcow2")
IMAGES = {"debian": FACTS}
_KINDS = {
    HostSpec: Kind.HOST,
    PoolSpec: Kind.POOL,
    ImageSpec: Kind.IMAGE,
    VolumeSpec: Kind.VOLUME,
    SeedSpec: Kind.SEED,
    NetworkSpec: Kind.NETWORK,
    VmSpec: Kind.VM,
}


def host(name: str = "kvm1", **changes: Any) -> HostSpec:
    return msgspec.structs.replace(HostSpec(name=name, uri=f"qemu+ssh://{name}/system"), **changes)


def pool(name: str = "web", **changes: Any) -> PoolSpec:
    return msgspec.structs.replace(PoolSpec(name=name, label=name, host="kvm1", path=f"/pools/{name}"), **changes)


def image(name: str = "debian", **changes: Any) -> ImageSpec:
    spec = ImageSpec(name=name, source=f"/images/{name}.qcow2", sha256=SHA, format="qcow2")
    return msgspec.structs.replace(spec, **changes)


def root(name: str = "web-0-root", **changes: Any) -> VolumeSpec:
    """A linked clone of the image that can be made again."""
    spec = VolumeSpec(
        name=name,
        label=f"{name}.qcow2",
        pool="web",
        format="qcow2",
        source=VolumeSource.LINKED_CLONE,
        image="debian",
        capacity=2 * GIB,
        data=False,
    )
    return msgspec.structs.replace(spec, **changes)


def data(name: str = "web-0-data", **changes: Any) -> VolumeSpec:
    """A blank data volume."""
    spec = VolumeSpec(
        name=name, label=f"{name}.qcow2", pool="web", format="qcow2", source=VolumeSource.BLANK, capacity=GIB
    )
    return msgspec.structs.replace(spec, **changes)


def seed(name: str = "web-0", **changes: Any) -> SeedSpec:
    spec = SeedSpec(
        name=name,
        pool="web",
        user_data="#cloud-config\npackages: [nginx]\n",
        vendor_data="#!/bin/sh\n# writes to org.vmstack.ready.0\n",
        network_config=None,
        meta_data={"local-hostname": name},
    )
    return msgspec.structs.replace(spec, **changes)


def network(name: str = "lan", **changes: Any) -> NetworkSpec:
    spec = NetworkSpec(
        name=name,
        label=name,
        host="kvm1",
        mode=NetworkMode.NAT,
        bridge=None,
        subnets=(
            Subnet(cidr="10.20.0.0/24", gateway="10.20.0.1", dhcp=DhcpRange(start="10.20.0.100", end="10.20.0.200")),
        ),
    )
    return msgspec.structs.replace(spec, **changes)


def mac(vm_name: str, nic_name: str = "lan") -> str:
    return derive_mac(STACK, Key(Kind.VM, vm_name), nic=nic_name)


def nic(vm_name: str = "web-0", **changes: Any) -> NicSpec:
    spec = NicSpec(name="lan", mac=mac(vm_name), network="lan", addresses=("10.20.0.10",))
    return msgspec.structs.replace(spec, **changes)


def lease(vm_name: str = "web-0", ip: str = "10.20.0.10") -> Reservation:
    return Reservation(ip=ip, mac=mac(vm_name), name=vm_name)


def vm(name: str = "web-0", **changes: Any) -> VmSpec:
    """A VM of one root disk, on no network, without a seed."""
    spec = VmSpec(
        name=name,
        label=name,
        uuid=derive_uuid(STACK, Key(Kind.VM, name)),
        host="kvm1",
        vcpus=1,
        max_vcpus=4,
        memory=512 * MIB,
        max_memory=1024 * MIB,
        disks=(DiskSpec(name="root", volume=f"{name}-root"),),
        shutdown_timeout=5,
        power_off_after_timeout=True,
    )
    return msgspec.structs.replace(spec, **changes)


def graph(
    *specs: Spec,
    options: dict[str, Options] | None = None,
    needs: dict[str, tuple[Key, ...]] | None = None,
    outputs: dict[str, Output] | None = None,
) -> DesiredGraph:
    """A graph of the specs with a host; `options` and `needs` are by address. Each has a place of its own."""
    chosen: Iterable[Spec] = specs if any(isinstance(spec, HostSpec) for spec in specs) else (host(), *specs)
    resources = []
    for line, spec in enumerate(chosen, start=1):
        key = Key(_KINDS[type(spec)], spec.name)
        resources.append(
            Resource(
                key=key,
                spec=spec,
                needs=(needs or {}).get(str(key), ()),
                options=(options or {}).get(str(key), Options()),
                place=Place("__main__.py", line),
            )
        )
    resources.sort(key=lambda resource: resource.key)
    return DesiredGraph(stack=STACK, resources=tuple(resources), outputs=outputs or {})


def small(*more: Spec, **vm_changes: Any) -> tuple[Spec, ...]:
    """One VM with its root disk in a pool, and whatever else."""
    return (pool(), image(), root(), vm(**vm_changes), *more)


def look(fake: FakeHost, desired: DesiredGraph) -> Observed:
    """Observe a FakeHost as the host `kvm1`."""
    return observe({"kvm1": fake}, stack=desired.stack, scopes=scope_of(desired))
