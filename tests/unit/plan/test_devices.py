"""Devices of VMs that other people, or other VMs of the stack, have to do with."""

import pytest

from tests.fake import foreign
from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, data, graph, look, mac, network, nic, root, small, vm
from tests.unit.plan.scenarios import NO_POLICY, ROOT, SCENARIOS, UUID, converge, full, play, volume_xml
from vmstack.errors import ConflictError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption
from vmstack.model.readiness import READY_CHANNEL
from vmstack.model.specs import DiskSpec, Power
from vmstack.plan.planner import make_plan
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.safe import parse_xml, serialise


def _host(before: DesiredGraph) -> FakeHost:
    fake = FakeHost()
    foreign.build(fake)
    converge(fake, before)
    return fake.connect()


def _empty(fake: FakeHost, desired: DesiredGraph) -> bool:
    return make_plan(desired, look(fake, desired), policy=NO_POLICY, images=IMAGES).empty


def test_new_disk_goes_around_a_slot_that_only_the_running_guest_has() -> None:
    """libvirt refuses to plug a disk into a slot that is taken live, and the next plan would ask for it again."""
    fake = _host(full(disks=(ROOT,)))
    fake.create_volume(foreign.POOL, volume_xml("hot.img"))
    hot = f"<source file='{foreign.POOL_PATH}/hot.img'/><target dev='vdc' bus='virtio'/>"
    xml = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>{hot}</disk>"
    fake.attach_device(UUID, xml, live=True, config=False)
    converge(fake, full())
    live = read_domain(fake.domain(UUID).live_xml)
    assert {disk.target: disk.serial for disk in live.disks if disk.serial != "cidata"} == {
        "vda": "root", "vdc": None, "vdd": "data",
    }  # fmt: skip
    assert _empty(fake, full())


SHARED = DiskSpec(name="shared", volume="shared")
CARD = nic(mac=mac("shared"), addresses=())


def _two(
    *, holds: str | None, away: bool = False, needs: dict[str, tuple[Key, ...]] | None = None, **other: object
) -> DesiredGraph:
    """Two VMs, one of which has the disk and the NIC that move. `away`: the other one is not there."""
    specs = [*small()[:3], root("other-root"), data("shared"), network()]
    for name in ("web-0", "other"):
        extra = {"disks": (DiskSpec(name="root", volume=f"{name}-root"),)}
        if name == holds:
            extra = {"disks": (*extra["disks"], SHARED), "nics": (CARD,)}
        if name == "web-0" or not away:
            specs.append(vm(name, **extra, **(other if name == "other" else {})))
    return graph(*specs, needs=needs)


MOVES = {
    "live": (_two(holds="other"), _two(holds="web-0")),
    "from one that stops": (_two(holds="other"), _two(holds="web-0", power=Power.STOPPED)),
    "from one that restarts": (_two(holds="other"), _two(holds="web-0", machine="pc")),
    "from one that goes": (_two(holds="other"), _two(holds="web-0", away=True)),
    "to one that starts": (_two(holds="web-0", power=Power.STOPPED), _two(holds="other")),
    "to a new one": (_two(holds="web-0", away=True), _two(holds="other")),
    "from one that depends on it": (
        _two(holds="other"),
        _two(holds="web-0", needs={"vm.other": (Key(Kind.VM, "web-0"),)}),
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_device_that_moves_is_let_go_of_before_it_is_taken(move: str) -> None:
    before, after = MOVES[move]
    fake = _host(before)
    steps = {
        step.id.partition("/")[2]: step
        for step in make_plan(after, look(fake, after), policy=NO_POLICY, images=IMAGES).steps
    }

    def comes_after(name: str) -> set[str]:
        found = {need.partition("/")[2] for need in steps[name].needs}
        return found.union(*(comes_after(need) for need in found))

    taker = "other" if move.startswith("to") else "web-0"
    giver = "web-0" if taker == "other" else "other"
    releases = [name for name in steps if name.startswith((f"vm.{giver}/detach:", f"vm.{giver}/stop"))]
    releases = releases or [f"vm.{giver}/undefine"]
    takes = [name for name in steps if name.startswith((f"vm.{taker}/attach:", f"vm.{taker}/start"))]
    assert takes
    if len(releases) == len(takes) == 2:
        pairs = {(take, take.replace(taker, giver).replace("attach", "detach")) for take in takes}
    else:
        pairs = {(take, release) for take in takes for release in releases}
    assert all(release in comes_after(take) for take, release in pairs), (takes, releases)
    converge(fake, after)
    assert _empty(fake, after)


def test_readiness_channel_that_was_removed_comes_back() -> None:
    fake = play(SCENARIOS["channel-removed"]).connect()
    converge(fake, full())
    assert READY_CHANNEL in read_domain(fake.domain(UUID).live_xml).channels
    assert _empty(fake, full())


def test_data_disk_is_unplugged_live_wherever_it_stands_in_the_xml() -> None:
    """The disk in the first slot is the one that the guest booted from, not the first one of the document."""
    fake = _host(full())
    domain = fake.machine.domains[UUID]
    live = parse_xml(domain.live_xml, what="a domain")
    disks = live.findall("devices/disk")
    disks[0].addprevious(disks[1])
    domain.live_xml = serialise(live)
    after = full(disks=(ROOT,))
    plan = make_plan(after, look(fake, after), policy=NO_POLICY, images=IMAGES)
    assert [change.disruption for change in plan.changes if change.key.kind is Kind.VM] == [Disruption.LIVE]


def test_disk_of_others_with_the_serial_of_ours_is_theirs() -> None:
    fake = _host(full(disks=(ROOT,)))
    fake.create_volume(foreign.POOL, volume_xml("hot.img"))
    hot = f"<source file='{foreign.POOL_PATH}/hot.img'/><target dev='vdc' bus='virtio'/><serial>data</serial>"
    xml = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>{hot}</disk>"
    fake.attach_device(UUID, xml, live=True, config=True)
    with pytest.raises(ConflictError, match="somebody else attached"):
        make_plan(full(), look(fake, full()), policy=NO_POLICY, images=IMAGES)
