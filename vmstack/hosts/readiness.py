"""Waiting until a guest says that it is ready."""

import ipaddress
import time
from collections.abc import Callable, Generator
from typing import Any, Final

from vmstack.errors import GuestError, NotFoundError
from vmstack.hosts.driver import Driver
from vmstack.hosts.guest_report import LineBuffer, decode_report, failure_of
from vmstack.model.readiness import READY_CHANNEL, GuestReport

_LATER: Final = "run apply again to go on waiting, or give the VM a longer wait"


class GuestNotReadyError(GuestError):
    """The guest has not said yes or no: it may still do so."""


class GuestFailedError(GuestError):
    """The guest's cloud-init says that it failed; `report` is all it said."""

    def __init__(self, brief: str, *, report: GuestReport, **facts: Any) -> None:
        super().__init__(brief, **facts)
        self.report = report


def await_ready(
    driver: Driver,
    *,
    uuid: str,
    name: str,
    timeout: float,
    instance: str | None,
    addresses: tuple[str, ...],
    clock: Callable[[], float] = time.monotonic,
) -> GuestReport:
    """Return the first report that counts: of the instance (`None`: any), content, and with all the addresses.

    Raises `GuestFailedError` as soon as cloud-init says it failed, and `GuestNotReadyError` after `timeout` seconds or
    when the guest powers off; the error tells what was seen last.
    """
    wanted = {str(ipaddress.ip_address(address)) for address in addresses}
    deadline = clock() + timeout
    buffer = LineBuffer()
    seen = "the guest has said nothing on its readiness channel"
    stream = driver.read_channel(uuid, READY_CHANNEL, timeout=timeout)
    try:
        for data in stream:
            for line in buffer.feed(data):
                report = decode_report(line)
                if report is None:
                    if line.strip():
                        seen = "the guest wrote something that is no report"
                elif instance is not None and report.instance != instance:
                    seen = f"the last report was of instance {report.instance}, not of {instance}"
                elif (failure := failure_of(report)) is not None:
                    raise GuestFailedError(
                        f"{name}: cloud-init failed: {failure}",
                        report=report,
                        details=report.errors[1:],
                        resolution="look into the guest (cloud-init status --long, /var/log/cloud-init.log)",
                    )
                elif missing := wanted - set(report.addresses):
                    seen = f"cloud-init is done, but the guest has no {', '.join(sorted(missing))}"
                else:
                    return report
            if clock() >= deadline:
                break
    finally:
        if isinstance(stream, Generator):
            stream.close()  # gives the channel back now, not when somebody collects the garbage
    raise _not_ready(driver, uuid=uuid, name=name, timeout=timeout, seen=seen)


def _not_ready(driver: Driver, *, uuid: str, name: str, timeout: float, seen: str) -> GuestNotReadyError:
    try:
        record = driver.domain(uuid)
    except NotFoundError:
        return GuestNotReadyError(f"{name} went away before it was ready", details=(seen,))
    if record.live_xml is None:
        return GuestNotReadyError(
            f"{name} powered off before it was ready",
            details=(seen,),
            resolution="look at its console log, then run apply again",
        )
    details = (seen,) if record.state == "running" else (seen, f"the domain is {record.state}")
    return GuestNotReadyError(f"{name} was not ready within {timeout:g} s", details=details, resolution=_LATER)
