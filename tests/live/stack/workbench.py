"""A stack's folder and the command line on it, as a user has them."""

import fcntl
import json
import os
import signal
import string
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.live.stack.virsh import POOLS, PREFIX, URI, listed, sweep, virsh
from vmstack.hosts.connection import connect
from vmstack.hosts.ledger import HostLedger
from vmstack.model.identity import StackId
from vmstack.model.ownership import Ledger
from vmstack.model.specs import HostSpec

COMMAND = str(Path(sys.executable).with_name("vmstack"))
ROOT = Path(__file__).parents[3]
IMAGES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmstack" / "images"
# Plenty for a host that is busy with other guests, all emulated; nothing waits that long where all is well.
_PATIENCE = 900
_numbers = count(1)


@dataclass(frozen=True)
class Run:
    """A command that ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"

    @property
    def events(self) -> list[dict]:
        """The lines of `--json` progress."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A command that runs, followed by its `--json` lines."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.pid = process.pid
        self.seen: list[dict] = []

    def lines(self) -> Iterator[dict]:
        """The lines as they come, until it ends."""
        for line in self.process.stdout:
            self.seen.append(json.loads(line))
            yield self.seen[-1]

    def until(self, action: str, *, kind: str = "provision_start", address: str | None = None) -> dict:
        """Wait for the line that tells of the effect."""
        for line in self.lines():
            hook = line.get("hook", {})
            known = address in (None, hook.get("resource", {}).get("vmstack"))
            if line["type"] == kind and hook["provisioner"] == action and known:
                return line
        raise AssertionError(f"it ended without {kind} of {action}: {self.finish()}")

    def skip(self, number: int) -> bool:
        """Wait for so many lines; tell whether there were so many."""
        for _ in zip(range(number), self.lines(), strict=False):
            pass
        return len(self.seen) >= number

    def stop(self, number: signal.Signals) -> Run:
        """Send the signal and see how it ends."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> Run:
        out, err = self.process.communicate(timeout=_PATIENCE)
        return Run(self.process.returncode, out, err)


@dataclass
class Stack:
    """A project folder whose objects all carry `prefix`, and a directory and addresses of its own for them."""

    folder: Path
    prefix: str
    subnet: str
    pool_folder: str
    project: str = ""
    values: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen] = field(default_factory=list)

    def write(self, program: str, **values: str) -> None:
        """Write the program; `$prefix`, `$subnet`, `$folder` and further values stand for this stack's own."""
        self.project = self.project or self.prefix
        self.values |= values
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text(f"name: {self.project}\nruntime: python\n")
        (self.folder / "Pulumi.dev.yaml").write_text("config: {}\n")
        self.main.write_text(self._fill(textwrap.dedent(program)))

    def edit(self, before: str, after: str) -> None:
        """Change the one place of the program that reads so."""
        before, after, text = self._fill(before), self._fill(after), self.main.read_text()
        assert text.count(before) == 1, f"{before!r} stands there {text.count(before)} times:\n{text}"
        self.main.write_text(text.replace(before, after))

    def run(self, *arguments: str, code: int | None = 0) -> Run:
        """Run a command and insist on its exit code (`None`: any)."""
        run = Running(self._open(*arguments)).finish()
        assert code is None or run.code == code, f"vmstack {' '.join(arguments)}: {run}"
        assert "Traceback" not in run.err, run
        return run

    def start(self, *arguments: str) -> Running:
        """Start a command with `--json`."""
        return Running(self._open(*arguments, "--json"))

    def plan(self, *arguments: str) -> dict:
        """The plan as data: the changes by address under `changes`, and their actions."""
        document = json.loads(self.run("plan", "--json", *arguments).out)
        document["changes"] = {change["address"]: change for change in document["changes"]}
        return document

    def apply(self, *arguments: str, code: int = 0) -> Run:
        return self.run("apply", "--yes", *arguments, code=code)

    def destroy(self, code: int = 0) -> Run:
        return self.run("destroy", "--yes", "--allow-data-loss", code=code)

    def is_converged(self, *, fresh: bool = False) -> Run:
        """Insist that nothing is left to do, and (`fresh`) that no guest waits for a restart to get all of it."""
        run = self.run("plan", "--detailed-exitcode")
        assert "No changes." in run.out, run
        assert not fresh or "pending restart" not in run.err, run
        return run

    def name(self, part: str) -> str:
        """The name in libvirt of what the program calls `part`."""
        return f"{self.prefix}-{part}"

    def uuid(self, part: str) -> str:
        return virsh("domuuid", self.name(part)).strip()

    def state(self, part: str) -> str:
        return virsh("domstate", self.name(part)).strip()

    def listed(self) -> dict[str, list[str]]:
        """The rows of virsh's lists that name something of this stack, or made by its test."""
        return listed(f"{self.prefix}-", f"{self.prefix}/")

    def ledger(self) -> Ledger | None:
        driver = connect(HostSpec(name="here", uri=URI), readonly=True)
        try:
            return HostLedger(driver, StackId(self.project, "dev")).read()
        finally:
            driver.close()

    def locks(self) -> list[str]:
        return [row for row in virsh("secret-list").splitlines() if f"vmstack:lock:{self.project}/" in row]

    @property
    def main(self) -> Path:
        return self.folder / "__main__.py"

    def _fill(self, text: str) -> str:
        own = {"prefix": self.prefix, "subnet": self.subnet, "folder": self.pool_folder}
        return string.Template(text).substitute(own | self.values)

    def _open(self, *arguments: str) -> subprocess.Popen:
        environment = os.environ | {"XDG_STATE_HOME": str(self.folder / ".state"), "NO_COLOR": "1"}
        process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process


def own_prefix() -> str:
    """The prefix of everything that this test process makes."""
    return f"{PREFIX}{os.getpid()}-"


@contextmanager
def open_stack(folder: Path) -> Iterator[Stack]:
    """A new stack's room; whatever is left of it at the end is removed."""
    prefix = f"{own_prefix()}{next(_numbers)}"
    with _own_subnet() as subnet:
        yield from _use(Stack(folder / "stack", prefix, subnet, str(POOLS / f"vmstack-{prefix}-pool")))


def _use(stack: Stack) -> Iterator[Stack]:
    try:
        yield stack
    finally:
        for process in stack.processes:
            process.kill()
            process.wait()
        sweep(f"{stack.prefix}-")
        sweep(f"{stack.prefix}/")


@contextmanager
def _own_subnet() -> Iterator[str]:
    """The first three bytes of a network that no other test process uses now."""
    for number in range(256):
        with Path(f"/run/lock/vmstack-tests-{number}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"10.217.{number}"
            return
    raise AssertionError("all subnets of the tests are in use")


def build_image(name: str) -> Path:
    """Build an image of scripts/ unless it is there, and return it."""
    script, image = {
        "probe": ("build-probe", IMAGES / "probe.qcow2"),
        "debian": ("build-image", IMAGES / "debian-12-small.qcow2"),
    }[name]
    subprocess.run([ROOT / "scripts" / script, image], check=True, stdout=subprocess.DEVNULL)
    return image
