"""A volume that a running guest still has as a disk is not touched before the guest has let go of it."""

from typing import Any

import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import GIB, IMAGES, data, graph, look, pool, root, small, vm
from tests.unit.plan.scenarios import ROOT, UUID, converge, deliver
from vmstack.errors import RefusedError, VmstackError
from vmstack.model.effects import DeleteVolume, ResizeVolume
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.plan import Plan
from vmstack.model.specs import DiskSpec, RestartSpec, VmSpec, VolumeSource, VolumeSpec
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

LATER = RestartSpec(policy="defer")
BUSES = {"cold": "sata", "hot": "virtio"}
TOUCHES = {"grown": {"capacity": 3 * GIB}, "made anew": {"format": "raw"}, "dropped": None}


def stack(*disks: DiskSpec, volume: dict[str, Any] | None, **changes: Any) -> DesiredGraph:
    volumes: list[VolumeSpec] = [] if volume is None else [data(**volume)]
    return graph(*small(*volumes, disks=(ROOT, *disks), **changes))


def planned(fake: FakeHost, wanted: DesiredGraph) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(allow_data_loss=True), images=IMAGES)


def before(plan: Plan, id_: str) -> set[str]:
    """All that has happened when the step begins."""
    steps = {step.id: step for step in plan.steps}
    found: set[str] = set()
    ahead = [id_]
    while ahead:
        fresh = set(steps[ahead.pop()].needs) - found
        found |= fresh
        ahead += fresh
    return found


def touching(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps if isinstance(step.effect, DeleteVolume | ResizeVolume)]


def disk(bus: str) -> DiskSpec:
    return DiskSpec(name="data", volume="web-0-data", bus=BUSES[bus])


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("bus", BUSES)
def test_it_is_touched_once_the_guest_has_let_go(touch: str, bus: str) -> None:
    fake = FakeHost()
    converge(fake, stack(disk(bus), volume={}))
    wanted = stack(volume=TOUCHES[touch])
    plan = planned(fake, wanted)
    [step] = touching(plan)
    assert f"kvm1/vm.web-0/{'stop' if bus == 'cold' else 'detach:data'}" in before(plan, step)
    deliver(plan, fake)
    assert planned(fake, wanted).empty


@pytest.mark.parametrize("touch", TOUCHES)
def test_it_is_touched_once_its_guest_is_gone(touch: str) -> None:
    fake = FakeHost()
    converge(fake, stack(disk("hot"), volume={}))
    volume = TOUCHES[touch]
    wanted = graph(pool(), root(), *([] if volume is None else [data(**volume)]), small()[1])
    plan = planned(fake, wanted)
    assert touching(plan)
    for step in touching(plan):
        assert "kvm1/vm.web-0/power-off" in before(plan, step)


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("waits", [False, True])
def test_it_is_not_touched_while_a_restart_is_left_to_others(touch: str, waits: bool) -> None:
    fake = FakeHost()
    converge(fake, stack(disk("cold"), volume={}))
    if waits:
        deliver(planned(fake, stack(volume={}, restarts=LATER)), fake)
    wanted = stack(volume=TOUCHES[touch], restarts=LATER)
    if waits and touch == "dropped":
        assert touching(planned(fake, wanted)) == []
    else:
        with pytest.raises(RefusedError, match=r"volume\.web-0-data is taken from vm\.web-0"):
            planned(fake, wanted)
    fake.power_off_domain(UUID)
    deliver(planned(fake, wanted), fake)
    assert planned(fake, wanted).empty


def test_another_file_for_a_disk_that_waits_leaves_the_old_one_alone() -> None:
    fake = FakeHost()
    other = data("web-0-other")
    converge(fake, stack(disk("hot"), volume={}))
    moved = DiskSpec(name="data", volume="web-0-other")
    deliver(planned(fake, graph(*small(data(), other, disks=(ROOT, moved), restarts=LATER))), fake)
    for touch in ("grown", "made anew"):
        volume = data(**TOUCHES[touch])
        wanted = graph(*small(volume, other, disks=(ROOT, moved), restarts=LATER))
        with pytest.raises(VmstackError, match=r"volume\.web-0-data is taken from vm\.web-0"):
            planned(fake, wanted)
    # The new one is in the definition alone.
    grown = graph(*small(data(), data("web-0-other", capacity=3 * GIB), disks=(ROOT, moved), restarts=LATER))
    deliver(planned(fake, grown), fake)
    assert planned(fake, grown).changes == ()


@pytest.mark.parametrize("waits", [False, True])
def test_another_guest_does_not_get_what_waits_for_a_restart(waits: bool) -> None:
    fake = FakeHost()
    converge(fake, stack(disk("cold"), volume={}))
    if waits:
        deliver(planned(fake, stack(volume={}, restarts=LATER)), fake)
    taker = vm("taker", disks=(DiskSpec(name="data", volume="web-0-data"),))
    with pytest.raises(RefusedError, match=r"vm\.taker cannot have /pools/web/web-0-data\.qcow2 yet: vm\.web-0 runs"):
        planned(fake, graph(*small(data(), taker, disks=(ROOT,), restarts=LATER)))


def drive(volume: str) -> DiskSpec:
    return DiskSpec(name="cd", volume=volume, bus="sata", device="cdrom", readonly=True, discard=False)


def media(*more: VmSpec, first: VolumeSpec | None = None, there: str = "one") -> DesiredGraph:
    volumes = (first or data("one", format="raw"), data("two", format="raw"))
    return graph(*small(*volumes, *more, disks=(ROOT, drive(there))))


def test_a_drive_lets_go_of_its_medium_while_the_guest_runs() -> None:
    fake = FakeHost()
    converge(fake, media())
    taker = vm("taker", disks=(drive("one"),))
    wanted = media(taker, there="two")
    plan = planned(fake, wanted)
    assert "kvm1/vm.web-0/medium:cd" in before(plan, "kvm1/vm.taker/start")
    deliver(plan, fake)
    assert planned(fake, wanted).empty


def test_a_medium_grows_once_it_is_out_of_the_drive() -> None:
    fake = FakeHost()
    converge(fake, media())
    wanted = media(first=data("one", format="raw", capacity=3 * GIB), there="two")
    plan = planned(fake, wanted)
    [step] = touching(plan)
    assert "kvm1/vm.web-0/medium:cd" in before(plan, step)
    deliver(plan, fake)
    assert planned(fake, wanted).empty


def test_another_guest_does_not_get_what_a_guest_that_stays_runs_with() -> None:
    fake = FakeHost()
    kept = graph(*small(data(), disks=(ROOT, disk("hot"))), options={"vm.web-0": Options(retain=True)})
    converge(fake, kept)
    taker = vm("taker", disks=(DiskSpec(name="data", volume="web-0-data"),))
    with pytest.raises(RefusedError, match=r"vm\.taker cannot have .*web-0-data\.qcow2: vm\.web-0 runs with it, and"):
        planned(fake, graph(pool(), root(), data(), taker))


def test_a_copy_is_not_made_anew_under_a_guest_whose_restart_is_left_to_others() -> None:
    """What is uploaded in its place is no reason to take the file that the guest runs with."""
    fake = FakeHost()
    copied = {"source": VolumeSource.UPLOAD, "image": "debian"}
    converge(fake, graph(*small(data(**copied), disks=(ROOT, disk("cold")))))
    wanted = graph(*small(data(**copied, format="raw"), disks=(ROOT,), restarts=LATER))
    with pytest.raises(RefusedError, match=r"volume\.web-0-data is taken from vm\.web-0"):
        planned(fake, wanted)
