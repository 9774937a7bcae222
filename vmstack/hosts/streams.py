"""The connection that streams have to themselves."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import libvirt


class StreamLine:
    """A second connection to a host, opened when the first stream is.

    When a stream ends, libvirtd (9.0 and others; `daemonStreamHandleWrite`) may take the next reply that waits for the
    same client for one more message of that stream, and that reply is lost: its caller waits for ever, or the daemon
    hangs up. So no call is under way while a stream ends: calls and ends take turns here, and everything else has
    the other connection. What a stream carries needs no turn: the daemon's main loop alone sends and receives it.
    """

    def __init__(self, open_connection: Callable[[], Any]) -> None:
        self._open = open_connection
        self._turn = threading.Lock()
        self._connection: Any = None
        self._pools: dict[str, Any] = {}

    @contextmanager
    def calls(self) -> Iterator[Any]:
        """Yield the connection, for calls inside the block. Raises what opening a connection raises."""
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

    def _ready(self) -> Any:
        if self._connection is None or not self.alive():
            self._pools.clear()
            self._connection = self._open()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            with suppress(libvirt.libvirtError):
                self._connection.close()
