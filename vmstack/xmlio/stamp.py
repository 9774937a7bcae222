"""The stamp in `<metadata>` of a domain or network: how vmstack knows its own.

libvirt keeps one element per namespace under `<metadata>`. Its calls for setting and getting one element take and give
it without its namespace, so that is how `write_stamp` writes it; in whole documents it has the namespace.

A stamp is sealed with a digest of all that it says, which shows an edit by somebody who does not know of the seal.
It is no signature: who means to forge one can.
"""

import hashlib
from typing import Any, Final

import msgspec

from vmstack.errors import DocumentError
from vmstack.model.ownership import Adopted, Stamp
from vmstack.xmlio.codec import INTEGER, TEXT, YES, YES_NO, Codec
from vmstack.xmlio.safe import Element, drop_children, parse_xml, serialise
from vmstack.xmlio.table import Field, Table, new_root

# Both never change: stamps of all times must be found.
NAMESPACE: Final = "urn:vmstack:stamp:1"
PREFIX: Final = "vmstack"

_TAG: Final = f"{{{NAMESPACE}}}stamp"
_READY: Final = ("none", "pending", "ok", "failed")


def _encode_words(words: tuple[str, ...]) -> str | None:
    if any(not word or word.split() != [word] for word in words):
        raise ValueError("must be words without spaces")
    return " ".join(words) or None


def _decode_ready(text: str) -> str:
    if text not in _READY:
        raise ValueError(f"is none of {', '.join(_READY)}")
    return text


def _decode_adopted(text: str) -> Adopted:
    try:
        return msgspec.json.decode(text, type=Adopted)
    except msgspec.MsgspecError as error:
        raise ValueError(f"cannot be read: {error}") from error


def _encode_adopted(adopted: Adopted) -> str:
    return msgspec.json.encode(adopted, order="deterministic").decode()


_STAMP: Final = Table(
    "stamp",
    Field("path", "@path"),
    Field("digest", "@digest"),
    Field("generation", "@generation", INTEGER),
    Field("protect", "@protect", YES_NO),
    Field("retain", "@retain", YES),
    Field("trigger", "@trigger", TEXT),
    Field("ready", "@ready", Codec(_decode_ready, lambda value: str(value))),
    Field("report", "@report", TEXT),
    Field("fields", "@fields", Codec(lambda text: tuple(text.split()), _encode_words)),
    Field("adopted", "@adopted", Codec(_decode_adopted, _encode_adopted)),
    Field("applied", "@applied", TEXT),
)
_SEAL: Final = "seal"


def read_stamp(xml: str | Element) -> Stamp | None:
    """Return the stamp of a domain's or network's XML (or of a stamp element itself).

    A stamp that is damaged is none: whoever finds no stamp touches nothing. One whose seal is not its own is not
    `intact`; stamps of early versions have none. Raises `DocumentError` only when `xml` is no XML.
    """
    root = parse_xml(xml, what="XML with a stamp") if isinstance(xml, str) else xml
    element = _find(root) if root.tag not in (_TAG, "stamp") else root
    if element is None:
        return None
    try:
        values: dict[str, Any] = _STAMP.read(element)
    except DocumentError:
        return None
    if "path" not in values or "digest" not in values:
        return None
    seal = element.get(_SEAL)
    return Stamp(**values, intact=seal is None or seal == _seal_of(element))


def lingering_fields(defined: Element, running: Element) -> tuple[str, ...]:
    """The fields that the stamp of a running domain lists, and the one of its definition, for the same path, does not.

    None where one of the two is missing, or not as vmstack wrote it.
    """
    later, earlier = _find(defined), _find(running)
    if later is None or earlier is None or later.get("fields") == earlier.get("fields"):
        return ()
    now, before = read_stamp(later), read_stamp(earlier)
    if now is None or before is None or not now.intact or not before.intact:
        return ()
    return tuple(sorted(set(before.fields) - set(now.fields)))


def write_stamp(stamp: Stamp) -> str:
    """Write the stamp's element without its namespace, as libvirt's calls for metadata take it."""
    element = new_root("stamp")
    _fill(element, stamp)
    return serialise(element)


def put_stamp(root: Element, stamp: Stamp) -> None:
    """Put the stamp into a whole document, in place of the old one. Other metadata stays."""
    metadata = root.find("metadata")
    if metadata is None:
        metadata = new_root("metadata")
        anchor = root.find("uuid")
        root.insert(0 if anchor is None else root.index(anchor) + 1, metadata)
    element = metadata.makeelement(_TAG, nsmap={PREFIX: NAMESPACE})
    _fill(element, stamp)
    drop_children(metadata, _TAG)
    metadata.append(element)


def _fill(element: Element, stamp: Stamp) -> None:
    _STAMP.write(element, stamp)
    element.set(_SEAL, _seal_of(element))


def _seal_of(element: Element) -> str:
    """SHA-256 (hex, shortened) over the attributes, in whatever order they stand."""
    said = sorted((str(name), str(value)) for name, value in element.attrib.items() if name != _SEAL)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _find(root: Element) -> Element | None:
    metadata = root.find("metadata")
    return None if metadata is None else metadata.find(_TAG)
