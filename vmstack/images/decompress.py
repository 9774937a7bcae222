"""Decompression in bounded steps: what comes out is never much more than the caller has room for."""

import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol

from vmstack.errors import ImageError
from vmstack.images.limits import Limits
from vmstack.model.sizes import KIB, MIB, format_size

Compression = Literal["gz", "xz", "zst"]

# Input is fed in small pieces, because a step's output is bounded by its input only: at most about 1,000 times for
# gz, 7,000 times for xz and 32,000 times for zst.
_STEP: Final = {"gz": 16 * KIB, "xz": 4 * KIB, "zst": KIB}
_XZ_MEMORY: Final = 512 * MIB  # `xz -9` needs 65 MiB to decompress
_ZSTD_WINDOW: Final = 128 * MIB  # what `zstd -d` accepts without --long


class Source(Protocol):
    """Where compressed bytes come from."""

    def read(self, size: int, /) -> bytes: ...


class _Stream(Protocol):
    """What zlib, lzma and zstandard decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gz() -> _Stream:
    return zlib.decompressobj(wbits=31)


def _xz() -> _Stream:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _zst() -> _Stream:
    import zstandard

    stream: _Stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    return stream


_STREAMS: Final[dict[Compression, Callable[[], _Stream]]] = {"gz": _gz, "xz": _xz, "zst": _zst}


def decompress(source: Source, *, compression: Compression, limits: Limits, what: str) -> Iterator[bytes]:
    """Yield the decompressed content; concatenated streams are one, as `gzip -d` and its kin have it.

    Raises `ImageError` for data that is damaged, truncated or of another kind, followed by anything but zeros, or a
    decompression bomb by `limits`. `what` names the image in errors.
    """
    read = total = payload = 0
    stream = _STREAMS[compression]()
    fresh = True
    while piece := source.read(_STEP[compression]):
        read += len(piece)
        while piece:
            if fresh and not piece.strip(b"\0"):
                break  # padding after the last stream
            try:
                data = stream.decompress(piece)
            except (zlib.error, lzma.LZMAError, _zstd_error(compression)) as error:
                raise ImageError(
                    f"{what} is not valid .{compression} data",
                    details=[str(error)],
                    resolution="fetch it again, or correct `compression` in the program",
                ) from error
            fresh = False
            total += len(data)
            payload += len(data) if data.strip(b"\0") else 0
            if total > limits.unpacked or payload > max(limits.payload, limits.ratio * read):
                raise ImageError(
                    f"{what} looks like a decompression bomb",
                    details=[f"{format_size(read)} of it became {format_size(total)}"],
                    resolution="decompress it by hand, look at it, and use the decompressed file",
                )
            if data:
                yield data
            piece = b""
            if stream.eof:
                piece = stream.unused_data
                stream, fresh = _STREAMS[compression](), True
    if not fresh or total == 0:
        raise ImageError(f"{what} is truncated: its .{compression} data has no end", resolution="fetch it again")


def _zstd_error(compression: Compression) -> type[Exception]:
    """zstandard's own error, without importing it where it is not in use (it takes a while)."""
    if compression != "zst":
        return zlib.error
    import zstandard

    error: type[Exception] = zstandard.ZstdError
    return error
