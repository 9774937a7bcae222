"""Passwords of displays, which libvirt shows only on demand, survive a redefinition.

A plan is made from XML without them (they must never get into a plan), so defining that XML again would drop them.
"""

from typing import Final

from lxml import etree

from vmstack.xmlio.safe import parse_xml

_ATTRIBUTES: Final = ("passwd", "passwdValidTo", "connected")


def keep_passwords(root: etree._Element, *, secure_xml: str) -> bool:
    """Copy the displays' passwords from the full definition into the new one where it gives none.

    Displays are matched by type. Tells whether anything was copied.
    """
    if "passwd=" not in secure_xml:
        return False
    copied = False
    old = parse_xml(secure_xml, what="a domain's full definition")
    for display in root.findall("devices/graphics"):
        if display.get("passwd") is not None:
            continue
        for known in old.findall("devices/graphics"):
            if known.get("type") == display.get("type") and known.get("passwd") is not None:
                for name in _ATTRIBUTES:
                    value = known.get(name)
                    if value is not None:
                        display.set(name, value)
                        copied = True
                break
    return copied
