"""Interfaces on bridges of the host, without a network of libvirt's."""

import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, graph, look, mac, network, small
from tests.unit.plan.scenarios import converge
from vmstack.errors import InputError
from vmstack.model.plan import Disruption
from vmstack.model.specs import NicSpec, Power
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.validation import check_graph

BRIDGED = NicSpec(name="br0", mac=mac("web-0", "br0"), bridge="br0")


def test_it_is_made_and_left_alone() -> None:
    desired = graph(*small(nics=(BRIDGED,)))
    check_graph(desired)
    fake = FakeHost()
    converge(fake, desired)
    assert make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES).empty
    (domain,) = look(fake, desired).hosts["kvm1"].domains
    assert [(nic.network, nic.bridge) for nic in domain.config.nics] == [(None, "br0")]


@pytest.mark.parametrize("power", Power)
def test_it_moves_between_bridges_and_networks(power: Power) -> None:
    fake = FakeHost()
    converge(fake, graph(*small(network(), nics=(BRIDGED,), power=power)))
    moved = NicSpec(name="br0", mac=BRIDGED.mac, network="lan")
    desired = graph(*small(network(), nics=(moved,), power=power))
    plan = make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)
    (change,) = plan.changes
    paths = {field.path: (field.before, field.after) for field in change.fields}
    assert paths == {"nics[br0].network": (None, "lan"), "nics[br0].bridge": ("br0", None)}
    assert change.disruption is (Disruption.RESTART if power is Power.RUNNING else Disruption.NONE)
    converge(fake, desired)
    assert make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES).empty


@pytest.mark.parametrize(
    "nic", [NicSpec(name="x", mac=BRIDGED.mac), NicSpec(name="x", mac=BRIDGED.mac, network="lan", bridge="b")]
)
def test_it_is_on_one_of_them(nic: NicSpec) -> None:
    with pytest.raises(InputError, match="must be on one network, one bridge or one interface"):
        check_graph(graph(*small(network(), nics=(nic,))))
