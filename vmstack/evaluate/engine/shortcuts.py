"""The SDK's dearest functions, done more cheaply. Each answers as the one that it stands for (see `engine.tuning`).

A resource has some twenty outputs, and a program asks for two or three of them: the SDK makes four futures and a task
for each all the same. And every input, most of which are not given, goes through all that an input could be.
"""

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

import pulumi
from pulumi import _types
from pulumi.output import _OutputData
from pulumi.runtime import rpc

_SPECIAL: Final = ("urn", "id")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_SERIALIZE: Final = rpc.serialize_property
_SERIALIZE_ALL: Final = rpc.serialize_properties
_UNWRAP: Final = _types.unwrap_type


class LazyOutput(pulumi.Output[Any]):
    """An output of a resource that has a future only once somebody asks for its value."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource
        self._outcome: tuple[Any, ...] | None = None
        self._made: asyncio.Future[Any] | None = None

    @property
    def _data(self) -> "asyncio.Future[Any]":  # type: ignore[override]
        if self._made is None:
            self._made = asyncio.Future()
            self._track()
            if self._outcome is not None:
                self._settle()
        return self._made

    def _untrack(self) -> None:
        self._data  # noqa: B018 - making it takes the lock that untracking holds
        super()._untrack()

    def resolve(self, value: Any, is_known: bool, is_secret: bool, deps: Any, failed: BaseException | None) -> None:  # noqa: FBT001 - the SDK's
        """Say what it is, once; as the resolvers of the SDK's `transfer_properties`."""
        self._outcome = (value, is_known, is_secret, deps, failed)
        if self._made is not None:
            self._settle()

    def _settle(self) -> None:
        if self._made is None or self._outcome is None:
            return
        value, is_known, is_secret, deps, failed = self._outcome
        self._outcome = None
        if failed is not None:
            self._made.set_exception(failed)
            return
        resources = {*(deps or ()), self._resource}
        data = _OutputData(resources=resources, value=value, is_known=is_known, is_secret=is_secret)
        self._made.set_result(data)


def transfer_properties(res: Any, props: Iterable[str], custom: bool) -> dict[str, Callable[..., None]]:  # noqa: FBT001 - the SDK's
    """Give a resource an output for each property; returns what resolves them."""
    special = _SPECIAL if custom else _SPECIAL[:1]
    outputs = {name: LazyOutput(res) for name in props if name not in special}
    res.__dict__.update(outputs)
    return {name: output.resolve for name, output in outputs.items()}


async def serialize_property(value: Any, deps: Any, property_key: Any, *args: Any, **options: Any) -> Any:
    """Serialise one input: what is plain already is itself."""
    if type(value) in _PLAIN and not options and len(args) < _WITH_FORM:
        return value
    return await _SERIALIZE(value, deps, property_key, *args, **options)


async def serialize_properties(inputs: Any, *args: Any, **options: Any) -> Any:
    """Serialise a resource's inputs: those that are not given leave no trace, so they are not looked at."""
    given = {name: value for name in inputs if (value := inputs[name]) is not None}
    return await _SERIALIZE_ALL(given, *args, **options)


# Beyond so many positional arguments the caller wants another form of the result.
_WITH_FORM: Final = 6


@functools.cache
def _unwrap_known(kind: Any) -> Any:
    return _UNWRAP(kind)


def unwrap_type(kind: Any) -> Any:
    """The type within `Output`, `Input` and the like; types are few, and asked for at every value."""
    try:
        return _unwrap_known(kind)
    except TypeError:  # it cannot be hashed
        return _UNWRAP(kind)


def no_debug(msg: str, resource: Any = None, stream_id: Any = None, ephemeral: Any = None) -> None:
    """What is for Pulumi's developers is shown to nobody."""


def in_place(call: Callable[..., Any]) -> Callable[..., Any]:
    """Calls of the monitor stay in the thread and context that they come from."""
    return call
