"""Sizes as people write them."""

import re
from typing import Final

from vmstack.errors import InputError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# IEC units for powers of two, SI units for powers of ten: what libvirt's own scaled integers mean by them
# (https://libvirt.org/formatdomain.html#memory-allocation).
_UNITS: Final = {
    "B": 1,
    "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
# QEMU's block layer addresses less than 2^63 bytes; a cap far below it catches slips of the keyboard.
MAX_BYTES: Final = 64 * 1024 * GIB


def parse_size(text: object, *, field: str) -> int:
    """Turn `"2GiB"` into bytes.

    `field` names the value in errors. Raises `InputError` for anything that is not a positive number with one of
    the units B, KiB, MiB, GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000), for a fraction of a byte,
    and above 64 TiB.
    """
    units = ", ".join(_UNITS)
    if not isinstance(text, str):
        raise InputError(
            f"{field}: {text!r} is not a size",
            resolution=f'write a string with a unit ({units}), such as "2GiB"',
        )
    match = _SIZE.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise InputError(f"{field}: {text!r} is not a size", resolution=f'use one of {units}, such as "2GiB"')
    whole, _, fraction = match[1].partition(".")
    scaled = int(whole + fraction) * _UNITS[match[2]]
    size, rest = divmod(scaled, 10 ** len(fraction))
    if rest:
        raise InputError(
            f"{field}: {text!r} is not a whole number of bytes", resolution="use a smaller unit, such as MiB"
        )
    if size == 0:
        raise InputError(f"{field}: a size of 0 makes no sense", resolution="give a positive size")
    if size > MAX_BYTES:
        raise InputError(f"{field}: {text!r} is too large", resolution=f"give at most {format_size(MAX_BYTES)}")
    return int(size)


def format_size(size: int) -> str:
    """Render bytes in the largest power-of-1024 unit that divides them, so that no digit is lost."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]} {unit}"
    return f"{size} B"
