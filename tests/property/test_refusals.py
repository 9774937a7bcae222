"""What must not happen: stale plans, data lost without leave, protected things deleted, empty programs that delete."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property import stacks, strategies
from tests.property.drift import DRIFTS, drift
from tests.property.stacks import DiskWish, StackWish, VmWish
from tests.property.world import ALLOW, DESTROY, World
from vmstack.errors import StalePlanError, VmstackError
from vmstack.model.identity import Kind
from vmstack.model.plan import Disruption
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

pytestmark = pytest.mark.timeout(600)

CAREFUL = PlanPolicy()


@given(
    first=strategies.stacks(),
    second=strategies.stacks(),
    name=st.sampled_from(sorted(DRIFTS)),
    pick=st.integers(0, 3),
)
def test_world_that_moved_is_never_overrun(first: StackWish, second: StackWish, name: str, pick: int) -> None:
    """Between plan and apply somebody changes something: refused without a call, or it did not concern the plan."""
    world = World()
    world.converge(first)
    world.guests_write()
    try:
        plan = world.plan(second)
    except VmstackError:
        assume(False)
    assume(drift(world.host, first, name, pick))
    data, dump, calls = world.data(), world.host.machine.dump(), len(world.host.changes)
    try:
        world.apply(plan, second)
    except StalePlanError:
        methods = {call.method for call in world.host.changes[calls:]}
        assert methods <= {"define_secret", "undefine_secret"}
        assert world.host.machine.dump() == dump
    world.check_data(data, plan)
    try:
        world.plan(second)
    except VmstackError:
        return
    world.converge(second)


@given(first=strategies.stacks(), second=strategies.stacks())
def test_no_data_is_lost_without_leave(first: StackWish, second: StackWish) -> None:
    """Under the default policy a plan is refused, or loses no data volume."""
    world = World()
    first = _kept(first)
    world.converge(first)
    world.guests_write()
    before = world.data()
    try:
        plan = world.plan(second, policy=CAREFUL)
    except VmstackError:
        return
    result = world.apply(plan, second)
    assert result.complete
    lost = {path for path, identity in before.items() if world.data().get(path) != identity}
    assert not [path for path in lost if "data" in path or "loose" in path]
    if lost:
        assert any(change.disruption is Disruption.DATA_LOSS for change in plan.changes)


def _kept(wish: StackWish) -> StackWish:
    """The stack with data volumes as they are when the program says nothing of protection."""
    vms = tuple(replace(vm, disks=tuple(replace(disk, protect=None) for disk in vm.disks)) for vm in wish.vms)
    return replace(wish, vms=vms, loose=tuple(replace(disk, protect=None) for disk in wish.loose))


@pytest.mark.parametrize("policy", [ALLOW, DESTROY, CAREFUL], ids=["edit", "destroy", "default policy"])
@pytest.mark.parametrize("what", ["disk", "loose", "vm"])
def test_protected_things_stay(what: str, policy: PlanPolicy) -> None:
    """`protect` beats every policy: nothing is planned at all."""
    protected = {
        "disk": StackWish(vms=(VmWish("a", disks=(DiskWish("data1", protect=True),)),)),
        "loose": StackWish(loose=(DiskWish("loose1", protect=True),)),
        "vm": StackWish(vms=(VmWish("a", protect=True),)),
    }[what]
    world = World()
    world.converge(protected)
    dump = world.host.machine.dump()
    with pytest.raises(VmstackError) as caught:
        world.plan(StackWish() if policy is not DESTROY else protected, policy=policy)
    assert caught.value.exit_code == 5 or policy is CAREFUL
    assert world.host.machine.dump() == dump


def test_empty_program_deletes_nothing_unasked() -> None:
    world = World()
    world.converge(StackWish(vms=(VmWish("a"),)))
    empty = stacks.graph(StackWish())
    empty = msgspec.structs.replace(
        empty, resources=tuple(item for item in empty.resources if item.key.kind is Kind.HOST)
    )
    with pytest.raises(VmstackError):
        make_plan(empty, world.observe(empty), policy=PlanPolicy(allow_data_loss=True), images={})
