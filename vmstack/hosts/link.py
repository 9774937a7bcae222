"""One open connection with what all calls over it share: threads, events and the translation of errors."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final, TypeVar

import libvirt

from vmstack.errors import HostError, NotFoundError
from vmstack.hosts.events import DomainEvents
from vmstack.hosts.failures import libvirt_failures
from vmstack.hosts.streams import StreamLine

_T = TypeVar("_T")
_R = TypeVar("_R")

# libvirtd serves 5 calls of one client at a time (max_client_requests); some more keep that queue full.
CALLS_AT_ONCE: Final = 8


class Link:
    """A libvirt connection and its helpers. `uri` names the host to people, `connection` is libvirt's own object."""

    def __init__(
        self,
        connection: Any,
        *,
        open_another: Callable[[], Any],
        uri: str,
        readonly: bool,
        at_once: int = CALLS_AT_ONCE,
    ) -> None:
        self.connection = connection
        self.streams = StreamLine(open_another, lost=lambda: not self._alive(), uri=uri)
        self.uri = uri
        self.readonly = readonly
        self.events = DomainEvents(connection)
        self.closed = threading.Event()
        self._at_once = at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="libvirt-read")
        # Volumes, by pool and name, that this link made just now for streams and that hold nothing.
        self.blank: dict[tuple[str, str], Any] = {}
        self._pools: dict[str, Any] = {}

    def pool(self, name: str) -> Any:
        """Return libvirt's handle of a pool, as it was first found: looking one up waits while volumes are made in it.

        Whatever is done with it concerns that pool (its UUID), and fails when it is gone.
        """
        handle = self._pools.get(name)
        if handle is None:
            handle = self._pools[name] = self.connection.storagePoolLookupByName(name)
        return handle

    def forget_pool(self, name: str) -> None:
        """Look the pool up anew the next time, and what is in it."""
        self._pools.pop(name, None)
        for volume in list(self.blank):
            if volume[0] == name:
                self.blank.pop(volume, None)

    def doing(
        self, what: str, *, taken: Callable[[], bool] | None = None, streaming: bool = False
    ) -> AbstractContextManager[None]:
        """Translate libvirt's errors inside the block; `what` reads on after "cannot", and may be done by streams."""
        alive = (lambda: self._alive() and self.streams.alive()) if streaming else self._alive
        return libvirt_failures(what, host=self.uri, alive=alive, taken=taken)

    @contextmanager
    def changing(
        self, what: str, *, pool: str, taken: Callable[[], bool] | None = None, streaming: bool = False
    ) -> Iterator[None]:
        """As `doing`, for what is done to the volumes of a pool.

        Where a pool that was there before is gone, that is a `HostError`: of its volumes it says nothing, as there may
        be another pool of that name now.
        """
        known = pool in self._pools
        with self.doing(what, taken=taken, streaming=streaming):
            try:
                yield
            except libvirt.libvirtError as error:
                if not known or error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_POOL:
                    raise
                self.forget_pool(pool)
                raise HostError(
                    f"cannot {what}: pool {pool} was removed meanwhile",
                    details=(f"host {self.uri}",),
                    resolution="see who else changes the pools of this host, then plan again",
                ) from error

    def each(self, function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """Call the function for every item in several threads; results in order.

        An item whose object went away meanwhile (`NotFoundError`) is left out; any other error is raised.
        """
        todo = list(items)
        size = max(1, -(-len(todo) // (self._at_once * 4)))
        slices = [todo[start : start + size] for start in range(0, len(todo), size)]
        return [
            result
            for results in self._threads.map(lambda part: _call_all(function, part), slices)
            for result in results
        ]

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """Make several unlike calls at the same time; results in order."""
        return [future.result() for future in [self._threads.submit(call) for call in calls]]

    def close(self) -> None:
        self.closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.events.close()
        self.streams.close()
        with suppress(libvirt.libvirtError):
            self.connection.close()

    def _alive(self) -> bool:
        try:
            return bool(self.connection.isAlive())
        except libvirt.libvirtError:
            return False


class Calls:
    """The base of the driver's parts: calls over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link


def _call_all(function: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    results = []
    for item in items:
        with suppress(NotFoundError):
            results.append(function(item))
    return results
