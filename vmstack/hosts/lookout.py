"""Reading hosts while the stack program is still being evaluated.

To understand what a large host holds is work for a processor, which threads of one Python process cannot share. So a
process beside this one begins to read a host as soon as the program names it, and what it saw is ready when the graph
is. It is a read ahead and nothing more: whatever goes wrong in it is left to the ordinary way, which tells of it.
"""

import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from vmstack.hosts.driver import Driver
from vmstack.hosts.observe import observe_host
from vmstack.hosts.uris import runs_ssh
from vmstack.model.base import Data
from vmstack.model.identity import StackId
from vmstack.model.observed import HostSnapshot, Scope
from vmstack.model.specs import HostSpec

# Each message follows its length in bytes.
_LENGTH: Final = struct.Struct(">Q")


class Errand(Data, frozen=True, kw_only=True):
    """A host to read, for a stack."""

    host: HostSpec
    stack: StackId


class Report(Data, frozen=True, kw_only=True):
    """What was seen at a URI; nothing where it could not be read."""

    uri: str
    snapshot: HostSnapshot | None


class Lookout:
    """A process that reads hosts ahead; `post` one, `send` it to hosts, take its `snapshots`, `dismiss` it.

    It is a fork, so it must be posted before this process has threads.
    """

    def __init__(self, line: socket.socket, *, pid: int) -> None:
        self._line = line
        self._pid = pid
        self._sent: set[str] = set()
        self._reports: dict[str, HostSnapshot | None] = {}

    @classmethod
    def post(cls, open_host: Callable[[HostSpec], Driver]) -> "Lookout | None":
        """Begin; `None` where a process cannot safely be forked. `open_host` connects to a host in that process."""
        if sys.platform != "linux" or threading.active_count() > 1 or (os.cpu_count() or 1) < 2:
            return None
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return None
        if pid:
            theirs.close()
            return cls(ours, pid=pid)
        try:
            ours.close()
            _keep_watch(theirs, open_host=open_host)
        finally:
            os._exit(0)  # nothing of the process that this is a copy of may run on here, its exit handlers least

    def send(self, host: HostSpec, *, stack: StackId) -> None:
        """Have a host read, once. Hosts that are reached by ssh are not: logging in may ask the user something."""
        if host.uri in self._sent or runs_ssh(host.uri):
            return
        self._sent.add(host.uri)
        with suppress(OSError):
            _put(self._line, msgspec.msgpack.encode(Errand(host=host, stack=stack)))

    def snapshots(self, hosts: Mapping[str, HostSpec], *, scopes: Mapping[str, Scope]) -> dict[str, HostSnapshot]:
        """What was seen of these hosts, by the program's names of them, where it covers the scope; waits for it."""
        found = {}
        for name, host in hosts.items():
            snapshot = self._report(host.uri) if host.uri in self._sent else None
            if snapshot is not None and covers(snapshot, scopes.get(name, Scope())):
                found[name] = msgspec.structs.replace(snapshot, host=name)
        return found

    def dismiss(self) -> None:
        """End the process, whatever it is doing."""
        self._line.close()
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _report(self, uri: str) -> HostSnapshot | None:
        while uri not in self._reports:
            try:
                report = msgspec.msgpack.decode(_take(self._line), type=Report)
            except (OSError, EOFError, msgspec.MsgspecError):
                return None
            self._reports[report.uri] = report.snapshot
        return self._reports[uri]


def covers(snapshot: HostSnapshot, scope: Scope) -> bool:
    """Whether a snapshot that was taken without a scope holds all that one with this scope would."""
    known = all(pool.volumes is not None for pool in snapshot.pools if pool.active and pool.name in scope.pools)
    kept = {one.uuid: bool(one.xml) for one in snapshot.domains} | {
        one.uuid: bool(one.xml) for one in snapshot.networks
    }
    return known and all(kept.get(uuid, True) for uuid in scope.objects)


def _keep_watch(line: socket.socket, *, open_host: Callable[[HostSpec], Driver]) -> None:
    """Read what is asked for until the line ends; each host in a thread of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that may tell of it
    with suppress(OSError):
        # Its many answers from the daemon must not take the processor from the evaluation each time (sched(7)).
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    busy = threading.Lock()

    def report(errand: Errand) -> None:
        snapshot = None
        with suppress(Exception):  # whatever it is, the process that waits must not wait for ever
            snapshot = _look(errand, open_host=open_host)
        with busy, suppress(OSError):
            _put(line, msgspec.msgpack.encode(Report(uri=errand.host.uri, snapshot=snapshot)))

    with suppress(EOFError, OSError):
        while True:
            errand = msgspec.msgpack.decode(_take(line), type=Errand)
            threading.Thread(target=report, args=(errand,), daemon=True).start()


def _look(errand: Errand, *, open_host: Callable[[HostSpec], Driver]) -> HostSnapshot:
    """Read a host one call after the other, so that with its daemon it fills one processor and leaves the others."""
    driver = open_host(errand.host)
    try:
        return observe_host(errand.host.name, driver, stack=errand.stack, scope=Scope(), at_once=1)
    finally:
        driver.close()


def _put(line: socket.socket, message: bytes) -> None:
    line.sendall(_LENGTH.pack(len(message)) + message)


def _take(line: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_take_exactly(line, _LENGTH.size))
    return _take_exactly(line, length)


def _take_exactly(line: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = line.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(data)
