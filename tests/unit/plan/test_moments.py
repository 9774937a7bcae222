"""Snapshots and checkpoints go with a domain's definition: only where the plan says so, and only those it knows of."""

import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, graph, look, network
from tests.unit.plan.scenarios import UUID, converge, deliver, full
from vmstack.errors import StalePlanError, VmstackError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.plan import Change, Disruption, Plan
from vmstack.model.specs import Power
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

WAYS: dict[str, tuple[DesiredGraph, dict[str, object]]] = {
    "destroyed": (full(), {"destroy": True}),
    "dropped": (graph(network()), {}),
    "replaced": (full(), {"replace": ("vm.web-0",)}),
    "made anew": (full(memory=1 << 30, options={"vm.web-0": Options(replace_on_changes=("memory",))}), {}),
}


def planned(fake: FakeHost, way: str, *, loss: bool) -> Plan:
    wanted, policy = WAYS[way]
    return make_plan(wanted, look(fake, full()), policy=PlanPolicy(allow_data_loss=loss, **policy), images=IMAGES)


def machine_of(plan: Plan) -> Change:
    return next(change for change in plan.changes if str(change.key) == "vm.web-0")


@pytest.fixture(params=[Power.RUNNING, Power.STOPPED])
def fake(request: pytest.FixtureRequest) -> FakeHost:
    host = FakeHost()
    converge(host, full())
    if request.param is Power.STOPPED:
        host.power_off_domain(UUID)
    return host


@pytest.mark.parametrize("way", WAYS)
def test_snapshots_go_only_with_leave(fake: FakeHost, way: str) -> None:
    assert machine_of(planned(fake, way, loss=True)).disruption is not Disruption.DATA_LOSS
    fake.machine.domains[UUID].snapshots, fake.machine.domains[UUID].checkpoints = 2, 1
    with pytest.raises(VmstackError) as refused:
        planned(fake, way, loss=False)
    assert "2 snapshots and 1 checkpoint would go" in str(refused.value)
    plan = planned(fake, way, loss=True)
    change = machine_of(plan)
    assert change.disruption is Disruption.DATA_LOSS
    assert "2 snapshots" in " ".join(change.reasons)
    deliver(plan, fake)
    assert UUID not in fake.machine.domains or fake.machine.domains[UUID].snapshots == 0


@pytest.mark.parametrize("way", WAYS)
def test_snapshots_that_the_plan_does_not_know_of_stay(fake: FakeHost, way: str) -> None:
    domain = fake.machine.domains[UUID]
    plan = planned(fake, way, loss=True)
    domain.snapshots = 1
    before = fake.machine.dump()
    with pytest.raises(StalePlanError, match="1 snapshot would go with domain web-0"):
        deliver(plan, fake)
    assert fake.machine.dump() == before
