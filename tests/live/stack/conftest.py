"""Stacks on the real daemon, driven by the command line. Whatever a test made is gone at its end, failed or not."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.stack.virsh import sweep, sweep_dead
from tests.live.stack.workbench import Stack, build_image, open_stack, own_prefix


@pytest.fixture(scope="session", autouse=True)
def _libvirt() -> Iterator[None]:
    if not os.environ.get("CI") and shutil.which("libvirtd") is None:
        pytest.skip("no libvirtd is installed")
    sweep_dead()
    yield
    sweep(own_prefix())


@pytest.fixture(scope="session")
def probe() -> str:
    """The path of the probe guest's image."""
    return str(build_image("probe"))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as found:
        yield found
