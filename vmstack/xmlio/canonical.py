"""One text for all XML that means the same."""

from lxml import etree

from vmstack.xmlio.safe import Element


def canonicalise(element: Element) -> str:
    """The element as exclusive canonical XML without comments: attributes in order, and no prefixes that nothing uses.

    White space between elements counts; `parse_xml(..., compact=True)` leaves it out.
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False).decode()
    except etree.C14NError:
        # C14N 1.0 refuses namespaces that are relative URIs, and kcli gives its domains such metadata ("kvirt").
        # C14N 2.0 takes them; it is slower by far, and says the same of the same element.
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        canonical: str = etree.canonicalize(text, with_comments=False)
        return canonical
