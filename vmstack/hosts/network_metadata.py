"""An element of a network's `<metadata>`, replaced in the XML: daemons before 9.7 have no call for it."""

from lxml import etree

from vmstack.xmlio.safe import parse_xml, serialise
from vmstack.xmlio.stamp import PREFIX


def replace_metadata(xml: str, *, element: str | None, namespace: str) -> str:
    """Return the network XML with the namespace's element replaced by `element`, or removed when that is `None`.

    `element` comes without its namespace, as libvirt's own calls for metadata take it.
    """
    root = parse_xml(xml, what="a network")
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        anchor = root.find("uuid")
        root.insert(0 if anchor is None else root.index(anchor) + 1, metadata)
    for child in list(metadata):
        if isinstance(child.tag, str) and etree.QName(child).namespace == namespace:
            metadata.remove(child)
    if element is not None:
        plain = parse_xml(element, what="an element of metadata")
        named = etree.SubElement(
            metadata, etree.QName(namespace, etree.QName(plain).localname), nsmap={PREFIX: namespace}
        )
        named.attrib.update(plain.attrib)
        named.text = plain.text
        named.extend(list(plain))
    if not len(metadata):
        root.remove(metadata)
    return serialise(root)
