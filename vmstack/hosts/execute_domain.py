"""The effects on domains."""

import time
from collections.abc import Callable
from typing import Final

import msgspec
from lxml import etree

from vmstack.errors import GuestError, HostError, NotFoundError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.hosts.leases import await_lease
from vmstack.hosts.readiness import GuestFailedError, GuestNotReadyError, await_ready
from vmstack.model.effects import (
    AttachDevice,
    AwaitLease,
    AwaitReady,
    DetachDevice,
    PlugNics,
    SetMemory,
    ShutdownDomain,
    StampDomain,
    UndefineDomain,
)
from vmstack.model.readiness import GuestReport
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.network import read_network
from vmstack.xmlio.plugging import plugging_documents
from vmstack.xmlio.safe import parse_xml
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
            self._patience.insist(lambda: self._driver.undefine_domain(effect.uuid))
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

    def attach(self, effect: AttachDevice) -> None:
        """Attach where the device is not yet: matched by serial (disk) or MAC (interface)."""
        record = self._driver.domain(effect.uuid)
        device = parse_xml(effect.xml, what="a device")
        live = effect.live and record.live_xml is not None and not _has(record.live_xml, device)
        config = not _has(record.xml, device)
        if live or config:
            self._patience.insist(lambda: self._driver.attach_device(effect.uuid, effect.xml, live=live, config=config))

    def detach(self, effect: DetachDevice) -> None:
        """Detach from the guest first, wait until it let go, then from the definition.

        Raises `GuestError` when it does not let go in time; the definition still has the device then.
        """
        device = parse_xml(effect.xml, what="a device")

        def is_out(record: DomainRecord | None) -> bool:
            return record is None or record.live_xml is None or not _has(record.live_xml, device)

        if effect.live and not is_out(self._driver.domain(effect.uuid)):
            self._patience.settle(
                lambda: self._driver.detach_device(effect.uuid, effect.xml, live=True, config=False),
                done=lambda: is_out(self._driver.domain(effect.uuid)),
            )
            try:
                self._driver.wait_for_domain(effect.uuid, until=is_out, timeout=effect.timeout)
            except TimeoutError as error:
                raise GuestError(
                    f"{effect.name} did not let go of {effect.device} within {effect.timeout} s",
                    resolution="free the device inside the guest (unmount it), then run apply again",
                ) from error
        if _has(self._driver.domain(effect.uuid).xml, device):
            self._patience.insist(lambda: self._driver.detach_device(effect.uuid, effect.xml, live=False, config=True))

    def plug(self, effect: PlugNics) -> None:
        """Put the NICs back on the bridge; a guest that went off meanwhile has them there at its next start."""
        network = self._driver.network(effect.network)
        record = self._driver.domain(effect.uuid)
        if record.live_xml is None:
            return
        if network.live_xml is None:
            raise HostError(f"network {network.name} is not active", resolution="make a new plan; it was stopped")
        bridge = read_network(network.live_xml).bridge or ""
        for mac in effect.macs:
            documents = plugging_documents(
                record.live_xml, record.xml, mac=mac, network=network.name, bridge=bridge, ports=network.ports
            )
            for xml in documents:
                self._driver.update_device(effect.uuid, xml, live=True, config=False)

    def stamp(self, effect: StampDomain) -> None:
        self._put_stamp(effect.uuid, effect.stamp_xml, live=effect.live)

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
        self._record_outcome(effect.uuid, ready="ok", report=None)

    def _record_outcome(self, uuid: str, *, ready: str, report: str | None) -> None:
        record = self._read(uuid)
        stamp = None if record is None else read_stamp(record.xml)
        if record is None or stamp is None:
            return
        changed = msgspec.structs.replace(stamp, ready=ready, report=report)
        if changed != stamp:
            self._put_stamp(uuid, write_stamp(changed), live=record.live_xml is not None)

    def _put_stamp(self, uuid: str, xml: str | None, *, live: bool) -> None:
        self._patience.insist(lambda: self._driver.set_domain_metadata(uuid, xml=xml, namespace=NAMESPACE, live=live))

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


def _has(xml: str, device: etree._Element) -> bool:
    """Whether the domain has the device: the disk of that serial or slot, or the interface of that MAC."""
    known = parse_xml(xml, what="a domain").findall(f"devices/{device.tag}")
    return any(_identity(item) == _identity(device) for item in known)


def _identity(device: etree._Element) -> tuple[str, str]:
    for kind, path, attribute in (("serial", "serial", None), ("mac", "mac", "address"), ("slot", "target", "dev")):
        node = device.find(path)
        if node is not None:
            value = node.text if attribute is None else node.get(attribute)
            if value:
                return kind, value.strip().lower()
    return "text", etree.tostring(device, encoding="unicode", with_tail=False)
