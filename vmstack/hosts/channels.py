"""What a guest writes to a virtio-serial channel, read over libvirt."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import libvirt

from vmstack.errors import NotFoundError
from vmstack.hosts.link import Calls

_READ: Final = 64 * 1024
# The library's queue is looked at this often; a look costs no call to the daemon, and a guest boots for seconds.
_LOOK: Final = 0.2
# After the stream broke (a reset guest, a restarted daemon) the channel is opened again, not in a tight loop.
_REOPEN: Final = 1.0
_WOULD_BLOCK: Final = -2


class ChannelCalls(Calls):
    """The channel part of `Driver`."""

    def read_channel(self, uuid: str, channel: str, *, timeout: float) -> Iterator[bytes]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._domain_is_active(uuid):
            stream = self._open_channel(uuid, channel)
            if stream is not None:
                try:
                    yield from self._read_stream(stream, deadline=deadline)
                finally:
                    with suppress(libvirt.libvirtError):
                        self._link.streams.end(stream.abort)
            self._link.closed.wait(max(0.0, min(_REOPEN, deadline - time.monotonic())))
            yield b""

    def _open_channel(self, uuid: str, channel: str) -> Any:
        """Take the channel over, from a reader that is gone too; `None`: the guest is not there any more."""
        with (
            self._link.doing(f"open channel {channel} of domain {uuid}", streaming=True),
            self._link.streams.calls() as connection,
        ):
            domain = connection.lookupByUUIDString(uuid)
            stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
            try:
                domain.openChannel(channel, stream, libvirt.VIR_DOMAIN_CHANNEL_FORCE)
            except libvirt.libvirtError:
                if domain.isActive():
                    raise
                return None
        return stream

    def _read_stream(self, stream: Any, *, deadline: float) -> Iterator[bytes]:
        """Yield until the stream ends, breaks or the deadline comes."""
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < deadline and not self._link.closed.is_set():
            try:
                data = stream.recv(_READ)
            except libvirt.libvirtError:
                return
            if data == _WOULD_BLOCK:
                if now - quiet_since >= _LOOK * 4:
                    quiet_since = now
                    yield b""
                self._link.closed.wait(_LOOK)
            elif data:
                quiet_since = now
                yield data
            else:
                return

    def _domain_is_active(self, uuid: str) -> bool:
        if self._link.closed.is_set():
            return False
        try:
            with self._link.doing(f"look at domain {uuid}"):
                return bool(self._link.connection.lookupByUUIDString(uuid).isActive())
        except NotFoundError:
            return False
