"""Base images on hosts: which are there and complete, and which must be uploaded."""

import enum
from collections.abc import Iterable, Mapping

from vmstack.model.identity import base_volume_name
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import LedgerEntry
from vmstack.model.specs import ImageSpec
from vmstack.plan.index import HostIndex, Slot, is_ready


class BaseStatus(enum.StrEnum):
    """How a base image stands in a pool.

    absent: it must be created and uploaded. unproven: an interrupted upload of ours, to be made again. complete: it
    is there (by our ledger, another stack's, or because a volume is backed by it). busy: another stack is uploading
    it. foreign: a volume of that name is there and no ledger knows it.
    """

    ABSENT = "absent"
    UNPROVEN = "unproven"
    COMPLETE = "complete"
    BUSY = "busy"
    FOREIGN = "foreign"


def base_slot(facts: ImageFacts, *, pool: str) -> Slot:
    """The pool and volume name of the image there. `pool` is the libvirt name."""
    return (pool, base_volume_name(facts.name, sha256=facts.sha256, format=facts.format))


def base_status(slot: Slot, *, index: HostIndex) -> BaseStatus:
    """Judge the base volume at the slot."""
    own = index.entries.get(slot)
    if own is not None and index.is_displaced(own):
        own = None
    others = index.others.get(slot, ())
    anew = own is not None and own.anew
    busy = any(entry.anew and not is_ready(entry) for entry in others)
    if not index.readable(slot[0]):
        known = (own is not None and is_ready(own)) or (not anew and any(is_ready(entry) for entry in others))
        return BaseStatus.COMPLETE if known else (BaseStatus.UNPROVEN if own else BaseStatus.ABSENT)
    if slot not in index.volumes:
        return BaseStatus.ABSENT
    # It was gone, and whoever brings it back has not finished: neither ledgers nor clones of before prove it whole.
    if anew:
        return BaseStatus.UNPROVEN
    if busy:
        return BaseStatus.BUSY
    if own is not None and is_ready(own):
        return BaseStatus.COMPLETE
    if any(is_ready(entry) for entry in others):
        return BaseStatus.COMPLETE
    # Our upload mark is durable before a volume is made on top of the base, so a backed volume proves the upload.
    if own is not None and index.backed.get(index.volume_path(slot) or ""):
        return BaseStatus.COMPLETE
    if own is not None:
        return BaseStatus.UNPROVEN
    return BaseStatus.BUSY if others else BaseStatus.FOREIGN


def ledger_facts(spec: ImageSpec, *, indexes: Mapping[str, HostIndex]) -> ImageFacts | None:
    """The facts of an image from the ready base entry of any stack on any host, by the digest the program gives."""
    if spec.sha256 is None:
        return None
    for host in sorted(indexes):
        for entry in _base_entries(indexes[host]):
            if entry.sha256 == spec.sha256 and entry.format == spec.format and entry.capacity is not None:
                return ImageFacts(name=spec.name, sha256=spec.sha256, format=spec.format, virtual_size=entry.capacity)
    return None


def _base_entries(index: HostIndex) -> Iterable[LedgerEntry]:
    own = index.entries.values()
    others = (entry for entries in index.others.values() for entry in entries)
    return (entry for entries in (own, others) for entry in entries if entry.role == "base" and is_ready(entry))
