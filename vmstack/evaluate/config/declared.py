"""What `Pulumi.yaml` says about configuration: defaults, and the types that a stack's values must have.

The rules are those of pulumi/pulumi, `sdk/go/common/workspace/project.go` and `config.go`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError, VmstackError, raise_all
from vmstack.evaluate.config.values import Tree, holds_ciphertext, qualify, read_tree
from vmstack.model.base import Data

_ATTRIBUTES: Final = frozenset({"type", "default", "value", "description", "secret", "items"})
_TYPES: Final = ("string", "integer", "boolean", "array", "object")
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")


class Declaration(Data, frozen=True, kw_only=True):
    """One key of `config` in `Pulumi.yaml`. `key` is as it was written, `name` has its namespace."""

    key: str
    name: str
    type: str | None = None
    items: Any = None
    value: Tree = None
    """The default or value; `None` where the stack must have one."""
    secret: bool = False

    @property
    def type_name(self) -> str:
        """The type as people read it, such as `array<string>`."""
        return _name_type(self.type or "", self.items)


def read_declarations(config: object, *, project: str, path: Path) -> tuple[Declaration, ...]:
    """Read `config` of `Pulumi.yaml`. Raises `InputError`, for all that is wrong at once."""
    if config is None:
        return ()
    if not isinstance(config, dict):
        raise InputError(f"{path}: config is not a mapping of keys to values")
    found: dict[str, Declaration] = {}
    errors: list[VmstackError] = []
    for key, wish in config.items():
        try:
            one = _read(key, wish, project=project, path=path)
        except InputError as error:
            errors.append(error)
            continue
        if one.name in found:
            errors.append(InputError(f"{path}: config: {one.name} stands there twice, with and without its namespace"))
        found[one.name] = one
    raise_all(errors)
    return tuple(found.values())


def complete(
    values: Mapping[str, Tree], declarations: Iterable[Declaration], *, stack: str, path: Path
) -> dict[str, Tree]:
    """Return a stack's values with the project's defaults. Raises `InputError` that names every value missing."""
    completed = dict(values)
    missing = []
    for one in declarations:
        if one.name in completed:
            continue
        if one.value is None:
            missing.append(one.key)
        else:
            completed[one.name] = one.value
    if missing:
        names = ", ".join(repr(key) for key in sorted(missing))
        raise InputError(
            f"stack {stack!r} has no value for {names}, which {path} asks for",
            resolution=f"set it with 'vmstack config set {sorted(missing)[0]} ...', or with -c key=value",
        )
    return completed


def check_values(
    values: Mapping[str, Tree],
    declarations: Iterable[Declaration],
    *,
    encrypted: frozenset[str],
    given: frozenset[str],
    stack: str,
) -> None:
    """Check decrypted values against their declared types; `given` names those of the command line, which are text.

    Raises `InputError`, for all that is wrong at once; no error shows a value.
    """
    errors: list[VmstackError] = []
    for one in declarations:
        if one.type is None:
            continue
        value = values[one.name]
        if one.name in given and one.type in ("array", "object"):
            value = _try_json(value)
        if one.secret and one.name not in encrypted and one.name not in given:
            errors.append(
                InputError(
                    f"stack {stack!r}: {one.key} is a secret and stands there in clear",
                    resolution=f"set it with 'vmstack config set {one.key} --secret'",
                )
            )
        elif not _fits(one.type, one.items, value, loose=one.name not in encrypted):
            errors.append(
                InputError(
                    f"stack {stack!r}: {one.key} is not of the type {one.type_name}",
                    resolution=f"give it a value of the type {one.type_name}",
                )
            )
    raise_all(errors)


def _read(key: object, wish: object, *, project: str, path: Path) -> Declaration:
    what = f"{path}: config"
    name = qualify(key, project=project, what=what)
    own = name.startswith(f"{project}:")
    what = f"{what}: {key}"
    if not isinstance(wish, dict):
        if wish is None:
            raise InputError(f"{what} has no value")
        return Declaration(key=str(key), name=name, value=_plain(wish, what=what))
    unknown = sorted(str(attribute) for attribute in set(wish) - _ATTRIBUTES)
    if unknown:
        raise InputError(
            f"{what}: {', '.join(unknown)} is not known here",
            resolution=f"a declaration has {', '.join(sorted(_ATTRIBUTES))}; put a mapping under 'default:'"
            if own
            else "put the mapping under 'value:'",
        )
    kind, items = wish.get("type"), wish.get("items")
    if kind is not None and kind not in _TYPES:
        raise InputError(f"{what}: {kind!r} is not a type", resolution=f"one of {', '.join(_TYPES)}")
    if kind == "array" and not _names_type(items):
        raise InputError(f"{what}: an array needs the type of its items", resolution="add 'items: {type: string}'")
    if wish.get("default") is not None and wish.get("value") is not None:
        raise InputError(f"{what} has both a default and a value", resolution="leave one of them out")
    if not own and (kind is not None or wish.get("default") is not None or wish.get("value") is None):
        raise InputError(
            f"{what} belongs to another namespace, so it has a value and neither a type nor a default",
            resolution="write 'value:' alone",
        )
    value = wish.get("default") if wish.get("default") is not None else wish.get("value")
    value = None if value is None else _plain(value, what=what)
    if kind is not None and value is not None and not _fits(kind, items, value, loose=False):
        raise InputError(f"{what}: its default is not of the type {_name_type(kind, items)}")
    return Declaration(key=str(key), name=name, type=kind, items=items, value=value, secret=wish.get("secret") is True)


def _plain(raw: object, *, what: str) -> Tree:
    tree = read_tree(raw, what=what)
    if holds_ciphertext(tree):
        raise InputError(
            f"{what}: encrypted values have no place here", resolution="put them into the stack's Pulumi.<stack>.yaml"
        )
    return tree


def _names_type(items: object) -> bool:
    if not isinstance(items, dict) or items.get("type") not in _TYPES:
        return False
    return items["type"] != "array" or _names_type(items.get("items"))


def _name_type(kind: str, items: Any) -> str:
    return f"array<{_name_type(items['type'], items.get('items'))}>" if kind == "array" else kind


def _fits(kind: str, items: Any, value: Tree, *, loose: bool) -> bool:
    """Tell whether a value is of a type. `loose`: a plain value of a stack is text, whatever it looks like."""
    match kind:
        case "string":
            return isinstance(value, str) or (loose and isinstance(value, bool | int | float))
        case "integer":
            if isinstance(value, str):
                return _WHOLE.fullmatch(value) is not None
            return not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value))
        case "boolean":
            return isinstance(value, bool) or value in ("true", "false")
        case "object":
            return isinstance(value, dict)
    return isinstance(value, list) and all(
        _fits(items["type"], items.get("items"), item, loose=False) for item in value
    )


def _is_whole(value: Tree) -> bool:
    return isinstance(value, float) and value.is_integer()


def _try_json(value: Tree) -> Tree:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
