"""What the program dropped, and a running guest still has because its restart did not happen, is still the stack's."""

from typing import Any

import pytest

from tests.fake import foreign
from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, graph, image, lease, look, network, nic, pool, root, seed, vm
from tests.unit.plan.scenarios import NET_UUID, ROOT, UUID, converge, deliver, full, volume_xml
from vmstack.model.effects import DefineDomain, DeleteVolume
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.hardware import GraphicsSpec
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import DiskSpec, RestartSpec
from vmstack.plan.drift import find_drift
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.domain import read_domain

# Removing anything needs a restart beside this one: the guest was started with fewer vcpus.
MORE = {"vcpus": 6, "max_vcpus": 6}
LATER = RestartSpec(policy="defer")
GONE = "disks[data]"


def less(part: str, **changes: Any) -> DesiredGraph:
    """What `full()` is, without its data disk (and volume), or its NIC."""
    if part == "disk":
        values: dict[str, Any] = {"disks": (ROOT,), "nics": (nic(),), "seed": "web-0", "ready_timeout": 60}
        made = vm(**{**values, **MORE, **changes})
        return graph(pool(), image(), root(), network(reservations=(lease(),)), seed(), made, outputs=full().outputs)
    return full(**{"nics": (), **MORE, **changes})


def planned(fake: FakeHost, wanted: DesiredGraph) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(allow_data_loss=True), images=IMAGES)


def kill_after_define(fake: FakeHost, plan: Plan) -> None:
    [define] = [step.effect for step in plan.steps if isinstance(step.effect, DefineDomain)]
    fake.define_domain(define.xml)


def running(fake: FakeHost) -> tuple[list[str | None], int]:
    live = read_domain(fake.domain(UUID).live_xml or "")
    return [disk.serial for disk in live.disks], len(live.nics)


def notes(plan: Plan) -> str:
    return " ".join(found.text for found in plan.diagnostics)


@pytest.mark.parametrize("part", ["disk", "nic"])
@pytest.mark.parametrize("back", [False, True], ids=["", "and the rest is as it was"])
def test_a_restart_that_was_cut_off_is_made_up_for(part: str, back: bool) -> None:
    fake = FakeHost()
    converge(fake, full())
    kill_after_define(fake, planned(fake, less(part)))
    wanted = less(part, vcpus=1, max_vcpus=4) if back else less(part)
    path = GONE if part == "disk" else "nics[" + nic().mac + "]"
    drift = find_drift(wanted, look(fake, wanted), images=IMAGES)
    assert [(item.kind, item.path) for item in drift.items if item.path == path] == [("pending", path)]
    plan = planned(fake, wanted)
    [change] = [change for change in plan.changes if str(change.key) == "vm.web-0"]
    assert change.disruption is Disruption.RESTART
    assert path in {field.path for field in change.fields}
    assert "outside vmstack" not in notes(plan)
    order = [step.id for step in plan.steps]
    if part == "disk":
        assert order.index("kvm1/vm.web-0/stop") < order.index("kvm1/volume.web-0-data/delete:web:web-0-data.qcow2")
    deliver(plan, fake)
    assert running(fake) == ((["root", "cidata"], 1) if part == "disk" else (["root", "data", "cidata"], 0))
    assert planned(fake, wanted).empty


def test_what_waits_for_others_to_restart_is_told_as_such() -> None:
    fake = FakeHost()
    wanted = full(disks=(ROOT, DiskSpec(name="data", volume="web-0-data", bus="sata")))
    converge(fake, wanted)
    wanted = full(disks=(ROOT,), restarts=LATER)
    deliver(planned(fake, wanted), fake)
    for text in ("one", "two"):
        plan = planned(fake, wanted)
        assert plan.changes == ()
        assert f"{GONE} (" in notes(plan)
        assert "outside vmstack" not in notes(plan)
        # What is written to the running guest meanwhile leaves that as it is.
        options = {"vm.web-0": Options(protect=text == "one")}
        wanted = full(disks=(ROOT,), restarts=LATER, description=text, options=options)
        deliver(planned(fake, wanted), fake)
    plan = planned(fake, less("disk", restarts=LATER, vcpus=1, max_vcpus=4, description="two"))
    assert not any(isinstance(step.effect, DeleteVolume) for step in plan.steps)
    assert "is deleted once the guest 'web-0' does not use it" in notes(plan)
    fake.power_off_domain(UUID)
    fake.start_domain(UUID)
    assert planned(fake, wanted).empty


def test_a_device_that_others_plugged_in_stays_theirs() -> None:
    fake = FakeHost()
    wanted = less("nic", vcpus=1, max_vcpus=4)
    converge(fake, wanted)
    xml = f"<interface type='network'><mac address='{nic().mac}'/><source network='lan'/></interface>"
    fake.attach_device(UUID, xml, live=True, config=False)
    plan = planned(fake, wanted)
    assert plan.changes == ()
    assert "was added outside vmstack" in notes(plan)
    assert fake.network(NET_UUID).active


def test_a_password_beside_it_leaves_the_running_guests_list_alone() -> None:
    fake = FakeHost()
    cold = DiskSpec(name="data", volume="web-0-data", bus="sata")
    converge(fake, full(disks=(ROOT, cold), graphics=GraphicsSpec()))
    wanted = full(disks=(ROOT,), restarts=LATER, graphics=GraphicsSpec(), password="one")
    deliver(planned(fake, wanted), fake)
    plan = planned(fake, wanted)
    assert f"{GONE} (" in notes(plan)
    assert "outside vmstack" not in notes(plan)


def test_what_was_unplugged_is_not_claimed_when_others_plug_in_the_like() -> None:
    fake = FakeHost()
    hot = DiskSpec(name="data", volume="web-0-data")
    converge(fake, full(disks=(ROOT, hot)))
    wanted = full(disks=(ROOT,), max_vcpus=6, restarts=LATER)
    deliver(planned(fake, wanted), fake)
    foreign.build(fake)
    fake.create_volume(foreign.POOL, volume_xml("theirs.img"))
    theirs = f"<source file='{foreign.POOL_PATH}/theirs.img'/><target dev='vdq' bus='virtio'/><serial>data</serial>"
    xml = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>{theirs}</disk>"
    fake.attach_device(UUID, xml, live=True, config=False)
    plan = planned(fake, wanted)
    assert f"{GONE} ({foreign.POOL_PATH}/theirs.img) was added outside vmstack and is kept" in notes(plan)
    assert f"pending restart: {GONE}" not in notes(plan)
