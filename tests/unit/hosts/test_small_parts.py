"""The small parts that need no host."""

import os
import subprocess
import sys

import pytest

from vmstack.errors import HostBusyError, HostError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.holder import is_dead, start_of, this_process
from vmstack.hosts.libvirt_driver import LibvirtDriver
from vmstack.hosts.network_metadata import replace_metadata
from vmstack.hosts.passwords import keep_passwords
from vmstack.hosts.secret_xml import read_description, write_secret
from vmstack.hosts.volumes import _cover
from vmstack.xmlio.safe import parse_xml, serialise


def test_parts_of_the_driver_do_not_hide_each_others_names() -> None:
    names: list[str] = []
    for part in LibvirtDriver.__bases__:
        names += [name for name in vars(part) if not name.startswith("__")]
    assert len(names) == len(set(names))


class Refusing:
    """Refuses as busy so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self) -> str:
        if self.times:
            self.times -= 1
            raise HostBusyError("pool has asynchronous jobs running")
        return "done"


def test_patience_goes_on_while_busy_and_ends() -> None:
    slept: list[float] = []
    patience = Patience(sleep=slept.append, seconds=10)
    assert patience.insist(Refusing(4)) == "done"
    assert slept == [0.05, 0.1, 0.2, 0.4]
    slept.clear()
    with pytest.raises(HostBusyError):
        patience.insist(Refusing(1000))
    assert 10 <= sum(slept) <= 12


@pytest.mark.parametrize("done", [True, False])
def test_refusal_counts_for_nothing_when_the_work_is_done(done: bool) -> None:
    def refuse() -> None:
        raise HostError("domain is already running")

    if done:
        Patience().settle(refuse, done=lambda: done)
    else:
        with pytest.raises(HostError):
            Patience().settle(refuse, done=lambda: done)


@pytest.mark.parametrize(
    ("chunks", "old", "expected"),
    [
        ([b"abc", 5, b"d"], 0, [b"abc", 5, b"d"]),
        ([b"abc", 5, b"d"], 3, [b"abc", 5, b"d"]),
        ([b"abc", 5, b"d"], 5, [b"abc", b"\0\0", 3, b"d"]),
        ([b"abc", 5, b"d"], 100, [b"abc", b"\0" * 5, b"d"]),
        ([4, 4], 6, [b"\0" * 4, b"\0\0", 2]),
        ([600_000], 400_000, [bytes(262120), bytes(137880), 200_000]),
    ],
)
def test_holes_over_old_content_become_zeros(chunks: list[bytes | int], old: int, expected: list[bytes | int]) -> None:
    assert list(_cover(chunks, old=old)) == expected


def test_holder_knows_the_living_from_the_dead() -> None:
    me = this_process()
    assert (me.pid, me.pid_start) == (os.getpid(), start_of(os.getpid()))
    assert not is_dead(machine=me.machine, pid=me.pid, pid_start=me.pid_start)
    assert is_dead(machine=me.machine, pid=me.pid, pid_start="1")
    assert not is_dead(machine="another", pid=me.pid, pid_start="1")
    assert not is_dead(machine=me.machine, pid=me.pid, pid_start="")
    child = subprocess.Popen([sys.executable, "-c", ""])
    start = start_of(child.pid) or "0"
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(machine=me.machine, pid=child.pid, pid_start=start)  # a zombie is dead, too
    child.wait()


@pytest.mark.parametrize("text", ["", "plain", "<&>\"']]>", "x" * 100_000])
def test_secret_carries_its_description(text: str) -> None:
    xml = write_secret(uuid="u", usage="vmstack:<a>/b", description=text)
    assert read_description(xml) == text
    root = parse_xml(xml, what="test")
    assert (root.get("ephemeral"), root.get("private")) == ("no", "no")
    assert root.findtext("usage/volume") == "vmstack:<a>/b"


NETWORK = "<network><name>n</name><uuid>u</uuid>{}<bridge name='b'/></network>"


@pytest.mark.parametrize(
    ("before", "element", "after"),
    [
        ("", "<stamp a='1'/>", '<metadata><vmstack:stamp xmlns:vmstack="urn:s" a="1"/></metadata>'),
        (
            '<metadata><o:x xmlns:o="urn:o"/><v:old xmlns:v="urn:s"/></metadata>',
            "<stamp/>",
            '<metadata><o:x xmlns:o="urn:o"/><vmstack:stamp xmlns:vmstack="urn:s"/></metadata>',
        ),
        ('<metadata><v:old xmlns:v="urn:s"/></metadata>', None, ""),
        ('<metadata><o:x xmlns:o="urn:o"/></metadata>', None, '<metadata><o:x xmlns:o="urn:o"/></metadata>'),
        ("", None, ""),
    ],
)
def test_metadata_of_one_namespace_is_replaced(before: str, element: str | None, after: str) -> None:
    found = replace_metadata(NETWORK.format(before), element=element, namespace="urn:s")
    compact = serialise(parse_xml(found, what="test", compact=True))
    assert compact == serialise(parse_xml(NETWORK.format(after), what="test", compact=True))


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ("<graphics type='vnc'/>", "<graphics type='vnc' passwd='p'/>", "p"),
        ("<graphics type='vnc' passwd='mine'/>", "<graphics type='vnc' passwd='p'/>", "mine"),
        ("<graphics type='spice'/>", "<graphics type='vnc' passwd='p'/>", None),
        ("<graphics type='vnc'/>", "<graphics type='vnc'/>", None),
    ],
)
def test_display_keeps_its_password(new: str, old: str, expected: str | None) -> None:
    root = parse_xml(f"<domain><devices>{new}</devices></domain>", what="test")
    changed = keep_passwords(root, secure_xml=f"<domain><devices>{old}</devices></domain>")
    assert root.find("devices/graphics").get("passwd") == expected
    assert changed is (expected == "p")
