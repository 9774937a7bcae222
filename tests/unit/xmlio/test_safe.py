import sys
import time

import pytest
from lxml import etree

from vmstack.errors import DocumentError
from vmstack.xmlio.safe import add, as_root, parse_xml, serialise, set_attribute, set_text

BOMB = "<!DOCTYPE a [" + "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9)) + "]><a>&e9;</a>"

HOSTILE = {
    "external-entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external-dtd": '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
    "public-dtd": '<!DOCTYPE html PUBLIC "-//W3C//DTD" "http://127.0.0.1:9/x.dtd"><html/>',
    "parameter-entity": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]><a/>',
    "entity-bomb": BOMB,
    "harmless-doctype": "<!DOCTYPE a><a/>",
    "doctype-after-declaration": "<?xml version='1.0'?>\n<!DOCTYPE a><a/>",
    "doctype-after-comments": "<!-- <a/> --><?pi?> <!-- - --><!DOCTYPE a><a/>",
    "doctype-after-bom": "\ufeff<!DOCTYPE a><a/>",
    "undeclared-entity": "<a>&x;</a>",
    "deep": "<a>" * 100_000 + "</a>" * 100_000,
    "huge-text": f"<a>{'x' * 20_000_000}</a>",
    "unclosed": "<a><b></a>",
    "two-roots": "<a/><b/>",
    "empty": "",
    "blank": "  \n",
    "no-xml": "error: domain not found",
    "nul": "<a>\0</a>",
    "lone-surrogate": "<a>\ud800</a>",
    "control-character": "<a>\x08</a>",
    "duplicate-attribute": "<a b='1' b='2'/>",
    "unbound-prefix-of-attribute": "<a x:b='1' x:b='2'/>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_xml_is_refused_quickly(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DocumentError) as raised:
        parse_xml(text, what="a test")
    assert "a test" in raised.value.brief
    assert time.perf_counter() - started < 1


def test_crafted_prolog_takes_linear_time() -> None:
    started = time.perf_counter()
    parse_xml("<!---->" * 20_000 + "<a/>", what="a test")
    with pytest.raises(DocumentError):
        parse_xml("<!-- " * 20_000, what="a test")
    assert time.perf_counter() - started < 1


def test_parsing_opens_nothing() -> None:
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("open", "socket.connect", "socket.getaddrinfo"):
            opened.append(f"{event} {arguments[0]}")

    sys.addaudithook(watch)
    for text in (HOSTILE["external-entity"], HOSTILE["external-dtd"], "<a xmlns:x='http://127.0.0.1:9/'/>"):
        try:
            parse_xml(text, what="a test")
        except DocumentError:
            continue
    watching = False
    assert opened == []


def test_doctype_in_content_is_content() -> None:
    text = "<a><!-- <!DOCTYPE b> --><b><![CDATA[<!DOCTYPE b>]]></b></a>"
    root = parse_xml(text, what="a test")
    assert root.findtext("b") == "<!DOCTYPE b>"
    assert serialise(root).strip() == text


def test_declared_encoding_of_decoded_text_is_ignored() -> None:
    assert parse_xml("<?xml version='1.0' encoding='latin-1'?><a>é</a>", what="a test").text == "é"


def test_as_root_wants_its_tag() -> None:
    element = etree.Element("pool")
    assert as_root(element, what="a pool", tag="pool") is element
    with pytest.raises(DocumentError, match="begins with <pool>"):
        as_root("<pool/>", what="a domain", tag="domain")


REFUSED = ["\0", "a\x01", "\x1b[31m", "\ud800", "\ufffe", "\uffff", "a\rb", "\r\n"]
KEPT = ["", "<b/>", "]]>", "&amp;", "'\"", "\t\n", " a ", "<!--", "${x}", "é\u2028\U0001f600", "\x7f\x85"]


@pytest.mark.parametrize("text", REFUSED)
def test_text_that_xml_cannot_hold_is_refused(text: str) -> None:
    root = etree.Element("a")
    with pytest.raises(DocumentError, match="a: "):
        set_text(root, text)
    with pytest.raises(DocumentError, match="a/@b: "):
        set_attribute(root, "b", text)
    with pytest.raises(DocumentError):
        add(root, "c", text=text)


@pytest.mark.parametrize("text", KEPT)
def test_text_round_trips_as_data(text: str) -> None:
    root = etree.Element("a")
    add(root, "c", text=text, d=text)
    (child,) = parse_xml(serialise(root), what="a test")
    assert (child.text or "", child.get("d"), len(child)) == (text, text, 0)
