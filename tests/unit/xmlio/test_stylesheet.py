from pathlib import Path

import pytest

from vmstack.errors import DocumentError
from vmstack.xmlio.stylesheet import check_stylesheet, transform

DOMAIN = (
    '<domain type="kvm"><name>a</name><uuid>u</uuid><metadata>'
    '<vmstack:stamp xmlns:vmstack="urn:vmstack:stamp:1" path="p/s/vm/a" digest="d"/></metadata><devices/></domain>'
)
VOLUME = "<volume><name>a.qcow2</name><capacity unit='bytes'>1</capacity></volume>"
# As people write them for the old provider: everything stays but for what has a template of its own.
SHEET = """<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" %s>
  <xsl:output omit-xml-declaration="yes" indent="yes"/>
  <xsl:strip-space elements="*"/>
  <xsl:template match="node()|@*"><xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy></xsl:template>
  %s
</xsl:stylesheet>"""


def sheet(body: str = "", *, namespaces: str = "") -> str:
    return SHEET % (namespaces, body)


def of(match: str, body: str) -> str:
    return sheet(f'<xsl:template match="{match}">{body}</xsl:template>')


def test_a_stylesheet_adds_and_the_rest_stays() -> None:
    result = transform(DOMAIN, of("devices", '<devices><sound model="ich9"/></devices>'), what="domain a")
    assert result == DOMAIN.replace("<devices/>", '<devices><sound model="ich9"/></devices>')


def test_a_stylesheet_that_says_nothing_changes_nothing() -> None:
    assert transform(DOMAIN, sheet(), what="domain a") == DOMAIN


def test_objects_without_metadata_and_uuid_can_be_changed() -> None:
    result = transform(VOLUME, of("capacity", '<capacity unit="bytes">2</capacity>'), what="volume a.qcow2")
    assert result == VOLUME.replace("'", '"').replace(">1<", ">2<")


@pytest.mark.parametrize(
    ("stylesheet", "problem"),
    [
        (of("uuid", ""), "changes its UUID from 'u' to None"),
        (of("name", "<name>b</name>"), "changes its name from 'a' to 'b'"),
        (of("metadata", ""), "vmstack's own metadata"),
        (of("@digest", "<xsl:attribute name='digest'>e</xsl:attribute>"), "vmstack's own metadata"),
        (of("domain", "<network><xsl:apply-templates/></network>"), "makes a <network> of its <domain>"),
        (of("/", "text"), "makes no XML document"),
        (of("devices", "<xsl:message terminate='yes'>none of mine</xsl:message>"), "none of mine"),
        (of("devices", "<xsl:apply-templates select='.'/>"), "line 6: .*apply-templates"),
        (of("devices", "<xsl:value-of select='$nothing'/>"), "line 6: .*value-of"),
    ],
)
def test_what_a_stylesheet_must_not_do(stylesheet: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=r"domain a") as caught:
        transform(DOMAIN, stylesheet, what="domain a")
    assert caught.match("(?s)" + problem)


@pytest.mark.parametrize(
    ("stylesheet", "problem"),
    [
        ("<xsl:stylesheet", "not well-formed"),
        ("<a/>", "line 1 of the XSLT stylesheet: it begins with <a>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + sheet().split("\n", 1)[1], "DOCTYPE"),
        (of("de[[vices", ""), "line 6: .*template"),
        (of("devices", "<xsl:copy-of select=\"document('/etc/passwd')\"/>"), "line 6 .*document"),
        (of("devices", "<xsl:copy-of select=\"document ('')\"/>"), "line 6 .*document"),
        (sheet('<xsl:include href="other.xsl"/>'), "line 6 .*<include>"),
        (sheet('<xsl:import href="other.xsl"/>'), "line 6 .*<import>"),
        (
            sheet(
                "<xsl:template match='a'><exsl:document href='/tmp/x'/></xsl:template>",
                namespaces='xmlns:exsl="http://exslt.org/common" extension-element-prefixes="exsl"',
            ),
            "line 6 .*<document>",
        ),
        (
            sheet(
                "<xsl:template match='a'><xt:document href='/tmp/x'/></xsl:template>",
                namespaces='xmlns:xt="http://www.jclark.com/xt" extension-element-prefixes="xt"',
            ),
            "line 6 .*<document>",
        ),
        (sheet(namespaces='xmlns:saxon="http://icl.com/saxon"'), "line 2 .*icl.com/saxon"),
        (sheet(namespaces='xmlns:date="http://exslt.org/dates-and-times"'), "line 2 .*the time"),
        (
            sheet(
                "<xsl:template match='a'><xsl:value-of select='math:random()'/></xsl:template>",
                namespaces='xmlns:math="http://exslt.org/math"',
            ),
            "line 6 .*random",
        ),
    ],
)
def test_what_a_stylesheet_cannot_be(stylesheet: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_stylesheet(stylesheet)
    assert caught.match("(?s)" + problem)


def test_the_engine_refuses_files_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.xml"
    secret.write_text("<secret>word</secret>")
    monkeypatch.setattr("vmstack.xmlio.stylesheet._check_element", lambda element: None)
    for body in (f"<xsl:copy-of select=\"document('{secret}')\"/>", f'<xsl:include href="{secret}"/>'):
        try:
            result = transform(DOMAIN, of("devices", body), what="domain a")
        except DocumentError:
            continue
        assert "word" not in result
