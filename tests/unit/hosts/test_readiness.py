"""Waiting for a guest's report, without a guest."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.unit.hosts.test_guest_report import line, pack
from vmstack.errors import GuestError
from vmstack.hosts.driver import DomainRecord
from vmstack.hosts.readiness import GuestFailedError, GuestNotReadyError, await_ready


class OneGuest:
    """As much of a driver as waiting needs: one domain and what it writes; `writes` may be endless."""

    def __init__(self, *writes: bytes, state: str = "running", forever: bool = True) -> None:
        self.writes = writes
        self.record = DomainRecord(
            uuid="u",
            name="v",
            state=state,
            persistent=True,
            autostart=False,
            has_managed_save=False,
            xml="<domain/>",
            live_xml=None if state == "shutoff" else "<domain id='1'/>",
        )
        self.forever = forever
        self.closed = False

    def read_channel(self, uuid: str, channel: str, *, timeout: float) -> Iterator[bytes]:
        try:
            yield from self.writes
            yield from itertools.repeat(b"") if self.forever else ()
        finally:
            self.closed = True

    def domain(self, uuid: str) -> DomainRecord:
        return self.record


def clock() -> Callable[[], float]:
    ticks = itertools.count()
    return lambda: float(next(ticks))


def wait(guest: OneGuest, *, instance: str | None = "i-1", addresses: tuple[str, ...] = ()) -> object:
    return await_ready(guest, uuid="u", name="web-0", timeout=20, instance=instance, addresses=addresses, clock=clock())


def test_first_report_that_counts_is_returned() -> None:
    guest = OneGuest(
        b"", b"garbage\n", line(instance="i-0") + b"\n" + line()[:40], line()[40:] + b"\n", line(boot="later") + b"\n"
    )
    assert wait(guest, addresses=("10.0.0.5", "FD00::0:1")).boot == "b"
    assert guest.closed


def test_any_instance_will_do_where_none_is_asked_for() -> None:
    assert wait(OneGuest(line(instance="x") + b"\n"), instance=None).instance == "x"


def test_addresses_may_come_late() -> None:
    late = line(addresses=pack("10.0.0.9")) + b"\n"
    assert wait(OneGuest(line(addresses="") + b"\n", late), addresses=("10.0.0.9",)).addresses == ("10.0.0.9",)


def test_failure_is_told_at_once_with_cloud_inits_own_words() -> None:
    bad = line(exit=1, addresses="", result=pack('{"v1": {"errors": ["first", "second"]}}')) + b"\n"
    with pytest.raises(GuestFailedError) as caught:
        wait(OneGuest(bad), addresses=("10.0.0.9",))
    assert "first" in caught.value.brief
    assert caught.value.details == ("second",)
    assert caught.value.report.exit == 1


@pytest.mark.parametrize(
    ("guest", "texts"),
    [
        (OneGuest(), ("within 20 s", "said nothing")),
        (OneGuest(b"hello\n"), ("within 20 s", "no report")),
        (OneGuest(line(instance="i-0") + b"\n"), ("within 20 s", "i-0, not of i-1")),
        (OneGuest(line(addresses="") + b"\n"), ("within 20 s", "has no 10.0.0.9")),
        (OneGuest(state="paused"), ("within 20 s", "the domain is paused")),
        (OneGuest(state="shutoff", forever=False), ("powered off",)),
    ],
)
def test_silence_tells_what_was_seen_last(guest: OneGuest, texts: tuple[str, ...]) -> None:
    with pytest.raises(GuestNotReadyError) as caught:
        wait(guest, addresses=("10.0.0.9",))
    assert isinstance(caught.value, GuestError)
    assert all(text in str(caught.value) for text in texts)
    assert guest.closed
