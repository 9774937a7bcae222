"""What the change table is made of: states, cases, classes and rows.

To add a row: write it in the module of its noun. A field with several rows tells them apart by their case, which the
differ chooses by the facts that it observed; `when` says those facts for people.
"""

import enum
from typing import NamedTuple

from vmstack.model.plan import Disruption


class Noun(enum.StrEnum):
    VM = "vm"
    NETWORK = "network"
    POOL = "pool"
    VOLUME = "volume"


class VmState(enum.StrEnum):
    """The state of the guest that a change meets. `SAVED`: off, with its memory kept on disk (managed save)."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    SAVED = "saved"


class Case(enum.StrEnum):
    """What kind of change it is: what tells the rows of one field apart, and what the planner acts by."""

    VCPUS_UP = "vcpus up, within the running maximum"
    VCPUS_DOWN = "vcpus down"
    VCPUS_BEYOND = "vcpus up, beyond the running maximum"
    MEMORY_WITHIN = "memory within the running maximum"
    MEMORY_BEYOND = "memory beyond the running maximum"
    TUNED = "a limit that the host enforces, set"
    NOTE = "what only libvirt and people read"
    HOT_PLUG = "a device added, with a free port"
    COLD_PLUG = "a device added, without a free port or on a bus that cannot hot-plug"
    HOT_UNPLUG = "a device removed"
    COLD_UNPLUG = "a device removed that cannot be removed live"
    REPLUG = "a device taken out and plugged in again"
    DEVICE_UPDATE = "a device changed in place"
    MEDIUM = "another medium in a drive"
    IO_LIMITS = "other limits of a disk"
    IO_THREADS = "I/O threads added or taken away"
    DISPLAY_PASSWORD = "another password of a display"  # noqa: S105 - a name
    DISK_GROW = "a disk grown"
    VOLUME_REPLACE = "a volume made anew"
    VOLUME_UNDER = "a volume under the guest made anew"
    SEED = "other content of the seed"
    IGNITION = "another file that the firmware shows at first boot"
    NETWORK_REPLACE = "the network under a NIC made anew"
    NETWORK_REPLUG = "a network started anew, and the NICs on it plugged back in"
    UNPLUGGED = "a NIC that its network let go of"
    NETWORK_UPDATE = "an entry of a network updated in place"
    NETWORK_ANEW = "a network made anew"
    POOL_DEFINITION = "a pool defined anew"
    DEFINITION = "anything else of the definition"
    WHOLE = "a definition that is written whole"
    OVERWRITTEN = "what others gave a definition that is written whole"
    UNDONE = "what only the definition has otherwise, put right there"
    DEFERRED = "what needs a restart, put off to the guest's next start"
    PENDING = "what its definition has already, and the running guest lacks"
    REMADE = "the definition made anew, because the program asks for it"
    POWER_ON = "the guest started"
    POWER_OFF = "the guest shut down"
    RESUME = "the guest resumed"
    REFUSED = "what the plan refuses"


class Outcome(enum.StrEnum):
    """A class of the table: a `Disruption`, or that the plan refuses the change."""

    NONE = "none"
    LIVE = "live"
    NEXT_BOOT = "next-boot"
    RESTART = "restart"
    STOP = "stop"
    REPLACE = "replace"
    DATA_LOSS = "data-loss"
    REFUSED = "refused"


class Classes(NamedTuple):
    """The class by the state of the guest. Of a network or volume, `running` is one that running guests use."""

    running: Outcome
    paused: Outcome
    stopped: Outcome
    saved: Outcome

    def of(self, state: VmState) -> Outcome:
        return Outcome(getattr(self, state.value))


def same(outcome: Outcome) -> Classes:
    """The same class whatever the state."""
    return Classes(outcome, outcome, outcome, outcome)


# A balloon and a hot-plug need a guest that answers, so a paused guest (which is resumed first) counts as running.
# A saved guest resumes with the hardware it was saved with, so that it gets nothing new before it boots again.
LIVE = Classes(Outcome.LIVE, Outcome.LIVE, Outcome.NONE, Outcome.NEXT_BOOT)
NEXT_BOOT = Classes(Outcome.NEXT_BOOT, Outcome.NEXT_BOOT, Outcome.NONE, Outcome.NEXT_BOOT)
RESTART = Classes(Outcome.RESTART, Outcome.RESTART, Outcome.NONE, Outcome.NEXT_BOOT)
# The saved memory knows what was on these disks: without them libvirt cannot resume it, and with other ones it would
# overwrite them with what it remembers.
LIVE_UNLESS_SAVED = LIVE._replace(saved=Outcome.REFUSED)
NEXT_BOOT_UNLESS_SAVED = NEXT_BOOT._replace(saved=Outcome.REFUSED)
RESTART_UNLESS_SAVED = RESTART._replace(saved=Outcome.REFUSED)
NOTHING = same(Outcome.NONE)
REFUSED = same(Outcome.REFUSED)
DATA_LOSS = same(Outcome.DATA_LOSS)


class Row(NamedTuple):
    """One row: the field as paths name it with the keys left out (`disks[].cache`; `*` is any field).

    `when` is the circumstance that chooses this row (empty where there is no other), `why` the reason, as a sentence.
    `refusal` is why it is refused where it is for some states only.
    """

    field: str
    case: Case
    classes: Classes
    why: str
    when: str = ""
    refusal: str = ""

    def disruption(self, state: VmState) -> Disruption:
        """The class of a change. One that is refused counts as the worst, until the plan reports it (`gates`)."""
        outcome = self.classes.of(state)
        return Disruption.DATA_LOSS if outcome is Outcome.REFUSED else Disruption(outcome.value)
