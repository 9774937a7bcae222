"""Changes as the guests see them: what is live leaves them running, what restarts says so, and nobody else moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.live.stack.guests import Facts, look_into
from tests.live.stack.virsh import dump, qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack, open_stack

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(1200)]

PROGRAM = """
from vmstack import CloudInit, Cpu, Disk, Host, Image, Network, Nic, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24")
probe = Image("probe", source="$probe")
VirtualMachine(
    "a", label="$prefix-a", pool=pool, image=probe,
    max_vcpus=2, vcpus=1,
    max_memory="224MiB", memory="160MiB",
    disks=[Disk("data", size="4MiB", protect=False)],
    networks=[lan.at(10)],
    cloud_init=CloudInit(hostname="a"),
    wait="10min",
)
VirtualMachine(
    "b", label="$prefix-b", pool=pool, image=probe, memory="128MiB",
    networks=[lan.at(11)], cloud_init=CloudInit(hostname="b"), wait="10min",
)
"""
MIB = 1 << 20


@dataclass
class Fleet:
    """Two guests, `a` that is changed and `b` that must not notice. `program` is what each test starts from."""

    stack: Stack
    program: str

    def apply(self, edits: dict[str, str], *options: str) -> dict[str, dict]:
        """Edit the program and apply it; return what the plan said."""
        for before, after in edits.items():
            self.stack.edit(before, after)
        changes = self.stack.plan(*options)["changes"]
        self.stack.apply(*options)
        return changes

    def keep(self) -> None:
        """Let later tests start from here: going back is impossible, or would only cost a boot."""
        self.program = self.stack.main.read_text()

    def restore(self) -> None:
        """Go back to where the test started from."""
        if self.stack.main.read_text() != self.program:
            self.stack.main.write_text(self.program)
            self.stack.apply("--allow-data-loss")

    def look(self, **wanted: object) -> Facts:
        """What `a` sees, once it sees what is wanted (a value of a field, or what a value must fulfil)."""

        def fits(facts: Facts) -> bool:
            values = {name: getattr(facts, name) for name in wanted}
            return all(want(values[name]) if callable(want) else values[name] == want for name, want in wanted.items())

        return look_into(self.stack.uuid("a"), until=fits)

    def pids(self) -> tuple[int, int]:
        return qemu_pid(self.stack.name("a")), qemu_pid(self.stack.name("b"))


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory, probe: str) -> Iterator[Fleet]:
    with open_stack(tmp_path_factory.mktemp("guests")) as stack:
        stack.write(PROGRAM, probe=probe)
        stack.apply()
        yield Fleet(stack, stack.main.read_text())


@pytest.fixture
def fleet(booted: Fleet) -> Iterator[Fleet]:
    """Whatever is done to `a`, `b` keeps its process."""
    before = qemu_pid(booted.stack.name("b"))
    yield booted
    try:
        booted.stack.is_converged()
    finally:
        booted.restore()
    assert qemu_pid(booted.stack.name("b")) == before


def test_guests_are_ready_with_their_addresses_and_instances(fleet: Fleet) -> None:
    facts = fleet.look()
    assert facts.addresses == (f"{fleet.stack.subnet}.10",)
    assert facts.instance == f"{fleet.stack.project}-dev-a-1"
    assert set(facts.disks) == {"root", "data", "cidata"}
    assert "ready" in fleet.stack.run("show").out


def test_memory_within_the_maximum_changes_live(fleet: Fleet) -> None:
    before, pids = fleet.look(), fleet.pids()
    changes = fleet.apply({', memory="160MiB"': ', memory="192MiB"'})
    assert changes.keys() == {"vm.a"}
    assert changes["vm.a"]["disruption"] == "live"
    (field,) = changes["vm.a"]["fields"]
    assert (field["path"], field["before"], field["after"]) == ("memory", "160 MiB", "192 MiB")
    after = fleet.look(memory_kb=before.memory_kb + 32 * 1024)
    assert (after.boot, fleet.pids()) == (before.boot, pids)
    fleet.apply({', memory="192MiB"': ', memory="160MiB"'})
    fleet.look(memory_kb=before.memory_kb, boot=before.boot)


def test_new_cloud_init_content_and_memory_beyond_the_maximum_come_with_a_restart(fleet: Fleet) -> None:
    before, pids = fleet.look(), fleet.pids()
    changes = fleet.apply({'CloudInit(hostname="a"': 'CloudInit(hostname="a", timezone="Etc/UTC"'})
    assert (changes["vm.a"]["disruption"], changes["seed.a"]["actions"]) == ("next-boot", ["update"])
    assert "nothing of it runs again" in " ".join(changes["vm.a"]["reasons"])
    same = fleet.look()
    assert (same.boot, same.seed, fleet.pids()) == (before.boot, before.seed, pids)
    fleet.stack.is_converged()

    changes = fleet.apply(
        {', memory="160MiB"': ', memory="256MiB"', 'max_memory="224MiB"': 'max_memory="288MiB"'},
    )
    assert (changes["vm.a"]["actions"], changes["vm.a"]["disruption"]) == (["update"], "restart")
    assert {field["path"] for field in changes["vm.a"]["fields"]} == {"memory", "max_memory"}
    assert "smaller maximum of memory" in " ".join(changes["vm.a"]["reasons"])
    after = fleet.look(memory_kb=lambda found: found > before.memory_kb + 90 * 1024)
    assert after.boot != before.boot
    assert after.seed["user-data"] != before.seed["user-data"]
    assert after.seed["meta-data"] == before.seed["meta-data"]
    assert after.instance == before.instance
    assert {disk: facts["mark"] for disk, facts in after.disks.items()} == {
        disk: facts["mark"] for disk, facts in before.disks.items()
    }
    assert len(seeds(fleet)) == 1
    fleet.keep()


def test_vcpus_within_the_maximum_change_live(fleet: Fleet) -> None:
    before, pids = fleet.look(cpus=1), fleet.pids()
    changes = fleet.apply({", vcpus=1,": ", vcpus=2,"})
    assert (changes.keys(), changes["vm.a"]["disruption"]) == ({"vm.a"}, "live")
    fleet.look(cpus=2, boot=before.boot)
    assert fleet.pids() == pids
    fleet.stack.edit(", vcpus=2,", ", vcpus=1,")
    assert fleet.stack.plan()["changes"]["vm.a"]["disruption"] == "restart"
    fleet.stack.edit(", vcpus=1,", ", vcpus=2,")
    fleet.keep()


def test_limits_of_processors_come_live_and_go_with_an_orderly_restart(fleet: Fleet) -> None:
    before, pids = fleet.look(), fleet.pids()
    limited = 'max_vcpus=2, cpu=Cpu(shares=512, quota=80000, pins={0: "0"}),'
    changes = fleet.apply({"max_vcpus=2,": limited})
    assert changes["vm.a"]["disruption"] == "live"
    assert (fleet.look().boot, fleet.pids()) == (before.boot, pids)
    changes = fleet.apply({limited: "max_vcpus=2,"})
    assert changes["vm.a"]["disruption"] == "restart"
    assert fleet.look().boot != before.boot


def test_disks_and_nics_come_and_go_live(fleet: Fleet) -> None:
    before, pids = fleet.look(), fleet.pids()
    edits = {
        "disks=[Disk(": 'disks=[Disk("extra", size="8MiB", protect=False), Disk(',
        "networks=[lan.at(10)]": 'networks=[lan.at(10), Nic(lan.at(12), name="second")]',
    }
    changes = fleet.apply(edits)
    # A second NIC needs a network-config, which is read at the next boot.
    assert {field["path"]: field["disruption"] for field in changes["vm.a"]["fields"]} == {
        "disks[extra]": "live",
        "nics[second]": "live",
        "cloud_init": "next-boot",
    }
    after = fleet.look(addresses=lambda found: f"{fleet.stack.subnet}.12" in found)
    assert after.disks["extra"]["size"] == str(8 * MIB)
    assert len(after.nics) == 2
    assert (after.boot, fleet.pids()) == (before.boot, pids)

    for original, edit in edits.items():
        fleet.stack.edit(edit, original)
    assert "volume.a-extra" in fleet.stack.apply(code=5).err
    assert "extra" in fleet.look().disks
    changes = fleet.apply({}, "--allow-data-loss")
    (mac,) = after.nics.keys() - before.nics.keys()
    assert {field["path"]: field["disruption"] for field in changes["vm.a"]["fields"]} == {
        "disks[extra]": "live",
        f"nics[{mac}]": "live",
        "cloud_init": "next-boot",
    }
    assert changes["volume.a-extra"]["actions"] == ["delete"]
    fleet.look(disks=lambda found: "extra" not in found, nics=lambda found: len(found) == 1, boot=before.boot)
    assert fleet.pids() == pids
    assert "a-extra.qcow2" not in volumes(fleet.stack.name("pool"))


def test_disk_grows_live(fleet: Fleet) -> None:
    before, pids = fleet.look(), fleet.pids()
    size = int(before.disks["data"]["size"]) // MIB
    changes = fleet.apply({f'size="{size}MiB"': f'size="{size * 2}MiB"'})
    assert changes["volume.a-data"]["disruption"] == "live"
    after = fleet.look(disks=lambda found: found["data"]["size"] == str(2 * size * MIB))
    assert after.disks["data"]["mark"] == before.disks["data"]["mark"]
    assert (after.boot, fleet.pids()) == (before.boot, pids)
    fleet.keep()


def test_description_and_autostart_disturb_nobody(fleet: Fleet) -> None:
    before = fleet.pids()
    changes = fleet.apply(
        {"networks=[lan.at(10)],": 'networks=[lan.at(10)], description="<b> & more", autostart=True,'}
    )
    assert (changes.keys(), changes["vm.a"]["disruption"]) == ({"vm.a"}, "none")
    name = fleet.stack.name("a")
    assert virsh("desc", name).strip() == "<b> & more"
    assert "Autostart: enable" in " ".join(virsh("dominfo", name).split())
    fleet.apply({' description="<b> & more", autostart=True,': ""})
    assert "description" not in dump("domain", name)
    assert "Autostart: disable" in " ".join(virsh("dominfo", name).split())
    assert fleet.pids() == before


def test_reseed_makes_cloud_init_run_again_at_the_next_boot(fleet: Fleet) -> None:
    before = fleet.look()
    number = int(before.instance.rpartition("-")[2])
    changes = fleet.apply(
        {
            'CloudInit(hostname="a"': 'CloudInit(hostname="a", locale="C.UTF-8"',
            "networks=[lan.at(10)],": 'networks=[lan.at(10)], on_seed_change="reseed",',
        }
    )
    assert changes["vm.a"]["disruption"] == "next-boot"
    assert "cloud-init runs again" in " ".join(changes["vm.a"]["reasons"])
    assert fleet.look().boot == before.boot
    after = reboot(fleet)
    assert after.instance == f"{fleet.stack.project}-dev-a-{number + 1}"
    assert after.disks["root"]["mark"] == before.disks["root"]["mark"]
    assert after.boot != before.boot
    assert len(seeds(fleet)) == 1
    fleet.stack.edit(' on_seed_change="reseed",', "")
    fleet.keep()


def test_replace_makes_the_root_disk_anew_and_keeps_the_data(fleet: Fleet) -> None:
    before = fleet.look()
    fleet.stack.edit('CloudInit(hostname="a"', 'CloudInit(hostname="a", packages=["tree"]')
    fleet.stack.edit("networks=[lan.at(10)],", 'networks=[lan.at(10)], on_seed_change="replace",')
    run = fleet.stack.apply(code=5)
    assert "volume.a-root" in run.err
    assert fleet.look().boot == before.boot
    changes = fleet.apply({}, "--allow-data-loss")
    assert changes["volume.a-root"]["disruption"] == "data-loss"
    after = fleet.look()
    assert after.seed["user-data"] != before.seed["user-data"]
    assert after.disks["root"]["mark"] != before.disks["root"]["mark"]
    assert after.disks["data"]["mark"] == before.disks["data"]["mark"]
    assert len(seeds(fleet)) == 1
    fleet.keep()


def reboot(fleet: Fleet) -> Facts:
    """Off and on again through the program."""
    changes = fleet.apply({"networks=[lan.at(10)],": "networks=[lan.at(10)], running=False,"})
    assert changes["vm.a"]["disruption"] == "stop"
    assert "shut off (shutdown)" in virsh("domstate", "--reason", fleet.stack.name("a"))
    fleet.stack.edit(" running=False,", "")
    fleet.stack.apply()
    fleet.keep()
    return fleet.look()


def seeds(fleet: Fleet) -> list[str]:
    return [name for name in volumes(fleet.stack.name("pool")) if name.startswith("a-seed-")]
