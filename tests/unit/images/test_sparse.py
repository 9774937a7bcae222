"""Reading files as data and holes."""

from pathlib import Path

import pytest

from tests.unit.images.corpus import MIB
from vmstack.errors import ImageError
from vmstack.images.sparse import read_sparse

LAYOUTS = {
    "empty": [],
    "data": [b"x" * 5000],
    "hole": [8 * MIB],
    "hole between": [b"a" * 4096, 4 * MIB, b"b" * 4096],
    "hole first": [MIB, b"b" * 4096],
    "hole last": [b"a" * 4096, 3 * MIB],
    "large": [b"a" * (3 * MIB)],
}


def write(path: Path, layout: list[bytes | int]) -> bytes:
    content = b""
    with path.open("wb") as file:
        for part in layout:
            content += bytes(part) if isinstance(part, int) else part
            if isinstance(part, int):
                file.seek(part, 1)
            else:
                file.write(part)
        file.truncate(len(content))
    return content


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_the_parts_add_up_to_the_content(tmp_path: Path, layout: list[bytes | int]) -> None:
    path = tmp_path / "disk"
    content = write(path, layout)
    parts, length = read_sparse(path)
    assert b"".join(bytes(part) if isinstance(part, int) else part for part in parts) == content
    assert length == len(content)


def test_holes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    write(path, [b"a" * 4096, 64 * MIB, b"b" * 4096])
    parts, _ = read_sparse(path)
    assert sum(part for part in parts if isinstance(part, int)) >= 63 * MIB


def test_a_file_that_gets_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"x" * (3 * MIB))
    parts, _ = read_sparse(path)
    next(parts)
    with path.open("r+b") as file:
        file.truncate(MIB)
    with pytest.raises(ImageError, match=r"shorter|cannot read"):
        list(parts)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read"):
        read_sparse(tmp_path / "nothing")
