"""Graphs that cannot be right, and what is said of them."""

import msgspec
import pytest

from tests.unit.plan.builders import (
    GIB,
    STACK,
    data,
    graph,
    host,
    image,
    lease,
    network,
    nic,
    pool,
    root,
    seed,
    small,
    vm,
)  # fmt: skip
from vmstack.errors import ConflictError, ErrorGroup, InputError, VmstackError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import DhcpRange, DiskSpec, NetworkMode, Reservation, Subnet, VolumeSource
from vmstack.plan.validation import check_graph

ROOT_DISK = DiskSpec(name="root", volume="web-0-root")


def second(**changes: object) -> tuple[object, ...]:
    """Another VM with a root disk."""
    return (root("web-1-root"), vm("web-1", disks=(DiskSpec(name="root", volume="web-1-root"),), **changes))


def subnet(cidr: str, gateway: str, start: str | None = None, end: str | None = None) -> Subnet:
    return Subnet(cidr=cidr, gateway=gateway, dhcp=DhcpRange(start=start, end=end) if start and end else None)


def cased(name: str, wrong: DesiredGraph, kind: type[VmstackError], *words: str) -> object:
    return pytest.param(wrong, kind, words, id=name)


def double() -> DesiredGraph:
    one = graph(*small())
    first = next(resource for resource in one.resources if resource.key.kind is Kind.VM)
    again = msgspec.structs.replace(first, spec=vm(vcpus=2))
    return msgspec.structs.replace(one, resources=(*one.resources, again))


def net(*addresses: str, **changes: object) -> tuple[object, ...]:
    return small(network(**changes), nics=(nic(addresses=addresses),))


BAD = [
    cased("two of one name", double(), ConflictError, "two resources are named vm.web-0"),
    cased("unknown host", graph(host("kvm1"), pool(host="kvm9")), InputError, "pool.web", "host 'kvm9'"),
    cased("unknown pool", graph(data(pool="nowhere")), InputError, "pool 'nowhere'"),
    cased("unknown image", graph(pool(), root()), InputError, "image 'debian'"),
    cased("unknown volume", graph(vm()), InputError, "volume 'web-0-root'"),
    cased("unknown network", graph(*small(nics=(nic(),))), InputError, "network 'lan'"),
    cased("unknown seed", graph(*small(seed="x")), InputError, "seed 'x'"),
    cased(
        "unknown need", graph(*small(), needs={"vm.web-0": (Key(Kind.VM, "x"),)}), InputError, "depends on vm.x"
    ),
    cased(
        "circle",
        graph(
            *small(), *second(), needs={"vm.web-0": (Key(Kind.VM, "web-1"),), "vm.web-1": (Key(Kind.VM, "web-0"),)}
        ),
        ConflictError,
        "circle",
        "vm.web-0",
        "vm.web-1",
    ),
    cased("one host twice", graph(host(), host("kvm2", uri="qemu+ssh://kvm1/system")), ConflictError, "host.kvm2"),
    cased("one pool twice", graph(pool(), pool("b", label="web", path="/b")), ConflictError, "storage pool 'web'"),
    cased("one directory twice", graph(pool(), pool("b", path="/pools/web/")), ConflictError, "directory"),
    cased("one domain twice", graph(*small(), *second(label="web-0")), ConflictError, "domain name 'web-0'"),
    cased("one volume twice", graph(pool(), data("a"), data("b", label="a.qcow2")), ConflictError, "'a.qcow2'"),
    cased(
        "one network twice",
        graph(network(), network("b", label="lan", subnets=())),
        ConflictError,
        "the network 'lan'",
    ),
    cased("size 0", graph(pool(), data(capacity=0)), InputError, "size of 0"),
    cased("blank without size", graph(pool(), data(capacity=None)), InputError, "needs a size"),
    cased("blank with image", graph(pool(), image(), data(image="debian")), InputError, "no image"),
    cased("clone without image", graph(pool(), root(image=None)), InputError, "needs an image"),
    cased("raw clone", graph(pool(), image(), root(format="raw")), InputError, "must be qcow2"),
    cased(
        "one volume for two",
        graph(*small(), vm("web-1", disks=(ROOT_DISK,))),
        ConflictError,
        "2 disks have it",
    ),
    cased("libvirt's own log", graph(*small(serial_log="/var/log/libvirt/qemu/web-0.log")), InputError,
          "vm.web-0", "libvirt itself writes"),
    cased("one serial log for two", graph(*small(serial_log="/a.log"), *second(serial_log="/a.log")), ConflictError,
          "vm.web-0", "vm.web-1", "/a.log"),
    cased("two disks of one name", graph(*small(data(), disks=(ROOT_DISK, DiskSpec(name="root", volume="web-0-data")))),
          ConflictError, "disks are named 'root'"),
    cased("a disk named as the seed", graph(*small(disks=(DiskSpec(name="cidata", volume="web-0-root"),))), InputError,
          "cidata"),
    cased("two NICs of one name", graph(*small(network(), nics=(nic(), nic(mac="52:00:00:00:00:01", addresses=())))),
          ConflictError, "NICs are named 'lan'"),
    cased("a UUID of another", graph(*small(uuid="00000000-0000-4000-8000-000000000000")), InputError, "UUID"),
    cased("no vcpus", graph(*small(vcpus=0)), InputError, "0 vcpus"),
    cased("vcpus over maximum", graph(*small(vcpus=9)), InputError, "maximum of 4"),
    cased("no memory", graph(*small(memory=512)), InputError, "too little"),
    cased("memory over maximum", graph(*small(memory=2 * GIB)), InputError, "larger than its maximum"),
    cased("ready timeout", graph(*small(ready_timeout=0)), InputError, "timeout"),
    cased("a pool elsewhere", graph(host(), host("kvm2"), *small(host="kvm2")), InputError, "in a pool on host kvm1"),
    cased("a network elsewhere", graph(host(), host("kvm2"), *small(network(host="kvm2"), nics=(nic(),))), InputError,
          "on a network on host kvm2"),
    cased("a seed of nobody", graph(pool(), seed()), ConflictError, "seed.web-0", "0 have it"),
    cased("a seed of two", graph(*small(seed("s"), seed="s"), *second(seed="s")), ConflictError, "2 have it"),
    cased("address outside", graph(*net("10.99.0.5")), InputError, "10.99.0.5", "outside network.lan", "10.20.0.0/24"),
    cased("address of the gateway", graph(*net("10.20.0.1")), InputError, "gateway"),
    cased("address of the network", graph(*net("10.20.0.0")), InputError, "network's own"),
    cased("address of broadcast", graph(*net("10.20.0.255")), InputError, "broadcast"),
    cased("no address at all", graph(*net("10.20.0.300")), InputError, "10.20.0.300"),
    cased(
        "one address twice",
        graph(*net("10.20.0.9"), *second(nics=(nic("web-1", addresses=("10.20.0.9",)),))),
        ConflictError,
        "same address 10.20.0.9",
        "vm.web-0",
        "vm.web-1",
    ),
    cased("one MAC twice", graph(*net(), *second(nics=(nic("web-0", addresses=()),))), ConflictError, "same MAC"),
    cased(
        "an address reserved for another",
        graph(*net("10.20.0.9", reservations=(lease("web-9", ip="10.20.0.9"),))),
        ConflictError,
        "the same address 10.20.0.9",
    ),
    cased(
        "two reservations of one MAC",
        graph(network(reservations=(lease(ip="10.20.0.8"), lease(ip="10.20.0.9")))),
        ConflictError,
        "two reservations",
    ),
    cased(
        "a reservation outside",
        graph(network(reservations=(Reservation(ip="10.1.1.1", mac="52:00:00:00:00:01", name=None),))),
        InputError,
        "outside network.lan",
    ),
    cased("overlap", graph(network(), network("b", subnets=(subnet("10.20.0.128/25", "10.20.0.129"),))), ConflictError,
          "overlap", "10.20.0.0/24", "10.20.0.128/25"),
    cased("overlap, not side by side",
          graph(network("a", subnets=(subnet("10.0.0.0/8", "10.0.0.1"),)),
                network("b", subnets=(subnet("10.1.0.0/24", "10.1.0.1"),)),
                network("c", subnets=(subnet("10.3.0.0/24", "10.3.0.1"),))),
          ConflictError, "network.b", "network.c"),
    cased("gateway outside", graph(network(subnets=(subnet("10.20.0.0/24", "10.21.0.1"),))), InputError, "gateway"),
    cased("range outside", graph(network(subnets=(subnet("10.20.0.0/24", "10.20.0.1", "10.20.0.9", "10.20.1.9"),))),
          InputError, "not inside"),
    cased("range backwards", graph(network(subnets=(subnet("10.20.0.0/24", "10.20.0.1", "10.20.0.9", "10.20.0.8"),))),
          InputError, "ends before"),
    cased("range with broadcast", graph(network(subnets=(subnet("10.20.0.0/24", "10.20.0.1", "10.20.0.9",
                                                                "10.20.0.255"),))), InputError, "broadcast"),
    cased("no network", graph(network(subnets=(subnet("10.20.0.0/99", "10.20.0.1"),))), InputError, "10.20.0.0/99"),
    cased("no range", graph(network(subnets=(subnet("10.20.0.0/24", "10.20.0.1", "10.20.0.9", "x"),))), InputError,
          "'x'"),
    cased("bridge without a name", graph(network(mode=NetworkMode.BRIDGE, subnets=())), InputError, "bridge's name"),
    cased("one bridge twice", graph(network(bridge="br9", subnets=()), network("b", bridge="br9", subnets=())),
          ConflictError, "br9"),
    cased("ignored nonsense", graph(*small(), options={"vm.web-0": Options(ignore_changes=("memroy",))}), InputError,
          "'memroy'", "memory"),
    cased("ignored disk that is not there",
          graph(*small(), options={"vm.web-0": Options(ignore_changes=("disks[x].capacity",))}), InputError,
          "disks[x]"),
    cased("ignored field of a host", graph(*small(), options={"host.kvm1": Options(ignore_changes=("uri",))}),
          InputError, "'uri'"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "words"), BAD)
def test_bad_graph(wrong: DesiredGraph, kind: type[VmstackError], words: tuple[str, ...]) -> None:
    with pytest.raises((kind, ErrorGroup)) as caught:
        check_graph(wrong)
    error = caught.value
    found = error.errors if isinstance(error, ErrorGroup) else (error,)
    assert any(isinstance(item, kind) for item in found)
    assert all(word in str(error) for word in words), str(error)
    assert any(item.place is not None and item.place.file == "__main__.py" for item in found)
    assert all(item.resolution for item in found), str(error)


GOOD = [
    graph(*small()),
    graph(*small(network(reservations=(lease(),)), nics=(nic(),))),
    graph(*small(seed(), seed="web-0")),
    graph(network(subnets=(subnet("10.20.0.0/31", "10.20.0.0"),))),
    graph(network(subnets=(subnet("fd00:1::/64", "fd00:1::1", "fd00:1::100", "fd00:1::200"),))),
    graph(network(), network("b", subnets=(subnet("10.20.1.0/24", "10.20.1.1"),))),
    graph(
        network("a", mode=NetworkMode.EXISTING),
        network("b", mode=NetworkMode.EXISTING),
    ),
    graph(pool(), image(), root(source=VolumeSource.FULL_COPY, format="raw")),
    graph(*small(), options={"vm.web-0": Options(ignore_changes=("memory", "disks[root].capacity", "*"))}),
]


@pytest.mark.parametrize("right", GOOD)
def test_good_graph(right: DesiredGraph) -> None:
    check_graph(right)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ErrorGroup) as caught:
        check_graph(graph(*small(vcpus=0, memory=1), data(capacity=0)))
    assert len(caught.value.errors) == 3


def test_stack_is_the_builders() -> None:
    assert graph().stack == STACK
