"""What is decided on a VM: how its definition gets to where it is to be, and whether its guest runs."""

import enum
from dataclasses import dataclass
from typing import Final

from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.identity import Key
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.specs import VmSpec
from vmstack.plan.changes.row import VmState
from vmstack.plan.domain_diff import Difference
from vmstack.plan.moments import moments_of
from vmstack.plan.plugs import Plug

# What of a stamp is worth writing it for; the digest alone is not.
_STAMPED: Final = ("fields", "generation", "protect", "ready", "retain", "trigger")


class Mode(enum.StrEnum):
    """How a VM's definition gets to where it is to be.

    keep: it is there. create: it does not exist. define: written anew; the guest is off, or sees it at its next
    start. live: changed while the guest runs. restart: written anew while the guest is off.
    """

    KEEP = "keep"
    CREATE = "create"
    DEFINE = "define"
    LIVE = "live"
    RESTART = "restart"


class PowerMove(enum.StrEnum):
    NONE = "none"
    START = "start"
    RESUME = "resume"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class MachineDecision:
    """The decision on one VM of the program.

    `differences` hold their case; of a new VM they are what its stylesheet makes. `drop_disks` and `drop_nics` are ours
    to remove. `define` asks for a new persistent definition beside live changes. `awaits` asks to wait until the guest
    is ready. `whole` is what the definition is written from, before its stylesheet, where it is not a patch of the one
    that is there. `remade`: the definition that is there goes before, with all that libvirt keeps beside it.
    """

    spec: VmSpec
    key: Key
    state: VmState
    mode: Mode
    move: PowerMove
    target: DomainConfig
    stamp: Stamp
    observed: ObservedDomain | None = None
    differences: tuple[Difference, ...] = ()
    drop_disks: tuple[DiskConfig, ...] = ()
    drop_nics: tuple[NicConfig, ...] = ()
    define: bool = False
    autostart: bool | None = None
    awaits: bool = False
    instance: str | None = None
    reasons: tuple[str, ...] = ()
    whole: DomainConfig | None = None
    remade: bool = False
    plugs: tuple[Plug, ...] = ()

    @property
    def host(self) -> str:
        return self.spec.host

    @property
    def stops(self) -> bool:
        """Whether a running guest is shut down in this plan."""
        active = self.observed is not None and self.observed.active
        return active and (self.mode is Mode.RESTART or self.move in (PowerMove.STOP, PowerMove.START))

    @property
    def defines_first(self) -> bool:
        """Whether the new definition is there before the guest is shut down, so that it still runs when the host
        refuses that. What is removed with its definition has it made anew after that."""
        written = self.mode is Mode.RESTART or not (self.observed is None or self.observed.persistent)
        return self.stops and written and not self.remade

    @property
    def loses(self) -> tuple[str, ...]:
        """What of the guest's own goes for good with a definition that is made anew."""
        found = self.observed
        if found is None or not self.remade:
            return ()
        moments = moments_of(found)
        if not found.persistent:
            return moments
        held = (
            ("the variables of its UEFI", found.config.firmware == "efi"),
            ("the state of its TPM", found.config.tpm),
            ("its saved state", found.has_managed_save),
        )
        return (*(what for what, there in held if there), *moments)

    @property
    def lingers(self) -> tuple[str, ...]:
        """What the guest goes on running with, though its definition has lost it."""
        return self.observed.lingering if self.observed is not None and not self.stops else ()

    @property
    def starts(self) -> bool:
        """Whether the guest is started in this plan."""
        return self.move is PowerMove.START

    @property
    def busy(self) -> bool:
        """Whether there is anything to do at all."""
        restamp = (
            self.observed is not None and self.observed.stamp is not None and _restamps(self.observed.stamp, self.stamp)
        )
        return (
            self.mode is not Mode.KEEP
            or self.move is not PowerMove.NONE
            or self.autostart is not None
            or self.awaits
            or restamp
        )


def _restamps(old: Stamp, new: Stamp) -> bool:
    """Whether the stamp must be written though nothing else is."""
    return not old.intact or not old.digest or any(getattr(old, name) != getattr(new, name) for name in _STAMPED)
