"""Ignition and Combustion: what they answer. What they hold is a secret, and goes nowhere but to the guest."""

import json
import os
import uuid
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.classic.declared import Declared, label_of
from vmstack.evaluate.classic.inputs import read_inputs
from vmstack.evaluate.classic.scene import Scene
from vmstack.evaluate.classic.schema import IGNITION
from vmstack.evaluate.engine.inputs import PLACEHOLDER
from vmstack.evaluate.engine.registration import Registration
from vmstack.evaluate.native.fields import check_label
from vmstack.model.identity import Key, Kind, derive_uuid

_DEFAULT_POOL: Final = "default"
# PATH_MAX of Linux: what is longer is content.
_LONGEST_PATH: Final = 4096


def declare_ignition(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, dict[str, Any]]:
    """A configuration for Ignition, which is a JSON object."""
    declared, outputs = _declare(registration, uri=uri, scene=scene, kind="ignition")
    try:
        found = json.loads(declared.values["content"])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            "content: it is neither a file nor a JSON object",
            resolution="give the text of an Ignition configuration (butane makes it), or the path of a file with it",
        )
    return declared, outputs


def declare_combustion(registration: Registration, *, uri: str, scene: Scene) -> tuple[Declared, dict[str, Any]]:
    """A script for Combustion, which is any text."""
    return _declare(registration, uri=uri, scene=scene, kind="combustion")


def _declare(registration: Registration, *, uri: str, scene: Scene, kind: str) -> tuple[Declared, dict[str, Any]]:
    values = read_inputs(registration, IGNITION)
    values["pool"] = values.get("pool") or _DEFAULT_POOL
    if not values.get("content"):
        raise InputError("content: it is missing", resolution="give the text, or the path of a file with it")
    values["content"] = _read(values["content"], scene=scene)
    # A CloudInitDisk may have the same name in the program.
    key = Key(Kind.SEED, f"{registration.name}:{kind}")
    label = check_label(label_of(registration, stack=scene.stack, kind=Kind.SEED, values=values), field="name")
    directory = scene.pool_path(values["pool"], uri=uri)
    where = f"{directory or PLACEHOLDER + scene.stack.path(key)}/{label}"
    mark = uuid.UUID(derive_uuid(scene.stack, key))
    return Declared(registration, key, uri, label, f"{where};{mark}", values), {"name": label, "pool": values["pool"]}


def _read(content: str, *, scene: Scene) -> str:
    """The content of the file of that name, where there is one, else the text itself."""
    if len(content) < _LONGEST_PATH and "\n" not in content and "\0" not in content:
        path = scene.recorder.folder / content
        try:
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file() would raise where the text is too long for a name
                return path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"content: the file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError("content: the file is not text in UTF-8") from None
    return content
