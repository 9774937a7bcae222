"""Python source: a few kinds of expressions, written as `ruff format` would."""

import keyword
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 88
_STEP: Final = "    "


@dataclass(frozen=True, slots=True)
class Code:
    """What is written as it stands: a name, an attribute of one."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call; `named` arguments of `None` are left out."""

    function: str
    arguments: tuple["Value", ...] = ()
    named: tuple[tuple[str, "Value | None"], ...] = ()


Value = Code | Call | str | int | bool | Sequence["Value"] | Mapping[str, "Value"] | Mapping[str | int, "Value"]


@dataclass(frozen=True, slots=True)
class Brackets:
    """Items between brackets, which stand in one line or each in one of its own."""

    opening: str
    items: tuple[tuple[str, Value], ...]
    closing: str
    comma: bool = False


def statement(value: Value, *, target: str | None = None) -> list[str]:
    """The lines of an expression, or of its assignment to a name."""
    return _write(value, before=f"{target} = " if target else "", after="", indent="")


def comment(text: str, *, hang: str = "") -> list[str]:
    """The lines of a comment; those after the first are indented by `hang`."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent=f"# {hang}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def is_name(text: str) -> bool:
    """Whether a variable can be called so."""
    return text.isidentifier() and text.isascii() and not keyword.iskeyword(text) and not keyword.issoftkeyword(text)


def quote(text: str) -> str:
    """A string as ruff prefers it: in double quotes, unless that needs more escapes."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(f"\\{char}" if char == mark else char if char in "'\"" else repr(char)[1:-1] for char in text)
    return f"{mark}{body}{mark}"


def inline(value: Value) -> str:
    """The expression in one line."""
    return _inline(value)


def _write(value: Value, *, before: str, after: str, indent: str) -> list[str]:
    """The lines of a value that stands between two texts of its line."""
    line = f"{indent}{before}{_inline(value)}{after}"
    parts = _brackets(value)
    if parts is None or not parts.items or len(line) <= WIDTH:
        return [line]
    lines = [f"{indent}{before}{parts.opening}"]
    for lead, item in parts.items:
        lines += _write(item, before=lead, after=",", indent=indent + _STEP)
    return [*lines, f"{indent}{parts.closing}{after}"]


def _inline(value: Value) -> str:
    match value:
        case Code(text=text):
            return text
        case str():
            return quote(value)
        case bool() | int():
            return repr(value)
    parts = _brackets(value) or Brackets("", (), "")
    inner = ", ".join(f"{lead}{_inline(item)}" for lead, item in parts.items)
    return f"{parts.opening}{inner}{',' if parts.comma else ''}{parts.closing}"


def _brackets(value: Value) -> Brackets | None:
    match value:
        case Code() | str() | bool() | int():
            return None
        case Call(function=function, arguments=arguments, named=named):
            items: Iterable[tuple[str, Value]] = [
                *(("", item) for item in arguments),
                *((f"{name}=", item) for name, item in named if item is not None),
            ]
            return Brackets(f"{function}(", tuple(items), ")")
        case Mapping():
            return Brackets("{", tuple((f"{_inline(key)}: ", item) for key, item in value.items()), "}")
        case tuple():
            return Brackets("(", tuple(("", item) for item in value), ")", comma=len(value) == 1)
    return Brackets("[", tuple(("", item) for item in value), "]")
