"""Whether pools have the room for what one plan adds to them, as far as that is known beforehand."""

from collections import defaultdict
from collections.abc import Iterable

from vmstack.errors import InputError
from vmstack.model.identity import Kind
from vmstack.model.sizes import MIB, format_size
from vmstack.model.specs import VolumeSource
from vmstack.plan.base_plan import Base
from vmstack.plan.context import Context
from vmstack.plan.volume_fate import Fate, VolumeFate


def check_space(fates: Iterable[VolumeFate], *, bases: Iterable[Base], context: Context) -> None:
    """Report volumes that are larger than what their pool has free, alone or together.

    A pool that this plan makes or starts is not judged: how much it has is not known. Raw volumes, raw images and full
    copies count with all their size, because they can take it at once; overlays and sparse qcow2 grow little by little.
    """
    taken: dict[tuple[str, str], int] = defaultdict(int)
    for base in bases:
        if base.facts.format == "raw" and context.draft.find_step(base.key, "upload", host=base.host) is not None:
            taken[base.host, base.slot[0]] += base.facts.virtual_size
    for fate in fates:
        pool = context.indexes[fate.host].pools.get(fate.slot[0])
        if pool is None or pool.available is None or fate.fate in (Fate.KEEP, Fate.REDO, Fate.REFER):
            continue
        needed = fate.config.capacity - _given_back(fate)
        at = (fate.host, pool.name)
        if fate.config.format == "raw" or fate.spec.source in (VolumeSource.FULL_COPY, VolumeSource.UPLOAD):
            taken[at] += needed
            together = taken[at]
        else:
            together = needed
        if max(needed, together) <= pool.available:
            continue
        context.draft.errors.append(
            InputError(
                f"{fate.key}: it asks for {format_size(fate.config.capacity)}, "
                f"and pool {pool.name!r} on host {fate.host} has {_rough(pool.available)} free",
                details=[f"raw volumes, raw images and full copies of this plan need {format_size(together)} together"]
                if together > needed
                else (),
                resolution="ask for less, or use a pool with more space",
                place=context.catalog.place(Kind.VOLUME, fate.spec.name),
            )
        )


def _given_back(fate: VolumeFate) -> int:
    """What the volume that is there takes already, or gives back when it goes."""
    if fate.old is None:
        return 0
    return (fate.old.config.allocation or 0) if fate.fate is Fate.REPLACE else fate.old.config.capacity


def _rough(size: int) -> str:
    """A size for people who ask how much is free: whole MiB, rounded down."""
    return format_size(size - size % MIB)
