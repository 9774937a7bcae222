"""Small values and builders that the tests of images share."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

from vmstack.model.specs import ImageSpec

MIB = 1024 * 1024
Craft = Callable[[dict[int, bytes]], Path]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def silent(_label: str, _done: int, _total: int | None) -> None:
    """No progress."""


def spec_of(
    source: Path | str, *, sha256: str | None = None, format: str = "qcow2", compression: str | None = None
) -> ImageSpec:
    return ImageSpec(name="debian", source=str(source), sha256=sha256, format=format, compression=compression)


def be32(value: int) -> bytes:
    return struct.pack(">I", value)


def be64(value: int) -> bytes:
    return struct.pack(">Q", value)
