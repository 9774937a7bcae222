"""Plans of a part of a stack (`--target`, `--exclude`), on a host that is like the real one."""

from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import (
    GIB,
    IMAGES,
    MIB,
    data,
    graph,
    image,
    lease,
    look,
    network,
    nic,
    pool,
    root,
    vm,
)  # fmt: skip
from tests.unit.plan.scenarios import converge, deliver
from vmstack.errors import InputError, RefusedError
from vmstack.hosts.ledger import HostLedger
from vmstack.model.graph import DesiredGraph, Options, Output
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.plan import Operation, Plan
from vmstack.model.specs import DiskSpec, DnsHost, NicSpec, Spec
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy, Selection


def machine(number: int, *, on: str = "lan", **changes: Any) -> tuple[Spec, ...]:
    """A VM with a root and a data disk, and a NIC with an address."""
    name = f"web-{number}"
    disks = (DiskSpec(name="root", volume=f"{name}-root"), DiskSpec(name="data", volume=f"{name}-data"))
    nics: tuple[NicSpec, ...] = (nic(name, network=on, addresses=(f"10.20.0.{10 + number}",)),)
    values: dict[str, Any] = {"disks": disks, "nics": nics, **changes}
    return (root(f"{name}-root"), data(f"{name}-data"), vm(name, **values))


def fleet(*numbers: int, lan: dict[str, Any] | None = None, options: Any = None, **changes: Any) -> DesiredGraph:
    leases = tuple(lease(f"web-{number}", f"10.20.0.{10 + number}") for number in numbers)
    net = network(**{"reservations": leases, **(lan or {})})
    machines = (spec for number in numbers for spec in machine(number, **changes))
    outputs = {f"web-{number}": Output(value=f"10.20.0.{10 + number}") for number in numbers}
    return graph(pool(), image(), net, *machines, options=options, outputs=outputs)


def planned(fake: FakeHost, wanted: DesiredGraph, *targets: str, exclude: tuple[str, ...] = (), **more: Any) -> Plan:
    dependents = more.pop("dependents", False)
    selection = Selection(targets=targets, excludes=exclude, dependents=dependents)
    policy = PlanPolicy(selection=selection, **more)
    return make_plan(wanted, look(fake, wanted), policy=policy, images=IMAGES)


def addresses(plan: Plan) -> list[str]:
    return [str(change.key) for change in plan.changes]


def texts(plan: Plan) -> list[str]:
    return [f"{found.key or ''} {found.text}".strip() for found in plan.diagnostics]


def test_a_target_brings_what_it_needs() -> None:
    fake = FakeHost()
    plan = planned(fake, fleet(0, 1), "vm.web-0")
    assert addresses(plan) == [
        "image.debian@web",
        "network.lan",
        "pool.web",
        "vm.web-0",
        "volume.web-0-data",
        "volume.web-0-root",
    ]
    assert plan.partial
    assert any(
        "the plan is partial; these stay as they are: vm.web-1, volume.web-1-data, volume.web-1-root" in text
        for text in texts(plan)
    )
    assert any("because what --target names needs it: image.debian@web, network.lan" in text for text in texts(plan))


def test_what_is_left_out_stays_and_comes_with_the_next_whole_plan() -> None:
    fake = FakeHost()
    deliver(planned(fake, fleet(0, 1), "vm.web-0"), fake)
    assert [record.name for record in fake.domains()] == ["web-0"]
    assert planned(fake, fleet(0, 1), "vm.web-0").empty
    whole = planned(fake, fleet(0, 1))
    assert addresses(whole) == ["vm.web-1", "volume.web-1-data", "volume.web-1-root"]
    assert not whole.partial
    converge(fake, fleet(0, 1))
    assert planned(fake, fleet(0, 1)).empty


def test_outputs_stay_as_last_applied() -> None:
    fake = FakeHost()
    converge(fake, fleet(0))
    deliver(planned(fake, fleet(0, 1), "vm.web-1"), fake)
    ledger = HostLedger(fake, StackId("shop", "dev")).read()
    assert ledger is not None
    assert list(ledger.outputs) == ["web-0"]


@pytest.mark.parametrize("pattern", ["vm.web-0", "*.web-0", "web-0", "vm.*0"])
def test_patterns_are_of_addresses_and_names(pattern: str) -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    plan = planned(fake, fleet(0, 1, vcpus=2), pattern)
    assert addresses(plan) == ["vm.web-0"]


def test_what_is_not_in_the_program_any_more_is_not_deleted_unless_named() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    wanted = fleet(0, vcpus=2, lan={"reservations": (lease(), lease("web-1", "10.20.0.11"))})
    assert addresses(planned(fake, wanted, "vm.web-0")) == ["vm.web-0"]
    plan = planned(fake, wanted, "vm.web-1")
    assert [(str(one.key), one.operation) for one in plan.changes] == [("vm.web-1", Operation.DELETE)]
    deliver(plan, fake)
    assert [record.name for record in fake.domains()] == ["web-0"]
    assert "web-1-data.qcow2" in {volume.name for volume in fake.volumes("web")}


def test_deleting_a_volume_brings_the_guest_that_has_it() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    plan = planned(fake, fleet(0), "volume.web-1-root", allow_data_loss=True)
    assert addresses(plan) == ["vm.web-1", "volume.web-1-root"]


def test_dependents_come_when_asked_for() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    wanted = fleet(0, 1, vcpus=2, lan={"dns_hosts": (DnsHost(ip="10.20.0.9", hostnames=("db",)),)})
    assert addresses(planned(fake, wanted, "network.lan")) == ["network.lan"]
    assert addresses(planned(fake, wanted, "network.lan", dependents=True)) == ["network.lan", "vm.web-0", "vm.web-1"]


def test_excluding_leaves_out_what_needs_it_and_says_so() -> None:
    fake = FakeHost()
    plan = planned(fake, fleet(0, 1), exclude=("volume.web-1-data",))
    assert "vm.web-1" not in addresses(plan)
    assert "vm.web-0" in addresses(plan)
    assert "volume.web-1-root" in addresses(plan)
    assert "vm.web-1 left out as well, because of volume.web-1-data, which is left out" in texts(plan)


def test_excluding_what_is_to_go_keeps_what_it_is_on() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    wanted = graph(pool(), image())
    plan = planned(fake, wanted, exclude=("vm.web-1",), allow_data_loss=True)
    assert addresses(plan) == ["vm.web-0", "volume.web-0-data", "volume.web-0-root"]
    deliver(plan, fake)
    assert {record.name: record.state for record in fake.domains()} == {"web-1": "running"}


def test_a_network_is_not_made_anew_under_a_guest_that_is_left_out() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    wanted = fleet(0, 1, lan={"mtu": 1400})
    with pytest.raises(
        RefusedError, match=r"network.lan would be changed below vm.web-1, and the plan leaves that out"
    ):
        planned(fake, wanted, "vm.web-0")
    assert "vm.web-1" in addresses(planned(fake, wanted, "network.lan", dependents=True))


def test_a_disk_in_use_is_not_grown_without_its_guest() -> None:
    fake = FakeHost()
    converge(fake, fleet(0))
    specs = {one.spec.name: one for one in fleet(0).resources}
    bigger = msgspec.structs.replace(specs["web-0-data"], spec=data("web-0-data", capacity=2 * GIB))
    wanted = msgspec.structs.replace(
        fleet(0), resources=tuple(bigger if one.key == bigger.key else one for one in fleet(0).resources)
    )
    with pytest.raises(RefusedError, match=r"volume.web-0-data would be changed below vm.web-0"):
        planned(fake, wanted, "volume.web-0-data")
    assert addresses(planned(fake, wanted, "web-0*")) == ["volume.web-0-data"]


def test_errors_of_what_is_left_out_do_not_matter() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1, options={"vm.web-1": Options(protect=True)}))
    with pytest.raises(RefusedError, match="protected"):
        planned(fake, fleet(0, vcpus=2), allow_data_loss=True)
    plan = planned(fake, fleet(0, vcpus=2), "vm.web-0")
    assert "vm.web-0" in addresses(plan)


def test_destroying_a_part_takes_what_is_on_it() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    assert addresses(planned(fake, fleet(0, 1), "vm.web-0", destroy=True)) == ["vm.web-0"]
    plan = planned(fake, fleet(0, 1), "network.lan", destroy=True)
    assert addresses(plan) == ["network.lan", "vm.web-0", "vm.web-1"]
    assert plan.ledgers == ("kvm1",)
    deliver(plan, fake)
    assert fake.domains() == []
    ledger = HostLedger(fake, StackId("shop", "dev")).read()
    assert ledger is not None
    assert {entry.name for entry in ledger.entries if entry.role == "volume"} >= {"web-0-data", "web-1-root"}


def test_destroying_all_but_one_keeps_what_that_is_on() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1))
    plan = planned(fake, fleet(0, 1), exclude=("vm.web-1",), destroy=True, allow_data_loss=True)
    kept = {"network.lan", "pool.web", "image.debian@web", "volume.web-1-root", "volume.web-1-data", "vm.web-1"}
    assert not kept & set(addresses(plan))
    assert "vm.web-0" in addresses(plan)
    deliver(plan, fake)
    assert addresses(planned(fake, fleet(1))) == ["network.lan"]  # which has an address less to reserve


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("vm.web-9", r"did you mean vm.web-\d"),
        ("web0", r"did you mean vm.web-\d"),
        ("vm.wbe-*", r"did you mean vm.web-\d"),
        ("zzzzz", r"the stack has image.debian, .* and \d+ more"),
    ],
)
@pytest.mark.parametrize("option", ["--target", "--exclude"])
def test_a_pattern_that_matches_nothing(option: str, pattern: str, hint: str) -> None:
    targets, exclude = ((pattern,), ()) if option == "--target" else ((), (pattern,))
    with pytest.raises(InputError) as caught:
        planned(FakeHost(), fleet(0, 1), *targets, exclude=exclude)
    assert f"{option} {pattern!r} matches nothing" in caught.value.brief
    assert caught.match(hint)


def test_targets_that_are_all_excluded() -> None:
    with pytest.raises(InputError, match=r"all that --target names is left out by --exclude: vm\.web-0"):
        planned(FakeHost(), fleet(0), "vm.web-0", exclude=("network.lan",))


def test_an_image_alone_is_nothing_to_plan() -> None:
    with pytest.raises(InputError, match=r"image\.debian.* alone, which comes with the volumes") as caught:
        planned(FakeHost(), fleet(0), "image.debian@web")
    assert "--target-dependents" in (caught.value.resolution or "")
    plan = planned(FakeHost(), fleet(0), "image.debian@web", dependents=True)
    assert "volume.web-0-root" in addresses(plan)


def test_a_disk_that_moves_brings_the_guest_that_gives_it_away() -> None:
    fake = FakeHost()
    shared = (data("shared"),)
    both = DiskSpec(name="shared", volume="shared")
    root0, root1 = (DiskSpec(name="root", volume=f"web-{number}-root") for number in (0, 1))

    def wanted(holder: int) -> DesiredGraph:
        disks = {0: (root0,), 1: (root1,)}
        disks[holder] += (both,)
        return graph(
            pool(), image(), *shared, root("web-0-root"), root("web-1-root"),
            vm("web-0", disks=disks[0]), vm("web-1", disks=disks[1]),
        )  # fmt: skip

    converge(fake, wanted(0))
    plan = planned(fake, wanted(1), "vm.web-1")
    assert addresses(plan) == ["vm.web-0", "vm.web-1"]
    deliver(plan, fake)
    assert planned(fake, wanted(1)).empty


def test_a_network_that_takes_the_place_of_one_that_is_left_out() -> None:
    fake = FakeHost()
    converge(fake, graph(network("old")))
    wanted = graph(network("new"), needs={})
    with pytest.raises(Exception, match=r"network.new: it cannot be beside network.old .* which the plan leaves out"):
        planned(fake, wanted, "network.new")
    renamed = graph(network("new", label="old"))
    assert addresses(planned(fake, renamed, "network.new")) == ["network.new", "network.old"]


def test_replacing_with_partners_is_not_torn() -> None:
    fake = FakeHost()
    partners = {"volume.web-1-data": Options(replace_with=(Key(Kind.VOLUME, "web-0-data"),))}
    plain = graph(pool(), data("web-0-data", data=False), data("web-1-data", data=False), options=partners)
    converge(fake, plain)
    plan = planned(fake, plain, "volume.web-0-data", replace=("volume.web-0-data",))
    assert addresses(plan) == ["volume.web-0-data", "volume.web-1-data"]


def test_memory_of_one_of_many() -> None:
    fake = FakeHost()
    converge(fake, fleet(0, 1, 2))
    deliver(planned(fake, fleet(0, 1, 2, memory=768 * MIB), "web-1", "vm.web-2"), fake)
    assert addresses(planned(fake, fleet(0, 1, 2, memory=768 * MIB))) == ["vm.web-0"]
