"""Values on the wire between the Pulumi SDK and its engine."""

from typing import Any, Final

from google.protobuf import json_format

from vmstack.errors import InputError
from vmstack.model.graph import Output

# Constants of the SDK's protocol: pulumi/sdk/python/lib/pulumi/runtime/rpc.py.
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a password
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def decode_outputs(struct: Any) -> dict[str, Output]:
    """Return the exported values of a stack, by name; raises `InputError` for one that is not plain and known."""
    return {name: _decode(name, value) for name, value in sorted(json_format.MessageToDict(struct).items())}


def _decode(name: str, value: Any) -> Output:
    value, secret = _plain(value, name=name)
    return Output(value=value, secret=secret)


def _plain(value: Any, *, name: str) -> tuple[Any, bool]:
    """A secret inside of a value makes the whole of it secret, as in Pulumi."""
    if value == _UNKNOWN:
        raise InputError(f"the output {name!r} is not known before apply")
    if isinstance(value, float) and value.is_integer():
        return int(value), False  # the wire has only doubles
    if isinstance(value, list):
        items = [_plain(item, name=name) for item in value]
        return [item for item, _ in items], any(secret for _, secret in items)
    if not isinstance(value, dict):
        return value, False
    mark = value.get(_SIGNATURE)
    if mark == _SECRET:
        return _plain(value.get("value"), name=name)[0], True
    if mark is not None:
        raise InputError(f"the output {name!r} is an asset or a resource", resolution="export plain values")
    # The wire's maps have no order.
    members = {key: _plain(item, name=name) for key, item in sorted(value.items())}
    return {key: item for key, (item, _) in members.items()}, any(secret for _, secret in members.values())
