"""The connection that streams have to themselves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import libvirt

from vmstack.errors import HostUnreachableError, VmstackError


class StreamLine:
    """A second connection to a host, opened when the first stream is. When it breaks, no other takes its place.

    When a stream ends, libvirtd (9.0 and others; `daemonStreamHandleWrite`) may take the next reply that waits for the
    same client for one more message of that stream, and that reply is lost: its caller waits for ever, or the daemon
    hangs up. So no call is under way while a stream is ended from here: calls and ends take turns, and everything else
    has the other connection. What a stream carries needs no turn: the daemon's main loop alone sends and receives it.

    `lost` tells whether the other connection is; without that one, which holds the lock, nothing is done over this one.
    `uri` names the host to people.
    """

    def __init__(self, open_connection: Callable[[], Any], *, lost: Callable[[], bool], uri: str) -> None:
        self._open = open_connection
        self._lost = lost
        self._uri = uri
        # Reentrant: a generator that holds a stream may be collected, and so ended, inside a call of the same thread.
        self._turn = threading.RLock()
        self._connection: Any = None
        self._pools: dict[str, Any] = {}
        self._failure: VmstackError | None = None
        self._closed = False

    @contextmanager
    def calls(self) -> Iterator[Any]:
        """Yield the connection, for calls inside the block.

        Raises `HostUnreachableError`, and what opening a connection raises: after one failure all fail, at once.
        """
        with self._turn:
            yield self._ready()

    @contextmanager
    def pool_calls(self, uuid: str) -> Iterator[tuple[Any, Any]]:
        """As `calls`, with the pool that has this UUID. Raises libvirt's error where there is none."""
        with self._turn:
            connection = self._ready()
            if uuid not in self._pools:
                self._pools[uuid] = connection.storagePoolLookupByUUIDString(uuid)
            yield connection, self._pools[uuid]

    def end(self, call: Callable[[], Any]) -> None:
        """Make the call that ends a stream: its `finish` or `abort`."""
        with self._turn:
            call()

    def alive(self) -> bool:
        """Whether the connection holds; one that was never opened does."""
        try:
            return self._connection is None or bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection; from here on nothing is to be had over it."""
        self._closed = True
        if self._connection is not None:
            with suppress(libvirt.libvirtError):
                self._connection.close()

    def _ready(self) -> Any:
        if self._failure is None and (self._closed or self._lost()):
            self._failure = HostUnreachableError(
                f"the connection to {self._uri} was lost",
                resolution="see that libvirtd runs there, then run the same command again; it goes on where it stopped",
            )
        if self._failure is not None:
            raise self._failure
        if self._connection is None:
            try:
                self._connection = self._open()
            except VmstackError as error:
                self._failure = error
                raise
            if self._closed:
                self.close()
        return self._connection
