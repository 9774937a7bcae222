"""What was applied last, as a stamp keeps it: by that, what others changed is told from what the program changed.

The record holds what libvirt's own document of the object holds, and no password.
"""

from typing import TypeVar

import msgspec

from vmstack.model.base import Data
from vmstack.model.configs import DomainConfig, NetworkConfig
from vmstack.model.ownership import Stamp
from vmstack.model.specs import Power


class AppliedDomain(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A VM as it was last to be. `made` is all that its stylesheet made of it, where there is one."""

    config: DomainConfig
    made: DomainConfig | None = None
    autostart: bool = False
    power: Power = Power.RUNNING


class AppliedNetwork(Data, frozen=True, kw_only=True, omit_defaults=True):
    """A network as it was last to be."""

    config: NetworkConfig
    autostart: bool = True


AppliedT = TypeVar("AppliedT", AppliedDomain, AppliedNetwork)


def write_applied(record: AppliedDomain | AppliedNetwork) -> str:
    """The record as a stamp holds it: one line of JSON, the same for the same record."""
    return msgspec.json.encode(record, order="deterministic").decode()


def read_applied(stamp: Stamp | None, kind: type[AppliedT]) -> AppliedT | None:
    """The stamp's record. `None` where there is none, or none that can be believed: by a stamp that is not intact, or
    by another version of vmstack."""
    if stamp is None or stamp.applied is None or not stamp.intact:
        return None
    try:
        return msgspec.json.decode(stamp.applied, type=kind)
    except msgspec.MsgspecError:
        return None
