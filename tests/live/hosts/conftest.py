"""A corner of the real daemon for one test: names, addresses and a directory of its own, and a clean-up."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import Site
from vmstack.hosts.attempts import Patience
from vmstack.hosts.connection import connect
from vmstack.hosts.execute import EffectResult, execute
from vmstack.model.effects import AnyEffect
from vmstack.model.specs import HostSpec

URI = "qemu:///system"


class Corner(Site):
    """A site in 10.213.x."""

    def subnet(self, number: int) -> str:
        return f"10.213.{self.third + number}"

    def bridge(self, number: int) -> str:
        return f"hst{self.third + number}b{os.getpid() % 10000}"

    def do(
        self, effect: AnyEffect, *, supply: object = None, report: Callable[..., None] | None = None
    ) -> EffectResult:
        """Execute one effect."""
        quiet = Patience(seconds=5)
        return execute(effect, self.driver, supply=supply, report=report or (lambda *_: None), patience=quiet)


@pytest.fixture(scope="session")
def _libvirt() -> None:
    if not os.environ.get("CI") and shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")


@pytest.fixture
def corner(_libvirt: None, tmp_path: Path) -> Iterator[Corner]:
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    prefix = f"hst-{os.getpid()}"
    # pytest's own folders are closed to QEMU's user.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    found = Corner(driver, True, f"/var/tmp/{prefix}-{tmp_path.name[:40]}", prefix, 10 + worker * 20)
    found.clean()
    try:
        yield found
    finally:
        found.clean()
        driver.close()
