"""libvirt's own schemas, where they are installed: what a patch made of a document is checked by them.

A host knows the schemas of its own version. Those of this machine speak for hosts of the same version only; others
refuse, when they define it, what theirs do not know.
"""

from functools import cache
from pathlib import Path
from typing import Final

import libvirt
from lxml import etree

from vmstack.xmlio.safe import parse_xml

_FOLDER: Final = Path("/usr/share/libvirt/schemas")
_FILES: Final = {"domain": "domain.rng", "network": "network.rng"}
_SHOWN: Final = 4


def complaints(xml: str, *, version: int) -> tuple[str, ...]:
    """What the schema has against a document for a host of that libvirt version (a number as libvirt writes it).

    Nothing where no schema of that version is here. Raises `DocumentError` for what is no XML.
    """
    root = parse_xml(xml, what="a document to check")
    schema = _load(_FILES.get(str(root.tag), "")) if version == libvirt.getVersion() else None
    if schema is None or schema.validate(root):
        return ()
    found = dict.fromkeys(f"line {entry.line}: {entry.message}" for entry in schema.error_log)
    return tuple(found)[:_SHOWN]


@cache
def _load(file: str) -> etree.RelaxNG | None:
    path = _FOLDER / file
    try:
        return etree.RelaxNG(etree.parse(path)) if file and path.is_file() else None
    except etree.LxmlError:
        return None  # another kind of installation: the host itself checks
