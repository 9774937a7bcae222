"""How single values stand in XML."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class Codec(NamedTuple):
    """`decode` turns the text of an element or attribute into a value; `encode` goes back, `None` meaning no node.

    Both raise `ValueError` with a sentence's end such as "is not a number". `unit` is the unit that `encode` writes
    and that the value is counted in; `decode` then gets bytes' multiples already scaled (see `scale`).
    """

    decode: Callable[[str], Any]
    encode: Callable[[Any], str | None]
    unit: str | None = None


_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_BITS: Final = 32
_ALL_ONES: Final = 0xFFFFFFFF

# https://libvirt.org/formatdomain.html#memory-allocation: KB is 10^3, KiB and k are 2^10, and so on.
_SCALES: Final[dict[str, int]] = {"b": 1, "byte": 1, "bytes": 1} | {
    unit: base**power
    for power, letter in enumerate("kmgtpe", start=1)
    for unit, base in ((f"{letter}b", 1000), (f"{letter}ib", 1024), (letter, 1024))
}


def scale(text: str, *, unit: str, into: str) -> str:
    """Convert a number from one of libvirt's units to another, rounding up. Raises `ValueError`."""
    if unit == into:
        return text
    if unit.lower() not in _SCALES:
        raise ValueError("has a unit that is not known")
    return str(-(-_decode_integer(text) * _SCALES[unit.lower()] // _SCALES[into.lower()]))


def _decode_integer(text: str) -> int:
    digits = text.strip()
    if not _DIGITS.fullmatch(digits):
        raise ValueError("is not a number")
    return int(digits)


def _decode_signed(text: str) -> int:
    return -_decode_integer(text.strip()[1:]) if text.strip().startswith("-") else _decode_integer(text)


def _encode_integer(value: int) -> str:
    if value < 0:
        raise ValueError("is below zero")
    return str(value)


def _decode_text(text: str) -> str | None:
    return text or None


def _encode_text(value: str) -> str:
    # libvirt reads an empty element or attribute as an absent one, so an empty text could never be seen again.
    if not value:
        raise ValueError("is empty")
    return value


def _decode_lower(text: str) -> str | None:
    return text.strip().lower() or None


def _decode_prefix(text: str) -> int:
    """A prefix length, or an IPv4 netmask in dotted form."""
    if "." not in text:
        return _decode_integer(text)
    parts = [_decode_integer(part) for part in text.split(".")]
    if len(parts) != 4 or max(parts) > 255:
        raise ValueError("is not a netmask")
    mask = int.from_bytes(bytes(parts), "big")
    inverse = mask ^ (_ALL_ONES)
    if inverse & (inverse + 1):
        raise ValueError("is not a netmask")
    return _BITS - inverse.bit_length()


TEXT: Final = Codec(_decode_text, _encode_text)
LOWER: Final = Codec(_decode_lower, _encode_text)
INTEGER: Final = Codec(_decode_integer, _encode_integer)
KIB: Final = Codec(_decode_integer, _encode_integer, unit="KiB")
BYTES: Final = Codec(_decode_integer, _encode_integer, unit="bytes")
SIGNED: Final = Codec(_decode_signed, str)
PREFIX: Final = Codec(_decode_prefix, _encode_integer)
PRESENCE: Final = Codec(lambda _text: True, lambda value: "" if value else None)
YES_NO: Final = Codec(lambda text: text == "yes", lambda value: "yes" if value else "no")
# Said only where it is so: what was written before the field was thought of reads the same.
YES: Final = Codec(lambda text: text == "yes", lambda value: "yes" if value else None)
