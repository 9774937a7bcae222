"""Which images need local facts or a file before a plan can be made."""

from collections.abc import Mapping

from vmstack.model.base import Data
from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.specs import ImageSpec, VolumeSource, VolumeSpec
from vmstack.plan.bases import BaseStatus, base_slot, base_status, ledger_facts
from vmstack.plan.catalog import Catalog, catalogue
from vmstack.plan.image_policy import kept_entry
from vmstack.plan.index import HostIndex, index_host, is_ready


class ImageNeeds(Data, frozen=True, kw_only=True):
    """`known` images are complete wherever the stack needs them, so their facts come from the hosts' ledgers.

    `missing` ones must be resolved locally, with the file: some host must get them. Both hold only images that a
    volume of the stack is made from.
    """

    known: dict[str, ImageFacts] = {}
    missing: tuple[str, ...] = ()


def image_needs(desired: DesiredGraph, observed: Observed) -> ImageNeeds:
    """Sort the images that the stack uses into known and missing. Pure."""
    catalog = catalogue(desired)
    indexes = {host: index_host(snapshot, stack=desired.stack) for host, snapshot in sorted(observed.hosts.items())}
    known: dict[str, ImageFacts] = {}
    missing: set[str] = set()
    for image, pool_name in catalog.realised:
        spec, pool = catalog.images[image], catalog.pools[pool_name]
        index = indexes.get(pool.host)
        if index is not None and not _is_wanted(spec, pool_name, index=index, catalog=catalog):
            continue
        facts = ledger_facts(spec, indexes=indexes)
        if facts is None or index is None:
            missing.add(image)
        elif base_status(base_slot(facts, pool=pool.label), index=index) is BaseStatus.COMPLETE:
            known[image] = facts
        else:
            missing.add(image)
    for volume in catalog.volumes.values():
        if volume.source is VolumeSource.UPLOAD and volume.image is not None:
            facts = _uploaded(volume, catalog.images[volume.image], catalog=catalog, indexes=indexes)
            if facts is None:
                missing.add(volume.image)
            else:
                known[volume.image] = facts
    return ImageNeeds(
        known={name: facts for name, facts in sorted(known.items()) if name not in missing},
        missing=tuple(sorted(missing)),
    )


def _is_wanted(spec: ImageSpec, pool: str, *, index: HostIndex, catalog: Catalog) -> bool:
    """Whether a volume in the pool is to be made from the image, or may be: not all of them stay as they are."""
    return any(
        kept_entry(volume, sha256=spec.sha256, index=index, catalog=catalog) is None
        for volume in catalog.volumes.values()
        if (volume.image, volume.pool) == (spec.name, pool) and volume.source is not VolumeSource.UPLOAD
    )


def _uploaded(
    volume: VolumeSpec, spec: ImageSpec, *, catalog: Catalog, indexes: Mapping[str, HostIndex]
) -> ImageFacts | None:
    """The facts of an image that was uploaded into a volume, from the volume's ledger entry, if it is there whole."""
    pool = catalog.pools[volume.pool]
    index = indexes.get(pool.host)
    if index is None or spec.sha256 is None:
        return None
    slot = (pool.label, volume.label)
    entry = index.entries.get(slot)
    if entry is None or not is_ready(entry) or entry.capacity is None or entry.sha256 != spec.sha256:
        return None
    if index.readable(pool.label) and slot not in index.volumes:
        return None
    return ImageFacts(name=spec.name, sha256=spec.sha256, format=spec.format, virtual_size=entry.capacity)
