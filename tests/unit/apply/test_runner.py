"""Applying plans to fake hosts: order, journal, failures, interruption, locks and fences."""

import threading
from collections.abc import Iterable

import msgspec
import pytest

from tests.fake.faults import CrashNow, Faults, at_change, crash_at
from tests.fake.host import FakeHost, fleet
from tests.fake.machine import Content, File
from vmstack.apply.events import Event, Finished, PlanStarted, StepDone, StepFailed, StepStarted, Stopping
from vmstack.apply.frontier import Limits
from vmstack.apply.interruption import Interruption
from vmstack.apply.result import ApplyResult
from vmstack.apply.runner import apply_plan
from vmstack.errors import (
    ExistsError,
    HostError,
    InternalError,
    InterruptedApplyError,
    LockedError,
    PartialApplyError,
    StalePlanError,
)
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.lock import HostLock
from vmstack.model.effects import CreateVolume, DefinePool, DeleteVolume, StartDomain, StartPool, UploadImage
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.ownership import EntryState, Ledger, LedgerEntry, RunRecord, StoredOutput
from vmstack.model.plan import Change, Expectation, Intent, LedgerMark, Operation, Plan, Step

STACK = StackId("shop", "prod")
RUN = RunRecord(run="r", who="me", where="here", when="2026-01-01T00:00:00+00:00")
POOL = LedgerEntry(name="web", role="pool", pool="web", path="/pools/web")
POOL_XML = "<pool type='dir'><name>web</name><target><path>/pools/web</path></target></pool>"


class NoSupply:
    """Images are eight bytes; there are no seeds."""

    def open_image(self, name: str) -> tuple[Iterable[bytes | int], int]:
        return [b"12345678"], 8

    def seed(self, digest: str) -> bytes:
        raise AssertionError(digest)

    def password(self, name: str) -> str:
        raise AssertionError(name)


def volume_xml(name: str) -> str:
    return f"<volume><name>{name}</name><capacity>1024</capacity><target><format type='raw'/></target></volume>"


def volume_entry(name: str) -> LedgerEntry:
    return LedgerEntry(name=name, role="volume", pool="web", label=name)


def make_plan(*volumes: str, host: str = "kvm1", **fields: object) -> Plan:
    """A pool and volumes in it."""
    pool, keys = Key(Kind.POOL, "web"), [Key(Kind.VOLUME, name) for name in volumes]
    steps = [
        Step(id=f"{host}/define", host=host, key=pool, effect=DefinePool(pool="web", xml=POOL_XML)),
        Step(
            id=f"{host}/start",
            host=host,
            key=pool,
            effect=StartPool(pool="web", build=True),
            needs=(f"{host}/define",),
            marks=(LedgerMark(action="ready", entry=POOL),),
            flush=True,
        ),
        *(
            Step(
                id=f"{host}/{key.name}",
                host=host,
                key=key,
                effect=CreateVolume(pool="web", volume=key.name, xml=volume_xml(key.name)),
                needs=(f"{host}/start",),
                marks=(LedgerMark(action="ready", entry=volume_entry(key.name)),),
            )
            for key in keys
        ),
    ]
    plan = Plan(
        stack=STACK,
        changes=tuple(Change(key=key, host=host, operation=Operation.CREATE) for key in [pool, *keys]),
        steps=tuple(steps),
        intents=(Intent(host=host, entries=(POOL, *(volume_entry(name) for name in volumes))),),
        ledgers=(host,),
        outputs={"ip": Output(value="10.0.0.1"), "pw": Output(value="hunter2", secret=True)},
    )
    return Plan(**{**{name: getattr(plan, name) for name in plan.__struct_fields__}, **fields})  # type: ignore[arg-type]


def run(plan: Plan, hosts: dict[str, FakeHost], **options: object) -> ApplyResult:
    return apply_plan(plan, hosts, supply=NoSupply(), run=RUN, **options)  # type: ignore[arg-type]


def entries(host: FakeHost) -> dict[str, EntryState]:
    ledger = HostLedger(host, STACK).read()
    return {one.label: one.state for one in ledger.entries} if ledger else {}


def usages(host: FakeHost) -> list[str]:
    return sorted(record.usage for record in host.secrets(usage_prefix="vmstack:"))


def test_an_apply_makes_everything_and_the_ledger_says_so():
    host = FakeHost()
    result = run(make_plan("a", "b"), {"kvm1": host})
    assert result.complete
    assert result.error() is None
    assert result.counts() == (3, 0, 0)
    assert {record.name for record in host.volumes("web")} == {"a", "b"}
    ledger = HostLedger(host, STACK).read()
    assert ledger is not None
    assert {one.state for one in ledger.entries} == {EntryState.READY}
    assert [one.built for one in ledger.entries if one.role == "pool"] == [True]
    assert ledger.outputs == {"ip": StoredOutput(value="10.0.0.1"), "pw": StoredOutput(value=None, secret=True)}
    assert ledger.last_run == RUN
    assert usages(host) == ["vmstack:shop/prod"]


def test_secret_values_never_reach_the_host():
    host = FakeHost()
    run(make_plan(), {"kvm1": host})
    assert "hunter2" not in str(host.secrets(usage_prefix=""))


def test_intents_stand_in_the_ledger_before_the_first_effect():
    seen: list[dict[str, EntryState]] = []

    def before(call) -> None:
        if call.method == "define_pool":
            seen.append(entries(watcher))

    host = FakeHost(faults=Faults(before=before))
    watcher = host.connect()
    run(make_plan("a"), {"kvm1": host})
    assert seen == [{"": EntryState.PENDING, "a": EntryState.PENDING}]


def test_a_flushed_mark_stands_in_the_ledger_before_what_needs_it_runs():
    seen: list[EntryState] = []

    def before(call) -> None:
        if call.method == "create_volume":
            seen.append(entries(watcher)[""])

    host = FakeHost(faults=Faults(before=before))
    watcher = host.connect()
    run(make_plan("a", "b"), {"kvm1": host})
    assert seen == [EntryState.READY] * 2


def test_the_ledger_knows_whose_directory_it_is_before_it_is_built():
    host = FakeHost(faults=Faults(before=lambda call: die(call) if call.method == "build_pool" else None))

    def die(call) -> None:
        raise CrashNow(str(call))

    with pytest.raises(CrashNow):
        run(make_plan("a"), {"kvm1": host})
    ledger = HostLedger(host.connect(), STACK).read()
    assert ledger is not None
    assert [(one.state, one.built) for one in ledger.entries if one.role == "pool"] == [(EntryState.PENDING, True)]


def test_events_come_in_order_from_one_thread():
    events: list[Event] = []
    threads: set[int] = set()

    def listen(event: Event) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    run(make_plan("a"), {"kvm1": FakeHost()}, listener=listen)
    assert threads == {threading.get_ident()}
    kinds = [type(event) for event in events]
    assert kinds == [PlanStarted, *[StepStarted, StepDone] * 3, Finished]


def test_a_failure_stops_what_needs_it_and_nothing_else():
    def before(call) -> None:
        if call.method == "create_volume" and "<name>b</name>" in str(call.arguments["xml"]):
            raise HostError("no space left on device")

    hosts = {"kvm1": FakeHost(faults=Faults(before=before)), "kvm2": FakeHost()}
    plan, other = make_plan("a", "b", "c"), make_plan("d", host="kvm2")
    upload = Step(
        id="upload",
        host="kvm1",
        key=Key(Kind.IMAGE, "x"),
        effect=UploadImage(pool="web", volume="b", image="x"),
        needs=("kvm1/b",),
    )
    both = make_plan(
        changes=plan.changes + other.changes,
        steps=(*plan.steps, upload, *other.steps),
        intents=plan.intents + other.intents,
        ledgers=("kvm1", "kvm2"),
    )
    failures: list[StepFailed] = []
    result = run(both, hosts, listener=lambda event: failures.append(event) if isinstance(event, StepFailed) else None)
    assert [one.step.id for one in result.failed] == ["kvm1/b"]
    assert [one.id for one in result.left] == ["upload"]
    assert {record.name for record in hosts["kvm1"].volumes("web")} == {"a", "c"}
    assert {record.name for record in hosts["kvm2"].volumes("web")} == {"d"}
    assert [event.error.brief for event in failures] == ["no space left on device"]
    error = result.error()
    assert isinstance(error, PartialApplyError)
    assert error.exit_code == 3
    assert "failed: volume.b (CreateVolume)" in error.details
    assert "not done: image.x (UploadImage)" in error.details
    assert entries(hosts["kvm1"])["b"] is EntryState.PENDING
    assert entries(hosts["kvm1"])["a"] is EntryState.READY
    ledger = HostLedger(hosts["kvm1"], STACK).read()
    assert ledger is not None
    assert ledger.outputs == {}, "outputs of an apply that did not converge are not stored"


def test_a_volume_that_somebody_else_made_is_not_in_the_ledger():
    """It would pass for a pending one of ours, and so be taken, or deleted."""
    host = FakeHost()
    run(make_plan(), {"kvm1": host})
    foreign = File("/pools/web/a", "raw", 1024, Content.blank(1024))
    host.machine.files[foreign.path] = foreign
    plan = make_plan("a", "b")
    steps = tuple(msgspec.structs.replace(step, needs=()) for step in plan.steps[2:])
    result = run(msgspec.structs.replace(plan, steps=steps), {"kvm1": host})
    (failure,) = result.failed
    assert isinstance(failure.error, ExistsError)
    assert "did not make" in failure.error.brief
    assert entries(host) == {"": EntryState.PENDING, "b": EntryState.READY}
    assert host.machine.files[foreign.path] is foreign


def test_an_unexpected_exception_ends_its_step_and_no_other():
    host = FakeHost(faults=Faults())

    class Broken(NoSupply):
        def open_image(self, name: str) -> tuple[Iterable[bytes | int], int]:
            raise ZeroDivisionError(name)

    plan = make_plan("a", "b")
    upload = Step(
        id="upload",
        host="kvm1",
        key=Key(Kind.IMAGE, "x"),
        effect=UploadImage(pool="web", volume="a", image="x"),
        needs=("kvm1/a",),
    )
    plan = make_plan("a", "b", steps=(*plan.steps, upload))
    result = apply_plan(plan, {"kvm1": host}, supply=Broken(), run=RUN)
    (failure,) = result.failed
    assert isinstance(failure.error, InternalError)
    assert isinstance(failure.error.__cause__, ZeroDivisionError)
    assert len(result.done) == 4


def test_a_listener_that_fails_leaves_nothing_running_behind():
    """Somebody closes the pipe (`vmstack apply | head`): what runs is finished before the locks go."""
    slow = threading.Event()

    def before(call) -> None:
        if call.method == "create_volume":
            slow.wait(0.3)

    def listen(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step.id == "kvm1/b":
            raise BrokenPipeError

    host = FakeHost(faults=Faults(before=before))
    with pytest.raises(BrokenPipeError):
        run(make_plan("a", "b", "c", "d"), {"kvm1": host}, listener=listen, limits=Limits(pool=2))
    assert {record.name for record in host.volumes("web")} == {"a", "b"}
    assert entries(host) == {
        "": EntryState.READY,
        "a": EntryState.READY,
        "b": EntryState.READY,
        "c": EntryState.PENDING,
        "d": EntryState.PENDING,
    }
    assert usages(host) == ["vmstack:shop/prod"]


def test_an_interrupted_apply_finishes_what_runs_and_starts_nothing():
    interruption = Interruption()
    events: list[Event] = []

    def before(call) -> None:
        if call.method == "create_volume":
            interruption.request("SIGINT")

    host = FakeHost(faults=Faults(before=before))
    result = run(
        make_plan("a", "b", "c"),
        {"kvm1": host},
        interruption=interruption,
        limits=Limits(host=1),
        listener=events.append,
    )
    assert [one.id for one in result.done] == ["kvm1/define", "kvm1/start", "kvm1/a"]
    assert [one.id for one in result.left] == ["kvm1/b", "kvm1/c"]
    error = result.error()
    assert isinstance(error, InterruptedApplyError)
    assert error.exit_code == 130
    assert any(isinstance(event, Stopping) for event in events)
    assert entries(host)["a"] is EntryState.READY
    assert usages(host) == ["vmstack:shop/prod"], "the lock is released"


def test_an_interrupt_after_the_last_effect_is_no_failure():
    interruption = Interruption()

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step.id == "kvm1/a":
            interruption.request("SIGINT")

    result = run(make_plan("a"), {"kvm1": FakeHost()}, interruption=interruption, listener=listen)
    assert result.error() is None


def test_a_held_lock_refuses_before_anything_is_changed():
    host = FakeHost()
    lock = HostLock(host.connect(), STACK, operation="apply")
    lock.acquire()
    with pytest.raises(LockedError) as caught:
        run(make_plan("a"), {"kvm1": host})
    assert caught.value.exit_code == 4
    assert host.pools() == []
    lock.release()


def test_a_lock_that_comes_free_in_time_is_taken():
    host = FakeHost()
    lock = HostLock(host.connect(), STACK, operation="apply")
    lock.acquire()
    threading.Timer(0.1, lock.release).start()
    assert run(make_plan("a"), {"kvm1": host}, lock_timeout=1.5).complete


def test_locks_of_all_hosts_are_given_back_when_one_is_held():
    hosts = fleet("kvm1", "kvm2")
    HostLock(hosts["kvm2"].connect(), STACK, operation="apply").acquire()
    plan, other = make_plan("a"), make_plan("b", host="kvm2")
    both = make_plan(steps=plan.steps + other.steps, intents=plan.intents + other.intents, ledgers=("kvm1", "kvm2"))
    with pytest.raises(LockedError):
        run(both, dict(hosts))
    assert usages(hosts["kvm1"]) == []


def test_two_applies_at_once_one_wins_and_the_other_is_told():
    first_is_in, second_is_out = threading.Event(), threading.Event()

    def before(call) -> None:
        if call.method == "define_pool":
            first_is_in.set()
            second_is_out.wait(1.5)

    host = FakeHost(faults=Faults(before=before))
    results: list[ApplyResult] = []
    thread = threading.Thread(target=lambda: results.append(run(make_plan("a"), {"kvm1": host})))
    thread.start()
    assert first_is_in.wait(1.5)
    with pytest.raises(LockedError, match="is locked"):
        run(make_plan("a"), {"kvm1": host.connect()})
    second_is_out.set()
    thread.join()
    assert results[0].complete


def test_a_stale_plan_is_refused_before_anything_is_changed():
    host = FakeHost()
    run(make_plan("a"), {"kvm1": host})
    before = len(host.changes)
    expectation = Expectation(host="kvm1", object="volume", id="web/a", name="a", fingerprint=None)
    with pytest.raises(StalePlanError) as caught:
        run(make_plan("a", expectations=(expectation,)), {"kvm1": host})
    assert caught.value.exit_code == 6
    assert {call.method for call in host.changes[before:]} == {"define_secret", "undefine_secret"}
    assert usages(host) == ["vmstack:shop/prod"]


def test_a_guard_that_fails_stops_its_step_and_what_needs_it():
    """Somebody attaches the volume while the plan runs: it stays."""
    other = StackId("blog", "prod")

    def before(call) -> None:
        if call.method == "create_volume":
            HostLedger(watcher, other).write(Ledger(stack=other, entries=(volume_entry("a"),)))

    host = FakeHost(faults=Faults(before=before))
    watcher = host.connect()
    unused = Expectation(host="kvm1", object="unused", id="web/a", name="/pools/web/a", fingerprint=None)
    plan = make_plan("a", "b", expectations=(unused,))
    delete = Step(
        id="delete",
        host="kvm1",
        key=Key(Kind.VOLUME, "a"),
        effect=DeleteVolume(pool="web", volume="a"),
        needs=("kvm1/a",),
        guards=(unused,),
    )
    upload = Step(
        id="upload",
        host="kvm1",
        key=Key(Kind.IMAGE, "x"),
        effect=UploadImage(pool="web", volume="b", image="x"),
        needs=("delete",),
    )
    result = run(make_plan(steps=(*plan.steps, delete, upload), intents=plan.intents), {"kvm1": host})
    (failure,) = result.failed
    assert isinstance(failure.error, StalePlanError)
    assert "the stack blog/prod lists it" in str(failure.error)
    assert [one.id for one in result.left] == ["upload"]
    assert {record.name for record in host.volumes("web")} == {"a", "b"}


def test_an_empty_plan_changes_nothing_and_takes_no_lock():
    host = FakeHost()
    assert run(Plan(stack=STACK, ledgers=("kvm1",)), {"kvm1": host}).complete
    assert host.changes == []


def test_releasing_removes_the_ledger_once_everything_is_gone():
    host = FakeHost()
    run(make_plan("a"), {"kvm1": host})
    forget = tuple(LedgerMark(action="forget", entry=one) for one in (volume_entry("a"), POOL))
    step = Step(
        id="delete",
        host="kvm1",
        key=Key(Kind.VOLUME, "a"),
        effect=DeleteVolume(pool="web", volume="a"),
        marks=forget,
    )
    plan = Plan(stack=STACK, steps=(step,), releases=("kvm1",))
    assert run(plan, {"kvm1": host}).complete
    assert usages(host) == []


def test_a_ledger_that_cannot_be_written_at_the_end_is_told():
    calls = 0

    def before(call) -> None:
        nonlocal calls
        if call.method == "define_secret" and '"last_run":{' in str(call.arguments["description"]):
            raise HostError("read-only file system")

    result = run(make_plan("a"), {"kvm1": FakeHost(faults=Faults(before=before))})
    assert [trouble.brief for trouble in result.troubles] == ["read-only file system"]
    assert isinstance(result.error(), PartialApplyError)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_at_any_effect_leaves_a_journal_that_explains_what_is_there(moment):
    deaths = 0
    for number in range(1, 16):
        host = FakeHost(faults=crash_at(number, moment=moment))
        try:
            run(make_plan("a", "b"), {"kvm1": host})
        except CrashNow:
            deaths += 1
        after = host.connect()
        there = {record.name for record in after.pools()}
        assert not there or "" in entries(after)
        volumes = {record.name for name in there for record in after.volumes(name)} if _active(after) else set()
        assert volumes <= entries(after).keys()
    assert deaths > 6


def _active(host: FakeHost) -> bool:
    return all(record.active for record in host.pools())


def test_a_lost_reply_of_a_step_is_its_failure_only():
    host = FakeHost(faults=at_change(3, moment="after", error=lambda: HostError("lost")))
    result = run(make_plan("a"), {"kvm1": host})
    assert [type(one.step.effect) for one in result.failed] == [DefinePool]


def test_a_plan_for_a_host_that_is_not_connected_is_a_bug():
    with pytest.raises(InternalError):
        run(make_plan("a"), {})


@pytest.mark.parametrize(
    ("brief", "expected"),
    [
        ("cannot start domain 0e1f: no memory", "cannot start domain 'web-0': no memory"),
        ("no memory", "vm.web ('web-0'): no memory"),
        ("domain web-0 has no memory", "domain web-0 has no memory"),
    ],
)
def test_failures_name_the_domain_and_not_its_uuid(brief: str, expected: str):
    def before(call) -> None:
        if call.method in ("domain", "start_domain"):
            raise HostError(brief, details=["it is 0e1f"])

    step = Step(id="s", host="kvm1", key=Key(Kind.VM, "web"), effect=StartDomain(uuid="0e1f", name="web-0"))
    result = run(Plan(stack=STACK, steps=(step,), ledgers=("kvm1",)), {"kvm1": FakeHost(faults=Faults(before=before))})
    (failure,) = result.failed
    assert failure.error.brief == expected
    assert failure.error.details == ("it is 'web-0'",)
    assert "0e1f" not in str(result.error())
