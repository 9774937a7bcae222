"""What somebody changes with virsh is seen by the next plan, said, and put right by the next apply."""

import json
from fnmatch import fnmatch

import pytest

from tests.live.stack.virsh import virsh, volumes
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(900)]

PROGRAM = """
from vmstack import CloudInit, Disk, Host, Image, Network, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24")
probe = Image("probe", source="$probe")
for name in ["a", "b"]:
    VirtualMachine(
        name, label=f"$prefix-{name}", pool=pool, image=probe, memory="128MiB", wait=False, autostart=True,
        disks=[Disk("data", size="4MiB", protect=False)] if name == "a" else [],
        networks=[lan.at(10 if name == "a" else 11)],
        cloud_init=CloudInit(hostname=name), running=name == "a", description="as written",
        shutdown_timeout=1, power_off_after_timeout=True,
    )
"""


def test_what_virsh_changed_is_planned_and_put_right(stack: Stack, probe: str) -> None:
    stack.write(PROGRAM, probe=probe)
    stack.apply()
    for round_ in (ROUND_OF_POWER, ROUND_OF_NAMES, ROUND_OF_DEFINITIONS, ROUND_OF_DEVICES, ROUND_OF_VOLUMES):
        repair(stack, *round_)
    for round_ in (ROUND_OF_A_NETWORK, ROUND_OF_LOSSES, ROUND_OF_A_POOL):
        repair(stack, *round_)


# What is done by hand (virsh commands; `@` stands before names of the program, `*` in those of volumes), and for each
# resource that the plan then names, a word of its fields or reasons.
ROUND_OF_POWER = (
    [
        "destroy @a",
        "autostart --disable @a",
        "start @b",
        "net-autostart --disable @lan",
        "pool-autostart --disable @pool",
    ],
    {"vm.a": ["power", "autostart"], "vm.b": ["power"], "network.lan": ["autostart"], "pool.pool": ["autostart"]},
)
ROUND_OF_NAMES = (
    ["suspend @a", "desc @a --config other", "domrename @b @renamed"],
    {"vm.a": ["power", "description", "changed outside vmstack"], "vm.b": ["label", "changed outside vmstack"]},
)
ROUND_OF_DEFINITIONS = (
    ["undefine @a", "setvcpus @b 2 --maximum --config"],
    {"vm.a": ["persistent", "removed outside vmstack while it ran"], "vm.b": ["max_vcpus"]},
)
ROUND_OF_DEVICES = (
    ["setmem @a 96M --live --config", "detach-disk @a vdb --config", "detach-disk @b vdb --config",
     "detach-interface @b network --config"],
    {"vm.a": ["memory", "disks[data]"], "vm.b": ["cloud_init", "nics[lan]"]},
)  # fmt: skip
ROUND_OF_VOLUMES = (
    ["vol-delete a-root.qcow2 --pool @pool", "vol-delete b-seed-*.iso --pool @pool"],
    {"volume.a-root": ["deleted outside vmstack"], "vm.a": ["disks[root].content"], "seed.b": ["deleted outside"]},
)
ROUND_OF_A_NETWORK = (
    ["net-destroy @lan", "net-undefine @lan", "undefine @b"],
    {"network.lan": ["mode"], "vm.a": ["network.lan"], "vm.b": ["power"]},
)
ROUND_OF_LOSSES = (
    ["net-destroy @lan", "destroy @a", "undefine @a", "vol-delete b-root.qcow2 --pool @pool"],
    {"network.lan": ["active"], "vm.a": ["power"], "volume.b-root": ["deleted outside vmstack"]},
)
ROUND_OF_A_POOL = (
    ["pool-destroy @pool", "pool-undefine @pool", "net-destroy @lan"],
    {"pool.pool": ["removed outside vmstack"], "network.lan": ["active"], "vm.a": ["network.lan"]},
)


def repair(stack: Stack, commands: list[str], named: dict[str, list[str]]) -> None:
    """Spoil the stack, see what the plan says of it, apply that, and find nothing left to do."""
    for command in commands:
        virsh(*(_find(word, stack) for word in command.split()))
    changes = stack.plan()["changes"]
    assert changes.keys() == named.keys(), f"after {commands}: {changes}"
    for address, words in named.items():
        told = json.dumps(changes[address])
        assert all(word in told for word in words), f"after {commands}: {told}"
    stack.apply()
    stack.is_converged()
    assert (stack.state("a"), stack.state("b")) == ("running", "shut off")


def _find(word: str, stack: Stack) -> str:
    if word.startswith("@"):
        return stack.name(word[1:])
    if "*" in word:
        return next(name for name in volumes(stack.name("pool")) if fnmatch(name, word))
    return word
