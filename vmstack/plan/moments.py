"""What libvirt keeps of a guest's past beside its definition: snapshots and checkpoints, which go with that."""

from typing import Protocol


class Kept(Protocol):
    """A domain as a host tells of it, or as it was observed."""

    @property
    def snapshots(self) -> int: ...
    @property
    def checkpoints(self) -> int: ...


def moments_of(domain: Kept) -> tuple[str, ...]:
    """What is kept, in words: none for nothing."""
    counts = ((domain.snapshots, "snapshot"), (domain.checkpoints, "checkpoint"))
    return tuple(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count)


def moments_mark(domain: Kept) -> str:
    """What stands for it in an expectation."""
    return " and ".join(moments_of(domain)) or "no snapshots"
