"""What others gave a domain, told before a definition that is written whole takes it away, and kept where it can be."""

from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, MIB, data, graph, look, network, nic, small
from tests.unit.plan.scenarios import DATA, NO_POLICY, ROOT, UUID, converge
from vmstack.errors import ConflictError, VmstackError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.hardware import ConsoleSpec, HardwareSpec
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

    def drift(desired: DesiredGraph) -> dict[str, tuple[str, str | None]]:
        report = find_drift(desired, look(fake, desired), images=IMAGES)
        return {item.path: (item.remedy.value, item.note) for item in report.items}

    later = "goes when a change has its definition written whole"
    assert drift(patched()) == {"description": ("report", None), "kernel": ("report", later)}
    assert drift(patched(memory=640 * MIB)) == {"description": ("report", None), "kernel": ("repair", None)}


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


def test_it_is_told_where_nothing_else_changes_but_the_definition_is_gone() -> None:
    running = patched(power=Power.RUNNING)
    fake = applied(patched(), TITLE)
    converge(fake, running)
    fake.connect().undefine_domain(UUID)
    assert set(told(plan_of(fake, running))) >= {"persistent", "title"}
    converge(fake, running)
    assert plan_of(fake, running).empty


def test_what_is_spared_is_not_said_to_go() -> None:
    spared = Options(on_drift={"*": "report"})
    fake = applied(patched(options=spared, max_vcpus=2), (' current="1">2</vcpu>', ">2</vcpu>"))
    assert set(told(plan_of(fake, patched(options=spared, max_vcpus=2, memory=640 * MIB)))) == {"memory"}


def test_what_others_took_out_comes_back_and_is_told() -> None:
    fake = applied(patched(), ('<suspend-to-disk enabled="no"/>', ""))
    fields = told(plan_of(fake, patched(memory=640 * MIB)))
    assert fields["xml[/pm/suspend-to-disk]"][:2] == (None, '<suspend-to-disk enabled="no"/>')


@pytest.mark.parametrize("by_patches", [True, False])
def test_a_title_may_be_wanted_gone_whether_there_are_patches_or_not(*, by_patches: bool) -> None:
    hardware = HARDWARE if by_patches else HardwareSpec()
    fake = applied(patched(hardware=hardware), TITLE)
    told_off = patched(hardware=hardware, options=Options(on_drift={"extra": "repair"}))
    assert told(plan_of(fake, told_off))["title"][:2] == ("theirs", None)
    assert [note for note in notes(plan_of(fake, patched(hardware=hardware))) if note.startswith("title (theirs)")]


def test_what_the_program_hides_is_in_no_note() -> None:
    fake = applied(patched(), WORDS)
    hidden = patched(options=Options(hide_diffs=("description",)))
    assert notes(plan_of(fake, hidden)) == ["description (hidden) was set outside vmstack and is kept"]


@pytest.mark.parametrize("by_patches", [True, False])
def test_what_others_put_into_the_definition_of_a_running_guest_only_is_neither_given_to_it_nor_restarted_for(
    *, by_patches: bool
) -> None:
    hardware = HARDWARE if by_patches else HardwareSpec()
    running = patched(power=Power.RUNNING, hardware=hardware)
    shares = ("</name>", "</name><cputune><shares>777</shares></cputune>")
    fake = applied(running, shares, ('offset="utc"', 'offset="localtime"'))
    plan = plan_of(fake, running)
    assert plan.empty
    waiting = "clock (utc now, localtime from its next start), cpu_shares (absent now, 777 from its next start)"
    assert f"pending restart: {waiting}" in notes(plan)
    items = find_drift(running, look(fake, running), images=IMAGES).items
    assert {(item.path, item.remedy.value, item.was, item.now) for item in items} == {
        ("clock", "report", "utc", "localtime"),
        ("cpu_shares", "report", None, 777),
    }
    restarted = patched(power=Power.RUNNING, hardware=hardware, max_vcpus=6)
    fake.connect().tune_domain(UUID, {"vcpu_quota": 50000}, live=True, config=False)
    told_of = " ".join(notes(plan_of(fake, restarted)))
    assert "cpu_quota (50000 now, absent from its next start)" in told_of


def test_what_a_restart_brings_along_is_told() -> None:
    running = patched(power=Power.RUNNING, hardware=HardwareSpec())
    fake = applied(running, ("</devices>", "<watchdog model='ib700' action='none'/><sound model='ac97'/></devices>"))
    plan = plan_of(fake, patched(power=Power.RUNNING, hardware=HardwareSpec(), max_vcpus=6))
    assert plan.changes[0].disruption is Disruption.RESTART
    comes = "xml[/devices/sound], xml[/devices/watchdog]"
    assert f"with the restart comes what its definition has already: {comes}" in notes(plan)
    fake = applied(running, ("<acpi/>", ""))
    plan = plan_of(fake, patched(power=Power.RUNNING, hardware=HardwareSpec(), max_vcpus=6))
    assert notes(plan) == ["with the restart goes what only the running guest has: xml[/features/acpi]"]


def test_a_saved_guest_keeps_the_disks_that_its_memory_needs_under_patches_too() -> None:
    fake = FakeHost()
    converge(fake, graph(*small(data(), hardware=HARDWARE, disks=(ROOT, DATA))))
    domain = fake.machine.domains[UUID]
    domain.managed_save, domain.state, domain.live_xml, domain.saved_xml = True, "shutoff", None, domain.xml
    with pytest.raises(VmstackError) as refused:
        plan_of(fake, graph(*small(hardware=HARDWARE)))
    assert "disks[data] cannot change" in str(refused.value)


@pytest.mark.parametrize("by_patches", [True, False])
def test_what_only_the_definition_has_otherwise_needs_no_restart(*, by_patches: bool) -> None:
    running = patched(power=Power.RUNNING, hardware=HARDWARE if by_patches else HardwareSpec())
    fake = applied(running, ('<cpu mode="maximum"', '<cpu mode="host-model"'))
    plan = plan_of(fake, running)
    assert told(plan)["cpu_mode"] == ("host-model", "maximum", "none")
    assert plan.changes[0].disruption is Disruption.NONE
    converge(fake, running)
    assert plan_of(fake, running).empty
    assert '<cpu mode="maximum"' in fake.connect().domain(UUID).xml
    assert fake.machine.domains[UUID].state == "running"


def test_a_limit_that_others_gave_the_guest_and_its_definition_differently_is_theirs() -> None:
    running = patched(power=Power.RUNNING, hardware=HardwareSpec())
    fake = applied(running, ("</name>", "</name><cputune><shares>256</shares></cputune>"))
    fake.connect().tune_domain(UUID, {"cpu_shares": 512}, live=True, config=False)
    assert plan_of(fake, running).empty


def test_enlightenments_of_others_do_not_stand_in_the_way() -> None:
    fake = applied(patched(), ("</features>", "<hyperv mode='custom'><relaxed state='on'/></hyperv></features>"))
    assert told(plan_of(fake, patched(memory=640 * MIB)))["hyperv"][1] is None


def test_a_serial_port_of_others_is_told_of_alone() -> None:
    fake = applied(patched(), ("</devices>", "<serial type='pty'><target port='1'/></serial></devices>"))
    (note,) = notes(plan_of(fake, patched()))
    assert note.startswith("consoles[serial1] (pty) was set outside vmstack")
    assert "xml[/devices/serial]" in told(plan_of(fake, patched(memory=640 * MIB)))


@pytest.mark.parametrize("consoles", [(ConsoleSpec(),), (ConsoleSpec(), ConsoleSpec(target="virtio"))])
def test_consoles_that_any_machine_has_may_be_asked_for(consoles: tuple[ConsoleSpec, ...]) -> None:
    wanted = patched(hardware=HardwareSpec(consoles=consoles))
    fake = applied(wanted)
    assert plan_of(fake, wanted).empty
    assert fake.connect().domain(UUID).xml.count('<target type="virtio" port=') == len(consoles) - 1


@pytest.mark.parametrize("power", [Power.RUNNING, Power.STOPPED])
def test_a_network_does_not_go_from_under_a_nic_that_others_gave_a_vm(power: Power) -> None:
    machine = small(hardware=HARDWARE, power=power)
    fake = FakeHost()
    converge(fake, graph(*small(hardware=HARDWARE, power=Power.STOPPED), network()))
    theirs = "<interface type='network'><mac address='52:54:00:00:00:99'/><source network='lan'/></interface>"
    edit(fake, "</devices>", f"{theirs}</devices>")
    converge(fake, graph(*machine, network()))
    if power is Power.RUNNING:
        with pytest.raises(
            ConflictError, match="the domain 'web-0' on host kvm1, by a NIC that others gave it, is runn"
        ):
            plan_of(fake, graph(*machine))
    else:
        assert "the domain 'web-0' has a NIC on it, without which it does not start" in notes(
            plan_of(fake, graph(*machine))
        )


def test_a_nic_of_ours_that_others_made_another_kind_of_does_not_stand_in_the_way() -> None:
    wanted = graph(*small(hardware=HARDWARE, power=Power.STOPPED, nics=(nic(),)), network())
    fake = applied(wanted, ('<interface type="network">', '<interface type="user">'), ('<source network="lan"/>', ""))
    more = graph(*small(hardware=HARDWARE, power=Power.STOPPED, nics=(nic(),), memory=640 * MIB), network())
    paths = {field.path for change in plan_of(fake, more).changes for field in change.fields}
    assert {"memory", "nics[lan].network"} <= paths
    assert not any(path.startswith("xml[/memory") for path in paths)
    converge(fake, more)
    assert plan_of(fake, more).empty
