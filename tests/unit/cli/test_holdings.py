"""What the hosts hold, the graph, and the way to a guest's shell."""

import io
import socket

import pytest

from vmstack.apply.result import ApplyResult
from vmstack.cli import doctor
from vmstack.cli.drawing import render_dot
from vmstack.cli.holdings import find_domain, gather, owned_key
from vmstack.cli.known_hosts import host_alias, known_hosts_file, remember_guests, vm_key
from vmstack.cli.showing import render_host
from vmstack.cli.ssh import jump_host, login_user, ssh_arguments
from vmstack.cli.terminal import Terminal
from vmstack.errors import HostUnreachableError
from vmstack.model.configs import DomainConfig, NetworkConfig, NicConfig, PoolConfig, SubnetConfig, VolumeConfig
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.observed import (
    HostFacts,
    HostSnapshot,
    Observed,
    ObservedDomain,
    ObservedNetwork,
    ObservedPool,
    ObservedVolume,
)
from vmstack.model.ownership import EntryState, Ledger, LedgerEntry, RunRecord, Stamp
from vmstack.model.plan import Change, Operation, Plan
from vmstack.model.readiness import GuestReport
from vmstack.model.specs import HostSpec, NicSpec, Reservation, SeedSpec, VmSpec

STACK = StackId("shop", "prod")
VM = Key(Kind.VM, "web-0")
FACTS = HostFacts(
    uri="qemu:///system", hostname="h", arch="x86_64", domain_type="qemu", libvirt_version=9000000,
    hypervisor_version=7002000, cpus=2, memory=2**32,
)  # fmt: skip


def terminal() -> Terminal:
    return Terminal(out=io.StringIO(), err=io.StringIO(), colour=False, colour_err=False, interactive=False)


UUID = derive_uuid(STACK, VM)
LAN_UUID = derive_uuid(STACK, Key(Kind.NETWORK, "lan"))


def domain(path: str | None, *, name: str = "web-0", uuid: str = UUID) -> ObservedDomain:
    config = DomainConfig(
        name=name, uuid=uuid, vcpus=2, max_vcpus=2, memory_kib=1048576, max_memory_kib=1048576,
        nics=(NicConfig(mac="52:00:00:00:00:01", network="lan"),),
    )  # fmt: skip
    return ObservedDomain(
        uuid=uuid, name=name, active=True, state="running", persistent=True, autostart=False, config=config,
        stamp=Stamp(path=path, digest="d", ready="failed", report="cloud-init: boom") if path else None,
    )  # fmt: skip


def observed() -> Observed:
    reservation = Reservation(ip="10.0.0.5", mac="52:00:00:00:00:01", name=None)
    subnet = SubnetConfig(family="ipv4", gateway="10.0.0.1", prefix=24, reservations=(reservation,))
    network = ObservedNetwork(
        uuid=LAN_UUID, name="lan", active=True, persistent=True, autostart=True,
        config=NetworkConfig(name="lan", uuid=LAN_UUID, subnets=(subnet,)),
        stamp=Stamp(path="shop/prod/network/lan", digest="d"),
    )  # fmt: skip
    root = VolumeConfig(name="web-0-root.qcow2", format="qcow2", capacity=2**33, path="/p/web-0-root.qcow2")
    pool = ObservedPool(
        uuid="p", name="web", active=True, autostart=True,
        config=PoolConfig(name="web", uuid="p", type="dir", path="/p"),
        volumes=(ObservedVolume(pool="web", name=root.name, config=root),),
    )  # fmt: skip
    entries = (
        LedgerEntry(name="web", role="pool", pool="web", state=EntryState.READY),
        LedgerEntry(name="web-0-root", role="volume", pool="web", label=root.name, state=EntryState.READY),
        LedgerEntry(name="web-0", role="seed", pool="web", label="web-0-seed-abc.iso", state=EntryState.PENDING),
        LedgerEntry(name="debian", role="base", pool="web", label="debian-abc.qcow2", image="debian"),
    )
    run = RunRecord(run="r", who="me", where="here", when="2026-01-01T00:00:00+00:00")
    snapshot = HostSnapshot(
        host="kvm1", facts=FACTS, networks=(network,), pools=(pool,),
        domains=(
            domain("shop/prod/vm/web-0", name="a-clone", uuid="c"), domain("shop/prod/vm/web-0"),
            domain(None, name="x", uuid="x"), domain("shop/dev/vm/y", uuid="y"),
        ),
        ledger=Ledger(stack=STACK, entries=entries, last_run=run),
    )  # fmt: skip
    return Observed(hosts={"kvm1": snapshot})


def desired(*, user_data: str = "#cloud-config\n", addresses: tuple[str, ...] = ()) -> DesiredGraph:
    nic = NicSpec(name="lan", mac="52:00:00:00:00:01", network="lan", addresses=addresses)
    vm = VmSpec(
        name="web-0", label="web-0", uuid=UUID, host="kvm1", vcpus=2, max_vcpus=2, memory=2**30, max_memory=2**30,
        nics=(nic,), seed="web-0",
    )  # fmt: skip
    seed = SeedSpec(name="web-0", pool="web", user_data=user_data, vendor_data=None, network_config=None, meta_data={})
    host = HostSpec(name="kvm1", uri="qemu:///system")
    return DesiredGraph(
        stack=STACK,
        resources=(
            Resource(key=Key(Kind.HOST, "kvm1"), spec=host),
            Resource(key=Key(Kind.SEED, "web-0"), spec=seed),
            Resource(key=VM, spec=vm, needs=(Key(Kind.SEED, "web-0"), Key(Kind.HOST, "kvm1"))),
        ),
    )


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("shop/prod/vm/web-0", VM),
        ("shop/dev/vm/web-0", None),
        ("shop/prod/ghost/x", None),
        ("shop/prod/vm/", None),
        ("shop", None),
        ("", None),
    ],
)
def test_only_stamps_of_this_stack_make_something_ours(path, key):
    assert owned_key(STACK, path) == key


def test_show_lists_what_is_ours_with_state_addresses_and_readiness():
    (host,) = gather(observed(), desired=desired())
    lines = list(render_host(host, terminal()))
    assert lines == [
        "host.kvm1  qemu:///system",
        "  applied 2026-01-01T00:00:00+00:00 by me on here",
        "  image.debian@web   missing",
        "  network.lan        active  10.0.0.1/24",
        "  pool.web           active  /p",
        "  seed.web-0         missing",
        "  vm.web-0           running  not ready: failed  (cloud-init: boom)  2 vcpus  1 GiB  10.0.0.5",
        "  volume.web-0-root  ready  8 GiB  /p/web-0-root.qcow2",
    ]


def test_addresses_come_from_the_program_first():
    (host,) = gather(observed(), desired=desired(addresses=("10.0.0.9",)))
    assert next(one.addresses for one in host.resources if one.address == "vm.web-0") == ("10.0.0.9", "10.0.0.5")


def test_a_domain_is_found_by_its_stamp():
    found = find_domain(observed(), stack=STACK, key=VM)
    assert found is not None
    assert found[1].uuid == UUID
    assert find_domain(observed(), stack=STACK, key=Key(Kind.VM, "x")) is None


def test_the_graph_is_dot_with_everything_quoted():
    graph = desired()
    evil = Resource(key=Key(Kind.VM, 'a"]; b\\'), spec=graph.resources[2].spec)
    lines = list(render_dot(DesiredGraph(stack=STACK, resources=(*graph.resources, evil))))
    assert lines[0] == 'digraph "shop/prod" {'
    assert '  "vm.web-0" -> "seed.web-0";' in lines
    assert '  "vm.a\\"]; b\\\\" [shape = box3d];' in lines
    assert lines[-1] == "}"


@pytest.mark.parametrize(
    ("user_data", "user"),
    [
        ("#cloud-config\nusers:\n- default\n- name: ada\n", "ada"),
        ("#cloud-config\nuser: bob\n", "bob"),
        ("#cloud-config\nuser:\n  name: eve\n", "eve"),
        ("#cloud-config\nusers: [default]\n", None),
        ("#cloud-config\nusers:\n- name: -oProxyCommand=x\n", None),
        ("#!/bin/sh\n", None),
        ("a: [", None),
    ],
)
def test_the_login_user_is_the_one_that_cloud_init_makes(user_data, user):
    assert login_user(desired(user_data=user_data), key=VM) == user


def test_ssh_gets_a_command_line_that_no_name_can_bend(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    arguments = ssh_arguments(desired(), key=VM, address="10.0.0.5", user="ada", jump=None, command=("ls", "-la"))
    assert arguments == [
        "ssh", "-o", "HostKeyAlias=web-0.prod.shop.vmstack",
        "-o", 'UserKnownHostsFile="/s/vmstack/shop/prod/known_hosts"', "-o", "StrictHostKeyChecking=accept-new",
        "-l", "ada", "--", "10.0.0.5", "ls", "-la",
    ]  # fmt: skip
    assert vm_key("vm.web-0") == vm_key("web-0") == VM


@pytest.mark.parametrize(
    ("uri", "jump"),
    [
        ("qemu:///system", None),
        ("qemu+tls://kvm1/system", None),
        ("qemu+ssh://ada@kvm1:2222/system", "ssh://ada@kvm1:2222"),
        ("qemu+ssh://[fd00::1]/system?keyfile=/k", "ssh://[fd00::1]"),
    ],
)
def test_guests_of_a_host_behind_ssh_are_reached_through_it(uri, jump):
    assert jump_host(uri) == jump
    arguments = ssh_arguments(desired(), key=VM, address="10.0.0.5", user=None, jump=jump, command=())
    assert ("-J" in arguments) is (jump is not None)


def guest(*keys: str) -> GuestReport:
    return GuestReport(boot="b", instance="i", exit=0, status="", errors=(), host_keys=keys, addresses=())


def result(operation: Operation, *keys: str) -> ApplyResult:
    plan = Plan(stack=STACK, changes=(Change(key=VM, host="kvm1", operation=operation),))
    return ApplyResult(plan=plan, guests={VM: guest(*keys)} if keys else {})


def test_host_keys_of_guests_are_filed_and_forgotten(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = known_hosts_file(STACK)
    path.parent.mkdir(parents=True)
    path.write_text("other ssh-ed25519 AAAA\n")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFake root@guest"
    remember_guests(
        result(Operation.CREATE, key, "@cert-authority * ssh-rsa AAAA", "x\ny ssh-rsa AAAAAAAAAAAAAAAAAAAA")
    )
    alias = host_alias(STACK, "web-0")
    assert path.read_text() == (f"other ssh-ed25519 AAAA\n{alias} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFake\n")
    remember_guests(result(Operation.UPDATE))
    assert alias in path.read_text()
    remember_guests(result(Operation.DELETE))
    assert path.read_text() == "other ssh-ed25519 AAAA\n"


def test_a_state_folder_that_cannot_be_written_stops_nothing(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember_guests(result(Operation.CREATE, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFake"))


def test_the_doctor_finds_the_kvm_trap(tmp_path):
    device = tmp_path / "kvm"
    assert doctor.check_kvm_device(device).status == "warning"
    device.write_text("")
    for mode, status in ((0o600, "failed"), (0o666, "ok")):
        device.chmod(mode)
        assert doctor.check_kvm_device(device).status == status
    device.chmod(0o600)
    assert "chmod 0660" in str(doctor.check_kvm_device(device).resolution)


def test_the_doctor_says_what_to_do_about_an_unreachable_libvirt():
    def refuse(spec: HostSpec) -> None:
        raise HostUnreachableError("no socket")

    (check,) = doctor.check_libvirt("qemu:///system", connect=refuse)  # type: ignore[arg-type]
    assert check.status == "failed"
    assert "libvirtd" in str(check.resolution)


def test_the_doctor_looks_for_the_log_daemon(tmp_path):
    path = tmp_path / "sock"
    assert doctor.check_log_daemon(path).status == "failed"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        assert doctor.check_log_daemon(path).status == "ok"


def test_the_doctor_looks_at_python_tools_and_the_cache(tmp_path):
    assert doctor.check_python((3, 10, 2)).status == "failed"
    assert doctor.check_python((3, 11, 0)).status == "ok"
    assert [one.status for one in doctor.check_tools(lambda name: None)] == ["warning", "warning"]
    assert [one.status for one in doctor.check_tools(lambda name: f"/bin/{name}")] == ["ok", "ok"]
    assert doctor.check_cache(tmp_path / "a" / "b").status in ("ok", "warning")
    (tmp_path / "file").write_text("")
    assert doctor.check_cache(tmp_path / "file" / "b").status == "failed"
