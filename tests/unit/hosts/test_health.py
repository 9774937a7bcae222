"""Health checks: commands and ports, until they pass, time is over, or the guest is off."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fake.host import FakeHost
from vmstack.errors import GuestError
from vmstack.hosts.execute import execute
from vmstack.hosts.health import Workplace, await_healthy
from vmstack.hosts.readiness import GuestNotReadyError
from vmstack.model.effects import AwaitHealthy
from vmstack.model.ownership import Stamp
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

UUID = "11111111-1111-4111-8111-111111111111"
XML = f"""<domain type='qemu'><name>v</name><uuid>{UUID}</uuid><memory>65536</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"""
STAMP = write_stamp(Stamp(path="p/s/vm/v", digest="d", ready="pending"))


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def host() -> FakeHost:
    fake = FakeHost()
    fake.define_domain(XML)
    fake.start_domain(UUID)
    fake.set_domain_metadata(UUID, xml=STAMP, namespace=NAMESPACE, live=True)
    return fake


def check(**changes: object) -> AwaitHealthy:
    return AwaitHealthy(uuid=UUID, name="v", **{"timeout": 10, "interval": 2, **changes})  # type: ignore[arg-type]


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


def wait(host: FakeHost, effect: AwaitHealthy) -> Clock:
    clock = Clock()
    await_healthy(host, effect, workplace=Workplace.here(), clock=clock, sleep=clock.sleep)
    return clock


def test_command_gets_the_guest_by_its_environment_and_its_arguments_as_they_are(host: FakeHost) -> None:
    given = "os.environ['VMSTACK_VM'], os.environ['VMSTACK_ADDRESS'], sys.argv[1]"
    code = f"import os, sys; sys.exit(({given}) != ('v', '10.0.0.1', '$(x) *'))"
    assert wait(host, check(command=(*python(code), "$(x) *"), address="10.0.0.1")).now == 0


def test_check_is_tried_until_its_time_is_over_and_tells_what_was_said_last(host: FakeHost) -> None:
    code = "import sys; print('noise'); print('not \\x1b[31myet', file=sys.stderr); sys.exit(7)"
    with pytest.raises(GuestNotReadyError, match="did not pass its health check within 10 s") as caught:
        wait(host, check(command=python(code), interval=5))
    assert caught.value.details == (f"{sys.executable} exited with 7: not [31myet",)


def test_command_that_is_not_there_fails_at_once(host: FakeHost) -> None:
    with pytest.raises(GuestError, match="no-such-program: No such file or directory"):
        wait(host, check(command=("no-such-program",)))


def test_guest_that_is_off_is_not_waited_for(host: FakeHost) -> None:
    host.power_off_domain(UUID)
    with pytest.raises(GuestNotReadyError, match="powered off before its health check passed"):
        wait(host, check(command=("false",), timeout=3600))


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_port_must_take_a_connection(host: FakeHost, port: int) -> None:
    assert wait(host, check(address="127.0.0.1", port=port)).now == 0


def test_port_that_nobody_listens_on_is_no_health(host: FakeHost, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with pytest.raises(GuestNotReadyError) as caught:
        wait(host, check(command=("true",), address="127.0.0.1", port=closed))
    assert caught.value.details == (f"127.0.0.1:{closed} takes no connection: Connection refused",)


def test_success_stands_in_the_stamp(host: FakeHost) -> None:
    execute(check(command=("true",)), host, supply=None, report=lambda *_: None)  # type: ignore[arg-type]
    assert stamped(host) == ("ok", None)


def test_command_that_hangs_is_ended_and_the_guest_is_not_ready(host: FakeHost) -> None:
    began = time.monotonic()
    effect = check(command=python("import time; time.sleep(60)"), timeout=1)
    with pytest.raises(GuestNotReadyError) as caught:
        execute(effect, host, supply=None, report=lambda *_: None)  # type: ignore[arg-type]
    assert "did not end within 1 s" in caught.value.details[0]
    assert time.monotonic() - began < 20
    assert stamped(host) == ("pending", caught.value.brief)


def stamped(host: FakeHost) -> tuple[str, str | None]:
    stamp = read_stamp(host.domain(UUID).xml)
    assert stamp is not None
    return stamp.ready, stamp.report
