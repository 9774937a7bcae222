"""Handles of pools and new volumes that a connection keeps, and what happens when others remove what they stand for."""

from typing import Any

import libvirt
import pytest

from vmstack.errors import HostError, NotFoundError
from vmstack.hosts.link import Link
from vmstack.hosts.volumes import VolumeCalls

XML = (
    "<volume><name>a</name><allocation>0</allocation><capacity>1</capacity>"
    "<target><format type='raw'/></target></volume>"
)


class Pool:
    """A pool that others may remove."""

    def __init__(self) -> None:
        self.gone = False
        self.deleted: list[str] = []

    def UUIDString(self) -> str:
        return "00000000-0000-4000-8000-000000000001"

    def createXML(self, xml: str, flags: int) -> object:
        return object()

    def storageVolLookupByName(self, name: str) -> "Pool":
        if self.gone:
            error = libvirt.libvirtError("virStorageVolLookupByName() failed")
            error.err = (libvirt.VIR_ERR_NO_STORAGE_POOL, 0, "no pool with matching uuid", 2, None, None, None, -1, -1)
            raise error
        return self

    def delete(self, flags: int) -> None:
        self.deleted.append("a")


class Connection:
    def __init__(self) -> None:
        self.found: list[Pool] = [Pool()]

    def isAlive(self) -> bool:
        return True

    def storagePoolLookupByUUIDString(self, uuid: str) -> Pool:
        return self.found[-1]

    def storagePoolLookupByName(self, name: str) -> Pool:
        if self.found[-1].gone:
            self.found[-1].storageVolLookupByName("")
        return self.found[-1]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: 0


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def link(connection: Connection) -> Link:
    return Link(connection, open_another=lambda: connection, uri="test:///", readonly=False)


def test_a_pool_that_was_removed_says_nothing_of_its_volumes(link: Link, connection: Connection) -> None:
    calls = VolumeCalls(link)
    calls.create_volume("p", XML)
    assert link.blank
    connection.found[-1].gone = True
    with pytest.raises(HostError, match="pool p was removed meanwhile") as caught:
        calls.delete_volume("p", "a")
    assert not isinstance(caught.value, NotFoundError)
    assert not link.blank
    connection.found.append(Pool())  # of the same name
    calls.delete_volume("p", "a")
    assert connection.found[-1].deleted == ["a"]


def test_a_pool_that_was_never_there_has_no_volumes(link: Link, connection: Connection) -> None:
    connection.found[-1].gone = True
    with pytest.raises(NotFoundError):
        VolumeCalls(link).delete_volume("p", "a")


def test_a_deleted_volume_is_not_kept_as_a_new_one(link: Link) -> None:
    calls = VolumeCalls(link)
    calls.create_volume("p", XML)
    calls.create_volume("q", XML)
    calls.delete_volume("p", "a")
    assert list(link.blank) == [("q", "a")]
    link.forget_pool("q")
    assert not link.blank
