"""What libvirt takes and does not do is refused, with what there is instead."""

from typing import Any

import pytest
from lxml import etree

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, MIB, graph, look, mac, network, small
from tests.unit.plan.scenarios import UUID, converge
from vmstack.errors import ConflictError, InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Plan
from vmstack.model.specs import NetworkMode, NicSpec, Power
from vmstack.model.traffic import PortGroup
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

GROUPS = (PortGroup(name="fast"), PortGroup(name="slow"))


def planned(fake: FakeHost, wanted: DesiredGraph) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(), images=IMAGES)


def test_cells_of_others_decide_how_much_memory_there_is() -> None:
    fake = FakeHost()
    converge(fake, graph(*small(power=Power.STOPPED)))
    root = etree.fromstring(fake.domain(UUID).xml)
    numa = etree.SubElement(root.find("cpu"), "numa")
    etree.SubElement(numa, "cell", id="0", cpus="0-3", memory=str(1024 * 1024), unit="KiB")
    fake.define_domain(etree.tostring(root, encoding="unicode"))
    assert planned(fake, graph(*small(power=Power.STOPPED))).changes == ()
    with pytest.raises(ConflictError, match=r"vm\.web-0: max_memory cannot become 2 GiB: its NUMA cells have 1 GiB"):
        planned(fake, graph(*small(power=Power.STOPPED, max_memory=2048 * MIB)))


def grouped(group: str | None, *, groups: tuple[PortGroup, ...] = GROUPS, **changes: Any) -> DesiredGraph:
    nic = NicSpec(name="lan", mac=mac("web-0"), network="lan", portgroup=group)
    return graph(*small(network(port_groups=groups, **changes), nics=(nic,)))


@pytest.mark.parametrize("made", [False, True])
def test_a_port_group_must_be_there(made: bool) -> None:
    fake = FakeHost()
    if made:
        converge(fake, grouped(None))
    with pytest.raises(InputError, match=r"'fats', which network\.lan does not have: it has fast, slow") as caught:
        planned(fake, grouped("fats"))
    assert caught.value.place is not None
    with pytest.raises(InputError, match="it has none"):
        planned(fake, grouped("fast", groups=()))
    converge(fake, grouped("fast"))
    with pytest.raises(InputError, match="it has fast, slow"):
        planned(fake, grouped("fats", mode=NetworkMode.EXISTING, subnets=(), groups=()))
    [warning] = [
        one for one in planned(fake, grouped("fast", groups=GROUPS[1:])).diagnostics if "port group" in one.text
    ]
    assert warning.severity == "warning"
