"""Patches: values and elements at paths, in documents of any kind."""

import pytest

from vmstack.errors import DocumentError
from vmstack.xmlio.patches import (
    Patch,
    apply_patches,
    decode_sheet,
    element_patch,
    encode_sheet,
    has_patches,
    removing_patch,
    value_patch,
)
from vmstack.xmlio.stylesheet import transform

BEFORE = (
    '<domain><name>a</name><features><acpi/></features><devices><disk a="1" b="2"/><disk a="3"/></devices></domain>'
)
QEMU = '<q:commandline xmlns:q="http://libvirt.org/schemas/domain/qemu/1.0"><q:arg value="-x"/></q:commandline>'
SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="node()|@*"><xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy></xsl:template>
<xsl:template match="title"><title>styled <xsl:value-of select="."/></title></xsl:template></xsl:stylesheet>"""


@pytest.mark.parametrize(
    ("patch", "before", "after"),
    [
        (value_patch("/domain/title", "x"), "</domain>", "<title>x</title></domain>"),
        (value_patch("/domain/name", "b"), "<name>a<", "<name>b<"),
        (value_patch("/domain/@type", "kvm"), "<domain>", '<domain type="kvm">'),
        (value_patch("/domain/features/smm/@state", "on"), "</features>", '<smm state="on"/></features>'),
        (value_patch("/domain/devices/disk[@a='3']/@c", "4"), '<disk a="3"', '<disk a="3" c="4"'),
        (value_patch("/domain/devices/disk[@a='9']/x", "4"), "</devices>", '<disk a="9"><x>4</x></disk></devices>'),
        (element_patch("/domain/features/acpi", "<acpi x='1'/>"), "<acpi/>", '<acpi x="1"></acpi>'),
        (element_patch("/domain/devices/disk[@a='5']", "<disk a='5'/>"), "</devices>", '<disk a="5"></disk></devices>'),
        (removing_patch("/domain/features"), "<features><acpi/></features>", ""),
        (removing_patch("/domain/devices/disk[@a='1']/@b"), ' b="2"', ""),
        (removing_patch("/domain/nothing/at/@all"), "", ""),
    ],
    ids=lambda value: value.path if isinstance(value, Patch) else "",
)
def test_a_patch_changes_what_it_names_and_nothing_else(patch: Patch, before: str, after: str) -> None:
    wanted = BEFORE.replace(before, after, 1) if before else BEFORE
    once = apply_patches(BEFORE, (patch,), what="domain a")
    assert once.replace("></disk>", "/>").replace("></acpi>", "/>") == wanted.replace("></disk>", "/>").replace(
        "></acpi>", "/>"
    )
    assert apply_patches(once, (patch,), what="domain a") == once


def test_arguments_of_qemu() -> None:
    patched = apply_patches(BEFORE, (element_patch("/domain/qemu:commandline", QEMU),), what="domain a")
    assert 'value="-x"' in patched
    assert apply_patches(patched, (removing_patch("/domain/qemu:commandline"),), what="domain a") == BEFORE


def test_a_patch_of_another_document_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"/network/x begins at <network>, and domain a is a <domain>"):
        apply_patches(BEFORE, (value_patch("/network/x", "1"),), what="domain a")


def test_a_sheet_is_patches_and_then_a_stylesheet() -> None:
    assert encode_sheet((), xslt=None) is None
    assert encode_sheet((), xslt=SHEET) == SHEET
    assert not has_patches(SHEET)
    sheet = encode_sheet((value_patch("/domain/title", "x"),), xslt=SHEET)
    assert has_patches(sheet)
    assert decode_sheet(sheet).xslt == SHEET
    assert "<title>styled x</title>" in transform(BEFORE, sheet, what="domain a")
    with pytest.raises(DocumentError, match="the patch of domain a changes its name from 'a' to 'b'"):
        transform(BEFORE, encode_sheet((value_patch("/domain/name", "b"),), xslt=None), what="domain a")
