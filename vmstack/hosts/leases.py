"""Waiting until a guest's NICs have addresses."""

import time
from collections.abc import Callable
from typing import Final

from vmstack.errors import NotFoundError
from vmstack.hosts.driver import Driver
from vmstack.hosts.readiness import GuestNotReadyError

# A lease comes seconds after the start at the earliest; looking is cheap, but not free.
_LOOKS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_LATER: Final = "run apply again to go on waiting, or give the domain more time (custom_timeouts.create)"


def await_lease(
    driver: Driver,
    *,
    uuid: str,
    name: str,
    macs: tuple[str, ...],
    agent: bool,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once every NIC has an address. Raises `GuestNotReadyError` after `timeout` seconds, or when it goes off.

    The guest is left as it is.
    """
    deadline = clock() + timeout
    looks = 0
    while True:
        have = {card.mac for card in driver.addresses(uuid, agent=agent) if card.addresses}
        missing = [mac for mac in macs if mac not in have]
        if not missing:
            return
        state = _state(driver, uuid)
        if state not in ("running", "paused"):
            raise GuestNotReadyError(
                f"{name} {state} before it had an address", resolution="look at its console, then run apply again"
            )
        left = deadline - clock()
        if left <= 0:
            source = "its guest agent tells of none" if agent else "the DHCP of its network leased it none"
            raise GuestNotReadyError(
                f"{name} had no address within {timeout:g} s: {source}",
                details=[f"the NIC {mac} has none" for mac in missing],
                resolution=_LATER,
            )
        sleep(min(_LOOKS[min(looks, len(_LOOKS) - 1)], left))
        looks += 1


def _state(driver: Driver, uuid: str) -> str:
    try:
        record = driver.domain(uuid)
    except NotFoundError:
        return "went away"
    if record.live_xml is None:
        return "powered off"
    return record.state if record.state in ("running", "paused") else f"was {record.state}"
