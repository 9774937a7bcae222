"""`Image`: a base image that root disks are cloned from."""

import os
import re
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from vmstack.errors import InputError
from vmstack.evaluate.native.base import Native, validated
from vmstack.evaluate.native.fields import check_choice
from vmstack.evaluate.native.options import read_options
from vmstack.model.identity import Kind
from vmstack.model.specs import ImageFormat, ImageSpec
from vmstack.model.text import check_text

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FORMATS: Final[tuple[ImageFormat, ...]] = ("qcow2", "raw")
_COMPRESSIONS: Final[tuple[Literal["gz", "xz", "zst"], ...]] = ("gz", "xz", "zst")


class Image(Native):
    """A base image: a file (relative to the project folder, or `~/...`) or an https URL, which needs `sha256`.

    `sha256` is of the source as published. `format` is declared and verified, never guessed. `compression` follows
    the source's suffix (.gz, .xz, .zst) unless it is given.
    """

    __slots__ = ("format", "sha256", "source")
    kind = Kind.IMAGE

    @validated
    def __init__(
        self,
        name: str,
        *,
        source: str | os.PathLike[str],
        sha256: str | None = None,
        format: ImageFormat = "qcow2",
        compression: Literal["gz", "xz", "zst"] | None = None,
        opts: Any = None,
    ) -> None:
        super().__init__(name)
        self.format = check_choice(format, field="format", allowed=_FORMATS)
        self.sha256 = None if sha256 is None else _read_digest(sha256)
        self.source, remote = _read_source(source, folder=self.recorder.folder)
        if remote and self.sha256 is None:
            raise InputError(
                "sha256: it is missing, and a download must be verified",
                resolution="copy it from the checksum file that is published beside the image",
            )
        self.record(
            ImageSpec(
                name=self.name,
                source=self.source,
                sha256=self.sha256,
                format=self.format,
                compression=_read_compression(compression, source=self.source, remote=remote),
            ),
            needs=(),
            wishes=read_options(opts, reference="an image"),
        )


def _read_digest(value: object) -> str:
    text = value.strip().lower().removeprefix("sha256:") if isinstance(value, str) else ""
    if not _DIGEST.fullmatch(text):
        raise InputError(f"sha256: {value!r} is not a SHA-256 digest", resolution="write its 64 hexadecimal digits")
    return text


def _read_source(value: object, *, folder: Path) -> tuple[str, bool]:
    """Return the absolute path or the URL, and whether it is remote."""
    text = check_text(os.fspath(value) if isinstance(value, os.PathLike) else value, field="source")
    if not text:
        raise InputError("source: it is empty", resolution="give a file path or an https URL")
    if "://" not in text:
        path = Path(text).expanduser()
        return os.path.normpath(folder / path), False
    parts = urlsplit(text)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise InputError(f"source: {text!r} is not a local file", resolution="write file:///path or the path alone")
        return os.path.normpath(unquote(parts.path)), False
    if parts.scheme != "https":
        raise InputError(
            f"source: {parts.scheme}:// is not allowed", resolution="use an https URL with sha256, or a local file"
        )
    if not parts.hostname or parts.username or parts.password:
        raise InputError("source: the URL has no host, or credentials in it", resolution="write https://host/path")
    return text, True


def _read_compression(value: object, *, source: str, remote: bool) -> Literal["gz", "xz", "zst"] | None:
    if value is not None:
        return check_choice(value, field="compression", allowed=_COMPRESSIONS)
    suffix = Path(urlsplit(source).path if remote else source).suffix.removeprefix(".")
    return next((known for known in _COMPRESSIONS if known == suffix), None)
