"""The files of tests/cases/classic on the real daemon, in this process: no commands, no guest that boots.

Every change that a file tells is made in a row on one stack per case; guests that run are started without a system,
and what a system would do when it is asked to shut down, the test does in its place.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.classic.bench import Bench, Round
from tests.cases.classic.casefile import Case, all_cases
from tests.live.stack.virsh import URI, sweep_dead
from tests.live.stack.workbench import open_stack
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.model.specs import HostSpec

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120)]
CASES = {name: case for name, case in all_cases() if case.only != "fake"}


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    if not os.environ.get("CI") and shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")
    sweep_dead()
    found = connect(HostSpec(name="here", uri=URI), readonly=False)
    yield found
    found.close()


@pytest.fixture(scope="module")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def bench(tmp_path: Path, driver: Driver, image_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", "")
    with open_stack(tmp_path) as stack:
        bridge = f"lvb{stack.subnet.rsplit('.', 1)[1]}"
        values = {"prefix": stack.prefix, "subnet": stack.subnet, "folder": stack.pool_folder, "uri": URI}
        yield Bench(
            tmp_path / "project",
            lambda uri: driver if uri == URI else connect(HostSpec(name="there", uri=uri), readonly=False),
            values | {"bridge": bridge},
            obey=driver.power_off_domain,
            cache=image_cache,
        )


@pytest.fixture(autouse=True)
def _bridge(request: pytest.FixtureRequest, bench: Bench) -> Iterator[None]:
    """A bridge of the host that libvirt knows nothing of, for the cases that name it."""
    case = CASES[request.node.callspec.params["name"]]
    wanted = "$bridge" in case.program + "".join(
        (state.input or "") + (state.program or "") for state in case.states.values()
    )
    bridge = bench.values["bridge"]
    if wanted:
        subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    yield
    if wanted:
        subprocess.run(["ip", "link", "del", bridge], check=True)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, bench: Bench) -> None:
    # Starting and stopping a machine costs seconds, and the FakeHost does it in every case.
    for running in CASES[name].modes if CASES[name].boots else CASES[name].modes[-1:]:
        _play(CASES[name], bench, running=running)


def _play(case: Case, bench: Bench, *, running: bool) -> None:
    found = Round(case, bench, running=running)
    refused = {name for name, state in case.states.items() if state.refused is not None}
    for number in range(len(case.changes)):
        found.change(number)
    if not case.changes:
        for name in case.states:
            if name not in refused:
                found.reach(name)
    for name in refused:
        found.refuse(name, text=case.states[name].refused or "")
    found.leave()
