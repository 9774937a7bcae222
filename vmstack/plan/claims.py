"""Which claim of a state is which resource of the program."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from vmstack.errors import InputError, VmstackError, raise_all
from vmstack.model.claims import Claim, ForeignState, Unclaimed
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import HostSnapshot, Observed, Scope
from vmstack.model.specs import NetworkMode, NetworkSpec, PoolSpec, Spec, VmSpec, VolumeSource, VolumeSpec
from vmstack.plan.catalog import Catalog, catalogue
from vmstack.plan.scope import scope_of


@dataclass(frozen=True, slots=True)
class Matches:
    """`claims` are by the resource that each is; `seeds` by the path of the disk's file, as a domain says which one it
    has.

    `strangers` are claims that no resource of the program is, `missing` resources that no claim is.
    """

    claims: Mapping[Key, Claim]
    seeds: Mapping[str, Claim]
    strangers: tuple[Claim, ...]
    missing: tuple[Key, ...]
    unclaimed: tuple[Unclaimed, ...]


def match_claims(desired: DesiredGraph, state: ForeignState, *, names: Mapping[str, str]) -> Matches:
    """Match by the name that `names` gives for a claim's address, else by its own, else by the name in libvirt.

    Raises `InputError` for a name that is of no resource, an address that the state does not have, and two claims on
    one resource.
    """
    catalog = catalogue(desired)
    resources = {resource.key: resource for resource in desired.resources if _is_made(resource)}
    labels: dict[tuple[Kind, str, str | None], list[Key]] = defaultdict(list)
    for key, resource in resources.items():
        labels[key.kind, *_label(resource, catalog=catalog)].append(key)
    errors: list[VmstackError] = [
        InputError(
            f"--map: the state has no {address!r}",
            details=[f"it has: {', '.join(sorted(claim.address for claim in state.claims)) or 'nothing of libvirt'}"],
        )
        for address in sorted(names.keys() - {claim.address for claim in state.claims})
    ]
    found: dict[Key, list[Claim]] = defaultdict(list)
    strangers: list[Claim] = []
    seeds: dict[str, Claim] = {}
    for claim in state.claims:
        if claim.kind is Kind.SEED:
            seeds[claim.id] = claim
            continue
        given = names.get(claim.address)
        if given is not None and Key(claim.kind, given) not in resources:
            errors.append(
                InputError(
                    f"--map: {given!r} is the name of no {claim.kind.value} of the program",
                    details=[f"it has: {', '.join(key.name for key in resources if key.kind is claim.kind) or 'none'}"],
                )
            )
            continue
        match = _key_of(claim, given=given, resources=resources, labels=labels)
        if match is None:
            strangers.append(claim)
        else:
            found[match].append(claim)
    errors += _doubles(found)
    raise_all(errors)
    claims = {key: found[key][0] for key in sorted(found)}
    return Matches(
        claims=claims,
        seeds=seeds,
        strangers=tuple(sorted(strangers, key=lambda claim: claim.address)),
        missing=tuple(key for key in sorted(resources) if key not in claims),
        unclaimed=state.unclaimed,
    )


def adoption_scopes(desired: DesiredGraph, matches: Matches) -> dict[str, Scope]:
    """What to read in depth on each host, so that it can be taken over."""
    catalog = catalogue(desired)
    scopes = scope_of(desired)
    for key, claim in matches.claims.items():
        resource = catalog.resources[key]
        host = host_of(resource, catalog=catalog)
        scope = scopes[host]
        pools = {claim.label if key.kind is Kind.POOL else claim.pool}
        if key.kind is Kind.VOLUME and not claim.id.startswith("/"):
            pools.add(claim.id.rpartition("/")[0] or None)
        scopes[host] = Scope(
            pools=scope.pools | {pool for pool in pools if pool is not None},
            objects=scope.objects | ({claim.id, claim.id.lower()} if key.kind in (Kind.VM, Kind.NETWORK) else set()),
        )
    disks = frozenset(claim.pool for claim in matches.seeds.values() if claim.pool is not None)
    return {host: Scope(pools=scope.pools | disks, objects=scope.objects) for host, scope in scopes.items()}


def identify(matches: Matches, *, desired: DesiredGraph, observed: Observed) -> Matches:
    """The matches with the ids that libvirt gives, where people wrote names.

    An id may be the name of a domain, network or pool, and `pool/volume` or a name in the program's pool for a volume.
    What no host has keeps the id that it was given, which is then of nothing.
    """
    catalog = catalogue(desired)
    found = {
        key: msgspec.structs.replace(claim, id=_identify(claim, observed.hosts[host_of(resource, catalog=catalog)]))
        for key, claim in matches.claims.items()
        if (resource := catalog.resources[key])
    }
    return replace(matches, claims=found)


def _identify(claim: Claim, snapshot: HostSnapshot) -> str:
    if claim.kind is Kind.VOLUME:
        pool, _, label = claim.id.rpartition("/")
        slot = (pool or claim.pool, label)
        volumes = (volume for one in snapshot.pools for volume in one.volumes or ())
        paths = (volume.config.path for volume in volumes if (volume.pool, volume.name) == slot)
        return claim.id if claim.id.startswith("/") else next((path for path in paths if path), claim.id)
    objects = {
        Kind.VM: [(item.uuid, item.name) for item in snapshot.domains],
        Kind.NETWORK: [(item.uuid, item.name) for item in snapshot.networks],
        Kind.POOL: [(item.uuid, item.name) for item in snapshot.pools],
    }[claim.kind]
    if any(uuid == claim.id.lower() for uuid, _ in objects):
        return claim.id.lower()
    return next((uuid for uuid, name in objects if name == claim.id), claim.id)


def host_of(resource: Resource, *, catalog: Catalog) -> str:
    """The host of a resource that is an object there."""
    spec = resource.spec
    if isinstance(spec, VolumeSpec):
        return catalog.pool_host(spec.pool)
    if isinstance(spec, PoolSpec | NetworkSpec | VmSpec):
        return spec.host
    raise InputError(f"{resource.key} is no object of a host")


def is_reference(spec: Spec) -> bool:
    """Whether the program only refers to it: then it stays other people's."""
    if isinstance(spec, PoolSpec):
        return spec.existing
    if isinstance(spec, NetworkSpec):
        return spec.mode is NetworkMode.EXISTING
    return isinstance(spec, VolumeSpec) and spec.source is VolumeSource.EXISTING


def _is_made(resource: Resource) -> bool:
    spec = resource.spec
    return isinstance(spec, PoolSpec | NetworkSpec | VolumeSpec | VmSpec) and not is_reference(spec)


def _label(resource: Resource, *, catalog: Catalog) -> tuple[str, str | None]:
    spec = resource.spec
    if isinstance(spec, VolumeSpec):
        return spec.label, catalog.pools[spec.pool].label
    label = spec.label if isinstance(spec, PoolSpec | NetworkSpec | VmSpec) else ""
    return label, None


def _key_of(
    claim: Claim,
    *,
    given: str | None,
    resources: Mapping[Key, Resource],
    labels: Mapping[tuple[Kind, str, str | None], list[Key]],
) -> Key | None:
    for name in (given, claim.name):
        if name is not None and Key(claim.kind, name) in resources:
            return Key(claim.kind, name)
    if claim.label is None:
        return None
    alike = labels.get((claim.kind, claim.label, claim.pool), [])
    return alike[0] if len(alike) == 1 else None


def _doubles(found: Mapping[Key, list[Claim]]) -> Iterable[VmstackError]:
    for key, claims in sorted(found.items()):
        if len(claims) > 1:
            yield InputError(
                f"{len(claims)} resources of the state are {key}",
                details=[claim.address for claim in claims],
                resolution="say which is which: --map STATE_ADDRESS=NAME_IN_THE_PROGRAM",
            )
