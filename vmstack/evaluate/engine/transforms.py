"""Transforms: the program's functions that change resources on their way to the engine.

The SDK offers them over a callback server. Here they are called in place, on the SDK's own event loop, as it does for
its blocking calls; the server is never opened.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from pulumi.runtime import _callbacks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.sync_await import _sync_await

from vmstack.errors import InputError

# Fields that a resource's request and its options for transforms have in common, by their names in either.
_COPIED = {
    "version": "version",
    "provider": "provider",
    "pluginDownloadURL": "plugin_download_url",
    "deletedWith": "deleted_with",
    "importId": "import",
}
_LISTS = {
    "dependencies": "depends_on",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
    "additionalSecretOutputs": "additional_secret_outputs",
    "aliases": "aliases",
    "hideDiffs": "hide_diff",
    "replace_with": "replace_with",
}
_OPTIONAL = {"protect": "protect", "retainOnDelete": "retain_on_delete", "replacement_trigger": "replacement_trigger"}


def apply_transforms(request: Any, callbacks: Iterable[Any]) -> Any:
    """Return the request as the callbacks, one after the other, make it."""
    for callback in callbacks:
        asked = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=_options(request),
        )
        answer = _call(callback, asked)
        changed = resource_pb2.RegisterResourceRequest()
        changed.CopyFrom(request)
        changed.object.CopyFrom(answer.properties)
        if answer.HasField("options"):
            _take(answer.options, request=changed)
        request = changed
    return request


def apply_invoke_transforms(request: Any, callbacks: Iterable[Any]) -> Any:
    """Return a call of a function as the callbacks make it."""
    for callback in callbacks:
        options = resource_pb2.TransformInvokeOptions(provider=request.provider, version=request.version)
        asked = resource_pb2.TransformInvokeRequest(token=request.tok, args=request.args, options=options)
        answer = _call(callback, asked)
        changed = resource_pb2.ResourceInvokeRequest()
        changed.CopyFrom(request)
        changed.args.CopyFrom(answer.args)
        if answer.HasField("options"):
            changed.provider = answer.options.provider
        request = changed
    return request


@contextlib.contextmanager
def no_callback_server() -> Iterator[None]:
    """Keep the SDK from opening a socket for its callbacks."""
    module: Any = _callbacks
    original = module.aio
    servicers = list(module._CallbackServicer._servicers)  # noqa: SLF001 - the SDK keeps them for the process
    module.aio = _Aio(original)
    try:
        yield
    finally:
        module.aio = original
        module._CallbackServicer._servicers[:] = servicers  # noqa: SLF001


class _Aio:
    """`grpc.aio` for the callbacks module: as it is, but that a server is none."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def server(self, *_args: object, **_options: object) -> "_NoServer":
        return _NoServer()


class _NoServer:
    """Looks like a `grpc.aio` server and serves nobody."""

    def add_insecure_port(self, address: str) -> int:
        return 0

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        return None

    def add_registered_method_handlers(self, _service: str, _handlers: object) -> None:
        return None

    async def start(self) -> None:
        return None

    async def stop(self, grace: float | None) -> None:
        return None


def find_callback(callback: Any) -> Callable[[bytes], Awaitable[Any]]:
    """Return the SDK's wrapper of a function that the program registered: a serialised request in, a response out."""
    # One program can have several of the SDK's servicers, so the token decides.
    for servicer in _callbacks._CallbackServicer._servicers:  # noqa: SLF001 - there is no other way to a function
        function: Callable[[bytes], Awaitable[Any]] | None = servicer._callbacks.get(callback.token)  # noqa: SLF001
        if function is not None:
            return function
    raise InputError("a function that the program registered is not known to the SDK any more")


def _call(callback: Any, asked: Any) -> Any:
    return _sync_await(find_callback(callback)(asked.SerializeToString()))


def _options(request: Any) -> Any:
    options = resource_pb2.TransformResourceOptions()
    for name, other in _COPIED.items():
        setattr(options, other, getattr(request, name))
    for name, other in _LISTS.items():
        getattr(options, other).extend(getattr(request, name))
    for name, value in request.providers.items():
        options.providers[name] = value
    for name, other in _OPTIONAL.items():
        if request.HasField(name):
            _set(options, other, getattr(request, name))
    if request.HasField("customTimeouts"):
        options.custom_timeouts.CopyFrom(request.customTimeouts)
    if request.deleteBeforeReplaceDefined:
        options.delete_before_replace = request.deleteBeforeReplace
    return options


def _take(options: Any, *, request: Any) -> None:
    for name, other in _COPIED.items():
        setattr(request, name, getattr(options, other))
    for name, other in _LISTS.items():
        request.ClearField(name)
        getattr(request, name).extend(getattr(options, other))
    for name, other in _OPTIONAL.items():
        request.ClearField(name)
        if options.HasField(other):
            _set(request, name, getattr(options, other))
    if options.HasField("delete_before_replace"):
        request.deleteBeforeReplaceDefined = True
        request.deleteBeforeReplace = options.delete_before_replace


def _set(message: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        setattr(message, name, value)
    else:
        getattr(message, name).CopyFrom(value)
