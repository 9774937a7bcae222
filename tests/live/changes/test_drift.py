"""What is done by hand is found, named and put right by the next apply, or reported where nobody wants more."""

import string
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.cases.classic.bench import DESTROY, Bench, describe
from tests.live.changes.kinds import KINDS, SILENT, SPARED, Kind
from tests.live.stack.virsh import URI, virsh, volumes
from vmstack.apply import pipeline
from vmstack.hosts.connection import connect
from vmstack.model.drift import DriftReport
from vmstack.model.graph import DesiredGraph
from vmstack.model.specs import HostSpec, VmSpec

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]

PROGRAM = """
from vmstack import *

kvm = Host("kvm", uri="$uri")
pool = StoragePool("pool", label="$prefix-pool", path="$folder", host=kvm)
for name in ["idle", "void", "late"]:
    StoragePool(name, label=f"$prefix-{name}", path=f"$folder-{name}", host=kvm)
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/28", host=kvm)
other = Network("other", label="$prefix-other", cidr="$subnet.16/28", host=kvm)
for number, name in enumerate(["stopped", "transient", "away", "bare", "plain"]):
    Network(name, label=f"$prefix-{name}", cidr=f"$subnet.{32 + 16 * number}/28", host=kvm,
            domain="one.test" if name == "plain" else None)
Network("entries", label="$prefix-entries", cidr="$net.0/24", dhcp=("$net.10", "$net.11"), host=kvm,
        reservations=[Reservation("$net.8", mac="52:54:00:00:00:08")], dns_hosts={"$net.7": "ours"})
image = Image("image", source="$image")


def disks(cache=None):
    return [Disk("data", size="1MiB", format="raw", protect=False, cache=cache),
            Disk("more", size="1MiB", format="raw", protect=False)]


def vm(name, **more):
    given = dict(label=f"$prefix-{name}", memory="48MiB", max_vcpus=2, disks=disks(), power_off_after_timeout=True)
    VirtualMachine(name, host=kvm, pool=pool, **(given | more))


vm("a", networks=[lan.dhcp()], autostart=True, description="ours")
for name in ["b", "c", "e", "f", "g", "h", "forged"]:
    vm(name)
vm("d", networks=[lan.dhcp()])
for name in ["renamed", "gone", "started", "lost", "said"]:
    vm(name, running=False)
vm("larger", running=False, networks=[Nic(lan, name="lan", link=False)])
vm("edited", running=False, networks=[lan.dhcp()],
   disks=[*disks("none"), Disk("slow", size="1MiB", protect=False, iotune=IoTune(total_iops=50)),
          Cdrom("cd", source="$spare")])
vm("moved", running=False, networks=[lan.dhcp()])
for name in ["seeded", "spoilt"]:
    vm(name, running=False, wait=False, cloud_init=CloudInit(hostname=name))
for name in ["cloned"]:
    vm(name, running=False, image=image, disks=[])
for name in ["bereft", "copied"]:
    vm(name, running=False)
vm("changing", running=False, vcpus=$vcpus)
"""
POLICIES = """
from vmstack import *

kvm = Host("kvm", uri="$uri")
pool = StoragePool("pool", label="$prefix-pool", path="$folder", host=kvm)
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/28", host=kvm, on_drift={"dhcp": "report"})
given = dict(host=kvm, pool=pool, memory="48MiB", max_vcpus=3, running=False, power_off_after_timeout=True)
VirtualMachine("some", label="$prefix-some", vcpus=$vcpus, description="ours", **given,
               on_drift={"vcpus": "report", "description": "ignore", "extra": "repair"})
VirtualMachine("all", label="$prefix-all", autostart=True, on_drift="report", **given,
               disks=[Disk("data", size="1MiB", format="raw", protect=False)])
"""


@pytest.fixture(autouse=True)
def _spare(bench: Bench) -> Iterator[None]:
    """A file that is nobody's, where QEMU can read it."""
    spare = Path(bench.values["folder"] + "-spare.raw")
    spare.write_bytes(b"x" * 4096)
    bench.values["spare"] = str(spare)
    yield
    spare.unlink()


def test_each_kind_is_found_and_put_right(bench: Bench) -> None:
    room = Room(bench, PROGRAM)
    planned = room.plan()
    bench.apply(planned)
    assert (room.drift().items, room.drift().refusals) == ((), ())
    room.spoil(KINDS)
    bench.values["vcpus"] = "2"  # what the program changes itself is no drift
    report = room.drift()
    faults = [fault for kind in KINDS for fault in room.look(kind, report)]
    named = {kind.found[0] for kind in KINDS}
    faults += [f"nobody touched {item.key}: {item}" for item in report.items if str(item.key) not in named]
    assert not faults, "\n".join(faults)
    assert all(report.runs[item.host].who == "tester" for item in report.items)

    bench.apply(room.plan())
    again = room.plan()
    assert again.plan.empty, describe(again.plan)
    left = {(str(item.key), item.kind.value, item.path) for item in room.drift().items}
    assert left == {room.filled(kind).found for kind in KINDS if kind.remedy == "report"}

    room.lose_ledger()
    bench.apply(bench.plan(again.desired, policy=DESTROY))


def test_what_the_program_wants_left_is_left(bench: Bench) -> None:
    room = Room(bench, POLICIES)
    bench.apply(room.plan())
    room.spoil(SPARED)
    report = room.drift()
    told = [kind for kind in SPARED if kind.found[2] != SILENT]
    faults = [fault for kind in told for fault in room.look(kind, report)]
    assert not faults, "\n".join(faults)
    assert len(report.items) == len(told)

    bench.apply(room.plan())
    again = room.plan()
    assert again.plan.empty, describe(again.plan)
    notes = " ".join(note.text for note in again.plan.diagnostics)
    assert "vcpus (1 -> 2)" in notes
    assert SILENT not in notes
    left = {(str(item.key), item.kind.value, item.path) for item in room.drift().items}
    assert left == {room.filled(kind).found for kind in told if kind.remedy == "report"}
    some = virsh("dumpxml", room.name("some"), "--inactive")
    assert "current='2'" in some
    assert "<description>other" in some
    assert "aa:00:03" not in some
    assert virsh("domstate", room.name("all")).strip() == "running"

    bench.values["vcpus"] = "3"  # the program's own word goes before what others did
    bench.apply(room.plan())
    assert ">3</vcpu>" in virsh("dumpxml", room.name("some"), "--inactive")
    bench.apply(bench.plan(room.desired, policy=DESTROY))


class Room:
    """The stack on which all of it happens, and the read-only eyes that look for it."""

    def __init__(self, bench: Bench, program: str) -> None:
        self.bench = bench
        self._program = program
        self.folder = Path(tempfile.mkdtemp(dir=bench.folder))
        prefix = bench.values["subnet"].rsplit(".", 1)[1]
        bench.values |= {"vcpus": "1", "net": f"10.216.{prefix}"}
        self.desired: DesiredGraph | None = None

    def plan(self) -> pipeline.Planned:
        planned = self.bench.plan(self._evaluate())
        self.desired = planned.desired
        return planned

    def drift(self) -> DriftReport:
        desired = self._evaluate()
        driver = connect(HostSpec(name="kvm", uri=URI), readonly=True)
        try:
            return pipeline.find_stack_drift(desired, {"kvm": driver}, store=self.bench.store, progress=lambda *_: None)
        finally:
            driver.close()

    def spoil(self, kinds: tuple[Kind, ...]) -> None:
        """Do all of it, edits of one definition at once."""
        for kind in map(self.filled, kinds):
            for command in kind.commands:
                virsh(*(self._word(word) for word in command.split()))
        edits: dict[str, list[tuple[str, str]]] = {}
        for kind in map(self.filled, kinds):
            if kind.edit is not None:
                edits.setdefault(kind.found[0], []).append(kind.edit)
        for address, changes in edits.items():
            self._edit(address, changes)

    def look(self, kind: Kind, report: DriftReport) -> list[str]:
        """What the report says wrongly of one kind."""
        kind = self.filled(kind)
        address, what, path = kind.found
        here = [item for item in report.items if str(item.key) == address]
        item = next((item for item in here if (item.kind.value, item.path) == (what, path)), None)
        if item is None:
            return [f"{kind.found} is not found among {[(one.kind.value, one.path) for one in here]}"]
        said = (item.remedy.value, item.disruption.value)
        faults = [] if said == (kind.remedy, kind.disruption) else [f"{kind.found}: {said}, {item}"]
        if kind.now is not ... and item.now != kind.now:
            faults.append(f"{kind.found}: it is {item.now!r}, not {kind.now!r}")
        return faults

    def filled(self, kind: Kind) -> Kind:
        def fill(value: object) -> object:
            if isinstance(value, tuple):
                return tuple(map(fill, value))
            return value.format(**self._values()) if isinstance(value, str) else value

        fields = (kind.commands, kind.found, kind.remedy, kind.disruption, kind.now, kind.edit)
        return Kind(*map(fill, fields))

    def lose_ledger(self) -> None:
        """Without the ledger nothing is planned, and the report says so; it is put back as it was."""
        usage = f"vmstack:{self.bench.values['prefix']}/dev"
        uuid = next(row.split()[0] for row in virsh("secret-list").splitlines() if row.split()[-1] == usage)
        file = self.folder / "ledger.xml"
        file.write_text(virsh("secret-dumpxml", uuid))
        virsh("secret-undefine", uuid)
        report = self.drift()
        virsh("secret-define", str(file))
        [lost] = [item for item in report.items if item.kind.value == "ledger"]
        assert (str(lost.key), lost.remedy.value) == ("host.kvm", "refused")
        assert any("ledger" in refusal for refusal in report.refusals)

    def name(self, part: str) -> str:
        return f"{self.bench.values['prefix']}-{part}"

    def _edit(self, address: str, changes: list[tuple[str, str]]) -> None:
        kind, _, name = address.partition(".")
        dump, define = {"vm": ("dumpxml", "define"), "network": ("net-dumpxml", "net-define")}[kind]
        text = virsh(dump, self._word(f"@{name}"), "--inactive")
        for before, after in changes:
            assert text.count(before), f"{before} is not in {text}"
            text = text.replace(before, after, 1)
        if "<nothing>" in text:
            start, end = text.index("<nothing>"), text.index("</metadata>") + len("</metadata>")
            text = text[:start] + text[end:]
        file = self.folder / "edited.xml"
        file.write_text(text)
        virsh(define, str(file))

    def _evaluate(self) -> DesiredGraph:
        return self.bench.evaluate(string.Template(self._program).substitute(self.bench.values))

    def _values(self) -> dict[str, str]:
        specs = {item.spec.name: item.spec for item in self.desired.resources if isinstance(item.spec, VmSpec)}
        macs = {f"mac_{name}": spec.nics[0].mac for name, spec in specs.items() if spec.nics}
        return self.bench.values | macs

    def _word(self, word: str) -> str:
        word = word.replace("_", " ") if word.startswith("<") else word
        if word.startswith("@"):
            return self.name(word[1:])
        if "*" in word:
            return next(name for name in volumes(self.name("pool")) if fnmatch(name, word))
        return word
