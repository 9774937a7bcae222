"""What only the FakeHost can do: faults, a guest's report, and copies of the whole machine."""

import pytest

from tests.contract import documents
from tests.fake import foreign
from tests.fake.faults import CrashNow, Faults, crash_at, fail_method, lose_reply_at
from tests.fake.guests import Guest
from tests.fake.host import FakeHost, fleet
from vmstack.errors import GuestError, HostUnreachableError
from vmstack.hosts.readiness import await_ready
from vmstack.images.seed import build_seed
from vmstack.model.plan import SeedDocuments

UUID = "00000000-0000-4000-8000-00000000000a"
NET = "00000000-0000-4000-8000-00000000000b"
MAC = "52:00:00:00:00:01"


def _secret(host: FakeHost, name: str) -> None:
    host.define_secret(uuid=f"{name}-uuid", usage=name, description=name)


def test_crash_kills_the_connection_and_not_the_machine() -> None:
    host = FakeHost(faults=crash_at(2, moment="before"))
    _secret(host, "one")
    for _ in range(2):
        with pytest.raises(CrashNow):
            _secret(host, "two")
    with pytest.raises(CrashNow):
        host.secrets(usage_prefix="")
    assert [secret.usage for secret in host.connect().secrets(usage_prefix="")] == ["one"]


def test_lost_reply_leaves_the_effect() -> None:
    host = FakeHost(faults=lose_reply_at(1))
    with pytest.raises(HostUnreachableError):
        _secret(host, "one")
    assert len(host.secrets(usage_prefix="one")) == 1
    assert [call.method for call in host.changes] == ["define_secret"]


def test_method_fails_as_often_as_told() -> None:
    host = FakeHost(faults=fail_method("secrets", lambda: HostUnreachableError("gone"), times=2))
    for _ in range(2):
        with pytest.raises(HostUnreachableError):
            host.secrets(usage_prefix="")
    assert host.secrets(usage_prefix="") == []


def test_upload_dies_half_way() -> None:
    def half(call: object) -> None:
        raise CrashNow

    host = FakeHost()
    foreign.build(host)
    broken = host.connect(faults=Faults(during=half))
    with pytest.raises(CrashNow):
        broken.upload_volume(foreign.POOL, "loose.img", chunks=[b"a" * 10, b"b" * 10], length=20)
    content = host.machine.files[f"{foreign.POOL_PATH}/loose.img"].content
    assert (content.complete, content.length) == (False, 10)


def test_copy_shares_nothing() -> None:
    host = FakeHost()
    before = foreign.build(host)
    twin = host.fork()
    twin.power_off_domain(foreign.RUNNING_UUID)
    twin.delete_volume(foreign.POOL, "loose.img")
    assert foreign.foreign_part(host) == before
    assert foreign.foreign_part(twin) != before


def test_fleet_is_of_separate_hosts() -> None:
    hosts = fleet("one", "two")
    _secret(hosts["one"], "s")
    assert hosts["two"].secrets(usage_prefix="") == []
    assert hosts["two"].facts().hostname == "two"


@pytest.fixture
def booted() -> FakeHost:
    """A host with a running guest on a network with a lease for it, seeded with instance `i-1`."""
    host = FakeHost()
    foreign.build(host)
    lease = documents.dhcp_host(mac=MAC, ip="10.9.0.7")
    host.define_network(documents.network("net", NET, bridge="br9", subnet="10.9.0", hosts=(lease,)))
    host.start_network(NET)
    files = {
        "meta-data": '{"instance-id": "i-1"}',
        "user-data": "#cloud-config\n",
        "vendor-data": "org.vmstack.ready.0",
    }
    seed = build_seed(SeedDocuments(digest="d", files=files))
    host.create_volume(foreign.POOL, documents.volume("seed.iso", capacity=len(seed), form="raw"))
    host.upload_volume(foreign.POOL, "seed.iso", chunks=[seed], length=len(seed))
    disk = documents.disk(f"{foreign.POOL_PATH}/seed.iso")
    host.define_domain(documents.domain("vm", UUID, disk, documents.nic(MAC, "net")))
    host.start_domain(UUID)
    return host


def _await(host: FakeHost, instance: str | None = "i-1") -> object:
    return await_ready(host, uuid=UUID, name="vm", timeout=30, instance=instance, addresses=("10.9.0.7",))


def test_guest_reports_what_seed_and_network_say(booted: FakeHost) -> None:
    report = _await(booted)
    assert (report.instance, report.exit, report.addresses) == ("i-1", 0, ("10.9.0.7",))
    assert report.host_keys


@pytest.mark.parametrize(
    ("guest", "instance"),
    [
        (Guest(silent=True), "i-1"),
        (Guest(polls=60), "i-1"),
        (Guest(exit=1, errors=("it broke",)), "i-1"),
        (Guest(addresses=()), "i-1"),
        (Guest(), "i-2"),
    ],
    ids=["silent", "slow", "failing", "without address", "another instance"],
)
def test_guest_that_is_not_ready(booted: FakeHost, guest: Guest, instance: str) -> None:
    booted.machine.guests["vm"] = guest
    with pytest.raises(GuestError):
        _await(booted, instance)
