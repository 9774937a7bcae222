"""Declarative tables: which field of a config stands where in the XML.

A path is a small part of XPath, relative to the element that the table describes: element names divided by `/`, each
with `[@name='value']` conditions, and at the end `@name` for an attribute:

    vcpu/@current        sysinfo[@type='smbios']/system/entry[@name='serial']        @type
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from lxml import etree

from vmstack.errors import DocumentError
from vmstack.xmlio.codec import TEXT, Codec, scale
from vmstack.xmlio.safe import Element, add, drop_attributes, set_attribute, set_text

_STEP: Final = re.compile(r"(?P<tag>[\w:-]+)(?P<keys>(?:\[@[\w-]+='[^']*'\])*)")
_KEY: Final = re.compile(r"\[@([\w-]+)='([^']*)'\]")


class Step(NamedTuple):
    """One element of a path: its condition as XPath, its tag and the attributes that the condition demands."""

    text: str
    tag: str
    keys: dict[str, str]


class Path:
    """A compiled path."""

    __slots__ = ("_head", "_tail", "_whole", "attribute", "steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        *parts, last = text.split("/")
        self.attribute = last.removeprefix("@") if last.startswith("@") else None
        if self.attribute is None:
            parts.append(last)
        self.steps = tuple(_compile_step(part) for part in parts)
        self._head = self.steps[0].tag if self.steps else None
        self._whole = "/".join(parts)
        # With conditions on the first step, the first element of that tag need not be the one that is meant.
        plain = bool(self.steps) and not self.steps[0].keys
        self._tail = "/".join(parts[1:]) if plain else None

    def find(self, element: Element, children: Mapping[str, Element]) -> Element | None:
        """Return the node's element. `children` holds the first child of each tag (see `first_children`)."""
        if self._head is None:
            return element
        child = children.get(self._head)
        if child is None or self._tail == "":
            return child
        return element.find(self._whole) if self._tail is None else child.find(self._tail)

    def get(self, element: Element, children: Mapping[str, Element]) -> str | None:
        """Return the node's text (`""` for an empty element), or `None` where there is no such node."""
        node = self.find(element, children)
        if node is None:
            return None
        return node.get(self.attribute) if self.attribute else (node.text or "")

    def put(self, element: Element, text: str) -> Element:
        """Set the node's text, making what is missing on the way; return its element."""
        node = element
        for step in self.steps:
            child = node.find(step.text)
            node = add(node, step.tag, **step.keys) if child is None else child
        if self.attribute:
            set_attribute(node, self.attribute, text)
        elif text or node.text:
            set_text(node, text)
        return node

    def clear(self, element: Element) -> None:
        """Remove the node, and the elements above it that hold nothing else."""
        line = [element]
        for step in self.steps:
            child = line[-1].find(step.text)
            if child is None:
                return
            line.append(child)
        if self.attribute:
            drop_attributes(line[-1], self.attribute)
        elif len(line) > 1:
            line[-2].remove(line.pop())
        for step, node in zip(reversed(self.steps[: len(line) - 1]), reversed(line[1:]), strict=True):
            if len(node) or (node.text or "").strip() or not set(node.attrib) <= set(step.keys):
                return
            parent = node.getparent()
            if parent is not None:
                parent.remove(node)


def _compile_step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a step of a path")
    return Step(text, match["tag"], dict(_KEY.findall(match["keys"])))


class Field:
    """One row: the config's field `name` stands at `path`; `also` are further places to read it from, in order.

    `keep` says that a config without a value leaves what the XML says (the hypervisor's choice) instead of removing
    it when patching.
    """

    __slots__ = ("codec", "keep", "name", "path", "places")

    def __init__(
        self, name: str, path: str, codec: Codec = TEXT, *, also: Iterable[str] = (), keep: bool = False
    ) -> None:
        self.name = name
        self.path = Path(path)
        self.places = (self.path, *(Path(place) for place in also))
        self.codec = codec
        self.keep = keep


def first_children(element: Element) -> dict[str, Element]:
    """Return the first child of each tag."""
    return {child.tag: child for child in reversed(element)}


class Table:
    """The rows of one kind of element; `what` names it in errors."""

    def __init__(self, what: str, *fields: Field) -> None:
        self.what = what
        self.fields = fields
        self._rows = {field.name: field for field in fields}

    def read(self, element: Element) -> dict[str, Any]:
        """Return the fields that the XML states; what it does not state is absent. Raises `DocumentError`."""
        children = first_children(element)
        values: dict[str, Any] = {}
        for field in self.fields:
            for path in field.places:
                text = path.get(element, children)
                if text is None:
                    continue
                try:
                    if field.codec.unit:
                        text = self._scale(path, field.codec.unit, element=element, children=children)
                    value = field.codec.decode(text)
                except ValueError as error:
                    raise DocumentError(f"{self.what}: {path.text} {error}: {text[:60]!r}") from error
                if value is not None:
                    values[field.name] = value
                    break
        return values

    def write(self, element: Element, config: object) -> None:
        """Write every field that has a value, in the order of the rows. Raises `DocumentError`."""
        for field in self.fields:
            value = getattr(config, field.name)
            if value is not None:
                self._put(field, value, element=element)

    def patch(self, element: Element, *, before: object, after: object) -> frozenset[str]:
        """Write the fields in which `after` differs from `before` (what the element said); return their names.

        Nothing else of the element is touched. Raises `DocumentError`.
        """
        changed = set()
        for field in self.fields:
            value = getattr(after, field.name)
            if value == getattr(before, field.name) or (value is None and field.keep):
                continue
            changed.add(field.name)
            if value is None:
                field.path.clear(element)
            else:
                self._put(field, value, element=element)
        if changed:
            self._settle_fallbacks(element, after=after, unchanged=set(self._rows) - changed)
        return frozenset(changed)

    def _settle_fallbacks(self, element: Element, *, after: object, unchanged: set[str]) -> None:
        """Write what was read from another place for want of its own, where that other place says something new."""
        said = self.read(element)
        for name in unchanged:
            field, value = self._rows[name], getattr(after, name)
            if len(field.places) > 1 and value is not None and said.get(name) != value:
                self._put(field, value, element=element)

    def _put(self, field: Field, value: object, *, element: Element) -> None:
        try:
            text = field.codec.encode(value)
        except ValueError as error:
            raise DocumentError(f"{self.what}: {field.name} {error}: {value!r}") from error
        if text is None:
            field.path.clear(element)
            return
        node = field.path.put(element, text)
        if field.codec.unit:
            node.set("unit", field.codec.unit)

    def _scale(self, path: Path, into: str, *, element: Element, children: Mapping[str, Element]) -> str:
        node = path.find(element, children)
        assert node is not None  # noqa: S101 - its text was just read
        return scale(node.text or "", unit=node.get("unit", into), into=into)


def new_root(tag: str, **attributes: str) -> Element:
    """Return a new element that stands alone."""
    root = etree.Element(tag)
    for name, value in attributes.items():
        set_attribute(root, name, value)
    return root
