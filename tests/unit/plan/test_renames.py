"""Aliases: what the program has under another name is the same object, on a host that is like the real one."""

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import (
    IMAGES,
    STACK,
    data,
    graph,
    image,
    lease,
    look,
    mac,
    network,
    pool,
    root,
    seed,
    small,
    vm,
)  # fmt: skip
from tests.unit.plan.scenarios import UUID, converge, deliver, full
from vmstack.errors import RefusedError
from vmstack.hosts.ledger import HostLedger
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.identity import Key, Kind, derive_mac, derive_uuid
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import DiskSpec, NicSpec
from vmstack.plan.drift import find_drift
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy, Selection
from vmstack.xmlio.stamp import read_stamp


def planned(fake: FakeHost, wanted: DesiredGraph, *targets: str) -> Plan:
    policy = PlanPolicy(selection=Selection(targets=targets))
    return make_plan(wanted, look(fake, wanted), policy=policy, images=IMAGES)


def changes(plan: Plan) -> dict[str, tuple[Operation, Disruption]]:
    return {str(change.key): (change.operation, change.disruption) for change in plan.changes}


def renamed(*, label: str = "web-0", hostname: str = "web-0") -> DesiredGraph:
    """What `full()` is, with all of the VM's own under another name, as a native program would have it."""
    new = derive_mac(STACK, Key(Kind.VM, "api"), nic="lan")
    leased = msgspec.structs.replace(lease(), mac=new)
    aliases = {
        "vm.api": Options(aliases=("web-0",)),
        "seed.api": Options(aliases=("web-0",)),
        "volume.api-root": Options(aliases=("web-0-root",)),
        "volume.api-data": Options(aliases=("web-0-data",)),
    }
    disks = (DiskSpec(name="root", volume="api-root"), DiskSpec(name="data", volume="api-data"))
    nics = (NicSpec(name="lan", mac=new, network="lan", addresses=("10.20.0.10",)),)
    return graph(
        pool(),
        image(),
        root("api-root"),
        data("api-data"),
        network(reservations=(leased,)),
        seed("api", meta_data={"local-hostname": hostname}),
        vm("api", label=label, disks=disks, nics=nics, seed="api", ready_timeout=60),
        options=aliases,
        outputs=full().outputs,
    )


def test_a_machine_stays_what_it_is() -> None:
    fake = FakeHost()
    converge(fake, full())
    [before] = fake.domains()
    plan = planned(fake, renamed())
    assert changes(plan)["vm.api"] == (Operation.UPDATE, Disruption.NONE)
    assert {change.operation for change in plan.changes} == {Operation.UPDATE}
    assert all(change.disruption.rank <= Disruption.NEXT_BOOT.rank for change in plan.changes)
    assert any("It was vm.web-0 before" in reason for change in plan.changes for reason in change.reasons)
    deliver(plan, fake)
    [after] = fake.domains()
    assert (after.uuid, after.name, after.state) == (UUID, "web-0", before.state)
    stamp = read_stamp(after.xml)
    assert stamp is not None
    assert stamp.path == "shop/dev/vm/api"
    assert stamp.adopted is not None
    assert stamp.adopted.born == "web-0"
    assert stamp.adopted.nics == {"lan": mac("web-0")}
    ledger = HostLedger(fake, STACK).read()
    assert ledger is not None
    names = {(entry.role, entry.name, entry.label) for entry in ledger.entries}
    assert ("volume", "api-data", "web-0-data.qcow2") in names
    assert ("volume", "api-root", "web-0-root.qcow2") in names
    again = planned(fake, renamed())
    assert again.empty, changes(again)


def test_a_machine_may_get_its_new_name_in_libvirt_too() -> None:
    fake = FakeHost()
    converge(fake, full())
    plan = planned(fake, renamed(label="api", hostname="api"))
    assert changes(plan)["vm.api"] == (Operation.UPDATE, Disruption.RESTART)
    deliver(plan, fake)
    [after] = fake.domains()
    assert (after.uuid, after.name) == (UUID, "api")
    assert planned(fake, renamed(label="api", hostname="api")).empty
    # The alias may leave the program once it has done its work.
    plain = msgspec.structs.replace(
        renamed(label="api", hostname="api"),
        resources=tuple(
            msgspec.structs.replace(one, options=Options()) for one in renamed(label="api", hostname="api").resources
        ),
    )
    assert planned(fake, plain).empty


def test_a_renamed_machine_is_renamed_again_and_destroyed() -> None:
    fake = FakeHost()
    converge(fake, full())
    deliver(planned(fake, renamed()), fake)
    back = full(
        options={
            "vm.web-0": Options(aliases=("api",)),
            "seed.web-0": Options(aliases=("api",)),
            "volume.web-0-root": Options(aliases=("api-root",)),
            "volume.web-0-data": Options(aliases=("api-data",)),
        }
    )
    plan = planned(fake, back)
    assert {change.operation for change in plan.changes} <= {Operation.UPDATE}
    deliver(plan, fake)
    assert planned(fake, back).empty
    destroy = make_plan(back, look(fake, back), policy=PlanPolicy(destroy=True, allow_data_loss=True), images={})
    deliver(destroy, fake)
    assert fake.domains() == []
    assert HostLedger(fake, STACK).read() is None


def test_a_machine_of_another_name_is_destroyed_by_the_program_that_renames_it() -> None:
    fake = FakeHost()
    converge(fake, full())
    wanted = renamed()
    destroy = make_plan(wanted, look(fake, wanted), policy=PlanPolicy(destroy=True, allow_data_loss=True), images={})
    deliver(destroy, fake)
    assert fake.domains() == []


def test_a_network_stays_what_it_is() -> None:
    fake = FakeHost()
    converge(fake, graph(network("old", label="lan")))
    wanted = graph(network("new", label="lan"), options={"network.new": Options(aliases=("older", "old"))})
    plan = planned(fake, wanted)
    assert changes(plan) == {"network.new": (Operation.UPDATE, Disruption.NONE)}
    deliver(plan, fake)
    [record] = fake.networks()
    assert record.uuid == derive_uuid(STACK, Key(Kind.NETWORK, "old"))
    assert planned(fake, wanted).empty


def test_a_pool_keeps_its_volumes() -> None:
    fake = FakeHost()
    converge(fake, graph(pool(), data()))
    moved = data(pool="store")
    wanted = graph(pool("store", path="/pools/web"), moved, options={"pool.store": Options(aliases=("web",))})
    plan = planned(fake, wanted)
    assert changes(plan) == {"pool.store": (Operation.UPDATE, Disruption.NONE)}
    deliver(plan, fake)
    assert planned(fake, wanted).empty
    assert [one.name for one in fake.pools()] == ["web"]


def test_an_alias_of_what_the_program_still_has_means_nothing() -> None:
    fake = FakeHost()
    converge(fake, graph(network("old", label="lan")))
    two = network("new", subnets=())
    wanted = graph(network("old", label="lan"), two, options={"network.new": Options(aliases=("old",))})
    assert changes(planned(fake, wanted)) == {"network.new": (Operation.CREATE, Disruption.NONE)}


@pytest.mark.parametrize("target", ["vm.api", "network.lan"])
def test_a_rename_in_a_part_of_the_stack(target: str) -> None:
    fake = FakeHost()
    converge(fake, full())
    plan = planned(fake, renamed(), target)
    assert ("vm.api" in changes(plan)) == (target == "vm.api")
    assert {change.operation for change in plan.changes} <= {Operation.UPDATE}
    deliver(plan, fake)
    deliver(planned(fake, renamed()), fake)
    assert planned(fake, renamed()).empty


def test_what_looks_the_same_under_another_name_is_told_before_it_is_deleted() -> None:
    fake = FakeHost()
    converge(fake, full())
    plain = msgspec.structs.replace(
        renamed(), resources=tuple(msgspec.structs.replace(one, options=Options()) for one in renamed().resources)
    )
    plan = make_plan(plain, look(fake, plain), policy=PlanPolicy(allow_data_loss=True), images=IMAGES)
    told = {str(found.key): found for found in plan.diagnostics if "looks like" in found.text}
    assert sorted(told) == ["vm.api", "volume.api-data", "volume.api-root"]
    assert "looks like vm.web-0 under another name, which would be deleted" in told["vm.api"].text
    assert "opts=pulumi.ResourceOptions(aliases=['web-0'])" in told["vm.api"].text
    assert told["vm.api"].place == next(one.place for one in plain.resources if str(one.key) == "vm.api")
    with pytest.raises(RefusedError, match="cannot be deleted") as caught:
        planned(fake, plain)
    assert any(detail.startswith("vm.api (__main__.py:") for detail in caught.value.details)


def test_what_is_another_thing_is_no_rename() -> None:
    fake = FakeHost()
    converge(fake, graph(network("old")))
    wanted = graph(network("new", mtu=1400))
    assert planned(fake, wanted).diagnostics == ()
    [found] = planned(fake, graph(network("new"))).diagnostics
    assert (str(found.key), "aliases=['old']" in found.text) == ("network.new", True)


def test_a_rename_that_was_killed_half_way_goes_on() -> None:
    fake = FakeHost()
    converge(fake, full())
    plan = planned(fake, renamed())
    deliver(msgspec.structs.replace(plan, steps=()), fake)  # the ledger was written, and then it was killed
    again = planned(fake, renamed())
    assert {change.operation for change in again.changes} <= {Operation.UPDATE}
    assert "vm.api" in changes(again)
    deliver(again, fake)
    assert [domain.uuid for domain in fake.domains()] == [UUID]
    assert planned(fake, renamed()).empty


def made(fake: FakeHost) -> set[str]:
    ledger = HostLedger(fake, STACK).read()
    return set() if ledger is None else set(ledger.made)


def drift(fake: FakeHost, wanted: DesiredGraph) -> list[str]:
    report = find_drift(wanted, look(fake, wanted), images=IMAGES)
    assert not report.unknown
    return [f"{item.key} {item.kind} {item.path}: {item.was} -> {item.now}" for item in report.items]


def test_a_new_name_in_the_program_is_no_drift() -> None:
    fake = FakeHost()
    converge(fake, full())
    assert drift(fake, renamed()) == []
    fake.set_vcpus(UUID, 2, live=True, config=True)
    assert drift(fake, renamed()) == ["vm.api field vcpus: 1 -> 2"]


def test_what_is_gone_is_missed_under_its_new_name() -> None:
    fake = FakeHost()
    converge(fake, full())
    fake.delete_volume("web", "web-0-data.qcow2")
    fake.power_off_domain(UUID)
    fake.undefine_domain(UUID)
    assert drift(fake, renamed()) == [
        "vm.api missing domain: web-0 -> None",
        "volume.api-data missing volume: web-0-data.qcow2 -> None",
    ]


@pytest.mark.parametrize("target", ["vm.api", "network.lan", ""])
def test_the_ledger_lists_what_was_made_by_the_name_that_it_has_now(target: str) -> None:
    fake = FakeHost()
    converge(fake, full())
    deliver(planned(fake, renamed(), *filter(None, [target])), fake)
    assert made(fake) == {"network.lan", "vm.web-0" if target == "network.lan" else "vm.api"}


@pytest.mark.parametrize("kind", ["vm", "network"])
def test_the_ledger_does_not_list_what_a_partial_apply_deletes(kind: str) -> None:
    fake = FakeHost()
    wanted = graph(*small(), network())
    converge(fake, wanted)
    key = {"vm": "vm.web-0", "network": "network.lan"}[kind]
    policy = PlanPolicy(destroy=True, allow_data_loss=True, selection=Selection(targets=(key,)))
    deliver(make_plan(wanted, look(fake, wanted), policy=policy, images={}), fake)
    assert made(fake) == {"network.lan", "vm.web-0"} - {key}
    assert drift(fake, wanted) == []
