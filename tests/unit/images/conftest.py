"""Images to try the store on: small, made once, and crafted by changing bytes of a sound one."""

import subprocess
from pathlib import Path

import pytest

from tests.unit.images.corpus import MIB, Craft
from vmstack.images.store import ImageStore


@pytest.fixture(scope="session")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A qcow2 image of 16 MiB with a little data in it."""
    folder = tmp_path_factory.mktemp("images")
    raw, image = folder / "disk.raw", folder / "disk.qcow2"
    with raw.open("wb") as file:
        file.write(b"\x01" * 100_000)
        file.truncate(16 * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
    return image


@pytest.fixture
def craft(qcow2: Path, tmp_path: Path) -> Craft:
    """Make a copy of the sound image with bytes changed at some offsets."""

    def make(changes: dict[int, bytes]) -> Path:
        data = bytearray(qcow2.read_bytes())
        for offset, change in changes.items():
            data[offset : offset + len(change)] = change
        path = tmp_path / "crafted.qcow2"
        path.write_bytes(data)
        return path

    return make


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "cache")
