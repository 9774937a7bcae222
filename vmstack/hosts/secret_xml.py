"""The XML of the libvirt secrets that carry the ledger and the lock.

Format: https://libvirt.org/formatsecret.html. They hold no secret value: `private='no'` lets read-only connections
see the description, and `ephemeral='no'` keeps it over a restart of the daemon.
"""

from lxml import etree

from vmstack.xmlio.safe import parse_xml, serialise


def write_secret(*, uuid: str, usage: str, description: str) -> str:
    """The XML of a secret of usage type `volume`."""
    root = etree.Element("secret", ephemeral="no", private="no")
    etree.SubElement(root, "uuid").text = uuid
    etree.SubElement(root, "description").text = description
    kind = etree.SubElement(root, "usage", type="volume")
    etree.SubElement(kind, "volume").text = usage
    return serialise(root)


def read_description(xml: str) -> str:
    """The description of a secret; empty when it has none."""
    return (
        parse_xml(
            xml,
            what="a libvirt secret",
        ).findtext("description")
        or ""
    )
