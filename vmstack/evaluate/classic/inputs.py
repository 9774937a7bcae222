"""Reading the inputs of a resource by its schema: plain values of the right types, or an error that names them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from vmstack.errors import InputError, VmstackError
from vmstack.evaluate.classic.schema import Field, Schema
from vmstack.evaluate.engine.inputs import PLACEHOLDER, NotKnownError
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.engine.values import Secret, Unknown, reveal

_TYPES: Final[dict[str, type]] = {
    "text": str,
    "reference": str,
    "number": int,
    "flag": bool,
    "texts": list,
    "maps": list,
    "block": dict,
    "blocks": list,
}
_NAMES: Final = {"text": "a text", "reference": "a text", "number": "a whole number", "flag": "True or False",
                 "texts": "a list of texts", "maps": "a list of objects", "block": "an object",
                 "blocks": "a list of objects"}  # fmt: skip


@contextmanager
def placed(registration: Registration) -> Iterator[None]:
    """Give errors the resource's title and its place in the program."""
    try:
        yield
    except VmstackError as error:
        if error.place is None and registration.place is not None:
            error.place = registration.place
            error.brief = f"{registration.title}: {error.brief}"
        raise


@contextmanager
def within(block: str) -> Iterator[None]:
    """Give errors about a field of a block the block's own place among the inputs."""
    try:
        yield
    except VmstackError as error:
        error.brief = f"{block}.{error.brief}"
        raise


def read_inputs(registration: Registration, schema: Schema) -> dict[str, Any]:
    """Return the inputs that are given, plain and of the right type. Raises `InputError`."""
    return _read_block(registration.inputs, schema, at="")


def _read_block(values: Mapping[str, Any], schema: Schema, *, at: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith("__"):  # notes of the SDK's bridge to itself
            continue
        field = schema.get(name)
        if field is None:
            raise InputError(f"{at}{name}: there is no such input", resolution=f"inputs are {', '.join(schema)}")
        if value is None:
            continue
        if field.refused is not None:
            if _asks(value):
                raise InputError(
                    f"{at}{name}: it is not supported: {field.refused}", resolution="leave it out of the program"
                )
            continue
        found[name] = _read(value, field, at=f"{at}{name}")
    return found


def _read(value: Any, field: Field, *, at: str) -> Any:
    if isinstance(value, Secret):
        if not field.secret:
            raise InputError(
                f"{at}: the value is a secret and would be shown in plans",
                resolution="secrets may go into userData, metaData, networkConfig and content only",
            )
        value = reveal(value)[0] if reveal(value)[2] else Unknown()
    if isinstance(value, Unknown):
        raise NotKnownError(at)
    if field.kind == "number" and isinstance(value, str) and value.isdecimal():
        value = int(value)
    if field.kind in ("text", "reference") and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    fits = isinstance(value, _TYPES[field.kind])
    if not fits or (field.kind == "number" and isinstance(value, bool)):
        raise InputError(f"{at}: it is not {_NAMES[field.kind]}")
    if field.kind == "text" and PLACEHOLDER in value:
        raise NotKnownError(at)
    if field.kind == "texts":
        return [_read(item, Field("text"), at=f"{at}[{index}]") for index, item in enumerate(value)]
    if field.kind == "maps":
        return [_read_map(item, at=f"{at}[{index}]") for index, item in enumerate(value)]
    if field.fields is not None and field.kind == "block":
        return _read_block(value, field.fields, at=f"{at}.")
    if field.fields is not None:
        return [_read_member(item, field.fields, at=f"{at}[{index}]") for index, item in enumerate(value)]
    return value


def _read_member(value: Any, schema: Schema, *, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{at}: it is not an object")
    return _read_block(value, schema, at=f"{at}.")


def _read_map(value: Any, *, at: str) -> dict[str, str]:
    """An object from names to single values, which are texts as the old provider (in Go) would write them."""
    if not isinstance(value, dict):
        raise InputError(f"{at}: it is not an object")
    plain = {name: str(item).lower() if isinstance(item, bool) else item for name, item in value.items()}
    return {name: _read(item, Field("text"), at=f"{at}.{name}") for name, item in plain.items() if item is not None}


def _asks(value: Any) -> bool:
    """Whether a value counts as given; a block of nothing but empty values does not."""
    if isinstance(value, Secret):
        return _asks(value.value)
    if isinstance(value, dict):
        return any(_asks(item) for item in value.values())
    if isinstance(value, list):
        return any(_asks(item) for item in value)
    return value not in (None, "", 0, False)
