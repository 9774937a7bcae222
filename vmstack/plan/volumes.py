"""Volumes of guest data: what must happen to each. How it happens (with which guests off) is `volume_steps`."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmstack.errors import ConflictError, InputError, Place
from vmstack.model.configs import VolumeConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedVolume
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.sizes import format_size
from vmstack.model.specs import VolumeSource, VolumeSpec
from vmstack.plan.base_plan import Base
from vmstack.plan.context import Context
from vmstack.plan.design import whole_sectors
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import HostIndex, Slot

_ROLES: Final = {"base": "base image", "seed": "seed", "pool": "pool"}
# What a volume on a host looks the same as: an overlay is an overlay, and a whole image is a whole image.
_ALIKE: Final = {
    VolumeSource.OVERLAY: VolumeSource.LINKED_CLONE,
    VolumeSource.UPLOAD: VolumeSource.FULL_COPY,
}


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
    `fields` are (path, before, after).
    """

    spec: VolumeSpec
    key: Key
    host: str
    slot: Slot
    config: VolumeConfig
    entry: LedgerEntry
    fate: Fate
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


def decide_volumes(
    context: Context, *, bases: Mapping[tuple[str, str], Base], reseeded: frozenset[str]
) -> dict[str, VolumeFate]:
    """Decide on every volume of the program. `reseeded` are those that a VM's seed policy wants made anew."""
    fates: dict[str, VolumeFate] = {}
    pools = context.catalog.pools
    wanted = frozenset((pools[spec.pool].label, spec.label) for spec in context.catalog.volumes.values())
    for name in _bases_first(context.catalog.volumes):
        spec = context.catalog.volumes[name]
        if spec.source is VolumeSource.EXISTING:
            fate = _refer(spec, context=context)
        elif spec.base is not None and spec.base not in fates:
            continue  # what it is over is wrong already
        else:
            base = _base_of(spec, bases=bases, context=context)
            below = fates[spec.base] if spec.base is not None else None
            fate = _decide(spec, base=base, below=below, anew=name in reseeded, wanted=wanted, context=context)
        if fate is not None:
            fates[name] = fate
    fates = {name: fates[name] for name in context.catalog.volumes if name in fates}
    return fates


def _bases_first(volumes: Mapping[str, VolumeSpec]) -> list[str]:
    """The names of volumes, each after what it is over."""
    ordered: dict[str, None] = {}
    for name in volumes:
        chain: list[str] = []
        below: str | None = name
        while below is not None and below not in ordered and below not in chain:
            chain.append(below)
            below = volumes[below].base
        ordered.update(dict.fromkeys(reversed(chain)))
    return list(ordered)


def _base_of(spec: VolumeSpec, *, bases: Mapping[tuple[str, str], Base], context: Context) -> Base | None:
    """The image that the volume is made from; of an upload, as it is to be in the volume itself."""
    if spec.image is None:
        return None
    if spec.source is not VolumeSource.UPLOAD:
        return bases[spec.image, spec.pool]
    return Base(
        key=Key(Kind.IMAGE, spec.image),
        host=context.catalog.pool_host(spec.pool),
        slot=(context.catalog.pools[spec.pool].label, spec.label),
        path=context.volume_path(spec.pool, spec.label),
        facts=context.images[spec.image],
    )


def _refer(spec: VolumeSpec, *, context: Context) -> VolumeFate | None:
    """A volume that must be there already."""
    index = context.index_of_pool(spec.pool)
    slot = (context.catalog.pools[spec.pool].label, spec.label)
    found = index.volumes.get(slot)
    if found is None or found.config.path is None:
        context.draft.errors.append(
            InputError(
                f"volume.{spec.name}: there is no volume {spec.label!r} in pool {slot[0]!r} on host {index.host}",
                resolution="make it there first, or let the stack make it",
                place=context.catalog.place(Kind.VOLUME, spec.name),
            )
        )
        return None
    return VolumeFate(
        spec=spec,
        key=Key(Kind.VOLUME, spec.name),
        host=index.host,
        slot=slot,
        config=found.config,
        entry=LedgerEntry(name=spec.name, role="volume", pool=slot[0], label=slot[1]),
        fate=Fate.REFER,
        old=found,
    )


def _decide(
    spec: VolumeSpec,
    *,
    base: Base | None,
    below: VolumeFate | None,
    anew: bool,
    wanted: frozenset[Slot],
    context: Context,
) -> VolumeFate | None:
    index = context.index_of_pool(spec.pool)
    slot = (context.catalog.pools[spec.pool].label, spec.label)
    key, place = Key(Kind.VOLUME, spec.name), context.catalog.place(Kind.VOLUME, spec.name)
    entry, old = index.entries.get(slot), index.volumes.get(slot)
    capacity = _capacity(spec, base=base, below=below, context=context)
    if capacity is None:
        return None
    if entry is not None and entry.role != "volume":
        context.draft.errors.append(
            ConflictError(
                f"{key}: this stack has its {_ROLES[entry.role]} {entry.name} in the volume {spec.label!r} "
                f"of pool {slot[0]!r} on host {index.host}",
                resolution="give the volume another name",
                place=place,
            )
        )
        return None
    if entry is not None and index.is_displaced(entry):
        context.draft.errors.append(
            ConflictError(
                f"{key}: this stack made it at {entry.path}, and pool {slot[0]!r} on host {index.host} "
                f"is at {index.pools[slot[0]].config.path} now",
                resolution="define the pool at its old directory again, or give the volume another name",
                place=place,
            )
        )
        return None
    if entry is None and old is not None:
        owner = "another stack made it" if index.held_by_other(slot) else "this stack did not make it"
        context.draft.errors.append(
            ConflictError(
                f"{key}: a volume {spec.label!r} exists in pool {slot[0]!r} on host {index.host}, and {owner}",
                resolution="give yours another name, or find out whose that one is and move it away",
                place=place,
            )
        )
        return None
    backing: tuple[str | None, str | None] = (None, None)
    if base is not None and spec.source is VolumeSource.LINKED_CLONE:
        backing = (base.path, base.facts.format)
    elif below is not None:
        backing = (below.path, below.config.format)
    config = VolumeConfig(
        name=spec.label,
        format=spec.format,
        capacity=capacity,
        path=context.volume_path(spec.pool, spec.label),
        backing_path=backing[0],
        backing_format=backing[1],
    )
    fate, config, fields, reasons = _compare(
        spec, config, entry=entry, old=old, base=base, anew=anew, index=index, context=context, place=place
    )
    if below is not None and old is not None and fate in (Fate.KEEP, Fate.GROW):
        stale = _stale_below(entry, below=below)
        if stale is not None:
            fate, fields = Fate.REPLACE, (stale,)
            reasons = (f"{below.key}, which it is over, holds something else.",)
    # A run that is killed while it moves a volume leaves both: the old one, and a pending entry of the new one.
    begun = entry is not None and entry.state is EntryState.PENDING and old is None
    moved = _moved_from(key, index=index, wanted=wanted) if entry is None or begun else None
    if moved is not None:
        fate = Fate.REPLACE
        fields = (("place", "/".join(moved.slot), "/".join(slot)),)
        reasons = ("Volumes do not move: the old one is deleted and a new one is made.",)
    return VolumeFate(
        spec=spec,
        key=key,
        host=index.host,
        slot=slot,
        config=config,
        entry=_entry(
            spec,
            slot,
            config,
            base=base,
            below=below,
            adopted=entry is not None and entry.adopted and fate in (Fate.KEEP, Fate.GROW),
            context=context,
        ),
        fate=fate,
        base=base,
        old=old,
        moved=moved,
        fields=fields,
        reasons=reasons,
    )


_Verdict = tuple[Fate, VolumeConfig, tuple[tuple[str, object, object], ...], tuple[str, ...]]


def _compare(
    spec: VolumeSpec,
    wanted: VolumeConfig,
    *,
    entry: LedgerEntry | None,
    old: ObservedVolume | None,
    base: Base | None,
    anew: bool,
    index: HostIndex,
    context: Context,
    place: Place | None,
) -> _Verdict:
    if entry is None:
        return Fate.CREATE, wanted, (), ()
    found = old.config if old is not None else None
    if found is None and index.readable(entry.pool):
        if entry.state is EntryState.PENDING:
            return Fate.CREATE, wanted, (), ()
        return Fate.REMAKE, wanted, (), ("It was deleted outside vmstack; what it held is gone.",)
    if found is None and entry.state is EntryState.PENDING:
        return (Fate.REDO if entry.upload else Fate.CREATE), wanted, (), ()
    interrupted = entry.state is EntryState.PENDING and entry.upload
    # Nothing is made of an upload before its mark is durable, so a pending one is never whole.
    uploading = spec.source is VolumeSource.UPLOAD
    if interrupted and (uploading or entry.anew or not any(index.own_users(index.volume_path(entry.slot)))):
        return Fate.REDO, wanted, (), ("An earlier copy was interrupted, so it is made again.",)
    if found is None:
        found = _assumed(spec, entry, wanted, index=index)
    ignored = _ignored(spec, context=context)
    fields: list[tuple[str, object, object]] = []
    if found.format != wanted.format and not is_ignored("format", ignored=ignored):
        fields.append(("format", found.format, wanted.format))
    if not is_ignored("source", ignored=ignored) and not is_ignored("image", ignored=ignored):
        fields += _source_changes(spec, found, wanted=wanted, entry=entry, base=base, index=index)
    if anew and not fields:
        fields.append(("content", "as the guest left it", "as the image has it"))
    if fields:
        return Fate.REPLACE, wanted, tuple(fields), ()
    kept = VolumeConfig(
        name=wanted.name,
        format=found.format,
        capacity=found.capacity,
        path=found.path or wanted.path,
        backing_path=found.backing_path,
        backing_format=(found.backing_format or wanted.backing_format) if found.backing_path else None,
    )
    if found.capacity == wanted.capacity or is_ignored("capacity", ignored=ignored):
        return Fate.KEEP, kept, (), ()
    change = ("capacity", format_size(found.capacity), format_size(wanted.capacity))
    if found.capacity > wanted.capacity:
        context.draft.errors.append(
            InputError(
                f"volume.{spec.name}: it has {change[1]} and cannot shrink to {change[2]}",
                resolution=f"ask for at least {change[1]}, or make a new volume of another name",
                place=place,
            )
        )
        return Fate.KEEP, kept, (), ()
    grown = VolumeConfig(
        name=kept.name,
        format=kept.format,
        capacity=wanted.capacity,
        path=kept.path,
        backing_path=kept.backing_path,
        backing_format=kept.backing_format,
    )
    return Fate.GROW, grown, (change,), ()


def _source_changes(
    spec: VolumeSpec,
    found: VolumeConfig,
    *,
    wanted: VolumeConfig,
    entry: LedgerEntry,
    base: Base | None,
    index: HostIndex,
) -> list[tuple[str, object, object]]:
    """Where the content comes from, as far as libvirt shows it, and by the ledger where it does not."""
    before, after = _source_of(found, entry), _ALIKE.get(spec.source, spec.source)
    if before is not after:
        return [("source", before.value, spec.source.value)]
    if spec.source is VolumeSource.OVERLAY and found.backing_path != wanted.backing_path:
        return [("base", _file(found.backing_path), _file(wanted.backing_path))]
    if base is None:
        return []
    if after is VolumeSource.LINKED_CLONE:
        if found.backing_path == base.path:
            return []
        # The image may only have another name in the program: what counts is what it holds.
        backing = next(
            (other for other in index.entries.values() if other.role == "base" and other.path == found.backing_path),
            None,
        )
        if backing is not None and backing.sha256 == base.facts.sha256:
            return []
        return [("image", (found.backing_path or "").rpartition("/")[2], base.slot[1])]
    if entry.sha256 == base.facts.sha256:
        return []
    return [("image", _short(entry.sha256, entry.image), _short(base.facts.sha256, base.facts.name))]


def _source_of(found: VolumeConfig, entry: LedgerEntry) -> VolumeSource:
    if found.backing_path is not None:
        return VolumeSource.LINKED_CLONE
    return VolumeSource.BLANK if entry.image is None else VolumeSource.FULL_COPY


def _stale_below(entry: LedgerEntry | None, *, below: VolumeFate) -> tuple[str, object, object] | None:
    """What of the volume below an overlay is not what the overlay was made over; an overlay over that is garbage.

    The overlay's ledger entry says which image it was made over, so that a run that ended between the two is found.
    A base that is uploaded anew with the same content does no harm.
    """
    made_over = entry.sha256 if entry is not None else None
    if made_over != below.entry.sha256:
        return ("base.image", _short(made_over, None), _short(below.entry.sha256, below.entry.image))
    if below.made and below.entry.sha256 is None:
        return ("base.content", "as it is", "made anew")
    return None


def _assumed(spec: VolumeSpec, entry: LedgerEntry, wanted: VolumeConfig, *, index: HostIndex) -> VolumeConfig:
    """A volume of a pool that cannot be looked into, as the ledger has it.

    Of an overlay the ledger does not say what it is over; what is not known has not changed.
    """
    over = spec.source is VolumeSource.OVERLAY
    clone = over or (entry.image is not None and not entry.upload)
    backing = next(
        (
            other.path
            for other in index.entries.values()
            if other.role == "base" and other.pool == entry.pool and other.sha256 == entry.sha256
        ),
        f"{entry.image} ({(entry.sha256 or '')[:12]})",
    )
    return VolumeConfig(
        name=wanted.name,
        format=entry.format,
        capacity=entry.capacity or wanted.capacity,
        path=entry.path,
        backing_path=wanted.backing_path if over else backing if clone else None,
        backing_format=wanted.backing_format if clone else None,
    )


def _capacity(spec: VolumeSpec, *, base: Base | None, below: VolumeFate | None, context: Context) -> int | None:
    """The size to have, or `None` after an error."""
    place = context.catalog.place(Kind.VOLUME, spec.name)
    if below is not None:
        least, name = below.config.capacity, str(below.key)
    elif base is not None:
        least, name = base.facts.virtual_size, f"image {base.facts.name}"
    else:
        if spec.capacity is None:
            context.draft.errors.append(
                InputError(
                    f"volume.{spec.name}: a blank volume needs a size",
                    resolution="give it one, such as size='20GiB'",
                    place=place,
                )
            )
            return None
        return whole_sectors(spec.capacity)
    if spec.capacity is not None and spec.capacity < least:
        context.draft.errors.append(
            InputError(
                f"volume.{spec.name}: {format_size(spec.capacity)} is less than the {format_size(least)} "
                f"that {name} has",
                resolution=f"ask for at least {format_size(least)}",
                place=place,
            )
        )
        return None
    return whole_sectors(spec.capacity if spec.capacity is not None else least)


def _ignored(spec: VolumeSpec, *, context: Context) -> frozenset[str]:
    """The fields to keep, by the volume's own options and those of the VMs that have it as a disk."""
    own = ignored_fields(context.catalog.options(Kind.VOLUME, spec.name).ignore_changes)
    for vm, disk in context.catalog.disk_users.get(spec.name, ()):
        paths = ignored_fields(context.catalog.options(Kind.VM, vm).ignore_changes)
        if is_ignored(f"disks[{disk.name}].capacity", ignored=paths):
            own |= {"capacity"}
    return own


def _moved_from(key: Key, *, index: HostIndex, wanted: frozenset[Slot]) -> LedgerEntry | None:
    """The ledger's entry of this very volume under another name or in another pool, if that is not wanted any more."""
    return next((entry for entry in index.named_entries.get(key, ()) if entry.slot not in wanted), None)


def _entry(
    spec: VolumeSpec,
    slot: Slot,
    config: VolumeConfig,
    *,
    base: Base | None,
    below: VolumeFate | None,
    adopted: bool,
    context: Context,
) -> LedgerEntry:
    protect = context.catalog.options(Kind.VOLUME, spec.name).protect
    # Nobody knows what others did to a volume that was there before, unless it is over one that is the stack's too.
    data = spec.data or (adopted and below is None)
    return LedgerEntry(
        name=spec.name,
        role="volume",
        pool=slot[0],
        label=slot[1],
        state=EntryState.READY,
        path=config.path,
        format=config.format,
        capacity=config.capacity,
        sha256=base.facts.sha256 if base else below.entry.sha256 if below else None,
        image=base.facts.name if base else None,
        # Data is protected unless the program says otherwise; `protect` is what it says itself.
        data=data and protect is not False,
        protect=protect is True,
        upload=spec.source in (VolumeSource.FULL_COPY, VolumeSource.UPLOAD),
        adopted=adopted,
    )


def _short(sha256: str | None, image: str | None) -> str:
    return f"{image or 'unknown'} ({(sha256 or '')[:12]})"


def _file(path: str | None) -> str:
    return (path or "nothing").rpartition("/")[2]
