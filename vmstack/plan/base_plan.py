"""Base images: one volume per image and pool, created, uploaded and shared."""

from dataclasses import dataclass

from vmstack.errors import ConflictError, InternalError
from vmstack.model.configs import VolumeConfig
from vmstack.model.effects import CreateVolume, DeleteVolume, UploadImage
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import EntryState, LedgerEntry
from vmstack.model.plan import Disruption, FieldChange, LedgerMark, Operation
from vmstack.model.sizes import format_size
from vmstack.model.specs import VolumeSource
from vmstack.plan.bases import BaseStatus, base_slot, base_status
from vmstack.plan.catalog import base_key
from vmstack.plan.context import Context
from vmstack.plan.design import whole_sectors
from vmstack.plan.entries import pending, resumes
from vmstack.plan.image_policy import kept_entry
from vmstack.plan.index import HostIndex, Slot, is_ready
from vmstack.xmlio.volume import write_volume


@dataclass(frozen=True, slots=True)
class Base:
    """An image realised in a pool."""

    key: Key
    host: str
    slot: Slot
    path: str
    facts: ImageFacts


def plan_bases(context: Context, *, reseeded: frozenset[str]) -> dict[tuple[str, str], Base]:
    """Plan the base volume of every image in every pool that needs it; return them by image and pool name.

    An image of which all volumes stay as they were made from another one (`on_image_change`) is not needed.
    `reseeded` are the volumes that a VM's seed policy wants made anew.
    """
    bases: dict[tuple[str, str], Base] = {}
    for image, pool_name in context.catalog.realised:
        facts = context.images.get(image)
        if not _is_wanted(image, pool_name, reseeded=reseeded, context=context):
            continue
        if facts is None:
            raise InternalError(f"the facts of image {image} were not given to the planner")
        pool = context.catalog.pools[pool_name]
        slot = base_slot(facts, pool=pool.label)
        base = Base(
            key=base_key(image, pool=pool_name),
            host=pool.host,
            slot=slot,
            path=context.volume_path(pool_name, slot[1]),
            facts=facts,
        )
        bases[image, pool_name] = base
        _plan_base(base, pool_key=Key(Kind.POOL, pool_name), context=context)
    return bases


def _is_wanted(image: str, pool: str, *, reseeded: frozenset[str], context: Context) -> bool:
    facts, catalog = context.images.get(image), context.catalog
    sha256 = facts.sha256 if facts is not None else catalog.images[image].sha256
    index = context.index_of_pool(pool)
    return any(
        kept_entry(volume, sha256=sha256, index=index, catalog=catalog, reseeded=reseeded) is None
        for volume in catalog.volumes.values()
        if (volume.image, volume.pool) == (image, pool) and volume.source is not VolumeSource.UPLOAD
    )


def _plan_base(base: Base, *, pool_key: Key, context: Context) -> None:
    index, draft = context.indexes[base.host], context.draft
    status = base_status(base.slot, index=index)
    wanted = LedgerEntry(
        name=base.key.name,
        role="base",
        pool=base.slot[0],
        label=base.slot[1],
        state=EntryState.READY,
        path=base.path,
        format=base.facts.format,
        capacity=base.facts.virtual_size,
        sha256=base.facts.sha256,
        image=base.facts.name,
        upload=True,
    )
    place = context.catalog.place(Kind.IMAGE, base.facts.name)
    if status is BaseStatus.BUSY:
        draft.errors.append(
            ConflictError(
                f"{base.key}: another stack is uploading this image to pool {base.slot[0]!r} on host {base.host}",
                resolution="let that apply end (run it again if it was interrupted), then try again",
                place=place,
            )
        )
    elif status is BaseStatus.FOREIGN:
        draft.errors.append(
            ConflictError(
                f"{base.key}: a volume {base.slot[1]!r} exists in pool {base.slot[0]!r} on host {base.host}, "
                "and no stack made it",
                resolution="give the image another name in the program, or delete that volume",
                place=place,
            )
        )
    elif status is BaseStatus.COMPLETE:
        if index.entries.get(base.slot) != wanted:
            draft.intend(wanted, host=base.host)
        draft.unchanged += 1
    else:
        _upload(base, wanted, pool_key=pool_key, again=status is BaseStatus.UNPROVEN, context=context)


def _upload(base: Base, wanted: LedgerEntry, *, pool_key: Key, again: bool, context: Context) -> None:
    draft, (pool, label), host = context.draft, base.slot, base.host
    index = context.indexes[host]
    config = VolumeConfig(name=label, format=base.facts.format, capacity=whole_sectors(base.facts.virtual_size))
    after = (pool_key, *context.needs(Kind.IMAGE, base.facts.name))
    reasons = [f"The image, a disk of {format_size(base.facts.virtual_size)}, is uploaded once to this pool."]
    first: str | None = None
    anew = _has_users(base, index=index)
    if again:
        delete = DeleteVolume(pool=pool, volume=label)
        # What is made anew has users from before, who get it back.
        guards = () if anew else (draft.expect_unused(host, base.slot, path=base.path),)
        first = draft.step(base.key, "delete", delete, host=host, after=after, guards=guards)
        reasons.append("An earlier upload was interrupted, so it is made again.")
        if base.slot in index.volumes:
            draft.expect(host, index.volumes[base.slot])
    else:
        if base.slot in index.entries and index.entries[base.slot].state is EntryState.READY:
            reasons.append("It was deleted outside vmstack.")
        draft.expect_absent(host, "volume", id=f"{pool}/{label}", name=label)
    draft.intend(pending(wanted, anew=anew), host=host)
    resume = resumes(index.entries.get(base.slot))
    effect = CreateVolume(pool=pool, volume=label, xml=write_volume(config), resume=resume)
    create = draft.step(base.key, "create", effect, host=host, needs=(first,), after=after)
    upload = draft.step(
        base.key,
        "upload",
        UploadImage(pool=pool, volume=label, image=base.facts.name),
        host=host,
        needs=(create,),
        marks=(LedgerMark(action="ready", entry=wanted),),
        flush=True,
    )
    draft.finish(base.key, upload)
    draft.images[base.facts.name] = base.facts
    draft.change(
        base.key,
        host=host,
        operation=Operation.CREATE,
        fields=(
            FieldChange(path="volume", before=None, after=label, disruption=Disruption.NONE),
            FieldChange(
                path="capacity", before=None, after=format_size(base.facts.virtual_size), disruption=Disruption.NONE
            ),
        ),
        reasons=reasons,
        place=context.catalog.place(Kind.IMAGE, base.facts.name),
    )


def _has_users(base: Base, *, index: HostIndex) -> bool:
    """Whether something was made with the image before it went: clones, or another stack's ready entry."""
    own = index.entries.get(base.slot)
    others = any(is_ready(entry) for entry in index.others.get(base.slot, ()))
    return (own is not None and own.anew) or others or bool(index.backed.get(base.path))
