"""How vmstack knows its own: the stamp in an object's metadata, and the ledger and lock on each host."""

import enum
from typing import Literal

from vmstack.model.base import Data
from vmstack.model.identity import StackId

LEDGER_FORMAT = 1


class AdoptedDisk(Data, frozen=True, kw_only=True):
    """How a disk that was there before is found in its domain: its slot, and its serial where it has one."""

    target: str
    serial: str | None = None


class Adopted(Data, frozen=True, kw_only=True, omit_defaults=True):
    """What vmstack could not derive of a domain or network that it took over, because others had made it.

    `uuid` is its own: a copy that got the stamp along is not it. `nics` are MAC addresses by the NICs' names in the
    program; `disks` are by logical name (the seed is one of them). `left` are the disks (by serial, or slot) and NICs
    (by MAC) that it had and the program does not speak of, as paths: nobody added them later. `born` is the name under
    which vmstack did make it, where the program has it under another now.
    """

    uuid: str
    born: str | None = None
    nics: dict[str, str] = {}
    disks: dict[str, AdoptedDisk] = {}
    left: tuple[str, ...] = ()


class Stamp(Data, frozen=True, kw_only=True):
    """What vmstack writes into `<metadata>` of a domain or network.

    `path` is `project/stack/kind/name`; `fields` are the fields that were written; `digest` is of the config as
    last applied. `generation` counts seeds that make cloud-init run again (it ends up in the instance-id).
    `ready` tells whether the guest has reported after its last creation or reseed; `report` is its first error.
    `adopted` is there where vmstack did not make the object. `retain`: it stays when it leaves the program. `trigger`
    is the digest of a value; another one makes the object anew. `applied` is what was applied last, as
    `plan.applied` writes it. A stamp that somebody else wrote or removed is not `intact`: what it says of ownership
    is not believed then, and one that was found without a word of what was applied has no digest.
    """

    path: str
    digest: str
    fields: tuple[str, ...] = ()
    generation: int = 1
    protect: bool = False
    ready: Literal["none", "pending", "ok", "failed"] = "none"
    report: str | None = None
    adopted: Adopted | None = None
    retain: bool = False
    trigger: str | None = None
    applied: str | None = None
    intact: bool = True


class EntryState(enum.StrEnum):
    PENDING = "pending"
    READY = "ready"


class LedgerEntry(Data, frozen=True, kw_only=True):
    """A pool or volume that this stack made, or is about to make, on this host.

    `pool` and `label` are libvirt names; a pool's own entry has an empty `label`. `role` says what it is for.
    Of a base image: `sha256`, `capacity` (virtual size, bytes) and `format` are its verified facts; an overlay has the
    `sha256` of the image below it.
    `retain`: it stays when it leaves the program. `built` says that vmstack made the pool's directory. `digest` is the
    seed's, or of what a stylesheet makes of a pool or volume. `upload` marks a volume whose content comes by upload,
    which a pending entry never proves complete, unless something was made with it since; `anew` marks a pending one
    whose users may be older than its content, so that they prove nothing.
    `renamed` marks what was made under another name in the program, and keeps its own.
    `adopted` marks what was there before the stack; `uuid` is such a pool's own. `trigger` is a volume's, as a stamp's.
    `modified` is when the content of a seed was written, by the host's clock: nobody writes into one later.
    """

    name: str
    role: Literal["pool", "base", "volume", "seed"]
    pool: str
    label: str = ""
    state: EntryState = EntryState.PENDING
    path: str | None = None
    format: str | None = None
    capacity: int | None = None
    sha256: str | None = None
    digest: str | None = None
    image: str | None = None
    data: bool = False
    protect: bool = False
    retain: bool = False
    upload: bool = False
    anew: bool = False
    built: bool = False
    adopted: bool = False
    renamed: bool = False
    uuid: str | None = None
    trigger: str | None = None
    modified: str | None = None

    @property
    def slot(self) -> tuple[str, str]:
        """What the entry stands for on the host: the pool's and the volume's libvirt names."""
        return (self.pool, self.label)


class RunRecord(Data, frozen=True, kw_only=True):
    """Who applied, from where and when (ISO 8601, UTC)."""

    run: str
    who: str
    where: str
    when: str


class StoredOutput(Data, frozen=True, kw_only=True):
    """An output as it was last applied. Of one that is not `known` yet, and of a secret, the value is not kept."""

    value: object
    secret: bool = False
    known: bool = True


class Ledger(Data, frozen=True, kw_only=True):
    """All that a host knows of one stack besides stamps. Stored as JSON; never holds a secret value.

    `made` are the VMs and networks that were there when the last apply ended, by address, with the generation of each:
    what is not there any more was removed by others, and what lost its stamp is known all the same.
    """

    stack: StackId
    entries: tuple[LedgerEntry, ...] = ()
    outputs: dict[str, StoredOutput] = {}
    last_run: RunRecord | None = None
    made: dict[str, int] = {}
    format: int = LEDGER_FORMAT


class LockInfo(Data, frozen=True, kw_only=True):
    """Who holds the lock. `token` is the lock secret's UUID; `expires` is ISO 8601, UTC, renewed while held.

    `machine`, `pid` and `pid_start` let a run on the same machine see that the holder died.
    """

    stack: StackId
    token: str
    who: str
    where: str
    operation: str
    since: str
    expires: str
    machine: str
    pid: int
    pid_start: str
