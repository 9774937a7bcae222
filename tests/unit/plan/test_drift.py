"""What others changed, apart from what the program changed, and what apply would do about it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import GIB, IMAGES, MIB, STACK, graph, look, pool, small, vm
from tests.unit.plan.scenarios import NET_UUID, UUID, converge, full, stopped
from vmstack.errors import InputError
from vmstack.hosts.ledger import HostLedger
from vmstack.model.drift import Drift, DriftReport
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.identity import Key, Kind, derive_ledger_uuid
from vmstack.model.plan import HIDDEN
from vmstack.model.specs import Power
from vmstack.plan.drift import find_drift
from vmstack.plan.drift_policy import check_policies, policy_of, policy_of_extra
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

Act = Callable[[FakeHost], None]


def drift_of(before: DesiredGraph, *acts: Act, after: DesiredGraph | None = None) -> DriftReport:
    fake = FakeHost()
    converge(fake, before)
    for act in acts:
        act(fake.connect())
    desired = after or before
    return find_drift(desired, look(fake, desired), images=IMAGES)


def said(report: DriftReport) -> list[str]:
    return [tell(item) for item in report.items]


def tell(item: Drift) -> str:
    return f"{item.key} {item.kind} {item.path}: {item.was} -> {item.now}, {item.remedy} {item.disruption}"


def vcpus(fake: FakeHost) -> None:
    fake.set_vcpus(UUID, 2, live=False, config=True)


def off(fake: FakeHost) -> None:
    fake.power_off_domain(UUID)


def unstamp(fake: FakeHost) -> None:
    fake.set_domain_metadata(UUID, xml=None, namespace=NAMESPACE, live=False)


def forge(**changes: Any) -> Act:
    """Change what the stamp says, with a seal that fits (early stamps have none) or not."""

    def act(fake: FakeHost) -> None:
        stamp = read_stamp(fake.domain(UUID).xml)
        assert stamp is not None
        xml = write_stamp(msgspec.structs.replace(stamp, **changes))
        fake.set_domain_metadata(UUID, xml=xml, namespace=NAMESPACE, live=False)

    return act


def edit_stamp(fake: FakeHost) -> None:
    stamp = read_stamp(fake.domain(UUID).xml)
    assert stamp is not None
    xml = write_stamp(stamp).replace('generation="1"', 'generation="5"')
    fake.set_domain_metadata(UUID, xml=xml, namespace=NAMESPACE, live=False)


def test_nothing_drifted_right_after_an_apply() -> None:
    report = drift_of(full())
    assert (report.items, report.refusals, report.unknown) == ((), (), ())
    assert report.runs["kvm1"] is not None
    assert report.runs["kvm1"].who == "tester"


@pytest.mark.parametrize(
    ("before", "acts", "after", "expected"),
    [
        (stopped(), [vcpus], None, ["vm.web-0 field vcpus: 1 -> 2, repair none"]),
        # What the program changed is no drift, also beside what is.
        (stopped(), [], stopped(memory=GIB), []),
        (stopped(), [vcpus], stopped(memory=GIB), ["vm.web-0 field vcpus: 1 -> 2, repair none"]),
        # It was one, is two, and the program wants three now; or it has come to want two.
        (stopped(), [vcpus], stopped(vcpus=3), ["vm.web-0 field vcpus: 1 -> 2, repair none"]),
        (stopped(), [vcpus], stopped(vcpus=2), []),
        (stopped(), [], stopped(description="new"), []),
        (graph(*small()), [off], None, ["vm.web-0 power power: running -> stopped, repair none"]),
        (graph(*small()), [off], stopped(), []),
        (stopped(), [unstamp], None, ["vm.web-0 stamp stamp: as vmstack wrote it -> None, repair none"]),
        (stopped(), [edit_stamp], None, ["vm.web-0 stamp stamp: as vmstack wrote it -> changed, repair none"]),
        # What an early vmstack applied is known by its digest alone, as long as the program is what it was.
        (stopped(), [forge(applied=None), vcpus], None, ["vm.web-0 field vcpus: 1 -> 2, repair none"]),
        (
            stopped(),
            [lambda fake: fake.undefine_domain(UUID)],
            None,
            ["vm.web-0 missing domain: web-0 -> None, repair none"],
        ),
        (
            full(),
            [lambda fake: fake.update_network(
                NET_UUID, command="add", section="dns-host", xml="<host ip='10.20.0.9'><hostname>x</hostname></host>",
                parent_index=-1, live=True, config=True,
            )],
            None,
            ["network.lan extra DNS host 10.20.0.9: None -> present, report none"],
        ),
    ],
)  # fmt: skip
def test_drift_is_what_others_changed(
    before: DesiredGraph, acts: list[Act], after: DesiredGraph | None, expected: list[str]
) -> None:
    assert said(drift_of(before, *acts, after=after)) == expected


def test_what_nothing_tells_of_is_said_to_be_unknown() -> None:
    report = drift_of(stopped(), forge(applied=None), vcpus, after=stopped(memory=GIB))
    assert (report.items, report.unknown) == ((), (Key(Kind.VM, "web-0"),))


def test_lost_data_is_announced_as_such_and_refused_without_leave() -> None:
    report = drift_of(full(power=Power.STOPPED), lambda fake: fake.delete_volume("web", "web-0-data.qcow2"))
    [item] = [one for one in report.items if one.key.kind is Kind.VOLUME]
    assert tell(item) == "volume.web-0-data missing volume: web-0-data.qcow2 -> None, repair data-loss"
    assert "--allow-data-loss" in (item.note or "")
    assert report.refusals


def test_a_lost_ledger_is_refused() -> None:
    report = drift_of(full(), lambda fake: fake.undefine_secret(derive_ledger_uuid(STACK)))
    assert said(report) == ["host.kvm1 ledger ledger: present -> None, refused none"]
    assert "the ledger of stack shop/dev is missing" in report.refusals[0]


def test_hidden_values_stay_hidden() -> None:
    desired = graph(*small(power=Power.STOPPED), options={"vm.web-0": Options(hide_diffs=("vcpus",))})
    [item] = drift_of(desired, vcpus).items
    assert (item.was, item.now) == (HIDDEN, HIDDEN)


def test_what_lost_its_stamp_keeps_its_generation_and_is_ready() -> None:
    fake = FakeHost()
    desired = full()
    converge(fake, desired)
    held = HostLedger(fake, STACK).read()
    assert held is not None
    HostLedger(fake, STACK).write(msgspec.structs.replace(held, made={**held.made, "vm.web-0": 4}))
    fake.set_domain_metadata(UUID, xml=None, namespace=NAMESPACE, live=True)
    [domain] = [one for one in look(fake, desired).hosts["kvm1"].domains if one.uuid == UUID]
    assert domain.stamp is not None
    assert (domain.stamp.generation, domain.stamp.intact) == (4, False)
    assert domain.xml


def test_the_longest_path_says_what_is_done() -> None:
    policies = {"*": "report", "disks": "ignore", "disks[data].cache": "repair"}
    paths = ("vcpus", "disks[data]", "disks[data].bus", "disks[data].cache")
    assert [policy_of(path, policies) for path in paths] == ["report", "ignore", "ignore", "repair"]
    assert policy_of("vcpus", {}) == "repair"
    of_extras = [{}, {"*": "repair"}, {"*": "ignore"}, {"extra": "repair"}]
    assert [policy_of_extra("nics[x]", said) for said in of_extras] == ["report", "report", "ignore", "repair"]


@pytest.mark.parametrize(("path", "wrong"), [("vcpu", True), ("vcpus", False), ("extra", False), ("*", False)])
def test_policies_name_fields(path: str, wrong: bool) -> None:
    desired = graph(pool(), vm(disks=(), memory=MIB), options={"vm.web-0": Options(on_drift={path: "report"})})
    [resource] = [one for one in desired.resources if one.key.kind is Kind.VM]
    errors = check_policies(resource)
    assert bool(errors) is wrong
    assert all(isinstance(error, InputError) and "on_drift names 'vcpu'" in error.brief for error in errors)
