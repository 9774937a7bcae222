"""Parts of the SDK that are slow for large programs, replaced while a program runs.

Every one is guarded: only for a version of the SDK that they were measured with, and only where the name is still
there. Without them programs run the same, more slowly.
"""

import contextlib
import functools
import gc
import sys
import types
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pulumi import _types, log
from pulumi.runtime import resource as sdk_resource
from pulumi.runtime import rpc
from pulumi.runtime.proto import source_pb2

from vmstack.evaluate.engine import shortcuts
from vmstack.evaluate.places import is_ours

# Measured with these; their internals are known to be what is replaced below.
_KNOWN: Final = ("3.272.",)
_DEPENDENCIES: Final = "_direct_computed_dependencies"
_NEEDED: Final = "_vmstack_needed"
_PACKAGES: Final = ("pulumi_libvirt",)


@contextlib.contextmanager
def tuned() -> Iterator[None]:
    """Replace what is slow, and put it back."""
    with contextlib.ExitStack() as stack:
        thresholds = gc.get_threshold()
        # Hundreds of thousands of tasks and futures live until the end; looking for garbage among them finds none.
        gc.set_threshold(100_000, 50, 100)
        stack.callback(gc.set_threshold, *thresholds)
        if version("pulumi").startswith(_KNOWN):
            _replace(stack, rpc, "declare_dependency", _declare_dependency)
            _replace(stack, sdk_resource, "_get_stack_trace", _short_stack_trace)
            _replace(stack, sdk_resource, "create_urn", _no_urn)
            _replace(stack, sdk_resource, "wrap_with_context", shortcuts.in_place)
            _replace(stack, rpc, "transfer_properties", shortcuts.transfer_properties)
            _replace(stack, rpc, "serialize_property", shortcuts.serialize_property)
            _replace(stack, rpc, "serialize_properties", shortcuts.serialize_properties)
            _replace(stack, _types, "unwrap_type", shortcuts.unwrap_type)
            _replace(stack, log, "debug", shortcuts.no_debug)
        yield


def _replace(stack: contextlib.ExitStack, module: Any, name: str, substitute: Any) -> None:
    original = getattr(module, name, None)
    if original is not None:
        setattr(module, name, substitute)
        stack.callback(setattr, module, name, original)


def _declare_dependency(from_resource: Any, to_resource: Any) -> bool:
    """Note a dependency unless it closes a circle, without recursion: chains of thousands are legal.

    As the SDK's own: the answer is whether it was noted.
    """
    own: set[Any] = from_resource.__dict__.setdefault(_DEPENDENCIES, set())
    if to_resource in own:
        return True
    # A circle must come back to a resource that another one depends on; mostly there is no such one, and no walk.
    if from_resource is to_resource or (_NEEDED in from_resource.__dict__ and _reaches(to_resource, from_resource)):
        return False
    own.add(to_resource)
    if hasattr(to_resource, "__dict__"):  # a native one depends on nothing that is made after it
        to_resource.__dict__[_NEEDED] = True
    return True


def _reaches(start: Any, goal: Any) -> bool:
    seen = {start}
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node is goal:
            return True
        for other in getattr(node, _DEPENDENCIES, ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return False


def _short_stack_trace() -> Any:
    """The one frame that is used: the innermost one of the program."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` would cost much more
    while frame is not None:
        filename = frame.f_code.co_filename
        if not _is_skipped(filename):
            position = source_pb2.SourcePosition(uri=_as_uri(filename), line=frame.f_lineno)
            return source_pb2.StackTrace(frames=[source_pb2.StackFrame(pc=position)])
        frame = frame.f_back
    return source_pb2.StackTrace()


@functools.cache
def _is_skipped(filename: str) -> bool:
    return is_ours(filename) or Path(filename).parent.name in _PACKAGES


@functools.cache
def _as_uri(filename: str) -> str:
    return Path(filename).as_uri() if filename.startswith("/") else ""


class _NoUrn:
    """What the SDK computes for programs that run without an engine, and then throws away."""

    def future(self) -> Any:
        async def nothing() -> None:
            return None

        return nothing()


_CREATE_URN: Final = sdk_resource.create_urn


def _no_urn(*args: Any, **options: Any) -> Any:
    """Aliases need it; a registration only passes it on to nobody."""
    if sys._getframe(1).f_code.co_name in ("do_register", "do_read"):  # noqa: SLF001 - see above
        return _NoUrn()
    return _CREATE_URN(*args, **options)
