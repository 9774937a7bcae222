"""Pools in place: the permissions of their directories, and another path while there is nothing in them."""

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, data, graph, look, pool
from tests.unit.plan.scenarios import converge
from vmstack.errors import ConflictError, RefusedError
from vmstack.model.effects import RebuildPool
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import Permissions
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

TIGHT = Permissions(mode="0750", owner=1000)


def planned(fake: FakeHost, wanted: DesiredGraph) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(), images=IMAGES)


@pytest.mark.parametrize("active", [True, False])
def test_permissions_come_change_and_are_left_alone(active: bool) -> None:
    fake = FakeHost()
    converge(fake, graph(pool(), data()))
    wanted = graph(pool(permissions=TIGHT), data())
    if not active:
        fake.stop_pool("web")
    (change,) = planned(fake, wanted).changes
    assert (change.operation, change.disruption) == (Operation.UPDATE, Disruption.NONE)
    assert "permissions" in {field.path for field in change.fields}
    # What a pool that is off really has is known once it is up.
    for _ in range(1 if active else 2):
        converge(fake, wanted)
    assert not planned(fake, wanted).changes
    assert fake.machine.modes["/pools/web"] == ("0750", "1000", "0")
    looser = graph(pool(permissions=msgspec.structs.replace(TIGHT, mode="0755")), data())
    (step,) = planned(fake, looser).steps
    assert isinstance(step.effect, RebuildPool)
    converge(fake, looser)
    assert not planned(fake, looser).changes
    # What the program does not say any more stays as it is.
    assert not planned(fake, graph(pool(), data())).changes


def test_permissions_that_somebody_else_changed_come_back() -> None:
    fake = FakeHost()
    wanted = graph(pool(permissions=TIGHT))
    converge(fake, wanted)
    assert not planned(fake, wanted).changes
    fake.machine.modes["/pools/web"] = ("0777", "1000", "0")
    (change,) = planned(fake, wanted).changes
    assert [(field.path, field.before, field.after) for field in change.fields] == [
        ("permissions", "0777 1000:0", "0750 1000:?")
    ]
    converge(fake, wanted)
    assert fake.machine.modes["/pools/web"] == ("0750", "1000", "0")


def test_an_empty_pool_moves_and_takes_its_directory_along() -> None:
    fake = FakeHost()
    converge(fake, graph(pool()))
    wanted = graph(pool(path="/pools/elsewhere"))
    (change,) = planned(fake, wanted).changes
    assert [(field.path, field.before, field.after) for field in change.fields] == [
        ("path", "/pools/web", "/pools/elsewhere")
    ]
    converge(fake, wanted)
    assert not planned(fake, wanted).changes
    assert "/pools/web" not in fake.machine.directories
    assert "/pools/elsewhere" in fake.machine.directories


def test_a_pool_with_anything_in_it_stays_where_it_is() -> None:
    fake = FakeHost()
    converge(fake, graph(pool(), data()))
    with pytest.raises(RefusedError, match="its directory cannot change from /pools/web to /pools/elsewhere"):
        planned(fake, graph(pool(path="/pools/elsewhere"), data()))
    fake = FakeHost()
    converge(fake, graph(pool()))
    fake.create_volume(
        "web", "<volume><name>x</name><capacity>1</capacity><target><format type='raw'/></target></volume>"
    )
    with pytest.raises(RefusedError, match="its directory cannot change"):
        planned(fake, graph(pool(path="/pools/elsewhere")))


def test_a_pool_does_not_move_to_where_another_is() -> None:
    fake = FakeHost()
    converge(fake, graph(pool()))
    with pytest.raises(ConflictError, match="'web' on host kvm1 has the directory"):
        planned(fake, graph(pool(), pool("other", path="/pools/web")))
