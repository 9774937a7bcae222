"""Checks of single values: each returns the value in canonical form, or raises `InputError` naming the field."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from vmstack.errors import InputError
from vmstack.model.sizes import parse_size
from vmstack.model.text import check_text, with_article

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)

_DURATION: Final = re.compile(r"\s*(\d+)\s*(s|sec|min|h)\s*")
_SECONDS: Final = {"s": 1, "sec": 1, "min": 60, "h": 3600}
MAX_SECONDS: Final = 24 * 3600
# The block layer counts in sectors of 512 bytes; qemu-img would round the size, and every plan would see drift.
SECTOR: Final = 512
# What other tools call things: all but what is no file name, hidden, or like an option of a command.
_LABEL: Final = re.compile(r"(?![-. ])[^/]{1,128}(?<! )")
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")  # IFNAMSIZ is 16 with the final NUL


def check_int(value: object, *, field: str, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool):
        number = value.strip() if isinstance(value, str) else ""
        quoted = number.isascii() and number.isdigit()
        way = f"write it without quotes: {number}" if quoted else f"give it a number from {low} to {high}"
        raise InputError(f"{field}: {value!r} is not a whole number", resolution=way)
    if not low <= value <= high:
        raise InputError(
            f"{field}: {value} is not between {low} and {high}", resolution=f"give it a number from {low} to {high}"
        )
    return int(value)


def check_flag(value: object, *, field: str) -> bool:
    """Return a truth value; nothing is taken for one silently."""
    if not isinstance(value, bool):
        raise InputError(f"{field}: {value!r} is neither True nor False", resolution="write True or False, unquoted")
    return value


def check_choice(value: object, *, field: str, allowed: Sequence[Choice]) -> Choice:
    """Return the member of `allowed` that the value is."""
    for choice in allowed:
        if value == choice:
            return choice
    names = [str(choice) for choice in allowed]
    close = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose one of them, such as {names[0]!r}"
    raise InputError(f"{field}: {value!r} is not one of {', '.join(map(repr, names))}", resolution=hint)


def check_type(value: object, kind: type[T], *, field: str) -> T:
    """Return the value when it is an instance of `kind`."""
    if not isinstance(value, kind):
        wanted = with_article(kind.__name__)
        raise InputError(f"{field}: {describe(value)} is not {wanted}", resolution=f"pass {wanted}")
    return value


def check_list(value: object, *, field: str) -> tuple[Any, ...]:
    """Return a list or tuple as a tuple; a string is no list."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise InputError(f"{field}: {describe(value)} is not a list", resolution=f"put it into brackets: {field}=[...]")
    return tuple(value)


def check_size(value: object, *, field: str, multiple: int = SECTOR) -> int:
    """Return bytes from a text such as `"2GiB"`; they must be a multiple of `multiple`."""
    size = parse_size(value, field=field)
    if size % multiple:
        raise InputError(
            f"{field}: {value!r} is not a multiple of {multiple} bytes",
            resolution="use a unit of powers of two, such as MiB or GiB",
        )
    return size


def check_seconds(value: object, *, field: str) -> int:
    """Return seconds from a whole number or a text such as `"90s"`, `"10min"`, `"1h"`; at most a day."""
    seconds = value
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise InputError(f"{field}: {value!r} is not a time", resolution='write seconds, or "90s", "10min", "1h"')
        seconds = int(match[1]) * _SECONDS[match[2]]
    return check_int(seconds, field=field, low=1, high=MAX_SECONDS)


def check_label(value: object, *, field: str) -> str:
    """Return the name of an object in libvirt: up to 128 printable characters without '/' (it may be a file name)."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value) or not value.isprintable():
        raise InputError(
            f"{field}: {value!r} is not a name",
            resolution="use up to 128 printable characters without '/', the first no '.', '-' or space",
        )
    return check_text(value, field=field)


def check_host_path(value: object, *, field: str) -> str:
    """Return an absolute, normal path on a host, without `..` and without a final slash."""
    text = check_text(str(value) if isinstance(value, PurePosixPath) else value, field=field)
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or text.startswith("//"):
        raise InputError(f"{field}: {text!r} is not an absolute path", resolution="start it with '/', without '..'")
    return str(path)


def check_host_name(value: object, *, field: str) -> str:
    """Return a DNS name: labels of letters, digits and '-' (RFC 1123), at most 253 characters."""
    if not isinstance(value, str) or len(value) > 253 or not _HOST_NAME.fullmatch(value):
        raise InputError(
            f"{field}: {value!r} is not a host name",
            resolution="use letters, digits and '-' in parts of at most 63 characters, joined by '.'",
        )
    return value


def check_interface(value: object, *, field: str) -> str:
    """Return the name of a network interface of a host."""
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value):
        raise InputError(f"{field}: {value!r} is not an interface name (1 to 15 letters, digits, '.', '_' or '-')")
    return value


def check_mac(value: object, *, field: str) -> str:
    """Return a unicast MAC address in lower case with colons."""
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text):
        raise InputError(f"{field}: {value!r} is not a MAC address", resolution="write it as 52:54:00:12:34:56")
    if int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise InputError(f"{field}: {text} is not the address of one NIC", resolution="make its first byte even")
    return text


def describe(value: object) -> str:
    """Show a value in an error without printing what may be long or secret."""
    return repr(value) if isinstance(value, int | float | bool | None) else with_article(type(value).__name__)
