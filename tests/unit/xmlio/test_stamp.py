import msgspec
import pytest

from vmstack.errors import DocumentError
from vmstack.model.ownership import Stamp
from vmstack.xmlio.safe import parse_xml, serialise
from vmstack.xmlio.stamp import NAMESPACE, put_stamp, read_stamp, write_stamp

STAMP = Stamp(
    path="p/s/vm/a", digest="d", fields=("memory", "disks[root].cache"), generation=3, protect=True, ready="failed",
    report="<it> & 'broke'\nbadly",
)  # fmt: skip
DOCUMENT = "<domain><name>a</name><uuid>u</uuid><metadata><o:x xmlns:o='urn:o'><y/></o:x></metadata></domain>"


def test_namespace_never_changes() -> None:
    assert NAMESPACE == "urn:vmstack:stamp:1"


@pytest.mark.parametrize("stamp", [STAMP, Stamp(path="p/s/network/n", digest="d")])
def test_stamp_stands_alone_without_its_namespace(stamp: Stamp) -> None:
    written = write_stamp(stamp)
    assert "xmlns" not in written
    assert read_stamp(written) == stamp


def test_stamp_in_a_document_leaves_other_metadata() -> None:
    root = parse_xml(DOCUMENT, what="a domain")
    put_stamp(root, Stamp(path="p/s/vm/a", digest="old"))
    put_stamp(root, STAMP)
    again = serialise(root)
    assert read_stamp(again) == STAMP
    assert again.count("urn:vmstack:stamp:1") == 1
    assert '<o:x xmlns:o="urn:o"><y/></o:x>' in again


def test_metadata_is_made_where_there_is_none() -> None:
    root = parse_xml("<network><name>a</name><uuid>u</uuid><ip/></network>", what="a network")
    put_stamp(root, STAMP)
    assert [child.tag for child in root] == ["name", "uuid", "metadata", "ip"]


def stamped(attributes: str, namespace: str = NAMESPACE) -> str:
    return f"<domain><metadata><v:stamp xmlns:v='{namespace}' {attributes}/></metadata></domain>"


@pytest.mark.parametrize(
    "xml",
    [
        "<domain/>",
        "<domain><metadata/></domain>",
        stamped("path='p' digest='d'", "urn:other"),
        "<domain><metadata><stamp path='p' digest='d'/></metadata></domain>",
        stamped("digest='d'"),
        stamped("path='p'"),
        stamped("path='p' digest='d' generation='many'"),
        stamped("path='p' digest='d' ready='perhaps'"),
        f"<domain><v:stamp xmlns:v='{NAMESPACE}' path='p' digest='d'/></domain>",
    ],
)
def test_no_stamp_or_a_damaged_one_is_none(xml: str) -> None:
    assert read_stamp(xml) is None


def test_attributes_of_later_versions_are_ignored() -> None:
    assert read_stamp(stamped("path='p' digest='d' mood='good'")) == Stamp(path="p", digest="d")


@pytest.mark.parametrize("fields", [("a b",), ("",), ("a\n",)])
def test_fields_are_words(fields: tuple[str, ...]) -> None:
    with pytest.raises(DocumentError, match="fields must be words"):
        write_stamp(Stamp(path="p", digest="d", fields=fields))


def test_report_of_a_hostile_guest_is_refused_or_kept() -> None:
    with pytest.raises(DocumentError, match="cannot hold"):
        write_stamp(Stamp(path="p", digest="d", report="\x1b[2J"))


def test_an_edit_breaks_the_seal_and_what_has_none_is_believed() -> None:
    written = write_stamp(STAMP)
    edited = written.replace('protect="yes"', 'protect="no"')
    assert read_stamp(edited) == msgspec.structs.replace(STAMP, protect=False, intact=False)
    assert read_stamp(stamped("path='p' digest='d' seal='00'")) == Stamp(path="p", digest="d", intact=False)
    reordered = parse_xml(written, what="a stamp")
    attributes = sorted(reordered.attrib.items())
    reordered.attrib.clear()
    reordered.attrib.update(attributes)
    assert read_stamp(reordered) == STAMP
