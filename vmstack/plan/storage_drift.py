"""What others changed of a stack's pools and volumes, by the ledger that says what they were made as."""

import posixpath
from collections.abc import Iterator

from vmstack.model.drift import DriftKind
from vmstack.model.identity import Key
from vmstack.model.observed import ObservedVolume
from vmstack.model.ownership import LedgerEntry
from vmstack.model.sizes import format_size
from vmstack.plan.catalog import Catalog
from vmstack.plan.index import HostIndex, entry_key, is_ready
from vmstack.plan.machine_drift import Found
from vmstack.plan.seed_plan import is_spoilt


def find_storage_drift(index: HostIndex, *, catalog: Catalog) -> Iterator[tuple[Key, Found]]:
    """Yield what of the ledger's pools and volumes is not as it says. Of a pool that cannot be looked into no volume is
    missing: what it holds is unknown."""
    for entry in index.entries.values():
        if not is_ready(entry):
            continue
        found = _pool(entry, index=index, catalog=catalog) if entry.role == "pool" else _volume(entry, index=index)
        for item in found:
            yield entry_key(entry), item


def _pool(entry: LedgerEntry, *, index: HostIndex, catalog: Catalog) -> Iterator[Found]:
    pool, spec = index.pools.get(entry.pool), catalog.pools.get(entry.name)
    if pool is None:
        yield Found(DriftKind.MISSING, "pool", entry.pool, None)
        return
    if not index.owns_pool(entry.pool):
        yield Found(DriftKind.MISSING, "pool", entry.pool, "another pool of that name", note="with another UUID")
        return
    if not pool.active:
        yield Found(DriftKind.INACTIVE, "active", "active", "inactive")
    moved = entry.path is not None and pool.config.path is not None
    if moved and posixpath.normpath(entry.path or "") != posixpath.normpath(pool.config.path or ""):
        yield Found(DriftKind.FIELD, "path", entry.path, pool.config.path)
    if spec is not None and not spec.existing and pool.autostart != spec.autostart:
        yield Found(DriftKind.AUTOSTART, "autostart", spec.autostart, pool.autostart)


def _volume(entry: LedgerEntry, *, index: HostIndex) -> Iterator[Found]:
    if not index.readable(entry.pool) or index.is_displaced(entry):
        return
    volume = index.volumes.get(entry.slot)
    if volume is None:
        note = "the data in it is gone" if entry.data or (entry.role == "volume" and entry.image is None) else None
        yield Found(DriftKind.MISSING, "volume", entry.label, None, note=note)
        return
    if entry.role == "seed":
        if is_spoilt(entry, index=index):
            note = "a guest that runs has read it already"
            yield Found(DriftKind.CONTENT, "content", "as the program says", "written into", note=note)
        return
    yield from _properties(entry, volume, index=index)


def _properties(entry: LedgerEntry, volume: ObservedVolume, *, index: HostIndex) -> Iterator[Found]:
    now, pool = volume.config, index.pools.get(entry.pool)
    logical = pool is not None and pool.config.type == "logical"
    if entry.format is not None and now.format not in (entry.format, None) and not logical:
        note = "somebody put another file in its place"
        yield Found(DriftKind.FIELD, "format", entry.format, now.format, note=note)
    if entry.role == "base":
        return
    differs = now.capacity < (entry.capacity or 0) if logical else now.capacity != entry.capacity
    if entry.capacity is not None and differs:
        yield Found(DriftKind.FIELD, "capacity", format_size(entry.capacity), format_size(now.capacity))
    below = [other.path for other in index.entries.values() if other.role == "base" and other.sha256 == entry.sha256]
    clone = entry.image is not None and not entry.upload and not entry.adopted and bool(below)
    if clone and now.backing_path not in below:
        note = "somebody put another file in its place"
        yield Found(DriftKind.FIELD, "image", _file(below[0]), _file(now.backing_path), note=note)


def _file(path: str | None) -> str | None:
    return path.rpartition("/")[2] if path else None
