"""Functions that a program hangs on outputs, and which of them never ran because the output is not known."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi

from vmstack.errors import Place
from vmstack.evaluate.places import is_library, is_ours, show_path

# Looks at the value that a function is to get: whether it is known after all. Raises for one that nobody may see.
Look = Callable[[Any, Place], bool]


@contextlib.contextmanager
def watched(*, look: Look) -> Iterator[list[Place]]:
    """Fill the list, at the end, with the places of the program's own functions that did not run.

    Only those are watched: what libraries hang on outputs (attribute access, concatenation) passes values on.
    """
    waiting: dict[int, Callable[..., Any]] = {}
    skipped: list[Place] = []
    original = pulumi.Output.apply

    @functools.wraps(original)
    def apply(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        code = getattr(func, "__code__", None)
        if code is None or is_ours(code.co_filename) or is_library(code.co_filename):
            return original(self, func, *args, **kwargs)
        waiting[id(func)] = func

        @functools.wraps(func)
        def run(value: Any) -> Any:
            if not look(value, _place(func)):
                return _unknown()
            waiting.pop(id(func), None)
            return func(value)

        return original(self, run, *args, **kwargs)

    setattr(pulumi.Output, "apply", apply)  # noqa: B010 - replaced for one evaluation, not assigned to
    try:
        yield skipped
    finally:
        setattr(pulumi.Output, "apply", original)  # noqa: B010
        skipped.extend(sorted({_place(func) for func in waiting.values()}))


def _place(func: Callable[..., Any]) -> Place:
    return Place(show_path(str(Path(func.__code__.co_filename))), func.__code__.co_firstlineno)


def _unknown() -> Any:
    """An output that is not known."""

    def settled(value: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_result(value)
        return future

    return pulumi.Output(settled(set()), settled(None), settled(value=False))
