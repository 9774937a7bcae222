"""The one parser and the one way to build: hostile text becomes a `DocumentError`, never markup.

XML from a host is not trusted (its objects may be anybody's), and neither is any string that goes into one.
"""

import re
from collections.abc import Sequence
from typing import Final

from lxml import etree
from lxml.etree import _Element as Element

from vmstack.errors import DocumentError

__all__ = [
    "Element",
    "add",
    "as_root",
    "drop_attributes",
    "drop_children",
    "parse_xml",
    "replace_children",
    "serialise",
    "set_attribute",
    "set_text",
]

# A DOCTYPE can stand only in the prolog. The atomic group keeps the search linear on crafted input.
_DOCTYPE: Final = re.compile(r"\ufeff?(?>\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL | re.IGNORECASE)
_SHOWN: Final = 60


def parse_xml(text: str, *, what: str, compact: bool = False) -> Element:
    """Return the root element of a document; `what` names it in errors ("the XML of domain web-0").

    Nothing is fetched, no entity of a document's own is expanded, and a DOCTYPE is refused. `compact` drops comments
    and indentation. Raises `DocumentError`.
    """
    if _DOCTYPE.match(text):
        raise DocumentError(f"{what} has a DOCTYPE, which vmstack refuses")
    parser = etree.XMLParser(
        encoding="utf-8",  # the text is decoded already: whatever its declaration says no longer holds
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        strip_cdata=compact,
        remove_blank_text=compact,
        remove_comments=compact,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise DocumentError(f"{what} is not well-formed XML", details=(str(error),)) from error
    except ValueError as error:  # lone surrogates
        raise DocumentError(f"{what} is not text", details=(str(error),)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DocumentError(f"{what} has a DOCTYPE, which vmstack refuses")
    return root


def as_root(xml: str | Element, *, what: str, tag: str) -> Element:
    """Return the root element, which must be `<tag>`, of XML that may be parsed already. Raises `DocumentError`."""
    root = parse_xml(xml, what=what) if isinstance(xml, str) else xml
    if root.tag != tag:
        raise DocumentError(f"{what} begins with <{root.tag}>, not with <{tag}>")
    return root


def serialise(element: Element, *, indent: bool = False) -> str:
    """Return the element as text; `indent` is for trees that were built here, others keep their own layout."""
    return etree.tostring(element, encoding="unicode", pretty_print=indent, with_tail=False)


def add(parent: Element, tag: str, *, text: str | None = None, **attributes: str) -> Element:
    """Append a child element. Raises `DocumentError` for text that XML cannot hold."""
    child = etree.SubElement(parent, tag)
    for name, value in attributes.items():
        set_attribute(child, name, value)
    if text is not None:
        set_text(child, text)
    return child


def set_attribute(element: Element, name: str, value: str) -> None:
    """Set an attribute. Raises `DocumentError` for text that XML cannot hold."""
    try:
        _check(value)
        element.set(name, value)
    except ValueError as error:
        raise _unfit(value, where=f"{element.tag}/@{name}") from error


def set_text(element: Element, text: str) -> None:
    """Replace an element's text. Raises `DocumentError` for text that XML cannot hold."""
    try:
        _check(text)
        element.text = text
    except ValueError as error:
        raise _unfit(text, where=str(element.tag)) from error


def drop_attributes(element: Element, *names: str) -> None:
    """Remove the attributes that are there."""
    for name in names:
        if name in element.attrib:
            del element.attrib[name]


def drop_children(parent: Element, *tags: str) -> None:
    """Remove the children of these tags."""
    for tag in tags:
        for child in parent.findall(tag):
            parent.remove(child)


def replace_children(parent: Element, old: Sequence[Element], new: Sequence[Element]) -> None:
    """Put `new` where the first of `old` stands, or at the end; elements may be in both."""
    at = parent.index(old[0]) if old else len(parent)
    for child in old:
        parent.remove(child)
    for child in reversed(new):
        parent.insert(at, child)


def _check(text: str) -> None:
    if "\r" in text:
        raise ValueError("libvirt writes carriage returns unescaped and reads them back as newlines")


def _unfit(text: str, *, where: str) -> DocumentError:
    shown = ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
    return DocumentError(
        f"{where}: {shown} holds characters that XML cannot hold",
        resolution="remove control characters, carriage returns and lone surrogates",
    )
