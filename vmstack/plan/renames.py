"""Aliases: what the program has under another name than the stack made it by. It is the same object, and stays that."""

from collections.abc import Iterator, Mapping

import msgspec

from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind, StackId, derive_mac, parse_address
from vmstack.model.observed import HostSnapshot, Observed, ObservedDomain, ObservedNetwork, ObservedPool
from vmstack.model.ownership import Adopted, LedgerEntry, Stamp
from vmstack.model.plan import Disruption, FieldChange, Operation
from vmstack.model.specs import Spec, VmSpec
from vmstack.plan.context import Context
from vmstack.plan.index import entry_key, owned_name

Renames = Mapping[Key, Key]
# No stamp that was written is without a digest: one that is must be written again.
_UNWRITTEN = ""


def find_renames(desired: DesiredGraph, observed: Observed) -> dict[Key, Key]:
    """New keys by old ones: of aliases under which a host holds something of the stack that the program does not have
    under that name, where none holds anything under the new one."""
    resources = {resource.key: resource for resource in desired.resources if resource.options.aliases}
    if not resources:
        return {}
    held = {key for snapshot in observed.hosts.values() for key in _held(snapshot, stack=desired.stack)}
    # What others removed is missed under the name that the program has for it now.
    made = {key for snapshot in observed.hosts.values() for key in _made(snapshot)}
    wanted = {resource.key for resource in desired.resources}
    renames: dict[Key, Key] = {}
    for key, resource in resources.items():
        olds = [Key(key.kind, name) for name in resource.options.aliases]
        free = [old for old in olds if old not in wanted and old not in renames]
        old = next((old for known in (held, made) for old in free if old in known), None)
        if old is not None and key not in held:
            renames[old] = key
    return renames


def rename(observed: Observed, renames: Renames, *, desired: DesiredGraph) -> Observed:
    """The hosts as if they held everything under its new name. What identifies it stays."""
    if not renames:
        return observed
    specs = {resource.key: resource.spec for resource in desired.resources}
    return Observed(
        hosts={
            host: _rename(snapshot, renames, stack=desired.stack, specs=specs)
            for host, snapshot in observed.hosts.items()
        }
    )


def plan_renames(renames: Renames, *, context: Context) -> None:
    """Say what is called otherwise now, and have the ledgers know it. Stamps are written as they differ."""
    draft = context.draft
    for old, new in sorted(renames.items()):
        if context.spares(new) or new not in context.catalog.resources:
            continue
        for host, index in context.indexes.items():
            entries = index.named_entries.get(new, ())
            own = index.own_domains if new.kind is Kind.VM else index.own_networks
            if not entries and (new.kind not in (Kind.VM, Kind.NETWORK) or new.name not in own):
                continue
            for entry in entries:
                draft.intend_once(entry, host=host)
            if new.kind is Kind.SEED:
                continue
            reason = f"It was {old} before, by its alias, and stays what it is."
            if draft.changed(new, host=host):
                draft.explain(new, host=host, reason=reason)
            else:
                field = FieldChange(path="name", before=old.name, after=new.name, disruption=Disruption.NONE)
                place = context.catalog.place(*new)
                draft.change(new, host=host, operation=Operation.UPDATE, fields=[field], reasons=[reason], place=place)


def _held(snapshot: HostSnapshot, *, stack: StackId) -> Iterator[Key]:
    for kind, things in ((Kind.VM, snapshot.domains), (Kind.NETWORK, snapshot.networks)):
        for thing in things:
            name = owned_name(thing.stamp, uuid=thing.uuid, stack=stack, kind=kind)
            if name is not None:
                yield Key(kind, name)
    yield from map(entry_key, snapshot.ledger.entries if snapshot.ledger else ())


def _made(snapshot: HostSnapshot) -> Iterator[Key]:
    yield from map(parse_address, snapshot.ledger.made if snapshot.ledger else ())


def _rename(snapshot: HostSnapshot, renames: Renames, *, stack: StackId, specs: Mapping[Key, Spec]) -> HostSnapshot:
    pools = {pool.name: pool for pool in snapshot.pools}
    ledger = snapshot.ledger
    return msgspec.structs.replace(
        snapshot,
        domains=tuple(_rename_domain(domain, renames, stack=stack, specs=specs) for domain in snapshot.domains),
        networks=tuple(_rename_network(network, renames, stack=stack) for network in snapshot.networks),
        ledger=None
        if ledger is None
        else msgspec.structs.replace(
            ledger,
            entries=tuple(_rename_entry(entry, renames, pools=pools) for entry in ledger.entries),
            made={_rename_address(address, renames): generation for address, generation in ledger.made.items()},
        ),
        held=snapshot.held or ledger,
    )


def _rename_address(address: str, renames: Renames) -> str:
    key = parse_address(address)
    return str(renames.get(key, key))


def _new_key(thing: ObservedDomain | ObservedNetwork, renames: Renames, *, stack: StackId, kind: Kind) -> Key | None:
    name = owned_name(thing.stamp, uuid=thing.uuid, stack=stack, kind=kind)
    return None if name is None else renames.get(Key(kind, name))


def _rename_domain(
    domain: ObservedDomain, renames: Renames, *, stack: StackId, specs: Mapping[Key, Spec]
) -> ObservedDomain:
    new = _new_key(domain, renames, stack=stack, kind=Kind.VM)
    if new is None or domain.stamp is None:
        return domain
    name = owned_name(domain.stamp, uuid=domain.uuid, stack=stack, kind=Kind.VM) or ""
    before = domain.stamp.adopted or Adopted(uuid=domain.uuid, born=name)
    spec = specs.get(new)
    nics = spec.nics if isinstance(spec, VmSpec) else ()
    derived = {nic.name: derive_mac(stack, Key(Kind.VM, name), nic=nic.name) for nic in nics}
    present = {nic.mac for config in (domain.config, domain.live or domain.config) for nic in config.nics}
    macs = {nic: mac for nic, mac in derived.items() if mac in present}
    adopted = msgspec.structs.replace(before, nics=macs | before.nics)
    return msgspec.structs.replace(domain, stamp=_stamp(domain.stamp, stack.path(new), adopted=adopted))


def _rename_network(network: ObservedNetwork, renames: Renames, *, stack: StackId) -> ObservedNetwork:
    new = _new_key(network, renames, stack=stack, kind=Kind.NETWORK)
    if new is None or network.stamp is None:
        return network
    name = owned_name(network.stamp, uuid=network.uuid, stack=stack, kind=Kind.NETWORK)
    adopted = network.stamp.adopted or Adopted(uuid=network.uuid, born=name)
    return msgspec.structs.replace(network, stamp=_stamp(network.stamp, stack.path(new), adopted=adopted))


def _stamp(stamp: Stamp, path: str, *, adopted: Adopted) -> Stamp:
    return msgspec.structs.replace(stamp, path=path, digest=_UNWRITTEN, adopted=adopted)


def _rename_entry(entry: LedgerEntry, renames: Renames, *, pools: Mapping[str, ObservedPool]) -> LedgerEntry:
    new = renames.get(entry_key(entry))
    if new is None:
        return entry
    pool = pools.get(entry.pool) if entry.role == "pool" else None
    uuid = entry.uuid if pool is None else pool.uuid
    return msgspec.structs.replace(entry, name=new.name, uuid=uuid, renamed=True)
