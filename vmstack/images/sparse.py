"""Files as data and holes, so that the zeros of an image are neither read nor sent."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vmstack.errors import ImageError
from vmstack.model.sizes import MIB

_CHUNK: Final = MIB


def read_sparse(path: Path) -> tuple[Iterator[bytes | int], int]:
    """Return the content of a file, as data chunks (of at most 1 MiB) and lengths of holes in order, and its length.

    The chunks' and holes' lengths add up to the length. A file system that knows no holes gives data only. Raises
    `ImageError` when the file cannot be read or gets shorter meanwhile.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    length = os.fstat(descriptor).st_size
    return _parts(descriptor, length=length, path=path), length


def _parts(descriptor: int, *, length: int, path: Path) -> Iterator[bytes | int]:
    try:
        position = 0
        while position < length:
            start = min(_next_data(descriptor, position, length=length), length)
            if start > position:
                yield start - position
            position = start
            end = min(os.lseek(descriptor, position, os.SEEK_HOLE), length) if position < length else length
            while position < end:
                chunk = os.pread(descriptor, min(_CHUNK, end - position), position)
                if not chunk:
                    raise ImageError(f"{path} got shorter while it was read", resolution="run it again")
                yield chunk
                position += len(chunk)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _next_data(descriptor: int, position: int, *, length: int) -> int:
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole up to the end
            return length
        raise
