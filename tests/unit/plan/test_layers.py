"""Volumes that hold an image themselves, lie over another one, or are there already."""

import contextlib
from typing import Any

import msgspec
import pytest

from tests.fake.faults import crash_at
from tests.fake.host import FakeHost
from tests.unit.plan.builders import FACTS, GIB, IMAGES, STACK, data, graph, host, image, look, pool, root, vm
from tests.unit.plan.scenarios import converge
from vmstack.errors import ConflictError, InputError
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.lock import break_lock
from vmstack.model.effects import DeleteVolume, UploadImage
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import EntryState
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import DiskSpec, Power, VolumeSource, VolumeSpec
from vmstack.plan.image_needs import image_needs
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.validation import check_graph

ALLOW = PlanPolicy(allow_empty=True, allow_data_loss=True)
OTHER = {"debian": msgspec.structs.replace(FACTS, sha256="cd" * 32, path="/images/other.qcow2")}


def base(**changes: Any) -> VolumeSpec:
    spec = VolumeSpec(
        name="base", label="base.qcow2", pool="web", format="qcow2", source=VolumeSource.UPLOAD, image="debian",
        data=False,
    )  # fmt: skip
    return msgspec.structs.replace(spec, **changes)


def over(name: str = "web-0-root", **changes: Any) -> VolumeSpec:
    return root(name, **{"source": VolumeSource.OVERLAY, "image": None, "base": "base", **changes})


def layered(*more: Any, **vm_changes: Any) -> DesiredGraph:
    return graph(pool(), image(), base(), over(), vm(**vm_changes), *more)


def plan(
    fake: FakeHost, desired: DesiredGraph, *, images: dict[str, ImageFacts] = IMAGES, policy: PlanPolicy = ALLOW
) -> Plan:
    check_graph(desired)
    return make_plan(desired, look(fake, desired), policy=policy, images=images)


def built(desired: DesiredGraph | None = None) -> FakeHost:
    fake = FakeHost()
    converge(fake, desired or layered())
    return fake


def change(made: Plan, address: str) -> Any:
    return next((item for item in made.changes if str(item.key) == address), None)


def test_they_are_made_bottom_first_and_then_left_alone() -> None:
    first = plan(FakeHost(), layered())
    effects = [(str(step.key), type(step.effect).__name__) for step in first.steps if step.key.kind.value == "volume"]
    assert effects == [
        ("volume.base", "CreateVolume"), ("volume.base", "UploadImage"), ("volume.web-0-root", "CreateVolume"),
    ]  # fmt: skip
    assert not [item for item in first.changes if item.key.kind.value == "image"]
    fake = built()
    assert plan(fake, layered()).empty
    volume = fake.volume("web", "web-0-root.qcow2")
    assert "/pools/web/base.qcow2" in volume.xml


def test_the_size_is_that_of_what_is_below_and_never_less() -> None:
    small = plan(FakeHost(), graph(pool(), image(), base(), over(capacity=None)))
    assert (
        next(field.after for field in change(small, "volume.web-0-root").fields if field.path == "capacity") == "1 GiB"
    )
    with pytest.raises(InputError, match=r"less than the 1 GiB that volume\.base has"):
        plan(FakeHost(), graph(pool(), image(), base(), over(capacity=GIB // 2)))


def test_another_image_makes_everything_over_it_anew_with_the_guests_off() -> None:
    made = plan(built(), layered(), images=OTHER)
    for address in ("volume.base", "volume.web-0-root"):
        found = change(made, address)
        assert (found.operation, found.disruption) == (Operation.REPLACE, Disruption.DATA_LOSS), address
    assert change(made, "vm.web-0").disruption is Disruption.RESTART
    order = [step.id for step in made.steps]
    stop = next(index for index, step in enumerate(made.steps) if type(step.effect).__name__ == "PowerOffDomain")
    delete = [index for index, step in enumerate(made.steps) if isinstance(step.effect, DeleteVolume)]
    assert stop < min(delete), order


def test_a_base_that_somebody_deleted_comes_back_without_harm_to_what_is_over_it() -> None:
    fake = built()
    fake.delete_volume("web", "base.qcow2")
    made = plan(fake, layered())
    assert {str(item.key) for item in made.changes} == {"volume.base"}


@pytest.mark.parametrize("number", range(1, 12))
def test_a_run_that_dies_between_the_layers_is_found_by_the_next(number: int) -> None:
    """However far it came: the second run leaves nothing that lies over what it was not made over."""
    fake = built(layered(power=Power.STOPPED))
    dying = fake.connect(faults=crash_at(number, moment="after"))
    with contextlib.suppress(BaseException):
        converge(dying, layered(power=Power.STOPPED), images=OTHER)
    fake = dying.connect()
    break_lock(fake, STACK)
    ledger = HostLedger(fake, STACK).read()
    assert ledger is not None
    uploaded = next((entry for entry in ledger.entries if entry.label == "base.qcow2"), None)
    again = plan(fake, layered(power=Power.STOPPED), images=OTHER)
    if uploaded is not None and uploaded.state is EntryState.READY and uploaded.sha256 == "cd" * 32:
        over_it = next(entry for entry in ledger.entries if entry.label == "web-0-root.qcow2")
        remade = change(again, "volume.web-0-root") is not None
        assert remade or over_it.sha256 == "cd" * 32
    converge(fake, layered(power=Power.STOPPED), images=OTHER)
    assert plan(fake, layered(power=Power.STOPPED), images=OTHER).empty


def test_they_go_top_first() -> None:
    deep = graph(pool(), image(), base(), over("a", base="base"), over("b", base="a"), over("c", base="b"))
    fake = built(deep)
    made = plan(fake, graph(pool()))
    deleted = [step.effect.volume for step in made.steps if isinstance(step.effect, DeleteVolume)]
    assert deleted == ["c.qcow2", "b.qcow2", "a.qcow2", "base.qcow2"]
    needs = {step.effect.volume: step.needs for step in made.steps if isinstance(step.effect, DeleteVolume)}
    assert all(needs[name] for name in ("b.qcow2", "a.qcow2", "base.qcow2"))
    converge(fake, graph(pool()))


def test_a_volume_that_is_there_already_is_used_and_never_touched() -> None:
    fake = built(graph(pool(), data("old")))
    existing = VolumeSpec(
        name="found", label="old.qcow2", pool="store", format="qcow2", source=VolumeSource.EXISTING, data=False
    )
    mine = msgspec.structs.replace(
        graph(pool("store", label="web", path=None, existing=True), existing, over(base="found", pool="store")),
        stack=STACK._replace(stack="other"),
    )
    made = plan(fake, mine)
    assert {str(item.key) for item in made.changes} == {"volume.web-0-root"}
    missing = graph(pool("store", label="web", path=None, existing=True), msgspec.structs.replace(existing, label="no"))
    with pytest.raises(InputError, match="there is no volume 'no' in pool 'web'"):
        plan(fake, missing)


def test_what_is_over_something_is_a_disk_of_its_own() -> None:
    with pytest.raises(ConflictError, match=r"volume\.base, which is a disk of vm\.web-1"):
        check_graph(layered(vm("web-1", disks=(DiskSpec(name="root", volume="base"),))))
    with pytest.raises(InputError, match="must be qcow2"):
        check_graph(graph(pool(), image(), base(), over(format="raw")))
    with pytest.raises(InputError, match="needs a volume that it is over"):
        check_graph(graph(pool(), over(base=None)))
    with pytest.raises(InputError, match="refers to volume 'base'"):
        check_graph(graph(pool(), over()))
    far = graph(host(), host("kvm2"), pool(), pool("far", host="kvm2"), image(), base(), over(pool="far"))
    with pytest.raises(InputError, match="is over is on host kvm1"):
        check_graph(far)


def test_an_image_in_a_volume_is_known_by_the_ledger() -> None:
    desired = graph(pool(), image(), base())
    assert image_needs(desired, look(FakeHost(), desired)).missing == ("debian",)
    fake = built(desired)
    assert image_needs(desired, look(fake, desired)).known["debian"].virtual_size == FACTS.virtual_size
    fake.delete_volume("web", "base.qcow2")
    assert image_needs(desired, look(fake, desired)).missing == ("debian",)


def test_an_interrupted_upload_is_made_again() -> None:
    fake = FakeHost()
    desired = graph(pool(), image(), base())
    first = plan(fake, desired)
    uploads = [step for step in first.steps if isinstance(step.effect, UploadImage)]
    assert [mark.entry.state for step in uploads for mark in step.marks] == [EntryState.READY]
    assert uploads[0].flush


def test_a_resource_of_another_name_is_not_deleted_and_made_anew() -> None:
    fake = built()
    renamed = graph(
        pool(), image(), base(), over(), vm("web-1", disks=(DiskSpec(name="root", volume="web-0-root"),)),
        options={"vm.web-1": Options(aliases=("web-0",))},
    )  # fmt: skip
    assert change(plan(fake, renamed), "vm.web-1").operation is Operation.UPDATE
    fresh = plan(FakeHost(), renamed)
    assert change(fresh, "vm.web-1").operation is Operation.CREATE
