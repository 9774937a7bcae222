"""Reading Pulumi's YAML (or JSON) files: the same scalars that Pulumi sees.

Pulumi reads them with gopkg.in/yaml.v3. PyYAML follows YAML 1.1, where `yes` is a truth, `12:30` a number to base 60
and `1e3` a string; the rules here are those of yaml.v3's `resolve.go`.
"""

import datetime
import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

from vmstack.errors import InputError
from vmstack.evaluate.config.values import as_text

SUFFIXES: Final = (".yaml", ".yml", ".json")
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_TIME: Final = re.compile(
    r"(?P<y>\d{4})-(?P<m>\d\d?)-(?P<d>\d\d?)"
    r"(?:(?P<t>[Tt]|[ ]+)(?P<H>\d\d?):(?P<M>\d\d?):(?P<S>\d\d?)(?:\.(?P<f>\d{1,9}))?(?P<z>Z|[-+]\d\d:\d\d)?)?"
)
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_TAG: Final = "tag:yaml.org,2002:"
_INT64_LIMITS: Final = (-(2**63), 2**64 - 1)
_DIGITS: Final = list("-+.0123456789")


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with yaml.v3's idea of plain scalars, and without duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key is not a plain text", problem_mark=key_node.start_mark
                )
            if (key_node.tag, key_node.value) in seen and key_node.tag != f"{_TAG}merge":
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key_node.value!r} stands there twice", problem_mark=key_node.start_mark
                )
            seen.add((key_node.tag, key_node.value))
        self.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            # Python takes `1`, `1.0` and `true` for the same key; for Pulumi they are different texts.
            mapping[as_text(key) if isinstance(key, bool | int | float) else key] = self.construct_object(
                value_node, deep=deep
            )
        return mapping


def resolve_scalars(kind: type[yaml.SafeLoader] | type[yaml.SafeDumper]) -> None:
    """Teach a loader, or a dumper, which plain texts are no strings for Pulumi."""

    def exact(pattern: str) -> re.Pattern[str]:
        return re.compile(f"(?:{pattern})\\Z")

    kind.add_implicit_resolver(f"{_TAG}bool", exact("|".join(_BOOLEAN)), list("tTfF"))
    kind.add_implicit_resolver(f"{_TAG}null", exact("~|null|Null|NULL|"), ["~", "n", "N", ""])
    kind.add_implicit_resolver(f"{_TAG}merge", exact("<<"), ["<"])
    # The order counts: the first that fits is taken.
    kind.add_implicit_resolver(f"{_TAG}timestamp", exact(_TIME.pattern), list("0123456789"))
    kind.add_implicit_resolver(f"{_TAG}int", exact(_INTEGER.pattern), _DIGITS)
    kind.add_implicit_resolver(f"{_TAG}float", exact(_FLOAT.pattern), _DIGITS)


def _construct_boolean(loader: Loader, node: yaml.ScalarNode) -> Any:
    return _BOOLEAN.get(node.value, node.value)


def _construct_integer(loader: Loader, node: yaml.ScalarNode) -> int | float | str:
    plain = str(node.value).replace("_", "")
    sign = -1 if plain.startswith("-") else 1
    digits = plain.lstrip("+-")
    base = next((base for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)) if digits.startswith(prefix)), 0)
    if base:
        digits = digits[2:]
    elif len(digits) > 1 and digits.startswith("0"):
        base = 8
    try:
        number = sign * int(digits, base or 10)
    except ValueError:
        return str(node.value)
    return number if _INT64_LIMITS[0] <= number <= _INT64_LIMITS[1] else float(number)


def _construct_float(loader: Loader, node: yaml.ScalarNode) -> float | str:
    plain = str(node.value).replace("_", "").lower()
    try:
        return float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return str(node.value)


def _construct_time(loader: Loader, node: yaml.ScalarNode) -> str:
    """Pulumi keeps a time as the text that Go's `time.Time.String` makes of it."""
    text = str(node.value)
    found = _TIME.fullmatch(text)
    # yaml.v3 knows a time zone only after a `T`, and wants one there.
    if found is None or (found["t"] is not None and (found["t"] in "Tt") != (found["z"] is not None)):
        return text
    numbers = [int(found[part] or 0) for part in ("y", "m", "d", "H", "M", "S")]
    try:
        moment = datetime.datetime(*numbers)  # type: ignore[arg-type] # noqa: DTZ001 - only checked and printed
    except ValueError:
        return text
    fraction = (found["f"] or "").rstrip("0")
    zone = "+0000 UTC" if found["z"] in (None, "Z") else " ".join([found["z"].replace(":", "")] * 2)
    return f"{moment:%Y-%m-%d %H:%M:%S}{'.' if fraction else ''}{fraction} {zone}"


resolve_scalars(Loader)
Loader.add_constructor(f"{_TAG}bool", _construct_boolean)
Loader.add_constructor(f"{_TAG}int", _construct_integer)
Loader.add_constructor(f"{_TAG}float", _construct_float)
Loader.add_constructor(f"{_TAG}timestamp", _construct_time)


def find_file(folder: Path, *, stem: str) -> Path | None:
    """Return the file of that name in whichever format it is, or `None`."""
    return next((path for suffix in SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def read_text(path: Path) -> str:
    """Return a file's text with its own line ends. Raises `InputError`."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8") from None


def load_document(path: Path) -> dict[str, Any]:
    """Read a file that holds a mapping. Raises `InputError` with the line of what is wrong."""
    return parse_document(read_text(path), path=path)


def parse_document(text: str, *, path: Path) -> dict[str, Any]:
    """Read the text of a file that holds a mapping; an empty one is an empty mapping."""
    try:
        document = _parse_json(text) if path.suffix == ".json" else yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno} is not valid JSON: {error.msg}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line} is not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{path} is not valid YAML") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path} is not a mapping of names to values")
    return document


def _parse_json(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("duplicate key")
        return found

    return json.loads(text, object_pairs_hook=pairs) if text.strip() else None
