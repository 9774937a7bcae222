"""Values as people read them."""

import json
import re
from typing import Final

from vmstack.cli.terminal import escape
from vmstack.model.sizes import KIB, format_size

_BYTES: Final = frozenset(["memory", "max_memory", "capacity", "size", "disk", "available", "allocation"])
_KIBIBYTES: Final = frozenset(["memory_kib", "max_memory_kib"])
_LONGEST: Final = 200
# The planner's own words, such as "(sensitive value)", and sizes that it wrote out need no quotes.
_BARE: Final = re.compile(r"\([^()]*\)|\d+ (?:B|KiB|MiB|GiB|TiB)")


def show_value(value: object, *, path: str = "") -> str:
    """A value on one line, safe for a terminal; sizes get units by the last part of their path."""
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        leaf = path.rsplit(".", 1)[-1]
        if leaf in _BYTES:
            return format_size(value)
        return format_size(value * KIB) if leaf in _KIBIBYTES else str(value)
    if isinstance(value, str) and _BARE.fullmatch(value):
        return escape(value)
    text = escape(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def show_duration(seconds: float) -> str:
    """A duration as in `5s`, `1m05s` or `2h03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
