"""On the connection of the streams, no call is under way while a stream ends."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmstack.hosts.link import Link
from vmstack.hosts.streams import StreamLine
from vmstack.hosts.volumes import VolumeCalls


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
def line(opened: list[Connection]) -> StreamLine:
    def open_connection() -> Connection:
        opened.append(Connection())
        return opened[-1]

    return StreamLine(open_connection)


def test_calls_and_ends_take_turns(line: StreamLine, opened: list[Connection]) -> None:
    def use(number: int) -> None:
        with line.pool_calls(f"pool-{number % 3}") as (connection, _pool):
            connection.call()
        line.end(opened[0].call)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(40)))
    assert [one.most for one in opened] == [1]


def test_it_opens_when_the_first_stream_is_there_and_again_after_a_break(
    line: StreamLine, opened: list[Connection]
) -> None:
    assert opened == []
    assert line.alive()
    with line.pool_calls("a") as (_, first):
        pass
    with line.pool_calls("a") as (_, again):
        assert again is first
    opened[0].alive = False
    assert not line.alive()
    with line.pool_calls("a") as (connection, other):
        assert other is not first  # a handle is of its connection
        assert connection is opened[1]
    line.close()
    assert opened[1].closed


def test_a_failing_call_leaves_the_turn_to_others(line: StreamLine) -> None:
    with pytest.raises(ValueError, match="x"), line.calls():
        raise ValueError("x")
    with line.calls() as connection:
        assert connection.isAlive()


class Stream:
    def send(self, data: bytes) -> int:
        return len(data)

    def finish(self) -> None:
        pass


class Store(Connection):
    """One that has one pool, whose volumes know where they were found."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[str] = []

    def storagePoolLookupByName(self, name: str) -> "Store":
        return self

    def storagePoolLookupByUUIDString(self, uuid: str) -> "Store":
        return self

    def UUIDString(self) -> str:
        return "00000000-0000-4000-8000-000000000001"

    def createXML(self, xml: str, flags: int) -> "Volume":
        return Volume(self, "made")

    def storageVolLookupByName(self, name: str) -> "Volume":
        return Volume(self, "found")

    def newStream(self, flags: int) -> Stream:
        return Stream()

    def domainEventRegisterAny(self, *arguments: object) -> int:
        return 0


class Volume:
    def __init__(self, store: Store, how: str) -> None:
        self._store = store
        self._how = how

    def connect(self) -> Store:
        return self._store

    def upload(self, stream: Stream, offset: int, length: int, flags: int) -> None:
        self._store.uploads.append(self._how)


@pytest.mark.parametrize(("breaks", "uploads"), [(False, [["made"]]), (True, [[], ["found"]])])
def test_a_new_volume_is_looked_up_only_after_a_break(breaks: bool, uploads: list[list[str]]) -> None:
    stores: list[Store] = []

    def open_connection() -> Store:
        stores.append(Store())
        return stores[-1]

    calls = VolumeCalls(Link(Store(), open_another=open_connection, uri="test:///", readonly=False))
    calls.create_volume(
        "p", "<volume><name>a</name><allocation>0</allocation><target><format type='raw'/></target></volume>"
    )
    stores[0].alive = not breaks
    calls.upload_volume("p", "a", chunks=[b"x"], length=1)
    assert [store.uploads for store in stores] == uploads
