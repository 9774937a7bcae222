"""What happens to a volume of guest data: the decision, as the steps, the gates and the machines read it."""

import enum
from dataclasses import dataclass

from vmstack.model.configs import VolumeConfig
from vmstack.model.identity import Key
from vmstack.model.observed import ObservedVolume
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import VolumeSpec
from vmstack.plan.base_plan import Base
from vmstack.plan.index import Slot


class Fate(enum.StrEnum):
    """What happens to a volume.

    keep: nothing. create: it is not there and never was. remake: it should be there and is gone. redo: an earlier
    copy was interrupted. grow: in place. replace: what it holds is lost. refer: it is somebody else's, and only used.
    """

    KEEP = "keep"
    CREATE = "create"
    REMAKE = "remake"
    REDO = "redo"
    GROW = "grow"
    REPLACE = "replace"
    REFER = "refer"


@dataclass(frozen=True, slots=True)
class VolumeFate:
    """The decision on one volume.

    `config` is what it will be (of a kept one: as observed, as far as ignored); `entry` is its ledger entry when
    done. `old` is the volume that is there, `moved` the entry of the one that it replaces elsewhere.
    `document` is the XML that makes it, where a stylesheet had a part in it. `fields` are (path, before, after).
    """

    spec: VolumeSpec
    key: Key
    host: str
    slot: Slot
    config: VolumeConfig
    entry: LedgerEntry
    fate: Fate
    document: str | None = None
    base: Base | None = None
    old: ObservedVolume | None = None
    moved: LedgerEntry | None = None
    fields: tuple[tuple[str, object, object], ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return self.config.path or ""

    @property
    def made(self) -> bool:
        """Whether its content is made anew."""
        return self.fate in (Fate.CREATE, Fate.REMAKE, Fate.REDO, Fate.REPLACE)

    @property
    def disturbs(self) -> bool:
        """Whether a guest that has it cannot go on running."""
        return self.fate in (Fate.REMAKE, Fate.REDO, Fate.REPLACE)
