"""What native resources record, and what their attributes say at once."""

import json
import textwrap

import pytest

from vmstack.model.identity import Key, Kind, StackId, derive_bridge, derive_mac, derive_uuid
from vmstack.model.sizes import GIB, MIB
from vmstack.model.specs import (
    DhcpRange,
    DiskSpec,
    GroupSpec,
    HealthSpec,
    ImageChange,
    ImageSpec,
    NetworkMode,
    PoolSpec,
    Power,
    Reservation,
    RestartSpec,
    SeedPolicy,
    Subnet,
    VolumeSource,
    VolumeSpec,
)

STACK = StackId("unit", "dev")


def spec_of(graph, kind, name):
    return next(resource.spec for resource in graph.resources if resource.key == Key(kind, name))


def facts_of(stack, body, expression):
    """Evaluate a program and return what an expression in it was."""
    path = stack.folder / "facts.json"
    body = textwrap.dedent(body)
    stack.evaluate(f"{body}\nimport json, pathlib\npathlib.Path({str(path)!r}).write_text(json.dumps({expression}))")
    return json.loads(path.read_text())


def test_a_vm_brings_its_root_disk_and_seed(stack):
    graph = stack.evaluate(
        """
        VirtualMachine("web", pool=pool, image=image, vcpus=2, memory="2GiB", disk="20GiB", networks=[lan.at(10)],
                       cloud_init=CloudInit())
        """
    )
    assert [str(resource.key) for resource in graph.resources] == [
        "host.kvm", "image.debian", "network.lan", "pool.pool", "seed.web", "vm.web", "volume.web-root",
    ]  # fmt: skip
    vm = spec_of(graph, Kind.VM, "web")
    assert (vm.vcpus, vm.max_vcpus, vm.memory, vm.max_memory) == (2, 2, 2 * GIB, 2 * GIB)
    assert vm.uuid == derive_uuid(STACK, Key(Kind.VM, "web"))
    assert vm.disks == (DiskSpec(name="root", volume="web-root"),)
    assert (vm.seed, vm.ready_timeout, vm.power, vm.label) == ("web", 600, Power.RUNNING, "web")
    assert spec_of(graph, Kind.VOLUME, "web-root") == VolumeSpec(
        name="web-root", label="web-root.qcow2", pool="pool", format="qcow2", source=VolumeSource.LINKED_CLONE,
        image="debian", capacity=20 * GIB, data=False, on_image_change=ImageChange.KEEP,
    )  # fmt: skip
    needs = {str(resource.key): [str(key) for key in resource.needs] for resource in graph.resources}
    assert needs["vm.web"] == ["host.kvm", "network.lan", "seed.web", "volume.web-root"]
    assert needs["volume.web-root"] == ["image.debian", "pool.pool"]
    assert needs["seed.web"] == ["pool.pool"]
    assert needs["network.lan"] == needs["pool.pool"] == ["host.kvm"]


def test_all_that_can_be_said_of_a_vm_is_in_its_spec(stack):
    graph = stack.evaluate(
        """
        VirtualMachine("web", label="web.example", host=kvm, max_vcpus=4, max_memory="4GiB", domain_type="qemu",
                       cpu_mode="maximum", machine="pc-q35-7.2", firmware="uefi", graphics=Graphics(type="spice"),
                       serial_log="/var/log/web.log", description="<b>", autostart=True, running=False, wait="2min",
                       shutdown_timeout="90s", power_off_after_timeout=True, on_seed_change="reseed")
        """
    )
    vm = spec_of(graph, Kind.VM, "web")
    assert (vm.label, vm.max_vcpus, vm.max_memory, vm.memory) == ("web.example", 4, 4 * GIB, GIB)
    assert (vm.domain_type, vm.cpu_mode, vm.machine, vm.firmware) == ("qemu", "maximum", "pc-q35-7.2", "uefi")
    assert (vm.graphics.type, vm.graphics.listen) == ("spice", "127.0.0.1")
    assert (vm.serial_log, vm.description, vm.autostart, vm.power) == ("/var/log/web.log", "<b>", True, Power.STOPPED)
    assert (vm.ready_timeout, vm.shutdown_timeout, vm.power_off_after_timeout) == (120, 90, True)
    assert vm.seed_policy is SeedPolicy.RESEED
    assert (vm.disks, vm.nics, vm.seed) == ((), (), None)


def test_how_a_vm_is_restarted_is_in_its_spec(stack):
    graph = stack.evaluate(
        """
        web = RollingGroup("web", max_unavailable="25%")
        VirtualMachine("a", pool=pool, image=image, networks=[lan.at(10)], group=web, restart="defer",
                       cloud_init=CloudInit(), health=HealthCheck(tcp=443, timeout="5min", interval=10))
        VirtualMachine("b", host=kvm, group=RollingGroup("one"), health=HealthCheck(command=["./check", "$x"]))
        VirtualMachine("c", host=kvm, health=HealthCheck(command=["curl", "-f"], address="fd00::1"))
        """
    )
    a, b, c = (spec_of(graph, Kind.VM, name).restarts for name in "abc")
    assert a == RestartSpec(
        policy="defer",
        group=GroupSpec(name="web", percent=25),
        health=HealthSpec(address="10.20.0.10", port=443, timeout=300, interval=10),
    )
    assert b.group == GroupSpec(name="one", limit=1)
    assert b.health.command == (str(stack.folder / "check"), "$x")
    assert c.health == HealthSpec(command=("curl", "-f"), address="fd00::1")
    assert [a.group.allows(members) for members in (1, 4, 7, 12)] == [1, 1, 1, 3]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", None),
        ("cloud_init=CloudInit()", 600),
        ("cloud_init=CloudInit(), wait=False", None),
        ("cloud_init=CloudInit(), wait=30", 30),
        ("cloud_init=CloudInit(), wait='1h'", 3600),
        ("wait=True", 600),
    ],
)
def test_waiting_for_the_guest_follows_cloud_init(stack, arguments, expected):
    graph = stack.evaluate(f'VirtualMachine("a", pool=pool, {arguments})')
    assert spec_of(graph, Kind.VM, "a").ready_timeout == expected


@pytest.mark.parametrize(
    ("arguments", "source", "capacity", "data"),
    [
        ("image=image", VolumeSource.LINKED_CLONE, None, False),
        ('image=image, disk="4GiB", full_copy=True', VolumeSource.FULL_COPY, 4 * GIB, False),
        ('disk="4GiB"', VolumeSource.BLANK, 4 * GIB, True),
        ('image=image, disk=Disk("root", size="4GiB", bus="scsi")', VolumeSource.LINKED_CLONE, 4 * GIB, False),
    ],
)
def test_a_root_disk_is_a_clone_or_blank(stack, arguments, source, capacity, data):
    graph = stack.evaluate(f'VirtualMachine("a", pool=pool, {arguments})')
    volume = spec_of(graph, Kind.VOLUME, "a-root")
    assert (volume.source, volume.capacity, volume.data) == (source, capacity, data)


def test_further_disks_are_volumes_of_their_own_or_given_ones(stack):
    graph = stack.evaluate(
        """
        shared = Volume("shared", pool=pool, size="1GiB", format="raw")
        VirtualMachine("a", pool=pool, image=image, disks=[
            Disk("data", size="10GiB", cache="none", protect=False), Disk("shared", volume=shared, readonly=True)])
        VirtualMachine("b", disks=[Disk("shared", volume=shared, readonly=True)])
        """
    )
    vm = spec_of(graph, Kind.VM, "a")
    assert [(disk.name, disk.volume, disk.cache, disk.readonly) for disk in vm.disks] == [
        ("root", "a-root", None, False), ("data", "a-data", "none", False), ("shared", "shared", None, True),
    ]  # fmt: skip
    assert spec_of(graph, Kind.VOLUME, "a-data").data is True
    assert spec_of(graph, Kind.VOLUME, "shared").label == "shared.raw"
    protected = {str(resource.key): resource.options.protect for resource in graph.resources}
    assert protected["volume.a-data"] is False


def test_attributes_are_plain_and_known_at_once(stack):
    facts = facts_of(
        stack,
        """
        vm = VirtualMachine("web", pool=pool, image=image, networks=[lan.at("10.20.0.10")],
                            disks=[Disk("data", size="1GiB")])
        v = Volume("v", pool=pool, size="1GiB")
        """,
        "[vm.name, vm.ip, vm.ips, vm.uuid, vm.mac, vm.macs, vm.disks['root'].path, vm.disks['data'].path, v.path, "
        "pool.path, lan.cidr, lan.gateway, lan.bridge, lan.uuid, kvm.uri]",
    )
    vm, lan = Key(Kind.VM, "web"), Key(Kind.NETWORK, "lan")
    mac = derive_mac(STACK, vm, nic="lan")
    assert facts == [
        "web", "10.20.0.10", ["10.20.0.10"], derive_uuid(STACK, vm), mac, [mac],
        "/var/lib/libvirt/pool/web-root.qcow2", "/var/lib/libvirt/pool/web-data.qcow2", "/var/lib/libvirt/pool/v.qcow2",
        "/var/lib/libvirt/pool", "10.20.0.0/24", "10.20.0.1", derive_bridge(STACK, lan), derive_uuid(STACK, lan),
        "qemu:///system",
    ]  # fmt: skip


def test_images_are_files_of_the_project_or_urls(stack):
    graph = stack.evaluate(
        f"""
        Image("beside", source="img/a.qcow2.xz")
        Image("home", source="~/a.raw", format="raw")
        Image("url", source="file:///srv/a%20b.qcow2")
        Image("web", source="https://example.org/a.qcow2.gz?x=1", sha256="{"A" * 64}")
        Image("said", source="/a", compression="zst")
        """
    )
    assert spec_of(graph, Kind.IMAGE, "beside") == ImageSpec(
        name="beside", source=str(stack.folder / "img/a.qcow2.xz"), sha256=None, format="qcow2", compression="xz"
    )
    assert spec_of(graph, Kind.IMAGE, "home").source.startswith("/")
    assert spec_of(graph, Kind.IMAGE, "url").source == "/srv/a b.qcow2"
    web = spec_of(graph, Kind.IMAGE, "web")
    assert (web.source, web.sha256, web.compression) == ("https://example.org/a.qcow2.gz?x=1", "a" * 64, "gz")
    assert spec_of(graph, Kind.IMAGE, "said").compression == "zst"


def test_existing_pools_are_references(stack):
    graph = stack.evaluate(
        'default = StoragePool.existing("default", path="/var/lib/libvirt/images/")\n'
        'VirtualMachine("a", pool=default, disk="1GiB")\nStoragePool.existing("nowhere", label="other")'
    )
    assert spec_of(graph, Kind.POOL, "default") == PoolSpec(
        name="default", label="default", host="kvm", path="/var/lib/libvirt/images", existing=True
    )
    assert spec_of(graph, Kind.POOL, "nowhere").label == "other"


def test_networks_record_what_they_serve(stack):
    graph = stack.evaluate(
        """
        Network("full", cidr="10.9.0.0/24", cidr6="fd00:9::/64", mode="route", gateway="10.9.0.254",
                dhcp=("10.9.0.100", "10.9.0.200"), dhcp6=("fd00:9::100", "fd00:9::200"), bridge="virbr9",
                reservations=[Reservation("10.9.0.9", mac="52-54-00-00-00-0A", name="printer"),
                              Reservation("fd00:9::9", name="printer")],
                dns_hosts={"10.9.0.9": ["printer", "printer.lan"], "10.9.0.8": "scanner"},
                domain="lan.test", mtu=1400, autostart=False, label="full-lan")
        Network("alone", mode="isolated")
        Network("wire", mode="bridge", bridge="br0")
        Network.existing("default")
        """
    )
    full = spec_of(graph, Kind.NETWORK, "full")
    assert (full.label, full.mode, full.bridge, full.domain, full.mtu, full.autostart) == (
        "full-lan", NetworkMode.ROUTE, "virbr9", "lan.test", 1400, False,
    )  # fmt: skip
    assert full.subnets == (
        Subnet(cidr="10.9.0.0/24", gateway="10.9.0.254", dhcp=DhcpRange(start="10.9.0.100", end="10.9.0.200")),
        Subnet(cidr="fd00:9::/64", gateway="fd00:9::1", dhcp=DhcpRange(start="fd00:9::100", end="fd00:9::200")),
    )
    assert full.reservations == (
        Reservation(ip="10.9.0.9", mac="52:54:00:00:00:0a", name="printer"),
        Reservation(ip="fd00:9::9", mac=None, name="printer"),
    )
    assert [(host.ip, host.hostnames) for host in full.dns_hosts] == [
        ("10.9.0.8", ("scanner",)), ("10.9.0.9", ("printer", "printer.lan")),
    ]  # fmt: skip
    assert spec_of(graph, Kind.NETWORK, "alone").subnets == ()
    wire = spec_of(graph, Kind.NETWORK, "wire")
    assert (wire.mode, wire.bridge, wire.subnets) == (NetworkMode.BRIDGE, "br0", ())
    assert spec_of(graph, Kind.NETWORK, "default").mode is NetworkMode.EXISTING


@pytest.mark.parametrize(
    ("cidr", "gateway", "expected"),
    [
        ("10.9.0.0/24", None, ("10.9.0.128", "10.9.0.254")),
        ("10.9.0.0/24", "10.9.0.254", ("10.9.0.128", "10.9.0.253")),
        ("10.9.0.0/24", "10.9.0.129", ("10.9.0.130", "10.9.0.254")),
        ("172.16.0.0/12", None, ("172.31.251.255", "172.31.255.254")),
        ("10.9.0.0/30", None, ("10.9.0.2", "10.9.0.2")),
    ],
)
def test_dhcp_has_the_upper_half_by_default(stack, cidr, gateway, expected):
    graph = stack.evaluate(f'Network("n", cidr={cidr!r}, gateway={gateway!r})')
    subnet = spec_of(graph, Kind.NETWORK, "n").subnets[0]
    assert (subnet.dhcp.start, subnet.dhcp.end) == expected


def test_displays_on_all_addresses_are_warned_of(stack):
    graph = stack.evaluate('VirtualMachine("a", graphics=Graphics(listen="0.0.0.0"))')
    assert graph.warnings == ("vm.a: its display listens on all addresses of host.kvm without a password",)


def test_the_order_in_the_program_does_not_matter(stack):
    forward = stack.evaluate('for n in range(9): VirtualMachine(f"vm-{n}", networks=[lan.at(10 + n)])')
    backward = stack.evaluate('for n in reversed(range(9)): VirtualMachine(f"vm-{n}", networks=[lan.at(10 + n)])')
    assert forward == backward
    assert [resource.key for resource in forward.resources] == sorted(resource.key for resource in forward.resources)


def test_sizes_are_bytes(stack):
    graph = stack.evaluate('VirtualMachine("a", memory="1.5GiB", pool=pool, disk="512MiB")')
    assert spec_of(graph, Kind.VM, "a").memory == 1536 * MIB
    assert spec_of(graph, Kind.VOLUME, "a-root").capacity == 512 * MIB
