"""What a stylesheet made of a document: what it added and changed, and whether a host still holds that.

libvirt fills documents in, orders them anew and writes numbers its own way; all of that is no difference. What a
stylesheet took away is not looked for: libvirt puts much of it back by itself.
"""

import hashlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Final, NamedTuple

from lxml import etree

from vmstack.model.plan import HIDDEN
from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.codec import scale
from vmstack.xmlio.safe import Element, drop_attributes, parse_xml, serialise, set_attribute, set_text

# What tells elements of one tag apart, by the tag: the first of these that an element has.
_KEYS: Final = {
    "disk": ("target/@dev",),
    "interface": ("mac/@address",),
    "controller": ("@type", "@index"),
    "filesystem": ("target/@dir",),
    "channel": ("target/@name",),
    "graphics": ("@type",),
    "entry": ("@name",),
    "feature": ("@name",),
    "timer": ("@name",),
    "cell": ("@id",),
    "host": ("@mac", "@ip", "@name"),
}
# Passwords of displays and their end: libvirt tells them to nobody who does not ask for secrets. The digest has them.
_SECRETS: Final = frozenset({"passwd", "passwdValidTo"})
_QEMU: Final = "http://libvirt.org/schemas/domain/qemu/1.0"
# A machine's alias, which libvirt expands, and what else is compared as a typed field of the model.
_MACHINE: Final = "machine"


class Fact(NamedTuple):
    """One thing that a document says: the value at a path, or the element there, as XML."""

    path: str
    value: str


class Overlay(NamedTuple):
    """`digest` tells one stylesheet's work from another's; `missing` is what a host does not hold of it, with what it
    holds instead."""

    digest: str
    missing: tuple[tuple[Fact, str | None], ...]


def compare(plain: str, styled: str, *, held: str | None) -> Overlay:
    """Compare a document with what a stylesheet made of it, and the result with what a host holds.

    Where it holds nothing (`None`), all that the stylesheet adds is missing. All three are XML of one object. Raises
    `DocumentError` for what is no XML.
    """
    before = parse_xml(plain, what="the XML before the stylesheet", compact=True)
    after = parse_xml(styled, what="the XML after the stylesheet", compact=True)
    work = list(_changes(before, after, at=""))
    digest = hashlib.sha256()
    for sign, text in work:
        digest.update(f"{sign}{len(text)}:{text}".encode())
    missing: tuple[tuple[Fact, str | None], ...] = ()
    if work:
        found = before if held is None else parse_xml(held, what="the XML that the host holds", compact=True)
        missing = tuple(_missing(before, after, found, at=""))
    return Overlay(digest=digest.hexdigest()[:12], missing=missing)


def find_missing(wanted: Element, held: Element) -> str | None:
    """The path of the first thing in `wanted` that `held` does not say; `None` when it says it all.

    What only `held` says is not looked at: libvirt adds to every document.
    """
    return next((fact.path for fact, _ in _missing(None, wanted, held, at=f"/{_short(str(wanted.tag))}")), None)


def missing_facts(wanted: Element, held: Element) -> Iterator[Fact]:
    """Yield all in `wanted` that `held` does not say, with paths that begin below the root, in which elements that
    something tells apart from others of their tag have that: `/devices/disk[vda]/driver/@io`."""
    return (fact for fact, _ in _missing(None, wanted, held, at="", keyed=True))


def _changes(before: Element, after: Element, *, at: str) -> Iterator[tuple[str, str]]:
    """What was added (+) and taken away (-), in an order that depends on the documents alone."""
    for name in sorted({*before.attrib, *after.attrib}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield ("-", f"{at}/@{name}={old}") if new is None else ("+", f"{at}/@{name}={new}")
    if _text(before) != _text(after):
        yield "+", f"{at}={_text(after)}"
    pairs, gone = _pair(before, after)
    for child, old_child in pairs:
        where = f"{at}/{child.tag}"
        if old_child is None:
            yield "+", f"{at}/{canonicalise(child)}"
        else:
            yield from _changes(old_child, child, at=where)
    for child in gone:
        yield "-", f"{at}/{canonicalise(child)}"


def _missing(
    before: Element | None, after: Element, found: Element, *, at: str, keyed: bool = False
) -> Iterator[tuple[Fact, str | None]]:
    """What `after` has more than `before`, and `found` does not have so."""
    for name, value in _attributes(after).items():
        if name in _SECRETS or (before is not None and before.get(name) == value):
            continue
        held = found.get(name)
        if name == "unit" and _is_number(after) and found.get("unit") is not None:
            continue  # the number is compared with its unit
        if not _same(str(name), value, held):
            yield Fact(f"{at}/@{_short(str(name))}", value), held
    text = _text(after)
    said = before is None or _text(before) != text or before.get("unit") != after.get("unit")
    if text and said and not _same_text(after, found):
        yield Fact(at or "/", text), _text(found) or None
    # Each element of the host's stands for one of the document's.
    free = list(found.iterchildren(etree.Element))
    pairs, _ = _pair(before, after) if before is not None else ([(child, None) for child in _elements(after)], [])
    # Those that say most choose first, so that none of them finds its place taken by one that fits anything. Where it
    # is asked what of many has no place, those that have theirs choose before them.
    lacks = {child: _fewest_lacks(child, free) if keyed else 0 for child, _ in pairs}
    for child, old in sorted(pairs, key=lambda pair: (lacks[pair[0]], _says_less(pair[0]))):
        if old is not None and canonicalise(old) == canonicalise(child):
            continue
        key = identify(child) if keyed else None
        where = f"{at}/{_short(str(child.tag))}" + (f"[{key}]" if key else "")
        best = _best(old, child, free)
        if best is None:
            yield Fact(where, _brief(child)), None
            continue
        free.remove(best)
        yield from _missing(old, child, best, at=where, keyed=keyed)


def _best(old: Element | None, child: Element, free: list[Element]) -> Element | None:
    """The host's element that is this one: by what tells such elements apart, else the one with the fewest lacks."""
    return min(_alike(child, free), key=lambda element: len(list(_missing(None, child, element, at=""))), default=None)


def _fewest_lacks(child: Element, free: list[Element]) -> int:
    alike = _alike(child, free)
    if len(alike) < 2 and identify(child) is not None:
        return 0  # nothing else takes its place
    return min((len(list(_missing(None, child, element, at=""))) for element in alike), default=0)


def _alike(child: Element, free: list[Element]) -> list[Element]:
    """The elements of its tag, and of its name where it has one."""
    key = identify(child)
    return [element for element in free if element.tag == child.tag and key in (None, identify(element))]


def _says_less(element: Element) -> int:
    """A key that sorts what says most to the front."""
    return -sum(1 + len(item.attrib) for item in element.iter(etree.Element))


def _pair(before: Element, after: Element) -> tuple[list[tuple[Element, Element | None]], list[Element]]:
    """The children of `after`, each with the one of `before` that it comes from, and those that are gone."""
    olds = _elements(before)
    pairs: dict[int, Element] = {}
    news = _elements(after)
    for tell in (canonicalise, identify):
        for index, child in enumerate(news):
            if index in pairs:
                continue
            match = next((old for old in olds if old.tag == child.tag and tell(old) == tell(child)), None)
            if match is not None:
                pairs[index] = match
                olds.remove(match)
    return [(child, pairs.get(index)) for index, child in enumerate(news)], olds


def _attributes(element: Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _elements(parent: Element) -> list[Element]:
    return list(parent.iterchildren(etree.Element))


def identify(element: Element) -> str | None:
    """What tells the element from others of its tag; `None` where nothing does."""
    found = []
    for path in _KEYS.get(str(element.tag), ()):
        step, _, attribute = path.rpartition("@")
        node = element.find(step.rstrip("/")) if step else element
        value = None if node is None else node.get(attribute)
        if value:
            found.append(value.lower())
            if not path.startswith("@"):
                break
    return "|".join(found) or None


def _brief(element: Element) -> str:
    """The element as XML that says nothing secret: neither passwords, nor what is handed to a guest or to QEMU as it
    is, which may hold anything."""
    inside = any(_is_opaque(above) for above in element.iterancestors())
    shown = deepcopy(element)
    for node in shown.iter(etree.Element):
        drop_attributes(node, *_SECRETS)
        if etree.QName(node.tag).namespace == _QEMU and "value" in node.attrib:
            set_attribute(node, "value", HIDDEN)
        elif _text(node) and (inside or any(_is_opaque(above) for above in (node, *node.iterancestors()))):
            set_text(node, HIDDEN)
    return serialise(shown)


def _is_opaque(element: Element) -> bool:
    return element.tag == "launchSecurity" or (element.tag == "sysinfo" and element.get("type") == "fwcfg")


def _same(name: str, value: str, held: str | None) -> bool:
    if held is None:
        return False
    if name == _MACHINE and held.startswith(("pc-q35-", "pc-i440fx-", "virt-")):
        return True  # compared as a field of its own
    return value.strip().lower() == held.strip().lower() or (
        (number := _number(value)) is not None and number == _number(held)
    )


def _same_text(wanted: Element, found: Element) -> bool:
    if wanted.get("unit") or found.get("unit"):
        try:
            units = [element.get("unit") or "KiB" for element in (wanted, found)]
            sizes = [
                scale(_text(element), unit=unit, into="b") for element, unit in zip((wanted, found), units, strict=True)
            ]
            return sizes[0] == sizes[1]
        except ValueError:
            pass
    return _same("", _text(wanted), _text(found))


def _is_number(element: Element) -> bool:
    return _number(_text(element)) is not None


def _number(text: str) -> int | None:
    """A number as libvirt writes it, decimal or hexadecimal."""
    try:
        return int(text, 16) if text.strip().lower().startswith("0x") else int(text, 10)
    except ValueError:
        return None


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _short(name: str) -> str:
    return etree.QName(name).localname
