"""Interfaces on bridges of the host, without a network of libvirt's."""

import pytest

from tests.contract import documents
from tests.fake import foreign
from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, STACK, graph, look, mac, network, small
from tests.unit.plan.scenarios import converge
from vmstack.errors import ConflictError, InputError, RefusedError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind, derive_bridge
from vmstack.model.plan import Disruption
from vmstack.model.specs import NetworkMode, NicSpec, Power
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
    assert change.disruption is (Disruption.LIVE if power is Power.RUNNING else Disruption.NONE)
    converge(fake, desired)
    assert make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES).empty


@pytest.mark.parametrize(
    "nic", [NicSpec(name="x", mac=BRIDGED.mac), NicSpec(name="x", mac=BRIDGED.mac, network="lan", bridge="b")]
)
def test_it_is_on_one_of_them(nic: NicSpec) -> None:
    with pytest.raises(InputError, match="must be on one network, one bridge or one interface"):
        check_graph(graph(*small(network(), nics=(nic,))))


def placed(*, mtu: int | None = None) -> DesiredGraph:
    nics = (NicSpec(name="x", mac=BRIDGED.mac, bridge="vs-lan"),)
    return graph(*small(network(bridge="vs-lan", mtu=mtu), nics=nics))


def test_a_bridge_of_the_stack_is_there_before_the_guest_on_it() -> None:
    desired = placed()
    check_graph(desired)
    fake = FakeHost()
    plan = make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)
    steps = {step.id: step for step in plan.steps}
    needs, todo = set(), ["kvm1/vm.web-0/start"]
    while todo:
        found = steps[todo.pop()].needs
        todo += [need for need in found if need not in needs]
        needs |= set(found)
    assert "kvm1/network.lan/start" in needs
    converge(fake, desired)
    assert make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES).empty


def test_a_guest_on_a_bridge_is_restarted_with_the_network_that_makes_it() -> None:
    fake = FakeHost()
    converge(fake, placed())
    desired = placed(mtu=1400)
    plan = make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)
    changes = {str(change.key): change for change in plan.changes}
    assert changes["vm.web-0"].disruption is Disruption.RESTART
    assert [field.path for field in changes["vm.web-0"].fields] == ["network.lan"]
    stop = next(step for step in plan.steps if step.id == "kvm1/network.lan/stop")
    assert any("vm.web-0" in need for need in stop.needs)
    converge(fake, desired)
    assert make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES).empty


def strange(fake: FakeHost, *, start: bool) -> None:
    """Somebody else's guest, on the bridge itself."""
    nic = documents.nic("52:00:00:00:00:09", "lan")
    nic.set("type", "bridge")
    nic.replace(nic.find("source"), documents.E.source(bridge="vs-lan"))
    fake.define_domain(documents.domain("theirs", foreign.STOPPED_UUID, nic))
    if start:
        fake.start_domain(foreign.STOPPED_UUID)


WAYS = {
    "made anew": (network(bridge="vs-lan", mtu=1400), "cannot be made anew"),
    "deleted": (None, "cannot be deleted"),
}


@pytest.mark.parametrize("way", WAYS)
def test_other_peoples_guests_on_the_bridge_keep_it(way: str) -> None:
    after, word = WAYS[way]
    desired = graph(*small(*([after] if after else [])))
    for start in (True, False):
        fake = FakeHost()
        converge(fake, graph(*small(network(bridge="vs-lan"))))
        strange(fake, start=start)
        if start:
            with pytest.raises(ConflictError, match=f"network.lan {word}.* 'theirs' .*is running on it"):
                make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)
        else:
            converge(fake, desired)


def test_a_bridge_is_not_taken_from_a_guest_of_the_stack() -> None:
    fake = FakeHost()
    converge(fake, placed())
    desired = graph(*small(nics=(NicSpec(name="x", mac=BRIDGED.mac, bridge="vs-lan"),)))
    with pytest.raises(RefusedError, match=r"network\.lan is taken from vm\.web-0"):
        make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)


@pytest.mark.parametrize("bridge", ["vs-lan", None])
@pytest.mark.parametrize("name", ["a-over", "z-over"])
def test_a_network_over_a_bridge_of_the_stack_is_refused_in_any_order(name: str, bridge: str | None) -> None:
    made = bridge or derive_bridge(STACK, Key(Kind.NETWORK, "lan"))
    other = network(name, mode=NetworkMode.BRIDGE, bridge=made, subnets=())
    with pytest.raises(ConflictError, match=r"which network\.lan of this stack makes"):
        check_graph(graph(network(bridge=bridge), other))
