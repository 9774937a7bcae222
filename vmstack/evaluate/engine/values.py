"""Values on the wire between the Pulumi SDK and its engine."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

from vmstack.errors import InputError
from vmstack.model.graph import Output

# Constants of the SDK's protocol: pulumi/sdk/python/lib/pulumi/runtime/rpc.py.
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a password
_ASSETS: Final = ("c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7")
_RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclasses.dataclass(frozen=True, slots=True)
class Unknown:
    """The value of what nobody knows yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """A value that must not be shown."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclasses.dataclass(frozen=True, slots=True)
class Asset:
    """A file or archive that the program attached: nothing of ours takes one."""


UNKNOWN: Final = Unknown()


def is_unknown(text: str) -> bool:
    """Whether a text of the wire, such as an id, stands for one that is not known."""
    return text == _UNKNOWN


def decode_struct(struct: Any) -> dict[str, Any]:
    """Return the members in the order of their names (the wire has none): plain data, and the classes above."""
    fields = struct.fields
    return {name: decode_value(fields[name]) for name in sorted(fields)}


def decode_value(value: Any) -> Any:
    """Decode one value; whole numbers are `int` (the wire has only doubles), resources are their ids or URNs."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text == _UNKNOWN else text
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [decode_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_map(value.struct_value)
    return None


def _decode_map(struct: Any) -> Any:
    if _SIGNATURE not in struct.fields:
        return decode_struct(struct)
    mark = struct.fields[_SIGNATURE].string_value
    if mark == _SECRET:
        return Secret(decode_value(struct.fields["value"]))
    if mark == _RESOURCE:
        named = struct.fields["id"] if "id" in struct.fields else struct.fields["urn"]
        return decode_value(named)
    if mark == _OUTPUT:
        if "value" not in struct.fields:
            return UNKNOWN
        found = decode_value(struct.fields["value"])
        return Secret(found) if "secret" in struct.fields and struct.fields["secret"].bool_value else found
    if mark in _ASSETS:
        return Asset()
    return decode_struct(struct)


def encode_into(place: Any, value: Any) -> None:
    """Write one value into a protobuf `Value`."""
    if isinstance(value, bool):
        place.bool_value = value
    elif isinstance(value, int | float):
        place.number_value = value
    elif isinstance(value, str):
        place.string_value = value
    elif isinstance(value, Unknown):
        place.string_value = _UNKNOWN
    elif isinstance(value, Secret):
        fields = place.struct_value.fields
        fields[_SIGNATURE].string_value = _SECRET
        encode_into(fields["value"], value.value)
    elif isinstance(value, Mapping):
        place.struct_value.SetInParent()
        for name, item in value.items():
            if item is not None:
                encode_into(place.struct_value.fields[name], item)
    elif isinstance(value, Iterable):
        place.list_value.SetInParent()
        for item in value:
            encode_into(place.list_value.values.add(), item)
    else:
        place.null_value = struct_pb2.NULL_VALUE


def reveal(value: Any) -> tuple[Any, bool, bool]:
    """Return the plain value, whether any of it is secret, and whether all of it is known.

    What is not known, or an asset, is `None` in the plain value.
    """
    if isinstance(value, Secret):
        plain, _, known = reveal(value.value)
        return plain, True, known
    if isinstance(value, Unknown):
        return None, False, False
    if isinstance(value, Asset):
        return None, False, True
    if isinstance(value, list):
        items = [reveal(item) for item in value]
        return [item for item, _, _ in items], any(found[1] for found in items), all(found[2] for found in items)
    if isinstance(value, dict):
        members = {name: reveal(item) for name, item in value.items()}
        plain = {name: item for name, (item, _, _) in members.items()}
        return plain, any(found[1] for found in members.values()), all(found[2] for found in members.values())
    return value, False, True


def holds_asset(value: Any) -> bool:
    """Whether there is an asset anywhere in the value."""
    if isinstance(value, Secret):
        return holds_asset(value.value)
    if isinstance(value, dict):
        return any(holds_asset(item) for item in value.values())
    return isinstance(value, Asset) or (isinstance(value, list) and any(holds_asset(item) for item in value))


def decode_outputs(struct: Any) -> dict[str, Output]:
    """Return the exported values of a stack, by name; raises `InputError` for one that is no plain value."""
    return {name: _output(name, value) for name, value in decode_struct(struct).items()}


def _output(name: str, value: Any) -> Output:
    if holds_asset(value):
        raise InputError(f"the output {name!r} is an asset", resolution="export plain values")
    plain, secret, known = reveal(value)
    return Output(value=plain, secret=secret) if known else Output(value=None, secret=secret, known=False)
