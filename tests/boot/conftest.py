"""Real Debian guests on the real daemon."""

import os
import shutil
from collections.abc import Iterator

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
def debian() -> str:
    """The path of the Debian image."""
    return str(build_image("debian"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with open_stack(tmp_path_factory.mktemp("boot")) as found:
        yield found
