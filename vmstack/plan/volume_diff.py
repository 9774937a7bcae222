"""Volumes compared: what libvirt and the ledger show of one, against what it is to be."""

from typing import Final

import msgspec

from vmstack.errors import InputError, Place, RefusedError
from vmstack.model.configs import VolumeConfig
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ObservedVolume
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.sizes import format_size
from vmstack.model.specs import VolumeSource, VolumeSpec
from vmstack.plan.base_plan import Base
from vmstack.plan.context import Context
from vmstack.plan.drift_policy import left_so, policies_of, policy_of
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.index import HostIndex
from vmstack.plan.remaking import FieldTriple, named_changes, why_named
from vmstack.plan.volume_fate import Fate, VolumeFate

# What a volume on a host looks the same as: an overlay is an overlay, and a whole image is a whole image.
_ALIKE: Final = {
    VolumeSource.OVERLAY: VolumeSource.LINKED_CLONE,
    VolumeSource.UPLOAD: VolumeSource.FULL_COPY,
}

Verdict = tuple[Fate, VolumeConfig, tuple[tuple[str, object, object], ...], tuple[str, ...]]


def compare_volumes(
    spec: VolumeSpec,
    wanted: VolumeConfig,
    *,
    entry: LedgerEntry | None,
    old: ObservedVolume | None,
    base: Base | None,
    anew: bool,
    style: tuple[str, object, object] | None,
    asked: tuple[FieldTriple, ...],
    index: HostIndex,
    context: Context,
    place: Place | None,
) -> Verdict:
    """Judge a volume: its fate, the config to have, fields as (path, before, after), and reasons.

    `asked` are what the program wants it made anew for, whatever it is like.
    """
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
    elif context.is_logical(spec.pool):
        found = _in_extents(found, wanted=wanted, entry=entry)
    ignored = _ignored(spec, context=context)
    resized = found.capacity != entry.capacity and entry.capacity == wanted.capacity
    if (
        resized
        and (policy := policy_of("capacity", policies_of(Key(Kind.VOLUME, spec.name), context=context))) != "repair"
    ):
        ignored |= {"capacity"}
        if policy == "report":
            told = f"capacity ({format_size(wanted.capacity)} -> {format_size(found.capacity)})"
            context.draft.note(left_so(told), key=Key(Kind.VOLUME, spec.name))
    fields: list[tuple[str, object, object]] = []
    if found.format != wanted.format and not is_ignored("format", ignored=ignored):
        fields.append(("format", found.format, wanted.format))
    if style is not None:
        fields.append(style)
    if not is_ignored("source", ignored=ignored) and not is_ignored("image", ignored=ignored):
        fields += _source_changes(spec, found, wanted=wanted, entry=entry, base=base, index=index)
    grows = found.capacity != wanted.capacity and not is_ignored("capacity", ignored=ignored)
    change = ("capacity", format_size(found.capacity), format_size(wanted.capacity))
    named = named_changes(Key(Kind.VOLUME, spec.name), ["capacity"] if grows else [], context=context)
    if asked or named:
        return Fate.REPLACE, wanted, (*fields, *asked, *((change,) if grows else ())), why_named(named)
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
    if not grows:
        return Fate.KEEP, kept, (), ()
    if found.capacity > wanted.capacity:
        context.draft.errors.append(
            InputError(
                f"volume.{spec.name}: it has {change[1]} and cannot shrink to {change[2]}",
                resolution=f"ask for at least {change[1]}, or make a new volume of another name",
                place=place,
            )
        )
        return Fate.KEEP, kept, (), ()
    if context.is_logical(spec.pool):
        context.draft.errors.append(
            RefusedError(
                f"volume.{spec.name}: it has {change[1]} and cannot grow to {change[2]}: "
                "libvirt does not resize volumes of logical pools",
                resolution=f"grow it on the host (lvextend {found.path}), or make a new volume of another name",
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


def _in_extents(found: VolumeConfig, *, wanted: VolumeConfig, entry: LedgerEntry) -> VolumeConfig:
    """A logical volume as if it were a raw file: LVM tells no format, and rounds sizes up to whole extents.

    How large an extent is only the group knows; a size that holds what was asked for, and is asked for still, fits.
    """
    fits = found.capacity >= wanted.capacity and entry.capacity in (wanted.capacity, found.capacity)
    capacity = wanted.capacity if fits else found.capacity
    return msgspec.structs.replace(found, format=found.format or "raw", capacity=capacity)


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


def stale_below(entry: LedgerEntry | None, *, below: VolumeFate) -> tuple[str, object, object] | None:
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


def _ignored(spec: VolumeSpec, *, context: Context) -> frozenset[str]:
    """The fields to keep, by the volume's own options and those of the VMs that have it as a disk."""
    own = ignored_fields(context.catalog.options(Kind.VOLUME, spec.name).ignore_changes)
    for vm, disk in context.catalog.disk_users.get(spec.name, ()):
        paths = ignored_fields(context.catalog.options(Kind.VM, vm).ignore_changes)
        if is_ignored(f"disks[{disk.name}].capacity", ignored=paths):
            own |= {"capacity"}
    return own


def _short(sha256: str | None, image: str | None) -> str:
    return f"{image or 'unknown'} ({(sha256 or '')[:12]})"


def _file(path: str | None) -> str:
    return (path or "nothing").rpartition("/")[2]
