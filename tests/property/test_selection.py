"""Random parts of random edits: nothing else is touched, the part converges, and so does the whole afterwards."""

import msgspec
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from tests.property import stacks, strategies
from tests.property.stacks import HOST, StackWish
from tests.property.world import ALLOW, DESTROY, World, describe
from vmstack.errors import InternalError, VmstackError
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Plan
from vmstack.plan.index import index_host, stamped_name
from vmstack.plan.policy import PlanPolicy, Selection
from vmstack.xmlio.stamp import read_stamp

pytestmark = pytest.mark.timeout(600)


def _try(world: World, wish: StackWish, *, policy: PlanPolicy) -> Plan | None:
    try:
        return world.plan(wish, policy=policy)
    except InternalError:
        raise
    except VmstackError as error:
        event(f"refused: {type(error).__name__} {str(error)[:60]}")
        return None


def _known(world: World, wish: StackWish) -> list[Key]:
    """All that the program wants or the host holds of the stack."""
    desired = stacks.graph(wish)
    index = index_host(world.observe(desired).hosts[HOST], stack=desired.stack)
    held = [Key(Kind.VM, name) for name in index.own_domains]
    held += [Key(Kind.NETWORK, name) for name in index.own_networks]
    held += index.named_entries
    return sorted({*held, *(one.key for one in desired.resources if one.key.kind is not Kind.HOST)})


def _machines(world: World, wish: StackWish) -> dict[str, tuple[str, str | None]]:
    stack = stacks.graph(wish).stack
    named = {
        stamped_name(read_stamp(one.xml), stack=stack, kind=Kind.VM): (one.xml, one.live_xml)
        for one in world.host.machine.domains.values()
    }
    return {name: xml for name, xml in named.items() if name is not None}


# Parts are many for each edit, and slow to judge: fewer edits than elsewhere.
@settings(max_examples=settings.default.max_examples // 3)
@given(
    first=strategies.stacks(),
    second=strategies.stacks(),
    picks=st.lists(st.integers(0, 99), min_size=1, max_size=3),
    ways=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_part_of_an_edit(
    first: StackWish, second: StackWish, picks: list[int], ways: tuple[bool, bool, bool]
) -> None:
    excludes, dependents, destroys = ways
    world = World()
    assume(_try(world, first, policy=ALLOW) is not None)
    world.converge(first)
    world.guests_write()
    known = _known(world, second)
    assume(known)
    patterns = tuple(str(known[pick % len(known)]) for pick in picks)
    selection = Selection(excludes=patterns) if excludes else Selection(targets=patterns, dependents=dependents)
    policy = msgspec.structs.replace(DESTROY if destroys else ALLOW, selection=selection)
    plan = _try(world, second, policy=policy)
    if plan is not None:
        event(f"planned: {'none' if plan.empty else 'some'}")
        named = {str(change.key) for change in plan.changes}
        assert not (excludes and named & set(patterns)), describe(plan)
        before, machines = world.data(), _machines(world, second)
        result = world.apply(plan, second)
        assert result.complete, [str(failure.error) for failure in result.failed] + [str(t) for t in result.troubles]
        world.check_data(before, plan)
        after = _machines(world, second)
        assert {name: xml for name, xml in machines.items() if f"vm.{name}" not in named} == {
            name: xml for name, xml in after.items() if f"vm.{name}" not in named
        }
        lax = msgspec.structs.replace(policy, selection=msgspec.structs.replace(selection, strict=False))
        again = _try(world, second, policy=lax)
        assert again is None or again.empty, describe(again)
        world.check_tidy(second)
    if _try(world, second, policy=ALLOW) is not None:
        world.converge(second)
