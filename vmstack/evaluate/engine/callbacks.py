"""Functions that a program hangs on outputs, and which of them never ran because the output is not known."""

import asyncio
import contextlib
import functools
import importlib.util
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pulumi

from vmstack.errors import Place
from vmstack.evaluate.engine.unknown import Unknown
from vmstack.evaluate.places import is_ours, show_path

_STANDARD: Final = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED: Final = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))
_SPEC: Final = importlib.util.find_spec("pulumi_libvirt")
_CLASSIC: Final = Path(_SPEC.origin).parent if _SPEC is not None and _SPEC.origin else None
# Looks at the value that a function is to get: whether it is known after all. Raises for one that nobody may see.
Look = Callable[[Any, Place], bool]


@contextlib.contextmanager
def watched(*, look: Look) -> Iterator[list[Place]]:
    """Fill the list, at the end, with the places of functions that did not run, and of awaits that got nothing.

    Whatever a program or a package of components hangs on an output may make resources. Only what the SDK, its
    packages and the standard library hang on outputs (attribute access, concatenation) merely passes values on.
    """
    waiting: dict[object, Place] = {}
    skipped: list[Place] = []
    hang, wait = pulumi.Output.apply, pulumi.Output.future

    @functools.wraps(hang)
    def apply(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        code = _code_of(func)
        if code is None or _passes_on(code.co_filename):
            return hang(self, func, *args, **kwargs)
        # One function may hang on many outputs: each of them counts.
        token, place = object(), Place(show_path(str(Path(code.co_filename))), code.co_firstlineno)
        waiting[token] = place

        def run(value: Any) -> Any:
            if not look(value, place):
                return Unknown("the value")
            waiting.pop(token, None)
            return func(value)

        return hang(self, run, *args, **kwargs)

    @functools.wraps(wait)
    def future(self: Any, *args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` would import much more
        if _passes_on(caller.f_code.co_filename):
            return wait(self, *args, **kwargs)
        token = object()
        waiting[token] = Place(show_path(caller.f_code.co_filename), caller.f_lineno)

        async def settle() -> Any:
            value = await wait(self, *args, **kwargs)
            if await self.is_known():
                waiting.pop(token, None)
            return value

        return asyncio.ensure_future(settle())

    _replace(apply=apply, future=future)
    try:
        yield skipped
    finally:
        _replace(apply=hang, future=wait)
        skipped.extend(sorted(set(waiting.values())))


def _replace(**functions: Callable[..., Any]) -> None:
    for name, function in functions.items():
        setattr(pulumi.Output, name, function)


def _code_of(func: Any) -> types.CodeType | None:
    """The Python code that calling it runs first; `None` for what is written in C, which makes no resources."""
    while isinstance(func, functools.partial):
        func = func.func
    if isinstance(func, type):
        func = getattr(func, "__init__")  # noqa: B009 - the class is whatever the program has
    elif not hasattr(func, "__code__"):
        func = type(func).__call__
    code = getattr(func, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


@functools.cache
def _passes_on(filename: str) -> bool:
    if is_ours(filename) or (filename.startswith(_STANDARD) and not filename.startswith(_INSTALLED)):
        return True
    return Path(filename).is_relative_to(_CLASSIC) if _CLASSIC is not None else False
