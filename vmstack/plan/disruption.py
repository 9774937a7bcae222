"""What a change of a field does to the guest, as a table over the state of the VM.

The table is data: what is possible in place is said here and nowhere else. A stopped guest notices nothing.
"""

import enum
from typing import Final, NamedTuple

from vmstack.model.plan import Disruption


class VmState(enum.StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Case(enum.StrEnum):
    """What kind of change it is, as far as the guest is concerned."""

    VCPUS_UP = "vcpus up, within the running maximum"
    VCPUS_DOWN = "vcpus down"
    VCPUS_BEYOND = "vcpus up, beyond the running maximum"
    MEMORY_WITHIN = "memory within the running maximum"
    MEMORY_BEYOND = "memory beyond the running maximum"
    NOTE = "what only libvirt and people read"
    HOT_PLUG = "a device added, with a free port"
    COLD_PLUG = "a device added, without a free port or on a bus that cannot hot-plug"
    HOT_UNPLUG = "a device removed"
    COLD_UNPLUG = "a device removed that cannot be removed live"
    DISK_GROW = "a disk grown"
    VOLUME_REPLACE = "a volume made anew"
    VOLUME_UNDER = "a volume under the guest made anew"
    SEED = "other content of the seed"
    IGNITION = "another file that the firmware shows at first boot"
    NETWORK_REPLACE = "the network under a NIC made anew"
    DEFINITION = "anything else of the definition"
    DEFERRED = "what needs a restart, put off to the guest's next start"
    PENDING = "what its definition has already, and the running guest lacks"
    REMADE = "the definition made anew, because the program asks for it"
    POWER_ON = "the guest started"
    POWER_OFF = "the guest shut down"
    RESUME = "the guest resumed"


class Row(NamedTuple):
    running: Disruption
    paused: Disruption
    stopped: Disruption

    def of(self, state: VmState) -> Disruption:
        return Disruption(getattr(self, state.value))


# A balloon and a hot-plug need a guest that answers, so a paused guest (which is resumed first) counts as running.
TABLE: Final[dict[Case, Row]] = {
    Case.VCPUS_UP: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
    Case.VCPUS_DOWN: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.VCPUS_BEYOND: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.MEMORY_WITHIN: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
    Case.MEMORY_BEYOND: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.NOTE: Row(Disruption.NONE, Disruption.NONE, Disruption.NONE),
    Case.HOT_PLUG: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
    Case.COLD_PLUG: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.HOT_UNPLUG: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
    Case.COLD_UNPLUG: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.DISK_GROW: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
    Case.VOLUME_REPLACE: Row(Disruption.DATA_LOSS, Disruption.DATA_LOSS, Disruption.DATA_LOSS),
    Case.VOLUME_UNDER: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.SEED: Row(Disruption.NEXT_BOOT, Disruption.NEXT_BOOT, Disruption.NONE),
    Case.IGNITION: Row(Disruption.NEXT_BOOT, Disruption.NEXT_BOOT, Disruption.NONE),
    Case.NETWORK_REPLACE: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.DEFINITION: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.DEFERRED: Row(Disruption.NEXT_BOOT, Disruption.NEXT_BOOT, Disruption.NONE),
    Case.PENDING: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.REMADE: Row(Disruption.RESTART, Disruption.RESTART, Disruption.NONE),
    Case.POWER_ON: Row(Disruption.NONE, Disruption.NONE, Disruption.NONE),
    Case.POWER_OFF: Row(Disruption.STOP, Disruption.STOP, Disruption.NONE),
    Case.RESUME: Row(Disruption.LIVE, Disruption.LIVE, Disruption.NONE),
}


def disruption_of(case: Case, *, state: VmState) -> Disruption:
    """Look the class up."""
    return TABLE[case].of(state)


def worst(classes: tuple[Disruption, ...]) -> Disruption:
    """The most disruptive of some classes; `NONE` of none."""
    return max(classes, key=lambda disruption: disruption.rank, default=Disruption.NONE)
