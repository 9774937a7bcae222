import pytest

from vmstack.xmlio.overlay import Fact, Overlay, compare, find_missing
from vmstack.xmlio.safe import parse_xml

PLAIN = (
    "<domain><name>a</name><memory unit='KiB'>1024</memory><features><acpi/></features><devices>"
    "<disk type='file'><target dev='vda'/><serial>one</serial></disk>"
    "<disk type='file'><target dev='vdb'/><serial>two</serial></disk>"
    "<interface><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface><rng model='virtio'/>"
    "</devices></domain>"
)


def look(old: str, new: str, *, held: str | None = None, by_hand: tuple[str, str] = ("", "")) -> Overlay:
    """What comes of a stylesheet that puts `new` for `old`, on a host that holds that, changed by hand."""
    styled = PLAIN.replace(old, new)
    assert styled != PLAIN
    return compare(PLAIN, styled, held=(held or styled).replace(*by_hand))


def lacks(overlay: Overlay) -> list[tuple[str, str | None, str | None]]:
    return [(fact.path, fact.value, held) for fact, held in overlay.missing]


ADDED = {
    "an element": ("<acpi/>", "<acpi/><apic/>"),
    "an attribute": ("<rng model", "<rng a='b' model"),
    "a text": ("<serial>two", "<serial>three"),
    "within a device": ("<serial>two", "<iotune><total_iops_sec>5</total_iops_sec></iotune><serial>two"),
    "a device of the same kind": ("</devices>", "<rng model='virtio'><rate bytes='1'/></rng></devices>"),
    "nothing but less": ("<acpi/>", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ADDED)
def test_a_host_that_holds_it_lacks_nothing(case: str) -> None:
    overlay = look(*ADDED[case])
    assert lacks(overlay) == []
    assert overlay.digest != compare(PLAIN, PLAIN, held=PLAIN).digest


@pytest.mark.parametrize("case", ADDED)
def test_a_host_that_holds_the_old_lacks_it(case: str) -> None:
    assert bool(lacks(look(*ADDED[case], held=PLAIN))) is (case != "nothing but less")


def test_each_lack_is_told_with_what_is_there_instead() -> None:
    old, new = ADDED["within a device"]
    assert lacks(look(old, new, by_hand=(">5<", ">6<"))) == [("/devices/disk/iotune/total_iops_sec", "5", "6")]
    assert lacks(look(old, new, held=PLAIN)) == [
        ("/devices/disk/iotune", "<iotune><total_iops_sec>5</total_iops_sec></iotune>", None)
    ]
    assert lacks(look("<rng model='virtio'", "<rng model='other'", held=PLAIN)) == [
        ("/devices/rng/@model", "other", "virtio")
    ]


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        ("<memory unit='KiB'>1024", "<memory unit='MiB'>2", "<memory unit='KiB'>2048"),
        ("<acpi/>", "<acpi/><a x='0x1F'/>", "<acpi/><a x='31'/>"),
        ("00:01'/>", "00:0A'/>", "00:0a'/>"),
        ("<acpi/>", "<acpi/><apic/>", "<apic eoi='on'/><pae/><acpi/>"),
        ("</devices>", "<hub/></devices>", "<address/><hub><address type='usb'/></hub></devices>"),
    ],
)
def test_what_libvirt_writes_otherwise_is_the_same(old: str, new: str, written: str) -> None:
    assert lacks(look(old, new, held=PLAIN.replace(old, written))) == []


def test_devices_are_told_apart_by_what_they_are_known_by() -> None:
    styled = PLAIN.replace("<target dev='vdb'/>", "<target dev='vdb'/><shareable/>")
    swapped = PLAIN.replace("<target dev='vda'/>", "<target dev='vda'/><shareable/>")
    assert lacks(compare(PLAIN, styled, held=swapped)) == [("/devices/disk/shareable", "<shareable/>", None)]


def test_two_of_a_kind_need_two() -> None:
    styled = PLAIN.replace("</devices>", "<sound model='a'/><sound model='a'/></devices>")
    held = PLAIN.replace("</devices>", "<sound model='a'/></devices>")
    assert lacks(compare(PLAIN, styled, held=held)) == [("/devices/sound", '<sound model="a"/>', None)]
    assert lacks(compare(PLAIN, styled, held=styled)) == []


def test_passwords_are_in_the_digest_and_nowhere_else() -> None:
    one, other = (
        "<graphics type='vnc' passwd='WORD' passwdValidTo='2030-01-01T00:00:00'/></devices>".replace("WORD", word)
        for word in "ab"
    )
    told = PLAIN.replace("</devices>", "<graphics type='vnc'/></devices>")
    assert lacks(look("</devices>", one, held=told)) == []
    assert lacks(look("</devices>", one, held=PLAIN)) == [("/devices/graphics", '<graphics type="vnc"/>', None)]
    assert look("</devices>", one, held=told).digest != look("</devices>", other, held=told).digest


def test_layout_is_nothing() -> None:
    indented = PLAIN.replace("><", ">\n  <")
    assert compare(PLAIN, indented, held=PLAIN) == compare(PLAIN, PLAIN, held=None)


def test_without_a_host_all_that_is_added_is_missing() -> None:
    missing = compare(PLAIN, PLAIN.replace("<acpi/>", "<apic/>"), held=None).missing
    assert missing == ((Fact("/features/apic", "<apic/>"), None),)
    assert compare(PLAIN, PLAIN, held=None).missing == ()


@pytest.mark.parametrize(
    ("wanted", "held", "missing"),
    [
        ("<a/>", "<a b='1'><c/></a>", None),
        ("<a b='1'/>", "<a/>", "/a/@b"),
        ("<a b='0x1' c='AB:CD'/>", "<a b='0X1' c='ab:cd'/>", None),
        ("<a b='08'/>", "<a b='8'/>", None),
        ("<a b='yes'/>", "<a b='no'/>", "/a/@b"),
        ("<a> text </a>", "<a>text</a>", None),
        ("<a>text</a>", "<a/>", "/a"),
        ("<a><c/><c n='1'/></a>", "<a><c n='1'/><c/></a>", None),
        ("<a><c/><c/></a>", "<a><c/></a>", "/a/c"),
        ("<a><c><d n='1'/></c></a>", "<a><c><d n='2'/></c></a>", "/a/c/d/@n"),
        ("<a><c n='1'/></a>", "<a><c n='2'/><c n='3'/></a>", "/a/c/@n"),
        ("<a><c/><c n='1'/></a>", "<a><c n='1'/></a>", "/a/c"),
        ("<a><!-- x --><c/></a>", "<a><c/></a>", None),
        ("<a><x:c xmlns:x='urn:x'/></a>", "<a xmlns:y='urn:x'><y:c/></a>", None),
        ("<a><x:c xmlns:x='urn:x'/></a>", "<a><c/></a>", "/a/c"),
    ],
)
def test_what_is_missing(wanted: str, held: str, missing: str | None) -> None:
    assert find_missing(parse_xml(wanted, what="one"), parse_xml(held, what="other")) == missing


def test_what_says_more_is_not_robbed_of_its_place() -> None:
    plain, styled = "<d/>", "<d><c/><c n='1'/></d>"
    assert compare(plain, styled, held="<d><c n='1'/><c/></d>").missing == ()
