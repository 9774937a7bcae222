"""Values that many machines have alike: said once, under a name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vmstack.evaluate.authoring.source import Call, Code, Value, inline

# Arguments whose values are long, and the same for all guests that one tool made.
_SHARED: Final = ("cpu", "clock", "hyperv")
# Used so often, and so long, a value is worth a name.
_OFTEN: Final = 3
_LONG: Final = 24


def factor(calls: Sequence[Call]) -> tuple[list[Call], dict[str, Value]]:
    """The calls with names for values that several of them have, and these values by name."""
    uses = Counter(key for call in calls for key in _keys(call))
    names: dict[tuple[str, str], str] = {}
    values: dict[str, Value] = {}
    for call in calls:
        for argument, value in call.named:
            key = (argument, "" if value is None else inline(value))
            if argument in _SHARED and value is not None and uses[key] >= _OFTEN and key not in names:
                number = sum(known.startswith(argument.upper()) for known in values) + 1
                name = argument.upper() + (f"_{number}" if number > 1 else "")
                names[key], values[name] = name, value
    return [_named(call, names) for call in calls], values


def _keys(call: Call) -> list[tuple[str, str]]:
    found = [(argument, inline(value)) for argument, value in call.named if value is not None and argument in _SHARED]
    return [(argument, text) for argument, text in found if len(text) >= _LONG]


def _named(call: Call, names: dict[tuple[str, str], str]) -> Call:
    return replace(
        call,
        named=tuple(
            (argument, Code(names[argument, inline(value)]))
            if value is not None and (argument, inline(value)) in names
            else (argument, value)
            for argument, value in call.named
        ),
    )
