"""What stays because it is not known yet whether the program wants it, or because the plan leaves it out: nothing of it
goes, or is made anew below it."""

from collections.abc import Iterator
from typing import Final

from vmstack.errors import RefusedError
from vmstack.model.effects import (
    DefineDomain,
    DeleteVolume,
    RemovePool,
    ResizeVolume,
    StopNetwork,
    UndefineNetwork,
    UploadImage,
    UploadSeed,
)
from vmstack.model.identity import Key
from vmstack.model.observed import ObservedDomain
from vmstack.plan.cables import has_nic_on
from vmstack.plan.context import Context
from vmstack.plan.index import HostIndex, entry_key
from vmstack.plan.remains import Wanted, divide, find_remains

_LISTED: Final = 8
_UNKNOWN: Final = (
    "and it is not known yet whether the program wants that",
    "let the guests that the program asks about get their addresses, and plan again; "
    "or write the values into the program",
)


def hold_all(wanted: Wanted, *, context: Context) -> dict[str, int]:
    """Note what is held on every host, and return how much it is."""
    counts: dict[str, int] = {}
    for host, index in sorted(context.indexes.items()):
        remains = find_remains(index, wanted=wanted, context=context)
        keys = remains.keys()
        counts[host] = len(keys)
        keys = [key for key in keys if key not in context.catalog.resources]
        if keys:
            listed = ", ".join(str(key) for key in keys[:_LISTED])
            more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
            context.draft.note(
                f"nothing is deleted on {host} as long as it is not known all that the program wants; "
                f"not in it so far: {listed}{more}"
            )
    return counts


def check_held(wanted: Wanted, *, context: Context) -> None:
    """Report steps that would take something from below what is held."""
    for _, index in sorted(context.indexes.items()):
        remains = find_remains(index, wanted=wanted, context=context)
        held = divide(remains, context=context)[1] if context.whole else remains
        domains = dict(held.domains)
        held_slots = {entry.slot: entry_key(entry) for entry in held.entries if entry.label}
        for key, what in dict.fromkeys(_taken(domains, held_slots, index=index, context=context)):
            why, resolution = _UNKNOWN
            if context.selected is not None:
                why, resolution = "and the plan leaves that out", f"plan both: --target {key} --target {what}"
            context.draft.errors.append(
                RefusedError(
                    f"{key} would be changed below {what}, {why}",
                    resolution=resolution,
                    place=context.catalog.resources[key].place if key in context.catalog.resources else None,
                )
            )


def _taken(
    domains: dict[Key, ObservedDomain], held: dict[tuple[str, str], Key], *, index: HostIndex, context: Context
) -> Iterator[tuple[Key, Key]]:
    for step in context.draft.steps():
        effect = step.effect
        if step.host != index.host:
            continue
        if isinstance(effect, DeleteVolume | UploadImage | UploadSeed):
            path = index.volume_path((effect.pool, effect.volume))
            users = {domain.uuid for domain in (*index.own_users(path), *index.own_chain_users(path))}
            yield from ((step.key, key) for key, domain in domains.items() if domain.uuid in users)
            yield from ((step.key, held[slot]) for slot in index.backed.get(path or "", ()) if slot in held)
        elif isinstance(effect, ResizeVolume):
            # Only QEMU itself may grow what it has open.
            running = {user.uuid for user in index.own_users(index.volume_path((effect.pool, effect.volume)))}
            yield from ((step.key, key) for key, domain in domains.items() if domain.active and domain.uuid in running)
        elif isinstance(effect, StopNetwork | UndefineNetwork):
            network = index.networks[effect.uuid]
            on = [key for key, domain in domains.items() if domain.active and has_nic_on(domain, network)]
            yield from ((step.key, key) for key in on)
        elif isinstance(effect, RemovePool):
            yield from ((step.key, held[slot]) for slot in sorted(held) if slot[0] == effect.pool)
        elif isinstance(effect, DefineDomain):
            same = [key for key, domain in domains.items() if domain.name == effect.name and domain.uuid != effect.uuid]
            yield from ((step.key, key) for key in same)
