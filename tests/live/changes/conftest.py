"""Changes by programs and by virsh on the real daemon, in this process, on guests without a system."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.classic.bench import Bench
from tests.live.stack.virsh import URI, sweep_dead
from tests.live.stack.workbench import open_stack
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.model.specs import HostSpec


@pytest.fixture
def driver() -> Iterator[Driver]:
    """A connection for each batch: a busy daemon may drop one, and the others go on."""
    if not os.environ.get("CI") and shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")
    sweep_dead()
    found = connect(HostSpec(name="here", uri=URI), readonly=False)
    yield found
    found.close()


@pytest.fixture
def bench(tmp_path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A stack's room. What a system would do when it is asked to shut down, the bench does in its place."""
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", "")
    with open_stack(tmp_path) as stack:
        values = {"prefix": stack.prefix, "subnet": stack.subnet, "folder": stack.pool_folder, "uri": URI}
        yield Bench(tmp_path / "project", lambda uri: driver, values, obey=driver.power_off_domain)
