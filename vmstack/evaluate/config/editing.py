"""Changing one entry of a YAML file and leaving every other byte of it alone: comments, order, quotes, line ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard

import yaml

from vmstack.errors import InputError
from vmstack.evaluate.config.loader import Loader, parse_document, resolve_scalars

_STEP: Final = 2


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or Pulumi would take for anything but a string."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


resolve_scalars(_Dumper)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = text.isprintable() and text.strip() == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def edit_text(text: str, *, wanted: Mapping[str, Any], changed: Sequence[str], path: Path) -> str:
    """Return a YAML text that says what `wanted` says, changed as little as can be.

    `changed` leads by keys from the top to the entry that is new, different or gone. The result is read back before it
    is returned. Raises `InputError` where the file is written in a way that cannot be changed in place.
    """
    break_ = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    # The narrowest change first; where the layout does not allow it, the entry around it is written anew.
    for depth in range(len(changed), 0, -1):
        try:
            edited = _splice(plain, wanted=wanted, changed=changed[:depth]).replace("\n", break_)
            if parse_document(edited, path=path) == dict(wanted):
                return edited
        except (InputError, yaml.YAMLError, ValueError):
            continue
    raise InputError(
        f"{path} is written in a way that cannot be changed in place", resolution="change it with an editor"
    )


def _splice(text: str, *, wanted: Mapping[str, Any], changed: Sequence[str]) -> str:
    root = yaml.compose(text, Loader=Loader)
    if root is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return text + gap + _render_block(dict(wanted), indent=0)
    if not _is_block(root):
        return _render_block(dict(wanted), indent=0)
    node = root
    level: Any = wanted
    for position, key in enumerate(changed):
        entry = _find(node, key)
        if key not in level:
            return _without(text, node, key)
        if entry is None:
            # After everything, so that comments stay with what they are about.
            end = len(text) if node is root else _line_end(text, _true_end(text, node))
            return _with_new(text, node, {key: level[key]}, end=end)
        value = entry[1]
        if (
            position < len(changed) - 1
            and isinstance(level[key], dict)
            and _is_block(value)
            and (changed[position + 1] in level[key] or len(value.value) > 1)  # the last one goes with its mapping
        ):
            node, level = value, level[key]
        else:
            return _with_other(text, entry, level[key])
    raise ValueError("nothing is changed")


def _find(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((name, value) for name, value in node.value if name.value == key), None)


def _is_block(node: yaml.Node | None) -> TypeGuard[yaml.MappingNode]:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _without(text: str, node: yaml.MappingNode, key: str) -> str:
    """Drop an entry with its own line's comment; the comments above and below it stay."""
    entry = _find(node, key)
    if entry is None:
        raise ValueError("nothing to remove")
    start = text.rfind("\n", 0, entry[0].start_mark.index) + 1
    return text[:start] + text[_line_end(text, _true_end(text, entry[1])) :]


def _with_new(text: str, node: yaml.MappingNode, entry: Mapping[str, Any], *, end: int) -> str:
    """Put an entry behind the last one of a block mapping, at `end`."""
    gap = "" if text[:end].endswith("\n") else "\n"
    return text[:end] + gap + _render_block(entry, indent=node.value[0][0].start_mark.column) + text[end:]


def _with_other(text: str, entry: tuple[yaml.Node, yaml.Node], value: Any) -> str:
    """Give an entry another value; a comment behind the old value, or behind the key, stays."""
    key, old = entry
    colon = text.index(":", key.end_mark.index) + 1
    head = text[colon : max(colon, old.start_mark.index)]
    comment = f" {head[head.index('#') :].splitlines()[0].rstrip()}" if "#" in head else ""
    end = max(colon, _true_end(text, old))
    first, *more = _render_block({"x": value}, indent=key.start_mark.column).removesuffix("\n").split("\n")
    if more and old.start_mark.index == old.end_mark.index:  # there was nothing, so what follows is a comment
        end = _line_end(text, colon)
        return text[:end].removesuffix("\n") + "\n" + "\n".join(more) + "\n" + text[end:]
    return text[:colon] + "\n".join([first.lstrip()[2:] + comment, *more]) + text[end:]


def _render_block(value: Mapping[str, Any], *, indent: int) -> str:
    text = yaml.dump(
        dict(value),
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        indent=_STEP,
        width=2**31,
    )
    return "".join(" " * indent + line + "\n" for line in text.removesuffix("\n").split("\n"))


def _true_end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends: a block collection is said to end only where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _true_end(text, last[1] if isinstance(node, yaml.MappingNode) else last)
    return len(text[: node.end_mark.index].rstrip()) if node.start_mark.index < node.end_mark.index else _index(node)


def _index(node: yaml.Node) -> int:
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
