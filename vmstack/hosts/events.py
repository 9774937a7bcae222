"""libvirt's event loop, and waiting for the next event of a domain."""

import functools
import threading
import time
from typing import Any, Final

import libvirt

# Each call of any thread would wake the loop twice. Seconds; events wait no longer than that.
_PAUSE: Final = 0.01
# What those who wait for a domain wait for.
_EVENTS: Final = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
)


@functools.cache
def start_event_loop() -> None:
    """Run libvirt's default event loop in a daemon thread of this process, once.

    It must be there before a connection is opened: keepalive and events of the connection depend on it.
    """
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_forever, name="libvirt-events", daemon=True).start()


def _run_forever() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
        time.sleep(_PAUSE)


class DomainEvents:
    """Counts the events of each domain of one connection, so that nobody who waits can miss one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._counts: dict[str, int] = {}
        self._subscriptions: list[int] | None = None

    def count(self, uuid: str) -> int:
        """The number of events seen so far; subscribes on first use (a connection that only reads never does)."""
        with self._changed:
            if self._subscriptions is None:
                self._subscriptions = self._subscribe()
            return self._counts.get(uuid, 0)

    def wait(self, uuid: str, *, since: int, timeout: float) -> None:
        """Return when the domain had an event after the count `since`, or after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._counts.get(uuid, 0) != since, timeout=timeout)

    @property
    def working(self) -> bool:
        """Whether the hypervisor accepted the subscription; without it, callers have to look more often."""
        return bool(self._subscriptions)

    def close(self) -> None:
        for subscription in self._subscriptions or ():
            try:
                self._connection.domainEventDeregisterAny(subscription)
            except libvirt.libvirtError:
                break  # the connection is gone, and the subscriptions with it
        self._subscriptions = []

    def _subscribe(self) -> list[int]:
        try:
            return [self._connection.domainEventRegisterAny(None, event, self._on_event, None) for event in _EVENTS]
        except libvirt.libvirtError:
            return []

    def _on_event(self, _connection: Any, domain: Any, *_details: Any) -> None:
        uuid = domain.UUIDString()
        with self._changed:
            self._counts[uuid] = self._counts.get(uuid, 0) + 1
            self._changed.notify_all()
