"""XSLT 1.0 stylesheets of a program over the XML that vmstack writes: applied in-process, with no way out of it.

A stylesheet gets the whole document, with vmstack's metadata in it, and gives back one that is still of the same
object. It reads and writes no file, fetches nothing, and says the same each time it is asked.
"""

from typing import Final

from lxml import etree

from vmstack.errors import DocumentError
from vmstack.xmlio.patches import apply_patches, decode_sheet
from vmstack.xmlio.safe import Element, parse_xml, serialise
from vmstack.xmlio.stamp import NAMESPACE

_XSL: Final = "http://www.w3.org/1999/XSL/Transform"
_ROOTS: Final = (f"{{{_XSL}}}stylesheet", f"{{{_XSL}}}transform")
_MATH: Final = "http://exslt.org/math"
# What would read or write files; libxslt is told to refuse them too.
_ELEMENTS: Final = frozenset(
    {
        f"{{{_XSL}}}import",
        f"{{{_XSL}}}include",
        f"{{{_XSL}}}document",
        "{http://exslt.org/common}document",
        "{http://www.jclark.com/xt}document",
        "{org.apache.xalan.xslt.extensions.Redirect}write",
    }
)
# Of these functions the answer changes from one plan to the next, or cannot be checked before it is asked for.
_NAMESPACES: Final = {
    "http://exslt.org/dates-and-times": "the time is another at each plan",
    "http://exslt.org/random": "a random value is another at each plan",
    "http://exslt.org/dynamic": "expressions made of text are not evaluated",
    "http://icl.com/saxon": "it writes files, and evaluates expressions made of text",
}
_NOTHING: Final = etree.XSLTAccessControl.DENY_ALL  # type: ignore[attr-defined]  # the stubs do not know it
_RESOLUTION: Final = "mend the stylesheet (xml.xslt) in the program"
_PATCH: Final = "mend the patch (xml=[Patch(...)]) in the program"
_IDENTITY: Final = {"name": "name", "uuid": "UUID"}


def check_stylesheet(stylesheet: str) -> None:
    """Raise `DocumentError`, with the line and the problem, for what is no stylesheet or asks for what it cannot have.

    It says nothing of what the stylesheet does to a document: see `transform`.
    """
    _compile(stylesheet)


def transform(xml: str, stylesheet: str, *, what: str) -> str:
    """Return the document that the stylesheet (or a sheet of `patches`) makes of `xml`; `what` names the object
    ("domain web-0").

    Raises `DocumentError`, naming the line of the stylesheet and the problem, where it is malformed, asks for files,
    the network or the time, fails, or makes a document that is of another object: another root element, name or UUID,
    or without vmstack's metadata as it was.
    """
    before, sheet = parse_xml(xml, what=f"the XML of {what}"), decode_sheet(stylesheet)
    text = apply_patches(xml, sheet.patches, what=what) if sheet.patches else xml
    if sheet.xslt is not None:
        text = _transform(parse_xml(text, what=f"the XML of {what}"), sheet.xslt, what=what)
    maker = "XSLT stylesheet" if sheet.xslt is not None else "patch"
    _check_same(before, parse_xml(text, what=f"what the {maker} makes of {what}"), what=what, maker=maker)
    return text


def _transform(before: Element, stylesheet: str, *, what: str) -> str:
    compiled = _compile(stylesheet)
    try:
        result = compiled(before)
    except etree.XSLTError as error:
        raise _failure(error, brief=f"the XSLT stylesheet of {what} fails") from error
    after = result.getroot()
    if after is None:
        raise DocumentError(f"the XSLT stylesheet of {what} makes no XML document of it", resolution=_RESOLUTION)
    return serialise(after)


def _compile(stylesheet: str) -> etree.XSLT:
    root = parse_xml(stylesheet, what="the XSLT stylesheet")
    if root.tag not in _ROOTS:
        raise DocumentError(
            f"line {root.sourceline} of the XSLT stylesheet: it begins with <{root.tag}>, not with <xsl:stylesheet>",
            resolution=_RESOLUTION,
        )
    for element in root.iter(etree.Element):
        _check_element(element)
    try:
        return etree.XSLT(root, regexp=False, access_control=_NOTHING)
    except etree.XSLTError as error:
        raise _failure(error, brief="the XSLT stylesheet is not valid") from error


def _check_element(element: Element) -> None:
    why = None
    if element.tag in _ELEMENTS:
        why = f"<{etree.QName(element).localname}> reads or writes files, which a stylesheet cannot"
    for namespace in element.nsmap.values():
        if namespace in _NAMESPACES:
            why = f"what {namespace} adds cannot be used: {_NAMESPACES[namespace]}"
    for value in element.attrib.values():
        words = "".join(str(value).split())
        if "document(" in words:
            why = "document() reads files, which a stylesheet cannot"
        elif _MATH in element.nsmap.values() and ":random(" in words:
            why = "a random value is another at each plan"
    if why is not None:
        raise DocumentError(f"line {element.sourceline} of the XSLT stylesheet: {why}", resolution=_RESOLUTION)


def _check_same(before: Element, after: Element, *, what: str, maker: str) -> None:
    problem = None
    if after.tag != before.tag:
        problem = f"makes a <{after.tag}> of its <{before.tag}>"
    elif _stamp(after) != _stamp(before):
        problem = "changes or drops vmstack's own metadata, by which vmstack knows it"
    for tag, word in _IDENTITY.items():
        old, new = (before.findtext(tag), after.findtext(tag))
        if problem is None and (old or "").strip() != (new or "").strip():
            problem = f"changes its {word} from {old!r} to {new!r}"
    if problem is not None:
        raise DocumentError(
            f"the {maker} of {what} {problem}",
            resolution=f"{_PATCH if maker == 'patch' else _RESOLUTION}: leave <name>, <uuid> and <metadata> alone",
        )


def _stamp(root: Element) -> list[str]:
    """vmstack's elements under `<metadata>`, in a form that does not depend on prefixes and the order of attributes."""
    metadata = root.find("metadata")
    elements = () if metadata is None else metadata.iterchildren(f"{{{NAMESPACE}}}*")
    return [f"{element.tag} {sorted(element.attrib.items())} {element.text or ''!r}" for element in elements]


def _failure(error: etree.XSLTError, *, brief: str) -> DocumentError:
    # libxslt ends with general remarks; the first entry that has a line is the cause.
    entries = list(error.error_log)
    lines = [f"line {entry.line}: {entry.message}" if entry.line else entry.message for entry in entries]
    return DocumentError(brief, details=dict.fromkeys(lines) or (str(error),), resolution=_RESOLUTION)
