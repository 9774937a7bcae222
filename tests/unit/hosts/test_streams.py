"""On the connection of the streams, no call is under way while a stream ends."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmstack.errors import HostUnreachableError
from vmstack.hosts.streams import StreamLine


class Connection:
    """Notes what overlaps."""

    def __init__(self) -> None:
        self.alive = True
        self.closed = False
        self.under_way = 0
        self.most = 0
        self._lock = threading.Lock()

    def isAlive(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed = True

    def call(self) -> None:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.001)
        with self._lock:
            self.under_way -= 1

    def storagePoolLookupByUUIDString(self, uuid: str) -> object:
        self.call()
        return object()


@pytest.fixture
def opened() -> list[Connection]:
    return []


@pytest.fixture
def other() -> Connection:
    """The connection for everything else."""
    return Connection()


@pytest.fixture
def line(opened: list[Connection], other: Connection) -> StreamLine:
    def open_connection() -> Connection:
        opened.append(Connection())
        return opened[-1]

    return StreamLine(open_connection, lost=lambda: not other.alive, uri="test:///")


def test_calls_and_ends_take_turns(line: StreamLine, opened: list[Connection]) -> None:
    def use(number: int) -> None:
        with line.pool_calls(f"pool-{number % 3}") as (connection, _pool):
            connection.call()
        line.end(opened[0].call)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(40)))
    assert [one.most for one in opened] == [1]


def test_it_opens_when_the_first_stream_is_there_and_never_again(line: StreamLine, opened: list[Connection]) -> None:
    assert opened == []
    assert line.alive()
    with line.pool_calls("a") as (_, first):
        pass
    with line.pool_calls("a") as (_, again):
        assert again is first
    opened[0].alive = False
    assert not line.alive()
    with line.calls() as connection:
        assert connection is opened[0]  # whose calls fail
    line.close()
    assert opened[0].closed
    with pytest.raises(HostUnreachableError), line.calls():
        pass
    assert len(opened) == 1


def test_nothing_is_done_over_it_when_the_other_connection_is_lost(
    line: StreamLine, other: Connection, opened: list[Connection]
) -> None:
    other.alive = False
    for _ in range(2):
        with pytest.raises(HostUnreachableError, match="the connection to test:/// was lost"), line.calls():
            pass
    assert opened == []


def test_a_host_that_does_not_answer_is_waited_for_once(other: Connection) -> None:
    asked: list[int] = []

    def open_connection() -> Connection:
        asked.append(1)
        raise HostUnreachableError("no answer")

    line = StreamLine(open_connection, lost=lambda: not other.alive, uri="test:///")
    for _ in range(3):
        with pytest.raises(HostUnreachableError, match="no answer"), line.calls():
            pass
    assert len(asked) == 1


def test_a_stream_may_end_inside_a_call_of_the_same_thread(line: StreamLine) -> None:
    ended: list[int] = []
    with line.calls():
        line.end(lambda: ended.append(1))
    assert ended == [1]


def test_a_failing_call_leaves_the_turn_to_others(line: StreamLine) -> None:
    with pytest.raises(ValueError, match="x"), line.calls():
        raise ValueError("x")
    with line.calls() as connection:
        assert connection.isAlive()
