"""`on_image_change`: volumes that stay as they were made when the program names another image."""

from vmstack.model.identity import Key, Kind
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import ImageChange, SeedPolicy, VolumeSource, VolumeSpec
from vmstack.plan.catalog import Catalog
from vmstack.plan.index import HostIndex, is_ready


def kept_entry(
    spec: VolumeSpec, *, sha256: str | None, index: HostIndex, catalog: Catalog, reseeded: frozenset[str] | None = None
) -> LedgerEntry | None:
    """The ledger's entry of a volume that was made from another image than one of that digest, and is to stay so.

    `None` where nothing is kept: it is missing, is to be made in another way, or is made anew with its seed. Which are
    is not known before the seeds were decided on (`reseeded` of `None`): then it counts as not kept.
    """
    slot = (catalog.pools[spec.pool].label, spec.label)
    entry = index.entries.get(slot)
    if spec.on_image_change is not ImageChange.KEEP or spec.image is None or sha256 is None or entry is None:
        return None
    changed = entry.role == "volume" and is_ready(entry) and entry.sha256 not in (None, sha256)
    alike = entry.format == spec.format and entry.upload is (spec.source is VolumeSource.FULL_COPY)
    there = slot in index.volumes or not index.readable(slot[0])
    if not (changed and alike and there) or index.is_displaced(entry):
        return None
    policies = (catalog.vms[vm].seed_policy for vm, _ in catalog.disk_users.get(spec.name, ()))
    anew = spec.name in reseeded if reseeded is not None else SeedPolicy.REPLACE in policies
    return None if anew else entry


def kept_image(spec: VolumeSpec, entry: LedgerEntry, *, index: HostIndex) -> tuple[ImageFacts, str]:
    """The facts of the image that a kept volume was made from, and the file below it, as far as they are known."""
    old = index.volumes.get(entry.slot)
    base = next(
        (other for other in index.entries.values() if other.role == "base" and other.sha256 == entry.sha256), None
    )
    path = old.config.backing_path if old is not None else base.path if base is not None else None
    form = (old.config.backing_format if old is not None else None) or (base.format if base is not None else None)
    size = base.capacity if base is not None else None
    if size is None:
        # Its own size is what it was made with, or more; asking for less is refused where sizes are compared.
        own = (old.config.capacity if old is not None else None) or entry.capacity or 0
        size = own if spec.capacity is None else min(own, spec.capacity)
    facts = ImageFacts(
        name=entry.image or "",
        sha256=entry.sha256 or "",
        format="raw" if form == "raw" else "qcow2",
        virtual_size=size,
    )
    return facts, path or ""


def kept_note(spec: VolumeSpec, entry: LedgerEntry, *, sha256: str) -> str:
    """What people are told of it."""
    before, after = f"{entry.image} ({(entry.sha256 or '')[:12]})", f"{spec.image} ({sha256[:12]})"
    return (
        f"it stays as it was made from {before}, and the program has {after}: "
        'on_image_change="replace" would make it anew, and what it holds would be lost'
    )


def kept_key(spec: VolumeSpec, entry: LedgerEntry) -> Key:
    """The key of the image that a kept volume was made from, in its pool."""
    return Key(Kind.IMAGE, f"{entry.image}@{spec.pool}")
