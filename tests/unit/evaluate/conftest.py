"""Small stack programs, written and evaluated in a folder of their own."""

import contextlib
import dataclasses
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest

from vmstack.errors import ErrorGroup, VmstackError
from vmstack.evaluate.program import evaluate
from vmstack.model.graph import DesiredGraph

PRELUDE = """\
from vmstack import *
kvm = Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", path="/var/lib/libvirt/pool")
lan = Network("lan", cidr="10.20.0.0/24")
image = Image("debian", source="/images/debian.qcow2")
"""


@dataclasses.dataclass
class Stack:
    """A project folder under test."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, body: str, *, prelude: str = PRELUDE) -> None:
        self.write("__main__.py", prelude + textwrap.dedent(body).strip("\n") + "\n")

    def evaluate(self, body: str, *, prelude: str = PRELUDE, **settings: object) -> DesiredGraph:
        self.program(body, prelude=prelude)
        with runtime_as_new(pulumi_too="pulumi" in prelude + body):
            return evaluate(self.folder, **settings)

    def fail(self, body: str, *, prelude: str = PRELUDE, **settings: object) -> VmstackError:
        """Evaluate what must fail; the error's place must be the line that says `# here`, where one does."""
        self.program(body, prelude=prelude)
        with pytest.raises(VmstackError) as caught, runtime_as_new(pulumi_too="pulumi" in prelude + body):
            evaluate(self.folder, **settings)
        error = caught.value
        assert not isinstance(error, ErrorGroup), error
        lines = (self.folder / "__main__.py").read_text().splitlines()
        marked = [number for number, line in enumerate(lines, start=1) if "# here" in line]
        if marked:
            assert error.place is not None, error
            assert error.place.line == marked[0], error
            assert Path(error.place.file).name == "__main__.py"
        return error


@contextlib.contextmanager
def runtime_as_new(*, pulumi_too: bool) -> Iterator[None]:
    """Let programs that do not import Pulumi run as in a fresh process, where it is not loaded."""
    if pulumi_too:
        yield
        return
    del sys.modules["pulumi"]
    try:
        yield
    finally:
        sys.modules["pulumi"] = pulumi


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.delenv("VMSTACK_STACK", raising=False)
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", "")
    folder = tmp_path / "project"
    folder.mkdir()
    made = Stack(folder)
    made.write("Pulumi.yaml", "name: unit\nruntime: python\n")
    return made
