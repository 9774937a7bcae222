"""Who counts as a user of a volume, and how often a host is read to find out."""

from collections.abc import Callable

import msgspec
import pytest

from tests.contract import documents
from tests.fake.faults import Faults
from tests.fake.host import FakeHost
from vmstack.errors import StalePlanError
from vmstack.hosts.expectations import Guards, check_expectations
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.usage import UsageReader
from vmstack.model.effects import DeleteVolume, StopNetwork
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.ownership import Ledger, LedgerEntry, Stamp
from vmstack.model.plan import Expectation, Step
from vmstack.plan.digest import digest_of_ledger
from vmstack.xmlio.stamp import NAMESPACE, write_stamp

STACK, OTHER = StackId("shop", "prod"), StackId("blog", "prod")
FOLDER = "/var/lib/libvirt/web"
BASE = f"{FOLDER}/base.qcow2"
OWN = Ledger(
    stack=STACK,
    entries=(
        LedgerEntry(name="debian", role="base", pool="web", label="base.qcow2"),
        LedgerEntry(name="own", role="volume", pool="web", label="own.qcow2"),
    ),
)
FREE = Expectation(host="kvm1", object="unused", id="web/base.qcow2", name=BASE, fingerprint=None)

STEP = Step(
    id="delete",
    host="kvm1",
    key=Key(Kind.IMAGE, "debian"),
    effect=DeleteVolume(pool="web", volume="base.qcow2"),
    guards=(FREE,),
)


def make_host(faults: Faults | None = None) -> FakeHost:
    host = FakeHost(faults=faults)
    host.define_pool(documents.pool("web", "7c3f5f0e-0000-4000-8000-000000000001", FOLDER))
    host.build_pool("web")
    host.start_pool("web")
    host.create_volume("web", documents.volume("base.qcow2"))
    HostLedger(host, STACK).write(OWN)
    return host


def clone(host: FakeHost, label: str) -> None:
    host.create_volume("web", documents.volume(label, backing=BASE))


def listed(host: FakeHost) -> None:
    HostLedger(host, OTHER).write(msgspec.structs.replace(OWN, stack=OTHER))


def domain(host: FakeHost, *, disk: str, own: bool = False, uuid: str | None = None) -> None:
    stamp = Stamp(path=STACK.path(Key(Kind.VM, "a")), digest="d")
    uuid = uuid or derive_uuid(STACK, Key(Kind.VM, "a"))
    host.define_domain(documents.domain("a", uuid, documents.disk(disk)))
    if own:
        host.set_domain_metadata(uuid, xml=write_stamp(stamp), namespace=NAMESPACE, live=False)


def overlay(host: FakeHost) -> None:
    """A foreign guest runs on an overlay in a directory that no pool lists."""
    clone(host, "theirs.qcow2")
    file = host.machine.files.pop(f"{FOLDER}/theirs.qcow2")
    host.machine.files["/tmp/theirs.qcow2"] = file
    host.refresh_pool("web")
    domain(host, disk="/tmp/theirs.qcow2", uuid="7c3f5f0e-0000-4000-8000-000000000002")
    host.start_domain("7c3f5f0e-0000-4000-8000-000000000002")


def remove_pool(host: FakeHost) -> None:
    host.stop_pool("web")
    host.undefine_pool("web")


CLONE_UUID = "7c3f5f0e-0000-4000-8000-000000000003"
CASES: dict[str, tuple[Callable[[FakeHost], None], str | None, str | None]] = {
    # What is there; the user by plan (own users count for nothing), and right before the deletion of a base image.
    "nobody": (lambda host: None, None, None),
    "another stack": (listed, "the stack blog/prod lists it", "the stack blog/prod lists it"),
    "a foreign clone": (lambda host: clone(host, "x.qcow2"), "web/x.qcow2 is backed", "web/x.qcow2 is backed"),
    "an own clone": (lambda host: clone(host, "own.qcow2"), None, "web/own.qcow2 is backed"),
    "a foreign domain": (lambda host: domain(host, disk=BASE), "domain a has it", "domain a has it"),
    "an own domain": (lambda host: domain(host, disk=BASE, own=True), None, "domain a has it"),
    "a copy of an own domain": (
        lambda host: domain(host, disk=BASE, own=True, uuid=CLONE_UUID),
        "domain a has it",
        "domain a has it",
    ),
    "a foreign overlay elsewhere": (overlay, "domain a has it", "domain a has it"),
    "another file": (lambda host: domain(host, disk=f"{FOLDER}/else.qcow2"), None, None),
    "a pool that stopped": (lambda host: host.stop_pool("web"), None, None),
    "a pool that is gone": (remove_pool, None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_users(case: str) -> None:
    setting, planned, guarded = CASES[case]
    host = make_host()
    setting(host)
    drivers = {"kvm1": host}
    checks: list[tuple[str | None, Callable[[], None]]] = [
        (planned, lambda: check_expectations(drivers, [FREE], stack=STACK)),
        (guarded, lambda: Guards(drivers, stack=STACK).check(STEP)),
    ]
    for words, check in checks:
        if words is None:
            check()
            continue
        with pytest.raises(StalePlanError) as caught:
            check()
        assert words in str(caught.value)


def test_many_questions_are_one_reading() -> None:
    reads: list[str] = []
    now = [0.0]
    host = make_host(Faults(before=lambda call: reads.append(call.method)))
    reader = UsageReader(host, stack=STACK, clock=lambda: now[0])
    reads.clear()
    for _ in range(100):
        assert not reader.users("web", "base.qcow2", path=BASE, bases_free=True)
    assert reads.count("domains") == reads.count("secrets") == reads.count("volumes") == 1
    now[0] = 5.0
    listed(host)
    assert reader.users("web", "base.qcow2", path=BASE, bases_free=True)


def test_a_user_that_has_just_gone_does_not_count() -> None:
    host = make_host()
    reader = UsageReader(host, stack=STACK, clock=lambda: next(clock))
    clock = iter(step / 1000 for step in range(1000))
    clone(host, "own.qcow2")
    assert reader.users("web", "base.qcow2", path=BASE, bases_free=True)
    host.delete_volume("web", "own.qcow2")
    assert not reader.users("web", "base.qcow2", path=BASE, bases_free=True)


def test_a_ledger_that_moved_is_seen() -> None:
    host = make_host()
    expected = Expectation(host="kvm1", object="ledger", id="", name="", fingerprint=digest_of_ledger(OWN))
    check_expectations({"kvm1": host}, [expected], stack=STACK)
    HostLedger(host, STACK).write(msgspec.structs.replace(OWN, entries=OWN.entries[:1]))
    for wrong in (expected, msgspec.structs.replace(expected, fingerprint=None)):
        with pytest.raises(StalePlanError, match="stale") as caught:
            check_expectations({"kvm1": host}, [wrong], stack=STACK)
        assert "the ledger of stack shop/prod has changed" in str(caught.value)


@pytest.mark.parametrize("by", ["network", "bridge"])
@pytest.mark.parametrize(
    ("own", "running", "refused"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_a_network_is_not_taken_from_other_peoples_guests(own: bool, running: bool, refused: bool, by: str) -> None:
    host = make_host()
    net, uuid = "7c3f5f0e-0000-4000-8000-000000000009", derive_uuid(STACK, Key(Kind.VM, "a"))
    host.define_network(documents.network("lan", net, bridge="br9", subnet="10.9.0"))
    host.start_network(net)
    nic = documents.nic("52:00:00:00:00:09", "lan")
    if by == "bridge":
        nic.set("type", "bridge")
        nic.replace(nic.find("source"), documents.E.source(bridge="br9"))
    host.define_domain(documents.domain("a", uuid, nic))
    if own:
        stamp = Stamp(path=STACK.path(Key(Kind.VM, "a")), digest="d")
        host.set_domain_metadata(uuid, xml=write_stamp(stamp), namespace=NAMESPACE, live=False)
    if running:
        host.start_domain(uuid)
    step = msgspec.structs.replace(STEP, effect=StopNetwork(uuid=net, name="lan", bridge="br9"), guards=())
    guards = Guards({"kvm1": host}, stack=STACK)
    if refused:
        with pytest.raises(StalePlanError) as caught:
            guards.check(step)
        assert "domain a runs on network lan" in str(caught.value)
        host.power_off_domain(uuid)
    guards.check(step)
