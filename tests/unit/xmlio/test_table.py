import pytest
from lxml import etree

from vmstack.errors import DocumentError
from vmstack.model.base import Data
from vmstack.xmlio.codec import BYTES, INTEGER, KIB, PREFIX, PRESENCE, YES_NO, scale
from vmstack.xmlio.table import Field, Path, Table, first_children, new_root


class Sample(Data, frozen=True, kw_only=True):
    name: str | None = None
    count: int | None = None
    size: int | None = None
    flag: bool = False
    serial: str | None = None
    kind: str | None = None


TABLE = Table(
    "sample",
    Field("kind", "@kind", keep=True),
    Field("name", "name"),
    Field("count", "cpu/@current", INTEGER, also=("cpu",)),
    Field("size", "memory", KIB),
    Field("flag", "readonly", PRESENCE),
    Field("serial", "info[@type='a']/entry[@name='serial']"),
)
FULL = Sample(name="n", count=2, size=1024, flag=True, serial="s", kind="k")


def text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode")


def read(xml: str) -> Sample:
    return Sample(**TABLE.read(etree.fromstring(xml)))


def test_write_then_read() -> None:
    root = new_root("s")
    TABLE.write(root, FULL)
    assert text(root) == (
        '<s kind="k"><name>n</name><cpu current="2"/><memory unit="KiB">1024</memory><readonly/>'
        '<info type="a"><entry name="serial">s</entry></info></s>'
    )
    assert read(text(root)) == FULL


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<s/>", Sample()),
        ("<s><name/><info type='b'><entry name='serial'>s</entry></info></s>", Sample()),
        (
            "<s><info type='b'/><info type='a'><entry name='x'/><entry name='serial'>s</entry></info></s>",
            Sample(serial="s"),
        ),
        ("<s><cpu>4</cpu></s>", Sample(count=4)),
        ("<s><cpu current='2'>4</cpu></s>", Sample(count=2)),
        ("<s><name>a</name><name>b</name></s>", Sample(name="a")),
        ("<s><memory unit='MiB'>2</memory></s>", Sample(size=2048)),
        ("<s><memory>2</memory></s>", Sample(size=2)),
        ("<s><memory unit='b'>1025</memory></s>", Sample(size=2)),
    ],
)  # fmt: skip
def test_read(xml: str, expected: Sample) -> None:
    assert read(xml) == expected


@pytest.mark.parametrize(
    ("xml", "brief"),
    [
        ("<s><cpu current='x'/></s>", "sample: cpu/@current is not a number: 'x'"),
        ("<s><cpu current='-1'/></s>", "is not a number"),
        ("<s><cpu current='1_0'/></s>", "is not a number"),
        ("<s><cpu current='٣'/></s>", "is not a number"),
        ("<s><cpu current='" + "9" * 5000 + "'/></s>", "is not a number"),
        ("<s><memory unit='stones'>1</memory></s>", "unit that is not known"),
        ("<s><memory unit='GiB'>lots</memory></s>", "is not a number"),
    ],
)
def test_bad_value_says_where(xml: str, brief: str) -> None:
    with pytest.raises(DocumentError) as raised:
        read(xml)
    assert brief in raised.value.brief
    assert len(raised.value.brief) < 200


@pytest.mark.parametrize("config", [Sample(count=-1), Sample(name="")])
def test_value_that_cannot_be_written_says_where(config: Sample) -> None:
    with pytest.raises(DocumentError, match=r"sample: (count|name) is"):
        TABLE.write(new_root("s"), config)


def test_patch_touches_what_differs() -> None:
    xml = "<s x='1' kind='k'><!-- c --><name y='2'>n</name><cpu current='2'>4</cpu><info type='b'/></s>"
    root = etree.fromstring(xml)
    before = read(xml)
    assert TABLE.patch(root, before=before, after=before) == frozenset()
    assert text(root) == xml.replace("'", '"')
    changed = TABLE.patch(root, before=before, after=Sample(name="m", count=2, serial="s"))
    assert changed == {"name", "serial"}
    assert text(root) == (
        '<s x="1" kind="k"><!-- c --><name y="2">m</name><cpu current="2">4</cpu><info type="b"/>'
        '<info type="a"><entry name="serial">s</entry></info></s>'
    )


def test_patch_removes_what_is_no_longer_said_and_keeps_the_rest() -> None:
    root = new_root("s")
    TABLE.write(root, FULL)
    etree.SubElement(root.find("info"), "other")
    TABLE.patch(root, before=FULL, after=Sample())
    assert text(root) == '<s kind="k"><info type="a"><other/></info></s>'


@pytest.mark.parametrize(
    ("xml", "path", "left"),
    [
        ("<s><a><b><c/></b></a></s>", "a/b/c", "<s/>"),
        ("<s><a><b x='1'/></a></s>", "a/b/@x", "<s/>"),
        ("<s><a n='1'><b x='1'/></a></s>", "a[@n='1']/b/@x", "<s/>"),
        ("<s><a n='1'><b x='1'/></a></s>", "a/b/@x", '<s><a n="1"/></s>'),
        ("<s><a><b x='1'><c/></b></a></s>", "a/b/@x", "<s><a><b><c/></b></a></s>"),
        ("<s><a>text<b/></a></s>", "a/b", "<s><a>text</a></s>"),
        ("<s><a><b/></a></s>", "a/c", "<s><a><b/></a></s>"),
        ("<s x='1'/>", "@x", "<s/>"),
        ("<s/>", "@x", "<s/>"),
    ],
)
def test_clear_takes_empty_parents_along(xml: str, path: str, left: str) -> None:
    root = etree.fromstring(xml)
    Path(path).clear(root)
    assert text(root) == left


def test_first_children_are_the_first() -> None:
    root = etree.fromstring("<s><a n='1'/><!-- x --><a n='2'/></s>")
    assert first_children(root)["a"].get("n") == "1"


def test_bad_path_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="step"):
        Path("a/b[c]")


@pytest.mark.parametrize(
    ("number", "unit", "into", "expected"),
    [
        ("1", "KiB", "KiB", "1"),
        ("1", "GiB", "KiB", "1048576"),
        ("1", "G", "KiB", "1048576"),
        ("1000", "KB", "KiB", "977"),
        ("1", "bytes", "KiB", "1"),
        ("2", "TiB", "bytes", str(2 * 1024**4)),
        ("3", "b", "bytes", "3"),
        ("1", "EB", "bytes", str(10**18)),
    ],
)
def test_scale(number: str, unit: str, into: str, expected: str) -> None:
    assert scale(number, unit=unit, into=into) == expected


@pytest.mark.parametrize(
    ("mask", "length"),
    [("24", 24), ("255.255.255.0", 24), ("0.0.0.0", 0), ("255.255.255.255", 32), ("128.0.0.0", 1), ("64", 64)],
)
def test_prefix(mask: str, length: int) -> None:
    assert PREFIX.decode(mask) == length


@pytest.mark.parametrize(
    "mask", ["255.0.255.0", "255.255.255", "256.0.0.0", "255.255.255.0.0", "", "a.b.c.d", "0.0.0.255"]
)
def test_bad_netmask(mask: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        PREFIX.decode(mask)


def test_yes_no_and_bytes() -> None:
    assert [YES_NO.encode(value) for value in (True, False)] == ["yes", "no"]
    assert [YES_NO.decode(value) for value in ("yes", "no", "")] == [True, False, False]
    assert BYTES.unit == "bytes"
