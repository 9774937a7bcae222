"""What cannot be done is said, with the way out, and nothing is changed."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.stack.foreign import make_neighbours
from tests.live.stack.virsh import dump, qemu_pid, virsh, volumes
from tests.live.stack.workbench import Stack, open_stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
from vmstack import Clock, Host, Network, StoragePool, VirtualMachine, Volume

Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/25")
vm = VirtualMachine("a", label="$prefix-a", pool=pool, disk="1MiB", networks=[lan.dhcp()], running=False)
"""
GUARDED = """
import pulumi
VirtualMachine(
    "guarded", label="$prefix-guarded", pool=pool, running=False, opts=pulumi.ResourceOptions(protect=True),
)
"""
# A user's command: all modules are loaded as root, who may read them, and the rights are given up before the work.
_AS_NOBODY = """
import importlib, os, pkgutil, sys
import vmstack
for module in pkgutil.walk_packages(vmstack.__path__, "vmstack."):
    importlib.import_module(module.name)
from vmstack.cli.main import main
main(["validate"])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def test_names_that_others_hold_are_errors_and_nothing_is_changed(stack: Stack) -> None:
    neighbours = make_neighbours(stack)
    stack.write(PROGRAM)
    for ours, theirs, address in (
        ("$prefix-pool", neighbours.pool, "pool.pool"),
        ("$prefix-lan", neighbours.network, "network.lan"),
        ("$prefix-a", neighbours.domain, "vm.a"),
    ):
        stack.edit(f'label="{ours}"', f'label="{theirs}"')
        before, dumps = stack.listed(), neighbours.dumps()
        run = stack.apply(code=1)
        assert f"{address}: a" in run.err
        assert repr(theirs) in run.err
        assert "did not make it" in run.err
        assert "To go on: give" in run.err
        assert f"at __main__.py:{_line_of(theirs, stack)}" in run.err
        assert (stack.listed(), neighbours.dumps()) == (before, dumps)
        stack.edit(f'label="{theirs}"', f'label="{ours}"')


def test_volume_that_others_made_is_an_error_and_is_kept(stack: Stack) -> None:
    stack.write(PROGRAM)
    neighbours = make_neighbours(stack)
    stack.edit(
        'StoragePool("pool", label="$prefix-pool", path="$folder")', f'StoragePool.existing("{neighbours.pool}")'
    )
    stack.edit('disk="1MiB",', 'disk="1MiB", disks=[Disk("more", size="2MiB", label="their.qcow2")],')
    stack.edit("import Clock, Host,", "import Clock, Disk, Host,")
    before, dumps = stack.listed(), neighbours.dumps()
    run = stack.apply(code=1)
    assert "a volume 'their.qcow2' exists in pool" in run.err
    assert (stack.listed(), neighbours.dumps()) == (before, dumps)


def test_network_of_others_with_the_same_addresses_is_seen_before_anything_is_made(stack: Stack) -> None:
    neighbours = make_neighbours(stack)
    before, dumps = stack.listed(), neighbours.dumps()
    stack.write(PROGRAM)
    stack.edit("$subnet.0/25", "$subnet.128/25")
    run = stack.apply(code=1)
    assert f"it cannot be beside the network {neighbours.network!r}" in run.err
    assert (stack.listed(), neighbours.dumps()) == (before, dumps)


def test_step_that_fails_stops_what_needs_it_and_nothing_else(stack: Stack) -> None:
    """libvirt finds only at the start of a network that an interface of the host has its addresses."""
    stack.write(PROGRAM)
    device = f"lvd{stack.subnet.rsplit('.', 1)[1]}"
    subprocess.run(["ip", "link", "add", device, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", f"{stack.subnet}.9/25", "dev", device], check=True)
        subprocess.run(["ip", "link", "set", device, "up"], check=True)
        run = stack.apply(code=3)
        assert "network.lan: cannot start" in run.err
        assert "apply ended partly" in run.err
        for line in ("done: create pool.pool", "done: create volume.a-root", "not done: vm.a (DefineDomain)"):
            assert line in run.err
        assert volumes(stack.name("pool")) == ["a-root.qcow2"]
        assert stack.name("a") not in virsh("list", "--all", "--name").split()
        stack.run("plan", "--detailed-exitcode", code=2)
    finally:
        subprocess.run(["ip", "link", "del", device], check=True)
    stack.apply()
    stack.is_converged()


def test_guest_whose_new_definition_is_refused_runs_on(stack: Stack) -> None:
    """Only libvirt knows which timers its QEMU has."""
    stack.write(PROGRAM)
    stack.edit("running=False)", "vcpus=1, shutdown_timeout=1, power_off_after_timeout=True)")
    stack.apply()
    before = qemu_pid(stack.name("a"))
    stack.edit("vcpus=1", 'vcpus=1, clock=Clock(timers={"platform": True})')
    run = stack.apply(code=3)
    assert "vm.a: cannot define domain" in run.err
    assert "__main__.py:" in run.err
    assert qemu_pid(stack.name("a")) == before
    assert "Guests that restart: vm.a" in stack.run("plan").out
    stack.edit(', clock=Clock(timers={"platform": True})', "")
    stack.is_converged()


def test_user_without_permission_is_told_how_to_get_it(stack: Stack, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "sock").symlink_to("/run/libvirt/libvirt-sock")
    stack.write(PROGRAM)
    with tempfile.TemporaryDirectory(prefix=stack.prefix, dir="/var/tmp") as open_folder:
        Path(open_folder).chmod(0o755)
        shutil.copytree(stack.folder, open_folder, dirs_exist_ok=True)
        run = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, "plan", "--connect", f"qemu+unix:///system?socket={closed}/sock"],
            cwd=open_folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 1, run
    assert "refuses the connection" in run.stderr
    assert "become a member of group libvirt" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An applied stack with a data disk and a protected VM."""
    with open_stack(tmp_path_factory.mktemp("refusals")) as stack:
        stack.write(PROGRAM)
        stack.edit("running=False)", 'running=False, disks=[Disk("data", size="2MiB")])\n' + GUARDED)
        stack.edit("import Clock, Host,", "import Clock, Disk, Host,")
        stack.apply()
        yield stack


@pytest.fixture
def held(made: Stack) -> Iterator[Stack]:
    """The applied stack, of which the test must change nothing but the program."""

    def look() -> list[object]:
        domains = [dump("domain", made.name(name)) for name in ("a", "guarded")]
        return [made.listed(), volumes(made.name("pool")), *domains, dump("net", made.name("lan")), made.ledger()]

    program, before = made.main.read_text(), look()
    yield made
    made.main.write_text(program)
    assert look() == before


def test_unreachable_host_is_unknown_and_never_empty(held: Stack) -> None:
    for command in (["plan"], ["apply", "--yes"], ["destroy", "--yes", "--allow-data-loss"]):
        run = held.run(*command, "--connect", "qemu+unix:///system?socket=/run/libvirt/nobody-listens", code=1)
        assert "host kvm: cannot connect to qemu+unix:///system?socket=/run/libvirt/nobody-listens" in run.err
        assert "To go on: start the daemon" in run.err
        assert run.out == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [('raise RuntimeError("no luck")', "no luck"), ("import sys; sys.exit(0)", "exit"), ("vm.typo()", "typo")],
)
def test_program_that_fails_never_plans_a_deletion(held: Stack, line: str, words: str) -> None:
    held.edit("\nvm =", f"\nvm = None\n{line}\nvm =")
    run = held.apply("--allow-empty", "--allow-data-loss", code=1)
    assert words in run.err
    assert "__main__.py:8" in run.err


def test_empty_program_deletes_nothing_unless_told_to(held: Stack) -> None:
    held.write('from vmstack import Host\n\nHost("kvm", uri="qemu:///system")\n')
    assert "the program defines nothing" in held.apply(code=5).err


def test_data_is_not_lost_without_leave(held: Stack) -> None:
    held.edit(', disks=[Disk("data", size="2MiB")]', "")
    run = held.apply(code=5)
    assert "volume.a-data" in run.err
    assert "--allow-data-loss" in run.err


def test_explicit_protection_holds_against_every_flag(held: Stack) -> None:
    assert "vm.guarded is protected" in held.destroy(code=5).err
    assert "vm.guarded is protected" in held.run("plan", "--destroy", "--allow-data-loss", code=5).err


def test_volume_larger_than_its_pool_is_refused_before_anything_is_made(held: Stack) -> None:
    held.edit('disk="1MiB"', 'disk="60TiB"')
    assert "volume.a-root: it asks for 60 TiB" in held.apply(code=1).err


def test_leave_is_enough_to_lose_data_and_then_everything(stack: Stack) -> None:
    stack.write(PROGRAM)
    stack.edit("running=False)", 'running=False, disks=[Disk("data", size="2MiB")])')
    stack.edit("import Clock, Host,", "import Clock, Disk, Host,")
    stack.apply()
    stack.edit(', disks=[Disk("data", size="2MiB")]', "")
    stack.apply("--allow-data-loss")
    assert volumes(stack.name("pool")) == ["a-root.qcow2"]
    stack.write('from vmstack import Host\n\nHost("kvm", uri="qemu:///system")\n')
    stack.apply("--allow-empty", "--allow-data-loss")
    assert stack.listed() == {command: [] for command in stack.listed()}


def _line_of(text: str, stack: Stack) -> int:
    return next(number for number, line in enumerate(stack.main.read_text().splitlines(), 1) if text in line)
