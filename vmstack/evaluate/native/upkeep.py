"""`RollingGroup` and `HealthCheck`: how virtual machines are restarted, and how it shows that they are well."""

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from vmstack.errors import InputError
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_choice, check_int, check_list, check_seconds, check_type, describe
from vmstack.model.specs import GroupSpec, HealthSpec, RestartSpec
from vmstack.model.text import check_name, check_text

RestartPolicy = Literal["now", "defer"]

_POLICIES: Final[tuple[RestartPolicy, ...]] = ("now", "defer")
_PERCENT: Final = re.compile(r"\s*(\d{1,3})\s*%\s*")
_MANY: Final = 1_000_000


class RollingGroup:
    """VMs of which at most `max_unavailable` are down at once when changes restart them: a number, or a share such as
    `"25%"` of the group (rounded down, but at least one). The first that does not come back stops the rest."""

    __slots__ = ("spec",)

    @validated
    def __init__(self, name: str, *, max_unavailable: int | str = 1) -> None:
        name = check_name(name, field="name")
        if isinstance(max_unavailable, str):
            match = _PERCENT.fullmatch(max_unavailable)
            if match is None or not 1 <= int(match[1]) <= 100:
                raise InputError(
                    f"max_unavailable: {max_unavailable!r} is no share", resolution='write a number, or "1%" to "100%"'
                )
            self.spec = GroupSpec(name=name, percent=int(match[1]))
        else:
            self.spec = GroupSpec(
                name=name, limit=check_int(max_unavailable, field="max_unavailable", low=1, high=_MANY)
            )


class HealthCheck:
    """What must succeed, after the guest's own report, before a VM counts as ready: a `command` that exits with 0, run
    where vmstack runs and by no shell, and a `tcp` port that takes a connection.

    Tried every `interval`, for `timeout` at most. `address` is the guest's (default: its first fixed one).
    """

    __slots__ = ("spec",)

    @validated
    def __init__(
        self,
        *,
        command: Sequence[str] = (),
        tcp: int | None = None,
        address: str | None = None,
        timeout: str | int = "2min",
        interval: str | int = "2s",
    ) -> None:
        words = tuple(check_text(word, field="command") for word in _check_words(command))
        if not words and tcp is None:
            raise InputError("command, tcp: there is nothing to check", resolution='give command=["..."] or tcp=...')
        if words and not words[0]:
            raise InputError("command: its first word is empty", resolution="name the program to run")
        self.spec = HealthSpec(
            command=words,
            address=None if address is None else _check_address(address),
            port=None if tcp is None else check_int(tcp, field="tcp", low=1, high=65535),
            timeout=check_seconds(timeout, field="timeout"),
            interval=check_seconds(interval, field="interval"),
        )


def restart_spec(
    policy: object, *, group: object, health: object, addresses: Sequence[str], folder: Path
) -> RestartSpec:
    """How a VM with these fixed addresses is restarted. A command with a path is taken from the project's folder."""
    check = None if health is None else check_type(health, HealthCheck, field="health").spec
    if check is not None and check.address is None:
        first = next((address for address in addresses if ":" not in address), next(iter(addresses), None))
        if first is None and check.port is not None:
            raise InputError(
                "health: the guest's address is not known, so its TCP port cannot be reached",
                resolution="give it a fixed one (lan.at(...)), or the check an address=",
            )
        check = msgspec.structs.replace(check, address=first)
    if check is not None and check.command and "/" in check.command[0]:
        program = str(folder / check.command[0])
        check = msgspec.structs.replace(check, command=(program, *check.command[1:]))
    return RestartSpec(
        policy=check_choice(policy, field="restart", allowed=_POLICIES),
        group=None if group is None else check_type(group, RollingGroup, field="group").spec,
        health=check,
    )


def _check_words(command: object) -> tuple[object, ...]:
    if isinstance(command, str):
        raise InputError("command: no shell reads it, so it is a list", resolution='write ["curl", "-f", "http://..."]')
    return check_list(command, field="command")


def _check_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise InputError(
            f"address: {value if isinstance(value, str) else describe(value)} is not an IP address"
        ) from None
