"""Paths into structured values, as in `names[0]`, `parent.nested` and `["parent.name"].nested`.

The syntax is that of pulumi/pulumi, `sdk/go/common/resource/property_path.go`; what reading, setting and removing do is
that of `config set --path` and its siblings.
"""

import copy
import re
from typing import Final, NoReturn

from vmstack.errors import InputError
from vmstack.evaluate.config.values import SECURE, Tree

Path = tuple[str | int, ...]

_SEGMENT: Final = re.compile(
    r"""(?P<dot>\.?)(?P<name>[^.\[\]"]+)|\[(?P<index>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]""", re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_LONGEST_INDEX: Final = 9


def parse_path(text: str) -> Path:
    """Read a path. Raises `InputError`."""
    path: list[str | int] = []
    position = 0
    while position < len(text):
        found = _SEGMENT.match(text, position)
        if found is None or (found["name"] is not None and bool(found["dot"]) != bool(path)):
            _refuse(text)
        if found["name"] is not None:
            path.append(found["name"])
        elif found["index"] is not None:
            if len(found["index"]) > _LONGEST_INDEX:
                _refuse(text)
            path.append(int(found["index"]))
        else:
            path.append(_ESCAPED.sub(r"\1", found["quoted"]))
        position = found.end()
    if not path or not isinstance(path[0], str) or not path[0]:
        _refuse(text)
    return tuple(path)


def get_at(tree: Tree, path: Path) -> tuple[bool, Tree]:
    """Return whether there is something at a path, and what."""
    for step in path:
        found = step in tree if isinstance(tree, dict) else isinstance(tree, list) and step in range(len(tree))
        if not found:
            return False, None
        tree = tree[step]
    return True, tree


def set_at(tree: Tree, path: Path, value: Tree, *, what: str) -> Tree:
    """Return the tree with a value at a path; lists and mappings on the way are made, and a list grows by one.

    A plain value at the top is overwritten, as in Pulumi; further down that is an `InputError`.
    """
    if not path:
        return value
    top = copy.deepcopy(tree) if isinstance(tree, dict | list) else _container(path[0])
    level: Tree = top
    for position, step in enumerate(path):
        last = position == len(path) - 1
        if isinstance(step, str):
            if not isinstance(level, dict):
                raise InputError(f"{what}: a mapping is needed for {step!r}, and there is a list")
            if last and step == SECURE and not level and isinstance(value, str):
                raise InputError(f"{what}: a mapping with nothing but {SECURE!r} is reserved for encrypted values")
            nested = level.get(step)
        else:
            if not isinstance(level, list):
                raise InputError(f"{what}: a list is needed for [{step}], and there is a mapping")
            if step > len(level):
                raise InputError(f"{what}: [{step}] is beyond the end of the list")
            if step == len(level):
                level.append(None)
            nested = level[step]
        if not last and nested is None:
            nested = _container(path[position + 1])
        if not last and not isinstance(nested, dict | list):
            raise InputError(f"{what}: there is a plain value on the way, at {show_path(path[: position + 1])}")
        level[step] = value if last else nested
        level = nested
    return top


def remove_at(tree: Tree, path: Path) -> Tree:
    """Return the tree without what is at a path (of at least one step), which must be there."""
    top = copy.deepcopy(tree)
    _, parent = get_at(top, path[:-1])
    del parent[path[-1]]
    return top


def coerce(text: str) -> str | int | bool:
    """What `set --path` makes of a text inside of a structure: truths and whole numbers become such."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"0|[-+]?[1-9][0-9]*", text) and -(2**63) <= int(text) < 2**64:
        return int(text)
    return text


def show_path(path: Path) -> str:
    """A path as it is written."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r'[^.\[\]"]+', step):
            text += f".{step}" if text else step
        else:
            text += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def _container(step: str | int) -> Tree:
    return {} if isinstance(step, str) else []


def _refuse(text: str) -> NoReturn:
    raise InputError(
        f"{text!r} is not a path", resolution="""write it as 'names[0]', 'parent.nested' or '["parent.name"].nested'"""
    )
