"""Two real Debian guests boot to the end of cloud-init, in one apply: one as it should, one whose cloud-init fails.

The guests are looked into by ssh over the network that the stack made.
"""

from pathlib import Path

import pytest

from tests.boot.keys import KeyPair, agent, make_keys, ssh
from tests.live.stack.virsh import qemu_pid
from tests.live.stack.workbench import Run, Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.guest, pytest.mark.timeout(3600)]

PROGRAM = """
import pulumi
from vmstack import CloudInit, Host, Image, Network, StoragePool, VirtualMachine

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/24")
debian = Image("debian", source="$debian")
good = VirtualMachine(
    "good", label="$prefix-good", pool=pool, image=debian, memory="448MiB", disk="3GiB", networks=[lan.at(10)],
    cloud_init=CloudInit(
        hostname="looked-into",
        users=[{
            "name": "ops", "shell": "/bin/bash", "sudo": "ALL=(ALL) NOPASSWD:ALL", "ssh_authorized_keys": ["$key"],
        }],
        write_files=[{"path": "/etc/vmstack-test", "content": "first line\\n<&> last: 'line'\\n"}],
        runcmd=["echo $$((6 * 7)) >/var/tmp/ran"],
    ),
    wait="50min",
)
VirtualMachine(
    "bad", label="$prefix-bad", pool=pool, image=debian, memory="448MiB", networks=[lan.at(11, static=True)],
    cloud_init=CloudInit(runcmd=["exit 7"]), wait="50min",
)
pulumi.export("ip", good.ip)
"""
GIB = 1 << 30
LOOK = """
hostname
id -un
cat /etc/vmstack-test
cat /var/tmp/ran
sudo -n id -un
echo "root $(df --block-size=1 --output=size / | tail -n 1)"
echo "memory $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
echo "address $(ip -4 -o addr show scope global | awk '{ print $4 }')"
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
echo "instance $(cat /var/lib/cloud/data/instance-id)"
echo "key $(cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub)"
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def first(stack: Stack, debian: str, keys: KeyPair) -> Run:
    """The first apply."""
    stack.write(PROGRAM, debian=debian, key=keys.public)
    return stack.apply(code=3)


def look(stack: Stack, keys: KeyPair) -> tuple[list[str], dict[str, str]]:
    """What the good guest says: plain lines, then named values."""
    lines = ssh(keys, f"ops@{stack.subnet}.10", LOOK).splitlines()
    names = ("root", "memory", "address", "boot", "instance", "key")
    values = dict(line.split(" ", 1) for line in lines if line.split(" ", 1)[0] in names and " " in line)
    return lines[: -len(names)], values


def test_failing_cloud_init_is_told_in_its_own_words(stack: Stack, first: Run) -> None:
    words = "1 failures (runcmd) in 1 attempted commands"  # as Debian 12's cloud-init says it
    assert f"vm.bad: {stack.name('bad')}: cloud-init failed: ('scripts" in first.err
    assert words in first.err
    assert "apply ended partly" in first.err
    assert "create vm.good" in first.err
    shown = stack.run("show").out
    assert "not ready: failed" in shown
    assert words in shown
    plan = stack.run("plan", "--detailed-exitcode")
    assert "cloud-init failed in it" in plan.err


def test_guest_is_what_its_cloud_init_said(stack: Stack, first: Run, keys: KeyPair) -> None:
    lines, values = look(stack, keys)
    assert lines == ["looked-into", "ops", "first line", "<&> last: 'line'", "42", "root"]
    assert values["address"] == f"{stack.subnet}.10/24"
    assert values["instance"] == f"{stack.project}-dev-good-1"
    assert 2.7 * GIB < int(values["root"]) <= 3 * GIB
    assert stack.run("output", "ip", "--raw").out.strip() == f"{stack.subnet}.10"


def test_vmstack_ssh_logs_in_as_the_programs_user_and_knows_the_host_key(
    stack: Stack, first: Run, keys: KeyPair
) -> None:
    _, values = look(stack, keys)
    known = next(Path(stack.folder, ".state").rglob("known_hosts"))
    before = known.read_text()
    assert f"good.dev.{stack.project}.vmstack ssh-ed25519 {values['key']}\n" in before
    with agent(keys):
        run = stack.run("ssh", "good", "--", "id", "-un")
        assert run.out == "ops\n"
        stack.run("ssh", "good", "--", "exit", "9", code=9)
    assert known.read_text() == before


def test_restart_ends_with_the_guest_ready_again_and_all_its_data(stack: Stack, first: Run, keys: KeyPair) -> None:
    lines, before = look(stack, keys)
    pid = qemu_pid(stack.name("good"))
    ssh(keys, f"ops@{stack.subnet}.10", "echo kept >~/note && sync")
    stack.edit('memory="448MiB", disk=', 'memory="544MiB", disk=')
    text = stack.main.read_text()
    stack.main.write_text(text[: text.index('VirtualMachine(\n    "bad"')] + text[text.index("pulumi.export") :])
    changes = stack.plan()["changes"]
    assert changes["vm.good"]["disruption"] == "restart"
    assert changes["vm.bad"]["actions"] == ["delete"]
    run = stack.apply("--allow-data-loss")
    assert "Apply complete!" in run.out
    stack.is_converged()
    assert qemu_pid(stack.name("good")) != pid
    after_lines, after = look(stack, keys)
    assert after_lines == lines
    assert int(after["memory"]) - int(before["memory"]) == pytest.approx(96 * 1024, rel=0.1)
    assert after["boot"] != before["boot"]
    assert (after["instance"], after["key"]) == (before["instance"], before["key"])
    assert ssh(keys, f"ops@{stack.subnet}.10", "cat", "note") == "kept\n"
