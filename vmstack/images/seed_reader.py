"""Reading a seed ISO that somebody else built: what cloud-init has been told."""

import io
from typing import Final

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException

# NoCloud's files by the names that Rock Ridge and Joliet carry.
_FILES: Final = ("user-data", "meta-data", "network-config", "vendor-data")
# More than any seed holds: libvirt may say anything of a volume's size.
MAX_BYTES: Final = 64 * 1024 * 1024


def read_seed(image: bytes) -> dict[str, str] | None:
    """The documents of a seed by file name; `None` for what is no ISO image, or holds no text."""
    iso = pycdlib.PyCdlib()
    try:
        iso.open_fp(io.BytesIO(image))
    except PyCdlibException:
        return None
    try:
        kind = "rr_path" if iso.has_rock_ridge() else "joliet_path" if iso.has_joliet() else None
        if kind is None:
            return None
        return {name: text for name in _FILES if (text := _read(iso, f"/{name}", kind=kind)) is not None}
    except (PyCdlibException, UnicodeDecodeError):
        return None
    finally:
        iso.close()


def _read(iso: pycdlib.PyCdlib, path: str, *, kind: str) -> str | None:
    content = io.BytesIO()
    try:
        iso.get_file_from_iso_fp(content, **{kind: path})
    except PyCdlibException:
        return None
    return content.getvalue().decode()
