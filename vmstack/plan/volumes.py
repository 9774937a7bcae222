"""Volumes of guest data: what must happen to each. How it happens (with which guests off) is `volume_steps`."""

from collections.abc import Mapping
from typing import Final

from vmstack.errors import ConflictError, InputError
from vmstack.model.configs import VolumeConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.sizes import format_size
from vmstack.model.specs import VolumeSource, VolumeSpec
from vmstack.model.text import import_command
from vmstack.plan.base_plan import Base
from vmstack.plan.context import Context
from vmstack.plan.design import whole_sectors
from vmstack.plan.image_policy import kept_entry, kept_image, kept_key, kept_note
from vmstack.plan.index import HostIndex, Slot
from vmstack.plan.remaking import asked_anew
from vmstack.plan.volume_definition import define_volume
from vmstack.plan.volume_diff import compare_volumes, stale_below
from vmstack.plan.volume_fate import Fate, VolumeFate

_ROLES: Final = {"base": "base image", "seed": "seed", "pool": "pool"}


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
            base = _base_of(spec, bases=bases, reseeded=reseeded, context=context)
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


def _base_of(
    spec: VolumeSpec, *, bases: Mapping[tuple[str, str], Base], reseeded: frozenset[str], context: Context
) -> Base | None:
    """The image that the volume is made from, or was made from where it is to stay so; of an upload, as it is to be in
    the volume itself."""
    if spec.image is None:
        return None
    if spec.source is not VolumeSource.UPLOAD:
        return _kept_base(spec, reseeded=reseeded, context=context) or bases[spec.image, spec.pool]
    return Base(
        key=Key(Kind.IMAGE, spec.image),
        host=context.catalog.pool_host(spec.pool),
        slot=(context.catalog.pools[spec.pool].label, spec.label),
        path=context.volume_path(spec.pool, spec.label),
        facts=context.images[spec.image],
    )


def _kept_base(spec: VolumeSpec, *, reseeded: frozenset[str], context: Context) -> Base | None:
    """The image that a volume was made from which stays as it is, though the program names another; else `None`."""
    catalog, index = context.catalog, context.index_of_pool(spec.pool)
    image = spec.image or ""
    wanted = context.images.get(image)
    sha256 = wanted.sha256 if wanted is not None else catalog.images[image].sha256
    entry = kept_entry(spec, sha256=sha256, index=index, catalog=catalog, reseeded=reseeded)
    if entry is None or sha256 is None:
        return None
    context.draft.note(kept_note(spec, entry, sha256=sha256), key=Key(Kind.VOLUME, spec.name))
    facts, path = kept_image(spec, entry, index=index)
    slot = (catalog.pools[spec.pool].label, path.rpartition("/")[2])
    return Base(key=kept_key(spec, entry), host=index.host, slot=slot, path=path, facts=facts)


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
                resolution="give yours another name, find out whose that one is and move it away, "
                f"or take it over: {import_command('volume', spec.name, id='/'.join(slot))}",
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
    definition = define_volume(spec, config, entry=entry, old=old, context=context)
    if definition is None:
        return None
    fate, config, fields, reasons = compare_volumes(
        spec,
        config,
        entry=entry,
        old=old,
        base=base,
        anew=anew,
        style=definition.change,
        asked=asked_anew(key, before=entry.trigger if entry is not None else None, context=context),
        index=index,
        context=context,
        place=place,
    )
    if below is not None and old is not None and fate in (Fate.KEEP, Fate.GROW):
        stale = stale_below(entry, below=below)
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
            digest=definition.digest,
            # What others made of it and is left so is not what the stack applied.
            capacity=capacity if _is_left(entry, fate, capacity=capacity) else config.capacity,
            renamed=entry is not None and entry.renamed,
            context=context,
        ),
        fate=fate,
        base=base,
        document=definition.xml,
        old=old,
        moved=moved,
        fields=fields,
        reasons=reasons,
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


def _is_left(entry: LedgerEntry | None, fate: Fate, *, capacity: int) -> bool:
    return fate is Fate.KEEP and entry is not None and entry.capacity == capacity


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
    digest: str | None,
    capacity: int,
    renamed: bool,
    context: Context,
) -> LedgerEntry:
    options = context.catalog.options(Kind.VOLUME, spec.name)
    protect = options.protect
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
        capacity=capacity,
        sha256=base.facts.sha256 if base else below.entry.sha256 if below else None,
        image=base.facts.name if base else None,
        digest=digest,
        # Data is protected unless the program says otherwise; `protect` is what it says itself.
        data=data and protect is not False,
        protect=protect is True,
        retain=options.retain,
        trigger=options.replacement_trigger,
        upload=spec.source in (VolumeSource.FULL_COPY, VolumeSource.UPLOAD),
        adopted=adopted,
        renamed=renamed,
    )
