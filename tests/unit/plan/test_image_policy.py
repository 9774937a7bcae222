"""Another image in the program: what stays, what is made anew, and what is not even fetched."""

from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import FACTS, GIB, IMAGES, data, graph, image, look, pool, root, vm
from tests.unit.plan.scenarios import converge
from vmstack.errors import InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import DiskSpec, ImageChange, SeedPolicy, VolumeSource
from vmstack.plan.image_needs import image_needs
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

NEW_SHA = "cd" * 32
NEW = {"debian": msgspec.structs.replace(FACTS, sha256=NEW_SHA, virtual_size=3 * GIB, path="/images/new.qcow2")}
DISKS = (DiskSpec(name="root", volume="web-0-root"), DiskSpec(name="data", volume="web-0-data"))
COPY = {"source": VolumeSource.FULL_COPY}


def desired(sha: str, *more: Any, policy: ImageChange = ImageChange.KEEP, **volume: Any) -> DesiredGraph:
    volume = {"capacity": None, "on_image_change": policy, **volume}
    return graph(pool(), image(sha256=sha), root(**volume), data(), vm(disks=DISKS), *more)


def planned(fake: FakeHost, wanted: DesiredGraph, *, images: dict = NEW, loss: bool = True) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(allow_data_loss=loss), images=images)


@pytest.mark.parametrize("volume", [{}, COPY])
def test_volumes_stay_as_they_are_and_the_plan_says_so(volume: dict[str, Any]) -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256, **volume))
    wanted = desired(NEW_SHA, **volume)
    plan = planned(fake, wanted)
    # A copy does not need the old image any more, and a clone is over it.
    assert [change.operation for change in plan.changes] == ([Operation.DELETE] if volume else [])
    assert [note.text for note in plan.diagnostics if "on_image_change" in note.text]
    # Nobody needs the new image, so that it is neither fetched nor uploaded.
    needs = image_needs(wanted, look(fake, wanted))
    assert (needs.known, needs.missing) == ({}, ())
    converge(fake, wanted, images=NEW)
    assert not planned(fake, wanted, images={}).changes
    # Without another image there is nothing to say.
    assert not planned(fake, desired(FACTS.sha256, **volume), images=IMAGES).diagnostics


def test_a_volume_that_stays_grows_and_does_not_shrink() -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256))
    (change,) = planned(fake, desired(NEW_SHA, capacity=2 * GIB)).changes
    assert [(field.path, field.after) for field in change.fields] == [("capacity", "2 GiB")]
    converge(fake, desired(NEW_SHA, capacity=2 * GIB), images=NEW)
    assert not planned(fake, desired(NEW_SHA, capacity=2 * GIB)).changes
    with pytest.raises(InputError):
        planned(fake, desired(NEW_SHA, capacity=GIB))


@pytest.mark.parametrize("volume", [{}, COPY])
def test_it_is_replaced_where_the_program_says_so_and_data_disks_are_kept(volume: dict[str, Any]) -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256, policy=ImageChange.REPLACE, **volume))
    kept = fake.machine.files["/pools/web/web-0-data.qcow2"].identity
    wanted = desired(NEW_SHA, policy=ImageChange.REPLACE, **volume)
    changes = {str(change.key): change for change in planned(fake, wanted).changes}
    assert changes["volume.web-0-root"].operation is Operation.REPLACE
    assert changes["volume.web-0-root"].disruption is Disruption.DATA_LOSS
    assert changes["vm.web-0"].disruption is Disruption.RESTART
    assert "volume.web-0-data" not in changes
    converge(fake, wanted, images=NEW)
    assert not planned(fake, wanted).changes
    assert fake.machine.files["/pools/web/web-0-data.qcow2"].identity == kept


def test_new_machines_have_the_new_image_beside_old_ones_that_keep_theirs() -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256))
    wanted = desired(NEW_SHA, root("web-1-root", on_image_change=ImageChange.KEEP, capacity=None), vm("web-1"))
    needs = image_needs(wanted, look(fake, wanted))
    assert needs.missing == ("debian",)
    converge(fake, wanted, images=NEW)
    assert not planned(fake, wanted).changes
    backing = {name: file.backing for name, file in fake.machine.files.items() if name.endswith("root.qcow2")}
    assert backing == {
        "/pools/web/web-0-root.qcow2": "/pools/web/debian-abababababab.qcow2",
        "/pools/web/web-1-root.qcow2": "/pools/web/debian-cdcdcdcdcdcd.qcow2",
    }


def test_what_is_made_again_is_made_from_the_new_image() -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256))
    fake.power_off_domain(vm().uuid)
    fake.delete_volume("web", "web-0-root.qcow2")
    converge(fake, desired(NEW_SHA), images=NEW)
    assert fake.machine.files["/pools/web/web-0-root.qcow2"].backing == "/pools/web/debian-cdcdcdcdcdcd.qcow2"
    assert not planned(fake, desired(NEW_SHA)).changes


def test_another_way_of_making_it_is_no_other_image_alone() -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256))
    changes = {str(change.key): change for change in planned(fake, desired(NEW_SHA, **COPY)).changes}
    assert changes["volume.web-0-root"].operation is Operation.REPLACE
    converge(fake, desired(NEW_SHA, **COPY), images=NEW)
    assert not planned(fake, desired(NEW_SHA, **COPY)).changes


def test_an_image_is_asked_for_where_the_seed_may_make_the_disk_anew() -> None:
    fake = FakeHost()
    converge(fake, desired(FACTS.sha256))
    wanted = graph(
        pool(), image(sha256=NEW_SHA), root(capacity=None, on_image_change=ImageChange.KEEP), data(),
        vm(disks=DISKS, seed_policy=SeedPolicy.REPLACE),
    )  # fmt: skip
    assert image_needs(wanted, look(fake, wanted)).missing == ("debian",)
    assert not planned(fake, wanted).changes
