"""What is made anew because the program asks for it, on a host that is like the real one."""

from typing import Any

import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import GIB, IMAGES, data, graph, look, network, pool, small
from tests.unit.plan.scenarios import UUID, converge, full
from vmstack.errors import RefusedError, VmstackError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import DnsHost, Power
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.stamp import read_stamp

VOLUME, LAN, VM = "volume.web-0-data", "network.lan", "vm.web-0"
OLD, NEW = Options(replacement_trigger="1"), Options(replacement_trigger="2")


def planned(fake: FakeHost, wanted: DesiredGraph, *, loss: bool = False) -> Plan:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(allow_data_loss=loss), images=IMAGES)


def operations(plan: Plan) -> dict[str, tuple[Operation, Disruption]]:
    return {str(change.key): (change.operation, change.disruption) for change in plan.changes}


def volumes(options: Options, **fields: Any) -> DesiredGraph:
    return graph(pool(), data(data=False, **fields), options={VOLUME: options})


def networks(options: Options, **fields: Any) -> DesiredGraph:
    return graph(network(**fields), options={LAN: options})


def machine(options: Options, **fields: Any) -> DesiredGraph:
    return full(options={VM: options}, **fields)


KINDS = {
    "volume": (volumes, VOLUME, Disruption.DATA_LOSS),
    "network": (networks, LAN, Disruption.NONE),
    "machine": (machine, VM, Disruption.RESTART),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_trigger_makes_anew(kind: str) -> None:
    build, key, disruption = KINDS[kind]
    fake = FakeHost()
    converge(fake, build(Options()))
    # One that comes says nothing of what was before; it is only noted.
    assert all(change.operation is Operation.UPDATE for change in planned(fake, build(OLD)).changes)
    converge(fake, build(OLD))
    assert not planned(fake, build(OLD)).changes
    plan = planned(fake, build(NEW), loss=True)
    assert operations(plan) == {key: (Operation.REPLACE, disruption)}
    assert "replacement_trigger" in {field.path for field in plan.changes[0].fields}
    assert all("outside vmstack" not in reason for reason in plan.changes[0].reasons)
    converge(fake, build(NEW))
    assert not planned(fake, build(NEW)).changes
    # Nor does one that goes, and with it what is known of it.
    assert all(change.operation is Operation.UPDATE for change in planned(fake, build(Options())).changes)
    converge(fake, build(Options()))
    assert all(change.operation is Operation.UPDATE for change in planned(fake, build(OLD)).changes)


def test_a_stamp_without_a_trigger_is_as_it_was() -> None:
    fake = FakeHost()
    converge(fake, machine(Options()))
    assert "trigger" not in fake.domain(UUID).xml
    converge(fake, machine(OLD))
    stamp = read_stamp(fake.domain(UUID).xml)
    assert stamp is not None
    assert stamp.trigger == "1"


def test_a_machine_is_made_anew_over_its_volumes() -> None:
    fake = FakeHost()
    converge(fake, machine(OLD))
    files = {path for path in fake.machine.files if "web-0" in path}
    plan = planned(fake, machine(NEW))
    verbs = [step.id.rpartition("/")[2] for step in plan.steps if str(step.key) == VM]
    assert verbs == ["stop", "undefine", "define", "start", "ready"]
    assert "Its definition is removed and made anew" in " ".join(plan.changes[0].reasons)
    converge(fake, machine(NEW))
    assert files == {path for path in fake.machine.files if "web-0" in path}


def test_a_machine_that_is_off_stays_off() -> None:
    fake = FakeHost()
    converge(fake, machine(OLD, power=Power.STOPPED))
    wanted = machine(NEW, power=Power.STOPPED)
    assert operations(planned(fake, wanted)) == {VM: (Operation.REPLACE, Disruption.NONE)}
    converge(fake, wanted)
    assert not planned(fake, wanted).changes
    assert fake.machine.domains[UUID].state == "shutoff"


@pytest.mark.parametrize(
    ("build", "key"), [(volumes, VOLUME), (networks, LAN), (machine, VM)], ids=["volume", "network", "machine"]
)
def test_what_is_protected_is_not_made_anew(build: Any, key: str) -> None:
    fake = FakeHost()
    converge(fake, build(Options(protect=True, replacement_trigger="1")))
    with pytest.raises(RefusedError, match=f"{key} is protected"):
        planned(fake, build(Options(protect=True, replacement_trigger="2")), loss=True)


def test_data_is_not_lost_without_leave() -> None:
    fake = FakeHost()
    converge(fake, graph(pool(), data(), options={VOLUME: OLD}))
    with pytest.raises(RefusedError, match=f"{VOLUME} holds data and cannot be made anew"):
        planned(fake, graph(pool(), data(), options={VOLUME: NEW}))


def test_a_named_change_makes_anew() -> None:
    named = Options(replace_on_changes=("capacity",))
    fake = FakeHost()
    converge(fake, volumes(named))
    plan = planned(fake, volumes(named, capacity=9 * GIB))
    assert operations(plan) == {VOLUME: (Operation.REPLACE, Disruption.DATA_LOSS)}
    assert plan.changes[0].reasons[0] == "replace_on_changes asks for it: capacity."
    converge(fake, volumes(named, capacity=9 * GIB))
    # What is made anew may as well be smaller.
    assert operations(planned(fake, volumes(named, capacity=GIB)))[VOLUME][0] is Operation.REPLACE

    hosts = (DnsHost(ip="10.20.0.50", hostnames=("x",)),)
    for paths, operation in ((("*",), Operation.REPLACE), (("dns_hosts",), Operation.REPLACE), (("mtu",), None)):
        fake = FakeHost()
        converge(fake, networks(Options(replace_on_changes=paths)))
        wanted = networks(Options(replace_on_changes=paths), dns_hosts=hosts)
        plan = planned(fake, wanted)
        assert operations(plan)[LAN][0] is (operation or Operation.UPDATE)
        converge(fake, wanted)
        assert not planned(fake, wanted).changes

    for paths, operation in ((("*",), Operation.REPLACE), (("vcpus",), Operation.UPDATE)):
        fake = FakeHost()
        converge(fake, machine(Options(replace_on_changes=paths)))
        wanted = machine(Options(replace_on_changes=paths), description="other")
        assert operations(planned(fake, wanted))[VM][0] is operation
        converge(fake, wanted)
        assert not planned(fake, wanted).changes


def test_how_it_runs_makes_nothing_anew() -> None:
    fake = FakeHost()
    every = Options(replace_on_changes=("*",))
    converge(fake, machine(every))
    wanted = machine(every, power=Power.STOPPED, autostart=True)
    assert operations(planned(fake, wanted)) == {VM: (Operation.UPDATE, Disruption.STOP)}


def test_partners_are_made_anew_together() -> None:
    def build(trigger: str) -> DesiredGraph:
        options = {
            LAN: Options(replacement_trigger=trigger),
            VM: Options(replace_with=(Key(Kind.NETWORK, "lan"),)),
            VOLUME: Options(replace_with=(Key(Kind.VM, "web-0"),), protect=False),
        }
        return full(options=options)

    fake = FakeHost()
    converge(fake, build("1"))
    assert not planned(fake, build("1")).changes
    plan = planned(fake, build("2"), loss=True)
    assert operations(plan) == {
        LAN: (Operation.REPLACE, Disruption.LIVE),
        VM: (Operation.REPLACE, Disruption.RESTART),
        VOLUME: (Operation.REPLACE, Disruption.DATA_LOSS),
    }
    afters = {str(change.key): {field.path: field.after for field in change.fields} for change in plan.changes}
    assert afters[VM]["replace_with"] == "network.lan made anew"
    assert afters[VOLUME]["replace_with"] == "vm.web-0 made anew"
    converge(fake, build("2"))
    assert not planned(fake, build("2")).changes


def test_what_only_the_definition_keeps_is_not_lost_without_leave() -> None:
    fake = FakeHost()
    wanted = small(power=Power.STOPPED)
    converge(fake, graph(*wanted, options={VM: OLD}))
    fake.machine.domains[UUID].managed_save = True
    with pytest.raises(RefusedError, match="its saved state would go"):
        planned(fake, graph(*wanted, options={VM: NEW}))
    plan = planned(fake, graph(*wanted, options={VM: NEW}), loss=True)
    assert operations(plan) == {VM: (Operation.REPLACE, Disruption.DATA_LOSS)}


def test_a_guest_whose_definition_others_removed_has_it_again_before_it_is_shut_down() -> None:
    # A transient domain ends with its guest, and with it what libvirt knows of its snapshots.
    fake = FakeHost()
    converge(fake, full())
    fake.undefine_domain(UUID)
    plan = planned(fake, full(power=Power.STOPPED))
    verbs = [step.id.rpartition("/")[2] for step in plan.steps if str(step.key) == VM]
    assert verbs == ["define", "stop"]
    converge(fake, full(power=Power.STOPPED))
    assert fake.machine.domains[UUID].state == "shutoff"


def test_a_saved_state_goes_with_nobody_s_leave_alone() -> None:
    fake = FakeHost()
    converge(fake, full())
    domain = fake.machine.domains[UUID]
    domain.managed_save, domain.state, domain.live_xml, domain.saved_xml = True, "shutoff", None, domain.xml
    without = graph(pool(), network(), data())
    with pytest.raises(VmstackError) as refused:
        planned(fake, without)
    assert "vm.web-0 holds data and cannot be deleted: its saved state would go with it" in str(refused.value)
    plan = planned(fake, without, loss=True)
    assert operations(plan)[VM] == (Operation.DELETE, Disruption.DATA_LOSS)
