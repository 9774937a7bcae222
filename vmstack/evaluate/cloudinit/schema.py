"""User-data against cloud-init's own JSON schema, where one is installed."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError

VARIABLE: Final = "VMSTACK_CLOUDINIT_SCHEMA"
_FILE: Final = "cloudinit/config/schemas/schema-cloud-config-v1.json"
_FOLDERS: Final = ("/usr/lib/python3/dist-packages", "/usr/lib/python3/site-packages")
_SHOWN: Final = 8
# A module's schema of nothing but these speaks of no key beyond its properties.
_PLAIN: Final = frozenset({"type", "properties", "additionalProperties", "description", "title"})


class CloudConfigSchema:
    """The schema of one installation of cloud-init, or none. What passed is remembered, by top-level key."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._schema: dict[str, Any] | None = None
        self._validators: dict[frozenset[str], Any] = {}
        self._passed: set[str] = set()

    @classmethod
    def find(cls) -> "CloudConfigSchema":
        """Take the file that the environment names, else the installed cloud-init's."""
        named = os.environ.get(VARIABLE)
        if named:
            if not Path(named).is_file():
                raise InputError(f"{VARIABLE} names {named!r}, which is not a file")
            return cls(Path(named))
        folders = [*map(Path, _FOLDERS), *sorted(Path("/usr/lib").glob("python3.*/site-packages"))]
        return cls(next((path for folder in folders if (path := folder / _FILE).is_file()), None))

    @property
    def path(self) -> Path | None:
        """The schema's file; `None` where none is installed."""
        return self._path

    def check(self, document: Mapping[str, Any], *, what: str) -> None:
        """Raise `InputError` naming every place where the document is wrong. Values are never shown."""
        if self._path is None:
            return
        # Modules check their own keys, so that a fleet's documents need checking only where they differ.
        fresh = {}
        for key, value in document.items():
            mark = f"{key}\0{json.dumps(value, default=repr, sort_keys=True)}"
            if mark not in self._passed:
                fresh[key] = (mark, value)
        if not fresh:
            return
        validator = self._validator(frozenset(fresh), path=self._path)
        errors = list(validator.iter_errors({key: value for key, (_, value) in fresh.items()}))
        if errors:
            details = sorted(set(_explain(errors)))
            more = [f"and {len(details) - _SHOWN} more"] if len(details) > _SHOWN else []
            raise InputError(
                f"{what} is not what cloud-init's schema allows",
                details=[*details[:_SHOWN], *more],
                resolution=f"the schema is {self._path}",
            )
        self._passed.update(mark for mark, _ in fresh.values())

    def knows(self, path: str) -> bool:
        """Whether the schema, once it has checked a document, speaks for a key in it (`packages`, `users[0].name`): for
        all below the top level, and on that for those that it names."""
        if self._schema is None:
            return False
        parts = [*self._schema.get("$defs", {}).values(), self._schema]
        return "." in path or any(path in part.get("properties", ()) for part in parts if isinstance(part, dict))

    def _validator(self, keys: frozenset[str], *, path: Path) -> Any:
        """A validator of the modules that know one of the keys: there are many, and each costs time."""
        found = self._validators.get(keys)
        if found is None:
            import jsonschema

            if self._schema is None:
                self._schema = _load(path)
            schema = dict(self._schema)
            if isinstance(schema.get("allOf"), list):
                schema["allOf"] = [part for part in schema["allOf"] if _concerns(part, keys=keys, schema=self._schema)]
            found = self._validators[keys] = jsonschema.Draft4Validator(schema)
        return found


def _load(path: Path) -> dict[str, Any]:
    import jsonschema

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft4Validator.check_schema(schema)
    except (OSError, ValueError, jsonschema.SchemaError) as error:
        raise InputError(f"{path} is not a JSON schema: {type(error).__name__}") from None
    if not isinstance(schema, dict):
        raise InputError(f"{path} is not a JSON schema")
    return schema


def _concerns(part: Any, *, keys: frozenset[str], schema: Mapping[str, Any]) -> bool:
    """Tell whether a module's schema can say anything about a document with these keys."""
    name = str(part.get("$ref", "")).removeprefix("#/$defs/") if isinstance(part, dict) else ""
    module = schema.get("$defs", {}).get(name)
    if (
        not isinstance(module, dict)
        or not module.keys() <= _PLAIN
        or module.get("additionalProperties", True) is not True
    ):
        return True
    return not keys.isdisjoint(module.get("properties", {}))


def _explain(errors: Iterable[Any]) -> Iterable[str]:
    from jsonschema.exceptions import best_match

    for error in errors:
        inner = best_match([error])
        yield f"{_show(inner.absolute_path)}: {_rule(inner)}"


def _show(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "top level"


def _rule(error: Any) -> str:
    """Say what is wrong without the value: jsonschema's own messages quote it, and it may be a password."""
    rule, wanted = error.validator, error.validator_value
    if rule == "type":
        kinds = wanted if isinstance(wanted, list) else [wanted]
        return f"must be {' or '.join(map(str, kinds))}"
    if rule == "enum":
        return f"must be one of {', '.join(map(repr, wanted))}"
    if rule == "required":
        return f"lacks {', '.join(repr(key) for key in wanted if key not in error.instance)}"
    if rule == "additionalProperties":
        known = error.schema.get("properties", {})
        return f"knows no {', '.join(repr(key) for key in error.instance if key not in known)}"
    if rule in ("pattern", "format", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"):
        return f"violates {rule} {wanted!r}"
    return f"violates {rule}"
