"""Configuration values: plain, structured and encrypted, and the text that a program sees of each.

The rules are those of pulumi/pulumi, `sdk/go/common/resource/config/object.go` and `key.go`: a program reads text, and
JSON where a value is structured.
"""

import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from vmstack.errors import InputError
from vmstack.model.text import with_article

SECURE: Final = "secure"
# What Go's encoding/json escapes beside the control characters.
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Ciphertext(NamedTuple):
    """An encrypted string, as it stands after `secure:`."""

    text: str


# A tree of str, int, float, bool, None, Ciphertext, and of lists and dicts of these with string keys.
Tree = Any


def read_tree(raw: Any, *, what: str) -> Tree:
    """Turn what YAML gave into a tree. `what` names the value in errors, which never show it."""
    try:
        return _read(raw, what=what)
    except RecursionError:
        raise InputError(f"{what}: the value holds itself, or is nested too deeply") from None


def write_tree(tree: Tree) -> Any:
    """Turn a tree into what YAML is written from."""
    if isinstance(tree, Ciphertext):
        return {SECURE: tree.text}
    if isinstance(tree, dict):
        return {key: write_tree(value) for key, value in tree.items()}
    return [write_tree(value) for value in tree] if isinstance(tree, list) else tree


def holds_ciphertext(tree: Tree) -> bool:
    """Tell whether there is an encrypted string in it, at any depth."""
    if isinstance(tree, Ciphertext):
        return True
    members = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return any(map(holds_ciphertext, members))


def replace_ciphertexts(tree: Tree, replace: Callable[[Ciphertext], str]) -> Tree:
    """Return the tree with another string in place of each encrypted one."""
    if isinstance(tree, Ciphertext):
        return replace(tree)
    if isinstance(tree, dict):
        return {key: replace_ciphertexts(value, replace) for key, value in tree.items()}
    return [replace_ciphertexts(value, replace) for value in tree] if isinstance(tree, list) else tree


def as_text(tree: Tree) -> str:
    """The text that a program reads of a decrypted tree: strings as they are, the rest as Go writes JSON."""
    return tree if isinstance(tree, str) else _as_json(tree)


def is_structured(tree: Tree) -> bool:
    """Tell whether a value is a list or a mapping (an encrypted string is not)."""
    return isinstance(tree, dict | list)


def qualify(key: object, *, project: str, what: str) -> str:
    """Return a key with its namespace, which is the project's where none is written. Raises `InputError`."""
    if isinstance(key, str) and key.isprintable():
        parts = key.split(":")
        if len(parts) == 3 and parts[1] == "config":  # an old spelling, which Pulumi still reads
            parts = [parts[0], parts[2]]
        if len(parts) == 1 and parts[0]:
            return f"{project}:{key}"
        if len(parts) == 2 and all(parts):
            return ":".join(parts)
    raise InputError(f"{what}: {key!r} is not a configuration key", resolution="write 'key' or 'namespace:key'")


def qualify_all(keys: Mapping[Any, Any], *, project: str, what: str) -> dict[str, Any]:
    """Return a mapping with qualified keys; one key in two spellings is refused."""
    found: dict[str, Any] = {}
    for key, value in keys.items():
        name = qualify(key, project=project, what=what)
        if name in found:
            raise InputError(f"{what}: {name} stands there twice, with and without its namespace")
        found[name] = value
    return found


def short_key(name: str, *, project: str) -> str:
    """Return a key as people write it: without the project's own namespace."""
    return name.removeprefix(f"{project}:")


def _read(raw: Any, *, what: str) -> Tree:
    if isinstance(raw, dict):
        if len(raw) == 1 and isinstance(raw.get(SECURE), str):
            return Ciphertext(raw[SECURE])
        if not all(isinstance(key, str) for key in raw):
            raise InputError(f"{what}: a key of a mapping is not a text")
        return {key: _read(value, what=what) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_read(value, what=what) for value in raw]
    if isinstance(raw, float) and not math.isfinite(raw):
        raise InputError(f"{what}: a number is not finite")
    if raw is None or isinstance(raw, str | bool | int | float):
        return raw
    raise InputError(f"{what}: {with_article(type(raw).__name__)} is no configuration value")


def _as_json(tree: Tree) -> str:
    if isinstance(tree, dict):
        return "{" + ",".join(f"{_as_json(key)}:{_as_json(tree[key])}" for key in sorted(tree)) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(_as_json, tree)) + "]"
    if isinstance(tree, float):
        return _float_text(tree)
    return json.dumps(tree, ensure_ascii=False).translate(_HTML)


def _float_text(number: float) -> str:
    """As Go's encoding/json: no exponent from 1e-6 up to 1e21, and no `.0`."""
    if number == 0 or 1e-6 <= abs(number) < 1e21:
        return format(Decimal(repr(number)), "f").removesuffix(".0")
    mantissa, _, exponent = format(Decimal(repr(number)).normalize(), "e").partition("e")
    return f"{mantissa}e{int(exponent):+d}"
