"""A guest that writes to its data disk all the time goes through live changes without a fault, a pause or a reboot."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import pytest

from tests.cases.classic.bench import Bench, describe
from tests.live.stack.load import AREA, START, Sight, Witness, lost
from tests.live.stack.virsh import URI, qemu_pid, virsh
from tests.live.stack.workbench import ROOT, Stack
from vmstack.apply.pipeline import Planned
from vmstack.hosts.connection import connect
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import HostSpec

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(600)]

PROGRAM = """
from pathlib import Path
from vmstack import *
import pulumi

free = pulumi.ResourceOptions(protect=False)
kvm = Host("kvm", uri="$uri")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
probe = Image("probe", source="$probe")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24", mode="isolated", domain="before.test")
wan = Network("wan", label="$prefix-wan", mode="isolated")
one, two, extra = (Volume(name, pool=pool, size="4MiB", format="raw", opts=free) for name in ("one", "two", "extra"))
VirtualMachine(
    "vm", label="$prefix-vm", pool=pool, image=probe, max_vcpus=2, max_memory="192MiB",
    vcpus=1,
    memory="160MiB",
    iothreads=1,
    disks=[
        Disk("data", size="4MiB", cache="none", iothread=1, protect=False),
        Cdrom("cd", volume=one),
    ],
    networks=[
        Nic(lan.at(10), name="card"),
    ],
    graphics=Graphics(password="first"),
    serial_log="$log",
    cloud_init=CloudInit(user_data=Path("$load"), network_config={"version": 2, "ethernets": {}}),
    wait="5min",
)
"""
MIB = 1 << 20
DATA = 'Disk("data", size="{}MiB", cache="none", iothread=1, {}protect=False),'
CARD = 'Nic(lan.at(10), name="card"),'


@dataclass(frozen=True, kw_only=True)
class Step:
    """A change: edits of the program (or what is done to the guest by hand), the fields of which the plan is to say
    that they change live, and what the guest sees of it."""

    what: str
    fields: set[str]
    edits: Mapping[str, str] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()
    sees: Callable[[Sight, Sight], bool] = lambda before, now: True


STEPS = (
    Step(
        what="the disk that is written to grows",
        edits={DATA.format(4, ""): DATA.format(6, "")},
        fields={"volume.vm-data capacity"},
        sees=lambda before, now: now.disks["data"] == 6 * MIB,
    ),
    Step(
        what="it gets limits",
        edits={DATA.format(6, ""): DATA.format(6, "iotune=IoTune(total_iops=400), ")},
        fields={"vm.vm disks[data].iotune"},
    ),
    Step(
        what="a processor is plugged in",
        edits={" vcpus=1,": " vcpus=2,"},
        fields={"vm.vm vcpus"},
        sees=lambda before, now: now.cpus == before.cpus + 1,
    ),
    Step(
        what="the balloon takes memory",
        edits={' memory="160MiB"': ' memory="128MiB"'},
        fields={"vm.vm memory"},
        sees=lambda before, now: now.memory_kb == before.memory_kb - 32 * 1024,
    ),
    Step(
        what="another disk is plugged in",
        edits={"Cdrom(": 'Disk("extra", volume=extra), Cdrom('},
        fields={"vm.vm disks[extra]"},
        sees=lambda before, now: now.disks == before.disks | {"extra": 4 * MIB},
    ),
    Step(
        what="the balloon gives memory",
        edits={' memory="128MiB"': ' memory="192MiB"'},
        fields={"vm.vm memory"},
        sees=lambda before, now: now.memory_kb == before.memory_kb + 64 * 1024,
    ),
    Step(
        what="its network is started anew",
        edits={"before.test": "after.test"},
        fields={"network.lan domain", "vm.vm network.lan"},
    ),
    Step(
        what="the other disk is taken out",
        edits={'Disk("extra", volume=extra), ': ""},
        fields={"vm.vm disks[extra]"},
        sees=lambda before, now: before.disks.keys() - now.disks.keys() == {"extra"},
    ),
    Step(
        what="another NIC is plugged in",
        edits={CARD: f'{CARD} Nic(wan, name="second"),'},
        fields={"vm.vm nics[second]"},
        sees=lambda before, now: len(now.nics) == 2,
    ),
    Step(
        what="its NIC moves to another network, and another cable is pulled",
        edits={CARD: 'Nic(wan, name="card"),', 'name="second"': 'name="second", link=False'},
        fields={"network.lan reservations[$card]", "vm.vm nics[card].network", "vm.vm nics[second].link"},
        sees=lambda before, now: (1500, "0") in now.nics.values(),
    ),
    Step(
        what="its NIC is exchanged for another",
        edits={'name="card"': 'name="card", mtu=1300'},
        fields={"vm.vm nics[card].mtu"},
        sees=lambda before, now: 1300 in (mtu for mtu, _ in now.nics.values()),
    ),
    Step(
        what="it gets other shares of the processors, and a further I/O thread",
        edits={"iothreads=1,": 'iothreads=2, cpu=Cpu(shares=512, quota=90000, pins={0: "0-1", 1: "0-1"}),'},
        fields={"vm.vm cpu_shares", "vm.vm cpu_quota", "vm.vm pins[0]", "vm.vm pins[1]", "vm.vm iothreads"},
    ),
    Step(
        what="it gets another medium, and its display another password",
        edits={"volume=one": "volume=two", '"first"': '"second"'},
        fields={"vm.vm disks[cd].volume", "vm.vm graphics.password"},
    ),
    Step(
        what="it goes on after somebody has paused it",
        by_hand=("suspend",),
        fields={"vm.vm power"},
    ),
    Step(
        what="its disk grows again, and gets other limits",
        edits={
            DATA.format(6, "iotune=IoTune(total_iops=400), "): DATA.format(8, 'iotune=IoTune(write_bytes="8MiB"), ')
        },
        fields={"volume.vm-data capacity", "vm.vm disks[data].iotune"},
        sees=lambda before, now: now.disks["data"] == 8 * MIB,
    ),
)


class Loaded:
    """The guest under load, and the program that it is changed by."""

    def __init__(self, bench: Bench) -> None:
        self.witness = Witness(Path(bench.values["log"]))
        self._bench = bench
        self._program = PROGRAM
        self._name = f"{bench.values['prefix']}-vm"
        self._disk = Path(bench.values["folder"]) / "vm-data.qcow2"

    def start(self) -> None:
        """Boot it, and let it begin."""
        self._apply()
        self._pid = qemu_pid(self._name)
        self.witness.wait("the first rounds", lambda now: now.compared > 1 and bool(now.sights))
        self._boot = self.witness.sights[-1].boot
        (self._bench.values["card"],) = self.witness.sights[-1].nics

    def change(self, step: Step) -> None:
        """Make a live change; see that the guest has it, that nothing is left to do, and that the guest goes on."""
        self.witness.read()
        before = self.witness.sights[-1]
        if step.by_hand:
            virsh(*step.by_hand, self._name)
        plan = self._apply(step.edits)
        said = {f"{change.key} {one.path}": one.disruption for change in plan.changes for one in change.fields}
        assert said == dict.fromkeys(map(self._fill, step.fields), Disruption.LIVE), describe(plan)
        assert max(change.disruption for change in plan.changes) is Disruption.LIVE, describe(plan)
        again = self._plan()
        assert again.plan.empty, describe(again.plan)
        self.witness.sights.clear()
        self.witness.wait(step.what, lambda now: any(step.sees(before, sight) for sight in now.sights))
        self.witness.await_rounds()
        assert {sight.boot for sight in self.witness.sights} == {self._boot}, step.what
        assert qemu_pid(self._name) == self._pid, step.what
        assert virsh("domstate", self._name).strip() == "running", step.what

    def spoil(self) -> None:
        """Write over the first area behind the guest's back."""
        command = ["qemu-img", "map", "-U", "--output=json", self._disk]
        extents = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        there = next(one for one in extents if one["start"] <= START < one["start"] + one["length"])
        with self._disk.open("r+b") as file:
            file.seek(there["offset"] + START - there["start"])
            file.write(b"spoilt")
            file.flush()
            os.fsync(file.fileno())

    def stop(self) -> bytes:
        """Shut it down in order; return what its data disk holds."""
        self._apply({' wait="5min"': ' running=False, wait="5min"'})
        self.witness.read()
        raw = self._disk.with_suffix(".img")
        subprocess.run(["qemu-img", "convert", "-O", "raw", self._disk, raw], check=True)
        return raw.read_bytes()

    def _apply(self, edits: Mapping[str, str] | None = None) -> Plan:
        for old, new in (edits or {}).items():
            assert self._program.count(old) == 1, f"{old!r}:\n{self._program}"
            self._program = self._program.replace(old, new)
        planned = self._plan()
        self._bench.apply(planned)
        return planned.plan

    def _plan(self) -> Planned:
        return self._bench.plan(self._bench.evaluate(self._fill(self._program)))

    def _fill(self, text: str) -> str:
        return Template(text).substitute(self._bench.values)


@pytest.fixture
def guest(stack: Stack, probe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loaded]:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    log = Path(f"/var/log/libvirt/qemu/{stack.prefix}-vm-says.log")
    values = {"prefix": stack.prefix, "subnet": stack.subnet, "folder": stack.pool_folder, "uri": URI}
    values |= {"probe": probe, "log": str(log), "load": str(ROOT / "tests" / "guests" / "load" / "write-and-compare")}
    yield Loaded(Bench(tmp_path / "project", lambda uri: driver, values))
    driver.close()
    log.unlink(missing_ok=True)


def test_a_guest_under_load_goes_through_live_changes(guest: Loaded) -> None:
    guest.start()
    for step in STEPS:
        guest.change(step)
    assert max(guest.witness.rounds) * AREA + START > 4 * MIB, "nothing was written to what the disk grew by"

    # Whoever looks does find what is wrong: a block is spoilt, and the guest and the host say so of it alone.
    guest.spoil()
    found = guest.witness.await_fault()
    disk = guest.stop()
    assert guest.witness.ended
    assert {found, *guest.witness.faults} == {"area 0 does not hold round 0"}
    assert [place for place, _ in lost(disk, guest.witness.rounds)] == ["area 0, record 0"]
