"""Health checks: whether a guest does what it is there for, as seen from this machine."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, Self

from vmstack.errors import GuestError, NotFoundError
from vmstack.hosts.driver import Driver
from vmstack.hosts.readiness import GuestNotReadyError
from vmstack.model.effects import AwaitHealthy

# A connection that takes longer than this is no sign of health, and would keep the next try from being made.
_CONNECT_SECONDS: Final = 10.0
# So much of what a command wrote last is looked at for its last line, and so much of that is shown.
_TAIL: Final = 2000
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where commands run. It is noted early: while a hook of the program runs, the process itself is elsewhere."""

    folder: str
    environment: Mapping[str, str]

    @classmethod
    def here(cls) -> Self:
        """Where the process is now."""
        return cls(os.getcwd(), dict(os.environ))  # noqa: PTH109 - a plain text for a system call


def await_healthy(
    driver: Driver,
    effect: AwaitHealthy,
    *,
    workplace: Workplace,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the check passes. Raises `GuestNotReadyError` after its timeout or when the guest goes off, and
    `GuestError` at once for a command that cannot be run here. The guest is left as it is."""
    deadline = clock() + effect.timeout
    while True:
        seen = _try(effect, workplace=workplace, left=max(1.0, deadline - clock()))
        if seen is None:
            return
        if not _is_active(driver, effect.uuid):
            raise GuestNotReadyError(
                f"{effect.name} powered off before its health check passed",
                details=(seen,),
                resolution="look at its console log, then run apply again",
            )
        left = deadline - clock()
        if left <= 0:
            raise GuestNotReadyError(
                f"{effect.name} did not pass its health check within {effect.timeout} s",
                details=(seen,),
                resolution="look into the guest, then run apply again; or give the check a longer timeout",
            )
        sleep(min(effect.interval, left))


def _try(effect: AwaitHealthy, *, workplace: Workplace, left: float) -> str | None:
    """Check once. Returns what is wrong."""
    wrong = _run(effect, workplace=workplace, timeout=left) if effect.command else None
    if wrong is None and effect.port is not None:
        wrong = _connect(effect.address or "", effect.port, timeout=min(left, _CONNECT_SECONDS))
    return wrong


def _run(effect: AwaitHealthy, *, workplace: Workplace, timeout: float) -> str | None:
    program = effect.command[0]
    environment = {**workplace.environment, "VMSTACK_VM": effect.name, "VMSTACK_ADDRESS": effect.address or ""}
    # A file and no pipe: a child that the command leaves behind may keep it open as long as it likes.
    with tempfile.TemporaryFile() as output:
        try:
            ended = subprocess.run(  # noqa: S603 - the program's own command, a list; no shell reads it
                effect.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=workplace.folder,
                env=environment,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{program} did not end within {timeout:.0f} s"
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise GuestError(
                f"the health check of {effect.name} cannot be run: {program}: {reason}",
                resolution="install the command where vmstack runs, or correct it in the program",
            ) from error
        if ended.returncode == 0:
            return None
        said = _last_line(output)
    how = f"exited with {ended.returncode}" if ended.returncode > 0 else f"was ended by signal {-ended.returncode}"
    return f"{program} {how}" + (f": {said}" if said else "")


def _last_line(output: IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - _TAIL))
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    return "".join(letter for letter in said if letter.isprintable())[:_SHOWN]


def _connect(address: str, port: int, *, timeout: float) -> str | None:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return None
    except OSError as error:
        return f"{where} takes no connection: {error.strerror or error}"


def _is_active(driver: Driver, uuid: str) -> bool:
    with suppress(NotFoundError):
        return driver.domain(uuid).live_xml is not None
    return False
