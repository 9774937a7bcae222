"""The effects on domains."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from vmstack.errors import GuestError, HostError, NotFoundError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.hosts.health import Workplace, await_healthy
from vmstack.hosts.leases import await_lease
from vmstack.hosts.readiness import GuestFailedError, GuestNotReadyError, await_ready
from vmstack.model.effects import (
    AwaitHealthy,
    AwaitLease,
    AwaitReady,
    SetMemory,
    ShutdownDomain,
    StampDomain,
    UndefineDomain,
)
from vmstack.model.readiness import GuestReport
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

# A guest that is still booting misses the power button; pressing it again costs nothing.
_PRESS_AGAIN: Final = 15.0
# A balloon moves within a second in a quiet guest; a guest that still boots has no driver for it.
_BALLOON_TIMEOUT: Final = 30.0
# cloud-init's exit status for "done, with recoverable errors".
_RECOVERABLE: Final = 2


class DomainEffects:
    """Effects on the domains of one host. `clock` counts seconds."""

    def __init__(self, driver: Driver, *, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._driver = driver
        self._patience = patience
        self._clock = clock

    def start(self, uuid: str) -> None:
        if self._driver.domain(uuid).live_xml is None:
            self._patience.settle(
                lambda: self._driver.start_domain(uuid), done=lambda: self._driver.domain(uuid).live_xml is not None
            )

    def resume(self, uuid: str) -> None:
        if self._driver.domain(uuid).state != "running":
            self._patience.settle(
                lambda: self._driver.resume_domain(uuid), done=lambda: self._driver.domain(uuid).state == "running"
            )

    def shut_down(self, effect: ShutdownDomain) -> None:
        """Ask until the guest is off. Raises `GuestError` after the timeout unless powering off is allowed."""
        deadline = self._clock() + effect.timeout
        while not self._is_off(effect.uuid):
            left = deadline - self._clock()
            if left <= 0:
                self._give_up_asking(effect)
                return
            self._patience.settle(
                lambda: self._driver.shutdown_domain(effect.uuid), done=lambda: self._is_off(effect.uuid)
            )
            try:
                self._driver.wait_for_domain(effect.uuid, until=_off, timeout=min(left, _PRESS_AGAIN))
            except TimeoutError:
                continue

    def power_off(self, uuid: str) -> None:
        """Power off; off or gone already is done."""
        if not self._is_off(uuid):
            self._patience.settle(lambda: self._driver.power_off_domain(uuid), done=lambda: self._is_off(uuid))

    def undefine(self, effect: UndefineDomain) -> None:
        """Undefine; gone already is done. A running domain is refused: it would live on without a definition."""
        if self._read(effect.uuid) is None:
            return
        if not self._is_off(effect.uuid):
            raise HostError(
                f"domain {effect.name} runs, so it cannot be undefined", resolution="make a new plan; it was started"
            )
        try:
            self._patience.insist(lambda: self._driver.undefine_domain(effect.uuid, moments=effect.moments))
        except NotFoundError:
            return

    def set_memory(self, effect: SetMemory) -> tuple[str, ...]:
        """Set it, and see the running guest's balloon get there; where it does not in time, a note says so."""
        self._patience.insist(lambda: self._driver.set_memory(effect.uuid, effect.kib, live=effect.live, config=True))

        def has_arrived(record: DomainRecord | None) -> bool:
            live = None if record is None else record.live_xml
            return live is None or read_domain(live).memory_kib == effect.kib

        if effect.live:
            try:
                timeout = min(_BALLOON_TIMEOUT, self._patience.seconds)
                self._driver.wait_for_domain(effect.uuid, until=has_arrived, timeout=timeout)
            except TimeoutError:
                return (f"{effect.name}: the guest's balloon has not moved yet to {effect.kib} KiB",)
        return ()

    def stamp(self, effect: StampDomain) -> None:
        live_xml = effect.live_xml if effect.live_xml is not None else effect.stamp_xml
        self._put_stamp(effect.uuid, effect.stamp_xml, live=effect.live, live_xml=live_xml)

    def await_ready(self, effect: AwaitReady) -> tuple[GuestReport, tuple[str, ...]]:
        """Wait for the guest and record the outcome in the stamp: ok, failed, or still pending after a timeout."""
        try:
            report = await_ready(
                self._driver,
                uuid=effect.uuid,
                name=effect.name,
                timeout=effect.timeout,
                instance=effect.instance,
                addresses=effect.addresses,
            )
        except GuestFailedError as error:
            self._record_outcome(effect.uuid, ready="failed", report=error.brief)
            raise
        except GuestNotReadyError as error:
            self._record_outcome(effect.uuid, ready="pending", report=error.brief)
            raise
        if effect.conclusive:
            self._record_outcome(effect.uuid, ready="ok", report=None)
        notes = (f"{effect.name}: cloud-init is done, with recoverable errors",) if report.exit == _RECOVERABLE else ()
        return report, notes

    def await_lease(self, effect: AwaitLease) -> None:
        """Wait for the addresses and record the outcome in the stamp: ok, or still pending after a timeout."""
        try:
            await_lease(
                self._driver,
                uuid=effect.uuid,
                name=effect.name,
                macs=effect.macs,
                agent=effect.agent,
                timeout=effect.timeout,
                clock=self._clock,
            )
        except GuestNotReadyError as error:
            self._record_outcome(effect.uuid, ready="pending", report=error.brief)
            raise
        if effect.conclusive:
            self._record_outcome(effect.uuid, ready="ok", report=None)

    def await_healthy(self, effect: AwaitHealthy, *, workplace: Workplace) -> None:
        """Wait for the health check to pass and record the outcome in the stamp: ok, or still pending."""
        try:
            await_healthy(self._driver, effect, workplace=workplace, clock=self._clock)
        except GuestError as error:
            self._record_outcome(effect.uuid, ready="pending", report=error.brief)
            raise
        self._record_outcome(effect.uuid, ready="ok", report=None)

    def _record_outcome(self, uuid: str, *, ready: str, report: str | None) -> None:
        record = self._read(uuid)
        stamp = None if record is None else read_stamp(record.xml)
        if record is None or stamp is None:
            return
        changed = msgspec.structs.replace(stamp, ready=ready, report=report)
        if changed == stamp:
            return
        running = None if record.live_xml is None else read_stamp(record.live_xml)
        # The running guest's own lists what it was started with, where that is more.
        noted = changed if running is None else msgspec.structs.replace(running, ready=ready, report=report)
        self._put_stamp(uuid, write_stamp(changed), live=record.live_xml is not None, live_xml=write_stamp(noted))

    def _put_stamp(self, uuid: str, xml: str | None, *, live: bool, live_xml: str | None) -> None:
        put = partial(self._driver.set_domain_metadata, uuid, namespace=NAMESPACE)
        if live and live_xml != xml:
            self._patience.insist(lambda: put(xml=live_xml, live=True, config=False))
            live = False
        self._patience.insist(lambda: put(xml=xml, live=live))

    def _give_up_asking(self, effect: ShutdownDomain) -> None:
        if effect.power_off:
            self.power_off(effect.uuid)
            return
        record = self._read(effect.uuid)
        raise GuestError(
            f"{effect.name} did not power down within {effect.timeout} s",
            details=(f"the domain is {record.state}",) if record else (),
            resolution="shut it down from inside, give it a longer shutdown_timeout, or set power_off_after_timeout",
        )

    def _read(self, uuid: str) -> DomainRecord | None:
        try:
            return self._driver.domain(uuid)
        except NotFoundError:
            return None

    def _is_off(self, uuid: str) -> bool:
        return _off(self._read(uuid))


def _off(record: DomainRecord | None) -> bool:
    return record is None or record.live_xml is None
