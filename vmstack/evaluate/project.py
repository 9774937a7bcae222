"""The project folder: `Pulumi.yaml`, the chosen stack's `Pulumi.<stack>.yaml`, and configuration."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from vmstack.errors import InputError
from vmstack.model.base import Data
from vmstack.model.identity import StackId
from vmstack.model.text import check_name

VARIABLE: Final = "VMSTACK_STACK"
_DEFAULT_STACK: Final = "dev"
_SUFFIXES: Final = (".yaml", ".yml")
_SECURE: Final = "secure"


class Project(Data, frozen=True, kw_only=True):
    """A project and one of its stacks. `config` maps `namespace:key` to text (JSON where it is structured)."""

    stack: StackId
    folder: Path
    main: Path
    config: dict[str, str]


def read_project(folder: Path, *, stack: str | None, overrides: Mapping[str, str]) -> Project:
    """Read a project folder. Raises `InputError` for anything in it that is wrong or not supported."""
    path = _find(folder, stem="Pulumi")
    if path is None:
        where = "is no folder" if not folder.is_dir() else "holds no Pulumi.yaml"
        raise InputError(
            f"{folder} {where}", resolution="name a project folder: one with Pulumi.yaml and __main__.py in it"
        )
    document = _load(path)
    if "name" not in document:
        raise InputError(f"{path} has no name", resolution="add 'name: my-project'")
    name = check_name(document["name"], field=f"{path}: name")
    _check_runtime(document.get("runtime"), path=path)
    settings = folder / str(document.get("stackConfigDir", "."))
    chosen = choose_stack(settings, wanted=stack)
    config = _read_stack(settings, stack=chosen, project=name)
    config = _complete(config, declared=document.get("config"), project=name, path=path)
    for key, value in overrides.items():
        config[_qualify(key, project=name, what="-c")] = value
    return Project(
        stack=StackId(name, chosen),
        folder=folder.resolve(),
        main=_find_main(folder, wanted=document.get("main"), path=path).resolve(),
        config=config,
    )


def choose_stack(folder: Path, *, wanted: str | None) -> str:
    """Return the stack's name: the one wanted, else `VMSTACK_STACK`, else the only one, else `dev` when none is there.

    A name without a file is refused where other stacks have files: a slip of the keyboard would be a new stack.
    """
    known = sorted({path.name.split(".", 1)[1].rsplit(".", 1)[0] for path in _stack_files(folder)})
    name = wanted or os.environ.get(VARIABLE) or None
    if name is None:
        if len(known) > 1:
            raise InputError(
                f"{folder} has several stacks: {', '.join(known)}",
                resolution=f"choose one with -s, or with the environment variable {VARIABLE}",
            )
        return known[0] if known else _DEFAULT_STACK
    check_name(name, field="stack")
    if known and name not in known:
        raise InputError(
            f"{folder} has no stack {name!r}; it has {', '.join(known)}",
            resolution=f"choose one of them, or create Pulumi.{name}.yaml for a new one",
        )
    return name


def _stack_files(folder: Path) -> list[Path]:
    return [path for suffix in _SUFFIXES for path in folder.glob(f"Pulumi.?*{suffix}") if path.is_file()]


def _find(folder: Path, *, stem: str) -> Path | None:
    return next((path for suffix in _SUFFIXES if (path := folder / f"{stem}{suffix}").is_file()), None)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line} is not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        raise InputError(f"{path} is not valid YAML") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path} is not a mapping of names to values")
    return document


def _check_runtime(runtime: object, *, path: Path) -> None:
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python":
        raise InputError(
            f"{path}: the runtime is {name!r}", resolution="vmstack runs Python programs: 'runtime: python'"
        )


def _find_main(folder: Path, *, wanted: object, path: Path) -> Path:
    if wanted is not None and not isinstance(wanted, str):
        raise InputError(f"{path}: main is not a path")
    main = folder / (wanted or ".")
    if main.is_dir():
        main /= "__main__.py"
    if not main.is_file():
        raise InputError(f"{main} does not exist", resolution="write the stack program there")
    return main


def _read_stack(folder: Path, *, stack: str, project: str) -> dict[str, str]:
    path = _find(folder, stem=f"Pulumi.{stack}")
    if path is None:
        return {}
    document = _load(path)
    if document.get("environment"):
        raise InputError(
            f"{path}: environments of Pulumi ESC are not supported", resolution="put the values under 'config:'"
        )
    config = document.get("config") or {}
    if not isinstance(config, dict):
        raise InputError(f"{path}: config is not a mapping of keys to values")
    return {
        _qualify(key, project=project, what=f"{path}: config"): _as_text(value, key=str(key), path=path)
        for key, value in config.items()
    }


def _complete(config: dict[str, str], *, declared: object, project: str, path: Path) -> dict[str, str]:
    """Add what `Pulumi.yaml` says about configuration: a plain value, or `default`, `value` and `type` of a key."""
    if declared is None:
        return config
    if not isinstance(declared, dict):
        raise InputError(f"{path}: config is not a mapping of keys to values")
    complete = dict(config)
    for key, wish in declared.items():
        name = _qualify(key, project=project, what=f"{path}: config")
        if name in complete:
            continue
        if isinstance(wish, dict) and wish.keys() & {"type", "default", "value", "description", "secret", "items"}:
            given = wish.get("value", wish.get("default"))
            if given is None:
                raise InputError(
                    f"the stack has no value for {key!r}, which {path} asks for",
                    resolution=f"set it in the stack's Pulumi.<stack>.yaml, or with -c {key}=...",
                )
            wish = given
        complete[name] = _as_text(wish, key=str(key), path=path)
    return complete


def _qualify(key: object, *, project: str, what: str) -> str:
    if not isinstance(key, str) or not key.strip(":") or key.count(":") > 1 or not key.isprintable():
        raise InputError(f"{what}: {key!r} is not a configuration key", resolution="write 'key' or 'namespace:key'")
    return key if ":" in key else f"{project}:{key}"


def _as_text(value: object, *, key: str, path: Path) -> str:
    """Pulumi keeps every configuration value as text; structured ones as JSON."""
    if _holds_secret(value):
        raise InputError(
            f"{path}: {key}: encrypted values ('secure:') cannot be read yet",
            resolution=f"leave the value out of the file and give it with -c {key}=... from a secret store",
        )
    if isinstance(value, str):
        return value
    if value is None:
        raise InputError(f"{path}: {key} has no value")
    return json.dumps(value, default=str)


def _holds_secret(value: object) -> bool:
    if isinstance(value, dict):
        return (set(value) == {_SECURE} and isinstance(value[_SECURE], str)) or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))
