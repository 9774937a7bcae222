"""What others gave a domain, told before a definition that is written whole takes it away, and kept where it can be."""

from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, MIB, graph, look, small
from tests.unit.plan.scenarios import NO_POLICY, UUID, converge
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.hardware import HardwareSpec
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import Power
from vmstack.plan.drift import find_drift
from vmstack.plan.planner import make_plan
from vmstack.xmlio.patches import encode_sheet, value_patch

HARDWARE = HardwareSpec(stylesheet=encode_sheet((value_patch("/domain/features/vmport/@state", "off"),), xslt=None))


def patched(*, options: Options | None = None, **changes: Any) -> DesiredGraph:
    desired = {"hardware": HARDWARE, "power": Power.STOPPED, **changes}
    return graph(*small(**desired), options={"vm.web-0": options or Options()})


def plan_of(fake: FakeHost, desired: DesiredGraph) -> Plan:
    return make_plan(desired, look(fake, desired), policy=NO_POLICY, images=IMAGES)


def told(plan: Plan) -> dict[str, tuple[object, object, str]]:
    (change,) = plan.changes
    return {field.path: (field.before, field.after, field.disruption.value) for field in change.fields}


def notes(plan: Plan) -> list[str]:
    return [item.text for item in plan.diagnostics]


def edit(fake: FakeHost, before: str, after: str) -> None:
    xml = fake.connect().domain(UUID).xml
    assert before in xml
    fake.connect().define_domain(xml.replace(before, after, 1))


def applied(desired: DesiredGraph, *edits: tuple[str, str]) -> FakeHost:
    fake = FakeHost()
    converge(fake, desired)
    for before, after in edits:
        edit(fake, before, after)
    return fake


TITLE = ("</name>", "</name><title>theirs</title>")
WORDS = ("</name>", "</name><description>theirs</description>")
SOUND = ("</devices>", "<sound model='ac97'/></devices>")
THREADS = ("</name>", "</name><iothreads>3</iothreads>")
NAMESPACE = ("<metadata>", "<metadata><t:x xmlns:t='urn:t'/>")


def test_it_is_told_before_it_goes() -> None:
    fake = applied(patched(), TITLE, SOUND, THREADS)
    assert plan_of(fake, patched()).empty
    more = patched(memory=640 * MIB)
    assert {path: fields[:2] for path, fields in told(plan_of(fake, more)).items()} == {
        "memory": ("512 MiB", "640 MiB"),
        "title": ("theirs", None),
        "iothreads": (3, None),
        "xml[/devices/sound]": ('<sound model="ac97"/>', None),
    }
    converge(fake, more)
    assert "theirs" not in fake.connect().domain(UUID).xml
    assert plan_of(fake, more).empty


def test_a_running_guest_has_it_until_it_stops_and_is_not_stopped_for_it() -> None:
    fake = applied(patched(power=Power.RUNNING), SOUND)
    plan = plan_of(fake, patched(power=Power.RUNNING, memory=1280 * MIB, max_memory=1280 * MIB))
    assert told(plan)["xml[/devices/sound]"][2] == "next-boot"
    assert plan.changes[0].disruption is Disruption.RESTART


def test_what_needs_no_new_definition_takes_nothing() -> None:
    fake = applied(patched(power=Power.RUNNING, max_vcpus=4), TITLE, SOUND)
    more = patched(power=Power.RUNNING, max_vcpus=4, vcpus=2)
    assert set(told(plan_of(fake, more))) == {"vcpus"}
    converge(fake, more)
    assert "ac97" in fake.connect().domain(UUID).xml


def test_description_and_metadata_stay() -> None:
    fake = applied(patched(), WORDS, NAMESPACE)
    assert notes(plan_of(fake, patched())) == ["description (theirs) was set outside vmstack and is kept"]
    more = patched(memory=640 * MIB)
    assert set(told(plan_of(fake, more))) == {"memory"}
    converge(fake, more)
    xml = fake.connect().domain(UUID).xml
    assert "<description>theirs" in xml
    assert "urn:t" in xml
    assert plan_of(fake, more).empty


def test_a_description_of_ours_is_not_kept() -> None:
    fake = applied(patched(description="ours"))
    assert told(plan_of(fake, patched()))["description"][:2] == ("ours", None)
    converge(fake, patched())
    assert "ours" not in fake.connect().domain(UUID).xml


def test_drift_says_what_becomes_of_it() -> None:
    fake = applied(patched(), WORDS, ("</os>", "<kernel>/theirs</kernel></os>"))

    def drift(desired: DesiredGraph) -> dict[str, str | None]:
        report = find_drift(desired, look(fake, desired), images=IMAGES)
        return {item.path: item.note for item in report.items}

    later = "goes when a change has its definition written whole"
    assert drift(patched()) == {"description": None, "kernel": later}
    now = "goes with the next apply, which writes its definition whole"
    assert drift(patched(memory=640 * MIB)) == {"description": None, "kernel": now}


@pytest.mark.parametrize("by_patches", [True, False])
def test_a_program_may_want_it_gone(*, by_patches: bool) -> None:
    hardware = HARDWARE if by_patches else HardwareSpec()
    fake = applied(patched(hardware=hardware), WORDS)
    told_off = patched(hardware=hardware, options=Options(on_drift={"extra": "repair"}))
    assert told(plan_of(fake, told_off))["description"][:2] == ("theirs", None)
    converge(fake, told_off)
    assert "theirs" not in fake.connect().domain(UUID).xml
    assert plan_of(fake, told_off).empty


def test_a_program_may_not_want_to_hear_of_it() -> None:
    fake = applied(patched(), WORDS)
    assert notes(plan_of(fake, patched(options=Options(on_drift={"extra": "ignore"})))) == []


def test_values_of_others_are_told_of_where_nothing_is_written_whole() -> None:
    plain = patched(hardware=HardwareSpec())
    fake = applied(plain, TITLE, THREADS)
    assert notes(plan_of(fake, plain)) == [
        "iothreads (3) was set outside vmstack and is kept",
        "title (theirs) was set outside vmstack and is kept",
    ]


def test_one_thing_drifts_once() -> None:
    desired = patched(hardware=HardwareSpec(), power=Power.RUNNING, vcpus=2, max_vcpus=4)
    fake = applied(desired)
    fake.connect().set_vcpus(UUID, 1, live=False, config=True)
    items = find_drift(desired, look(fake, desired), images=IMAGES).items
    assert [(item.path, item.kind.value, item.was, item.now) for item in items] == [("vcpus", "field", 2, 1)]


def test_a_patch_that_goes_takes_its_work_along() -> None:
    fake = applied(patched())
    bare = msgspec.structs.replace(HARDWARE, stylesheet=None)
    assert told(plan_of(fake, patched(hardware=bare)))["xml[/features/vmport]"][0] == '<vmport state="off"/>'
