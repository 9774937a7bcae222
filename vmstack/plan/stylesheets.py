"""Networks, pools and volumes under a stylesheet: the document that it makes, and whether a host holds it.

What the stylesheet says in a field that vmstack knows is that field's, and changes as gently as it can; only the rest
of the document is compared as such. Domains are written whole instead: see `plan/styling.py`.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

from vmstack.xmlio.overlay import find_missing
from vmstack.xmlio.remainder import digest_of_remainder
from vmstack.xmlio.safe import Element, drop_children
from vmstack.xmlio.stylesheet import transform


class Styled(NamedTuple):
    """A document that a stylesheet made. `rest` is what it says besides the fields of a config."""

    xml: str
    rest: Element
    digest: str


def apply_stylesheet(xml: str, stylesheet: str, *, what: str, remainder: Callable[[str], Element]) -> Styled:
    """Transform a designed document. Raises `DocumentError`."""
    text = transform(xml, stylesheet, what=what)
    rest = remainder(text)
    return Styled(text, rest, digest_of_remainder(rest))


def style_change(
    styled: Styled | None, *, before: str | None, held: str, remainder: Callable[[str], Element]
) -> tuple[str, object, object] | None:
    """What differs, as a field's (path, before, after). `before` is the digest of what was written last.

    Another digest is a change though the host says all of it: what the document said before has to go.
    """
    after = styled.digest if styled is not None else None
    if after is None or (before is not None and before != after):
        return None if before == after else ("xslt", before, after)
    missing = missing_style(styled, held=held, remainder=remainder) if styled is not None else None
    if missing is None:
        return None
    return ("xslt", f"without {missing}", f"with {missing}")


def missing_style(styled: Styled, *, held: str, remainder: Callable[[str], Element]) -> str | None:
    """The path of the first lasting thing of the document that the host's does not say, or `None`."""
    return find_missing(_lasting(styled.rest), remainder(held))


def _lasting(rest: Element) -> Element:
    """What libvirt does not read anew from the disk: owners, modes and sizes are not what files were made with."""
    lasting = deepcopy(rest)
    drop_children(lasting, "allocation")
    for target in lasting.findall("target"):
        drop_children(target, "permissions")
        if not len(target):
            lasting.remove(target)
    return lasting
