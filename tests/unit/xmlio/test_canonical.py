"""One text for all XML that means the same, whatever its namespaces are."""

import pytest

from vmstack.xmlio.canonical import canonicalise
from vmstack.xmlio.safe import parse_xml

# C14N 1.0 refuses the relative one, which kcli uses.
NAMESPACES = ["urn:x", "https://example.net/x", "kvirt", "x/y"]


def canonical(xml: str) -> str:
    return canonicalise(parse_xml(xml, what="a test's XML", compact=True))


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_form(namespace):
    xml = f"<a><k:i  xmlns:unused='urn:u' xmlns:k='{namespace}' z='1' b='&lt;\"'><!-- c --><k:p/>t &amp; <q/></k:i></a>"
    form = f'<k:i xmlns:k="{namespace}" b="&lt;&quot;" z="1"><k:p></k:p>t &amp; <q></q></k:i>'
    assert canonical(xml) == f"<a>{form}</a>"
    assert canonicalise(parse_xml(xml, what="a test's XML", compact=True)[0]) == form


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("<k:i a='1' b='2'/>", "<k:i   b=\"2\" a='1'></k:i>", True),
        ("<k:i><k:p/></k:i>", "<k:i>\n  <k:p/>\n</k:i>", True),
        ("<k:i><k:p/></k:i>", "<k:i><p/></k:i>", False),
        ("<k:i>a</k:i>", "<k:i>b</k:i>", False),
    ],
)
def test_same(namespace, one, other, same):
    one, other = (f"<a xmlns:k='{namespace}'>{xml}</a>" for xml in (one, other))
    assert (canonical(one) == canonical(other)) == same
