"""Patches of a program over the XML that vmstack writes: single values and elements that no typed field says.

A path is a small part of XPath: element names from the root on, each with `[@name='value']` conditions, and at the end
`@name` for an attribute. The elements of QEMU's own namespace are written with its usual prefix (`qemu:commandline`).
Several patches, and a stylesheet after them, make one *sheet*: a text that stands wherever a stylesheet may.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from lxml import etree

from vmstack.errors import DocumentError
from vmstack.model.base import Data
from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.safe import Element, add, drop_attributes, parse_xml, serialise, set_attribute, set_text

_NAMESPACES: Final = {"qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}
_STEP: Final = re.compile(r"(?:(?P<prefix>[\w-]+):)?(?P<tag>[\w-]+)(?P<keys>(?:\[@[\w-]+='[^'/]*'\])*)")
_ATTRIBUTE: Final = re.compile(r"@[\w-]+")
_KEY: Final = re.compile(r"\[@([\w-]+)='([^']*)'\]")
# libvirt tells these to nobody who does not ask for secrets, and plans, stamps and digests are no place for them.
_SECRETS: Final = frozenset({"passwd", "passwdValidTo"})
_RESOLUTION: Final = "write it as \"/domain/features/vmport/@state\", with conditions such as disk[@device='cdrom']"


class Patch(Data, frozen=True, kw_only=True, omit_defaults=True):
    """At `path`: the `value` of an attribute or text, or an `element` (canonical XML) in the place of the one that the
    path names; neither takes away what is there."""

    path: str
    value: str | None = None
    element: str | None = None


class Sheet(Data, frozen=True, kw_only=True, omit_defaults=True):
    """Patches, in their order, and the stylesheet that gets what they made."""

    patches: tuple[Patch, ...]
    xslt: str | None = None


class _Step(NamedTuple):
    tag: str
    keys: dict[str, str]


def value_patch(path: str, value: str) -> Patch:
    """Set an attribute, or the text of an element. Raises `DocumentError` for what is no path."""
    _compile(path)
    return Patch(path=path, value=value)


def element_patch(path: str, xml: str) -> Patch:
    """Have this element at the path, in place of the one that is there. Raises `DocumentError`."""
    steps, attribute = _compile(path)
    root = parse_xml(xml, what=f"the element for {path}", compact=True)
    if attribute is not None or len(steps) == 1:
        raise DocumentError(f"{path} is not the path of an element below the root", resolution=_RESOLUTION)
    if root.tag != steps[-1].tag:
        raise DocumentError(
            f"{path} names a <{etree.QName(steps[-1].tag).localname}>, and the element is a <{root.tag}>",
            resolution="let the path end with the element's own name",
        )
    for node in root.iter(etree.Element):
        if _SECRETS & set(node.attrib):
            raise DocumentError(f"the element for {path} holds a password", resolution=_PASSWORD)
    return Patch(path=path, element=canonicalise(root))


_PASSWORD: Final = "say Graphics(password=...), which keeps it out of plans and metadata"  # noqa: S105


def removing_patch(path: str) -> Patch:
    """Take away what the path names. Raises `DocumentError` for what is no path."""
    _compile(path)
    return Patch(path=path)


def encode_sheet(patches: Sequence[Patch], *, xslt: str | None) -> str | None:
    """The sheet as text; a stylesheet alone is itself, and nothing is `None`."""
    if not patches:
        return xslt
    return msgspec.json.encode(Sheet(patches=tuple(patches), xslt=xslt), order="deterministic").decode()


def decode_sheet(text: str) -> Sheet:
    """The sheet that a text says. XML begins with `<`, so that nothing else is taken for patches."""
    if not text.lstrip().startswith("{"):
        return Sheet(patches=(), xslt=text)
    return msgspec.json.decode(text, type=Sheet)


def has_patches(text: str | None) -> bool:
    """Whether a sheet has patches in it. A stylesheet alone may come from a program for another provider, under which
    libvirt left out what it did not know."""
    return text is not None and bool(decode_sheet(text).patches)


def apply_patches(xml: str, patches: Sequence[Patch], *, what: str) -> str:
    """Return the document with the patches in it. Raises `DocumentError` where a path is of another document."""
    root = parse_xml(xml, what=f"the XML of {what}")
    for patch in patches:
        _apply(root, patch, what=what)
    return serialise(root)


def _apply(root: Element, patch: Patch, *, what: str) -> None:
    steps, attribute = _compile(patch.path)
    if steps[0].tag != root.tag:
        raise DocumentError(
            f"{patch.path} begins at <{steps[0].tag}>, and {what} is a <{root.tag}>",
            resolution=f'let the path begin with "/{root.tag}"',
        )
    if patch.value is None:
        _exchange(root, steps[1:], attribute, element=patch.element)
        return
    node = _reach(root, steps[1:])
    if attribute is None:
        set_text(node, patch.value)
    else:
        set_attribute(node, attribute, patch.value)


def _exchange(root: Element, steps: Sequence[_Step], attribute: str | None, *, element: str | None) -> None:
    """Put the element in the place of what is there, or take that away."""
    if element is None:
        node = root
        for step in steps:
            found = _find(node, step)
            if found is None:
                return
            node = found
        parent = node.getparent()
        if attribute is not None:
            drop_attributes(node, attribute)
        elif parent is not None:
            parent.remove(node)
        return
    parent, new = _reach(root, steps[:-1]), parse_xml(element, what="an element of a patch")
    old = _find(parent, steps[-1])
    if old is None:
        parent.append(new)
    else:
        parent.replace(old, new)


def _reach(root: Element, steps: Sequence[_Step]) -> Element:
    """The element at the end of the steps; what is missing on the way is made."""
    node = root
    for step in steps:
        found = _find(node, step)
        node = add(node, step.tag, **step.keys) if found is None else found
    return node


def _find(parent: Element, step: _Step) -> Element | None:
    for child in parent.iterchildren(step.tag):
        if all(child.get(name) == value for name, value in step.keys.items()):
            return child
    return None


def _compile(path: str) -> tuple[tuple[_Step, ...], str | None]:
    empty, *parts = path.split("/")
    attribute = parts.pop()[1:] if parts and _ATTRIBUTE.fullmatch(parts[-1]) else None
    steps = []
    for part in parts:
        match = _STEP.fullmatch(part)
        prefix = match["prefix"] if match else None
        if match is None or (prefix is not None and prefix not in _NAMESPACES):
            raise DocumentError(f"{path!r} is no path: {part!r} cannot be read", resolution=_RESOLUTION)
        tag = match["tag"] if prefix is None else f"{{{_NAMESPACES[prefix]}}}{match['tag']}"
        steps.append(_Step(tag, dict(_KEY.findall(match["keys"]))))
    if empty or not steps:
        raise DocumentError(f"{path!r} is no path from the root", resolution=_RESOLUTION)
    if attribute in _SECRETS:
        raise DocumentError(f"{path} is a password", resolution=_PASSWORD)
    return tuple(steps), attribute
