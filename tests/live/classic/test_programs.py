"""The ordinary programs in programs/, as people write them, on the real daemon by the command line.

Each plans, applies, has nothing left to do, and destroys, and the host is as it was before. They are told names, a
directory and addresses of their own by their stacks' configuration. No guest boots: where a program starts one, there
is no system in it.
"""

import re
import shutil
import string
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fake.disk_images import qcow2
from tests.live.classic.second_host import second_host
from tests.live.stack.virsh import sweep_dead, virsh, volumes
from tests.live.stack.workbench import Stack, open_stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]
PROGRAMS = Path(__file__).parent / "programs"
_NETWORK = """
<network>
  <name>{name}</name>
  <bridge name="{bridge}"/>
  <ip address="{subnet}.1" netmask="255.255.255.0"/>
</network>
"""


@pytest.fixture(scope="module", autouse=True)
def _libvirt() -> None:
    if shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")
    sweep_dead()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as found:
        yield found


@pytest.mark.parametrize("name", sorted(folder.name for folder in PROGRAMS.iterdir()))
def test_program(name: str, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    before = stack.listed()
    with SURROUNDINGS.get(name, _nothing)(stack):
        around = stack.listed()
        projects = [_copy(folder, stack) for folder in _projects(PROGRAMS / name)]
        for project in projects:
            _configure(project, name)
            project.run("plan", "--detailed-exitcode", code=2)
            assert stack.listed() == around if project is projects[0] else True
            project.apply()
            project.is_converged()
        if name in LATER:
            LATER[name](projects[-1])
        for project in reversed(projects):
            project.destroy()
        assert stack.listed() == around
    assert stack.listed() == before


def test_there_are_enough_of_them() -> None:
    assert len(list(PROGRAMS.iterdir())) >= 25
    assert set(LATER) | set(SURROUNDINGS) <= {folder.name for folder in PROGRAMS.iterdir()}


def _projects(folder: Path) -> list[Path]:
    """A program, or several in the order in which they are applied."""
    return [folder] if (folder / "Pulumi.yaml").exists() else sorted(folder.iterdir())


def _copy(folder: Path, stack: Stack) -> Stack:
    """A copy of the project with the stack's own names filled in; its project name begins with the prefix."""
    target = stack.folder / folder.name
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))
    image = stack.folder / "image.qcow2"
    image.write_bytes(qcow2(1 << 20, mark=b"an image"))
    project = re.search(r"^name: (.*)$", (folder / "Pulumi.yaml").read_text(), re.MULTILINE)[1]
    own = project if project.startswith("$prefix") else f"$prefix-{project}"
    values = {
        "prefix": stack.prefix,
        "subnet": stack.subnet,
        "folder": stack.pool_folder,
        "image": str(image),
        **stack.values,
    }
    for path in target.glob("Pulumi*.yaml"):
        text = re.sub(rf"^(name: |  ){re.escape(project)}(?=:|$)", rf"\1{own}", path.read_text(), flags=re.MULTILINE)
        path.write_text(string.Template(text).substitute(values))
    found = Stack(target, stack.prefix, stack.subnet, stack.pool_folder)
    found.project = string.Template(own).substitute(values)
    found.values = values
    return found


def _configure(project: Stack, name: str) -> None:
    if name == "config-and-secrets":
        for key, value in (
            ("libvirt:uri", "qemu:///system"),
            ("prefix", project.prefix),
            ("pool", project.pool_folder),
        ):
            project.run("config", "set", key, value, "--stack", "dev")
        project.run("config", "set", "--secret", "password", "hunter2 or so", "--stack", "dev")
        assert "hunter2" not in (project.folder / "Pulumi.dev.yaml").read_text()


@contextmanager
def _nothing(stack: Stack) -> Iterator[None]:
    yield


@contextmanager
def _with_bridge(stack: Stack) -> Iterator[None]:
    """A bridge of the host that libvirt knows nothing of."""
    bridge = f"lvb{stack.subnet.rsplit('.', 1)[1]}"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    stack.values["bridge"] = bridge
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "del", bridge], check=True)


@contextmanager
def _with_old_objects(stack: Stack) -> Iterator[None]:
    """A network, a pool and a volume of somebody else."""
    name, folder = f"{stack.prefix}-old", f"{stack.pool_folder}-old"
    bridge = f"lvo{stack.subnet.rsplit('.', 1)[1]}"
    virsh("net-define", "/dev/stdin", stdin=_NETWORK.format(name=name, bridge=bridge, subnet=stack.subnet))
    virsh("net-start", name)
    Path(folder).mkdir()
    virsh("pool-create-as", name, "dir", "--target", folder)
    virsh("vol-create-as", name, "golden.qcow2", "1MiB", "--format", "qcow2")
    stack.values |= {
        "network": name,
        "network_id": virsh("net-uuid", name).strip(),
        "volume": f"{folder}/golden.qcow2",
    }
    yield
    assert volumes(name) == ["golden.qcow2"]
    virsh("net-destroy", name)
    virsh("net-undefine", name)
    virsh("pool-destroy", name)


@contextmanager
def _with_second_host(stack: Stack) -> Iterator[None]:
    """Another daemon, which passes for another machine; it goes with all that it has."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/tmp") as folder, second_host(Path(folder)) as uri:
        stack.values["second_uri"] = uri
        yield
        assert subprocess.check_output(["virsh", "-q", "-c", uri, "list", "--all"], text=True).strip() == ""


SURROUNDINGS = {"bridges": _with_bridge, "get-existing": _with_old_objects, "two-hosts": _with_second_host}


def _unprotect(project: Stack) -> None:
    """What is protected stays, whatever is asked for, until the program says otherwise."""
    project.run("destroy", "--yes", "--allow-data-loss", code=5)
    assert volumes(project.name("precious")) == ["data.qcow2"]
    project.run("config", "set", "careful", "false", "--stack", "dev")
    project.apply()


def _tidy_up(project: Stack) -> None:
    """What moved into a component is the same object: nothing is made anew, and no data is lost."""

    def look() -> list[str]:
        return [virsh("vol-dumpxml", "disk.qcow2", "--pool", project.name("aliases")), project.uuid("vm")]

    before = look()
    project.run("config", "set", "tidy", "true", "--stack", "dev")
    project.apply()
    project.is_converged()
    assert look() == before


def _show(project: Stack) -> None:
    """A secret is stored nowhere in clear, and comes out as one."""
    assert "hunter2" not in project.run("output").out
    assert "hunter2" not in "".join(virsh("secret-dumpxml", row.split()[0]) for row in _secrets(project))


def _secrets(project: Stack) -> list[str]:
    return [row for row in virsh("secret-list").splitlines() if project.prefix in row]


LATER: dict[str, Callable[[Stack], None]] = {
    "protect": _unprotect,
    "aliases": _tidy_up,
    "config-and-secrets": _show,
}
