"""Plans as JSON and in numbers; the order of steps; determinism."""

import json

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, STACK, data, graph, look, pool, small, vm
from tests.unit.plan.scenarios import converge, full
from vmstack.errors import ConflictError
from vmstack.model.effects import StartPool
from vmstack.model.graph import Output
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import Scope
from vmstack.model.ownership import StoredOutput
from vmstack.model.plan import Change, Operation, Plan
from vmstack.plan.codec import encode_plan
from vmstack.plan.draft import Draft
from vmstack.plan.outputs import stored_outputs
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.scope import scope_of
from vmstack.plan.summary import summarise

SECRET = "hunter2-canary"


def plan_of(fake: FakeHost) -> Plan:
    from tests.unit.plan.builders import seed

    desired = full(seed(user_data=f"#cloud-config\npassword: {SECRET}\n"))
    desired = msgspec.structs.replace(desired, outputs={"token": Output(value=SECRET, secret=True)})
    return make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)


def test_json_is_deterministic_and_holds_no_secret() -> None:
    first, second = encode_plan(plan_of(FakeHost())), encode_plan(plan_of(FakeHost()))
    assert first == second
    assert SECRET.encode() not in first
    decoded = json.loads(first)
    assert decoded["format_version"] == "1.0"
    assert decoded["stack"] == {"project": STACK.project, "stack": STACK.stack}
    assert decoded["summary"] == {"add": 7, "change": 0, "destroy": 0, "replace": 0, "unchanged": 0}
    assert decoded["outputs"] == {"token": {"value": None, "secret": True}}
    assert all("xml" not in step["arguments"] for step in decoded["steps"])
    change = next(change for change in decoded["changes"] if change["address"] == "vm.web-0")
    assert change["actions"] == ["create"]
    assert change["place"]["file"] == "__main__.py"


def test_secret_is_in_the_payload_only() -> None:
    plan = plan_of(FakeHost())
    bare = msgspec.structs.replace(plan, payload=type(plan.payload)(), outputs={})
    assert SECRET.encode() not in msgspec.json.encode(bare)
    assert SECRET in next(iter(plan.payload.seeds.values())).files["user-data"]


@pytest.mark.parametrize(
    ("operations", "text"),
    [
        ((), "0 to add, 0 to change, 0 to destroy"),
        (("create", "create", "update"), "2 to add, 1 to change, 0 to destroy"),
        (("replace", "delete"), "1 to add, 0 to change, 2 to destroy"),
    ],
)
def test_summary(operations: tuple[str, ...], text: str) -> None:
    changes = tuple(
        Change(key=Key(Kind.VM, str(number)), host="kvm1", operation=Operation(operation))
        for number, operation in enumerate(operations)
    )
    assert str(summarise(Plan(stack=STACK, changes=changes))) == text


def test_stored_outputs_read_back_equal_and_without_secrets() -> None:
    stored = stored_outputs({"list": Output(value=("a", 1)), "token": Output(value=SECRET, secret=True)})
    assert stored == {"list": StoredOutput(value=["a", 1]), "token": StoredOutput(value=None, secret=True)}
    assert msgspec.json.decode(msgspec.json.encode(stored), type=dict[str, StoredOutput]) == stored


def test_scope_names_all_hosts_and_pools() -> None:
    assert scope_of(graph(pool(), data())) == {"kvm1": Scope(pools=frozenset({"web"}))}
    assert scope_of(graph()) == {"kvm1": Scope()}


def test_steps_wait_for_resources_planned_later() -> None:
    draft, first, second = Draft(), Key(Kind.POOL, "a"), Key(Kind.POOL, "b")
    draft.step(first, "start", StartPool(pool="a"), host="kvm1", after=(second,))
    draft.finish(second, draft.step(second, "start", StartPool(pool="b"), host="kvm1"))
    steps = draft.steps()
    assert [step.id for step in steps] == ["kvm1/pool.b/start", "kvm1/pool.a/start"]
    assert steps[1].needs == ("kvm1/pool.b/start",)


def test_steps_in_a_circle_are_a_conflict() -> None:
    draft, first, second = Draft(), Key(Kind.POOL, "a"), Key(Kind.POOL, "b")
    draft.finish(first, draft.step(first, "start", StartPool(pool="a"), host="kvm1", after=(second,)))
    draft.finish(second, draft.step(second, "start", StartPool(pool="b"), host="kvm1", after=(first,)))
    with pytest.raises(ConflictError, match="circle"):
        draft.steps()


def test_destroy_honours_depends_on_backwards() -> None:
    from tests.unit.plan.builders import root
    from vmstack.model.specs import DiskSpec

    fake = FakeHost()
    second = vm("web-1", disks=(DiskSpec(name="root", volume="web-1-root"),))
    desired = graph(*small(), root("web-1-root"), second, needs={"vm.web-1": (Key(Kind.VM, "web-0"),)})
    converge(fake, desired)
    plan = make_plan(desired, look(fake, desired), policy=PlanPolicy(destroy=True), images={})
    order = [step.id for step in plan.steps]
    assert order.index("kvm1/vm.web-1/undefine") < order.index("kvm1/vm.web-0/power-off")
