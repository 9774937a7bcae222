"""From a state of another tool to an adoption: observe, read what cloud-init was told, find images, plan."""

import hashlib
from collections.abc import Mapping

from vmstack.apply.pipeline import ImageProgress, resolve_images
from vmstack.errors import InputError, VmstackError, raise_all
from vmstack.evaluate.cloudinit.documents import load_yaml
from vmstack.hosts.driver import Driver
from vmstack.hosts.observe import observe
from vmstack.images.seed_reader import MAX_BYTES, read_seed
from vmstack.images.store import ImageStore
from vmstack.model.claims import Claim, ForeignState, SeedContent
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import Observed
from vmstack.model.specs import NetworkSpec, PoolSpec, VmSpec, VolumeSpec
from vmstack.plan.adoption import Adoption, Supposed, plan_adoption, suppose_adoption
from vmstack.plan.claims import Matches, adoption_scopes, identify, is_reference, match_claims
from vmstack.plan.index import Slot
from vmstack.plan.placement import place


def adopt(
    desired: DesiredGraph,
    state: ForeignState,
    drivers: Mapping[str, Driver],
    *,
    names: Mapping[str, str],
    store: ImageStore,
    progress: ImageProgress,
    alone: bool = False,
) -> Adoption:
    """Plan the taking over of what the state says exists; `names` are by the state's addresses. Changes nothing.

    `alone`: what else the program has may be somebody else's still.
    """
    observed, supposed = _suppose(desired, state, drivers, names=names)
    only = frozenset(supposed.takeover.matches.claims) if alone else None
    images = resolve_images(supposed.desired, supposed.observed, store=store, need_files=False, progress=progress)
    return plan_adoption(desired, observed, supposed=supposed, images=images, only=only)


def _suppose(
    desired: DesiredGraph, state: ForeignState, drivers: Mapping[str, Driver], *, names: Mapping[str, str]
) -> tuple[Observed, Supposed]:
    """The hosts as they are, and as they would be."""
    matches = match_claims(desired, state, names=names)
    observed = observe(drivers, stack=desired.stack, scopes=adoption_scopes(desired, matches))
    place(desired, observed)
    matches = identify(matches, desired=desired, observed=observed)
    contents = _read_seeds(matches, observed, drivers=drivers)
    return observed, suppose_adoption(desired, observed, matches=matches, contents=contents)


def named_objects(desired: DesiredGraph) -> ForeignState | None:
    """The objects that the program itself takes over (`import_`), or `None` where it takes over none."""
    labels = {resource.spec.name: resource.spec.label for resource in desired.resources
              if isinstance(resource.spec, PoolSpec)}  # fmt: skip
    claims = tuple(
        Claim(
            address=f"import_ of {resource.key}",
            kind=resource.key.kind,
            id=resource.options.import_id,
            name=resource.key.name,
            label=resource.spec.label,
            pool=labels.get(resource.spec.pool) if isinstance(resource.spec, VolumeSpec) else None,
            protect=resource.options.protect is True,
        )
        for resource in desired.resources
        if resource.options.import_id is not None
        and isinstance(resource.spec, PoolSpec | VolumeSpec | NetworkSpec | VmSpec)
    )
    return ForeignState(origin="import_ of the program", claims=claims) if claims else None


def named_object(desired: DesiredGraph, *, kind: Kind, name: str, id: str) -> ForeignState:
    """One object for one resource of the program, as a user names them.

    Raises `InputError` for a resource that the program does not have, or only refers to.
    """
    key = Key(kind, name)
    spec = next((resource.spec for resource in desired.resources if resource.key == key), None)
    if spec is None:
        known = [resource.key.name for resource in desired.resources if resource.key.kind is kind]
        raise InputError(
            f"the program has no {key}",
            details=[f"it has: {', '.join(known)}" if known else f"it has no {kind.value} at all"],
            resolution="write the resource into the program first",
        )
    if not isinstance(spec, PoolSpec | VolumeSpec | NetworkSpec | VmSpec) or is_reference(spec):
        raise InputError(f"{key} is not the stack's: the program only refers to it", resolution="it needs no import")
    labels = {resource.spec.name: resource.spec.label for resource in desired.resources
              if isinstance(resource.spec, PoolSpec)}  # fmt: skip
    pool = labels[spec.pool] if isinstance(spec, VolumeSpec) else None
    label = id if isinstance(spec, PoolSpec) else spec.label
    return ForeignState(
        origin=f"the name {id}",
        claims=(Claim(address=id, kind=kind, id=id, name=name, label=label, pool=pool),),
    )


def adopt_named(
    desired: DesiredGraph, drivers: Mapping[str, Driver], *, store: ImageStore, progress: ImageProgress
) -> Adoption | None:
    """Plan the taking over of what the program names by `import_` and the stack does not hold yet; `None` for nothing.

    Raises `InputError` for what no host has, and whatever stands against taking it over.
    """
    state = named_objects(desired)
    if state is None:
        return None
    names = {claim.address: claim.name for claim in state.claims if claim.name is not None}
    observed, supposed = _suppose(desired, state, drivers, names=names)
    places = {resource.key: resource.place for resource in desired.resources}
    held = frozenset(supposed.takeover.held)
    raise_all(
        InputError(
            f"{key}: import_: there is nothing with the id {claim.id} on its host",
            resolution="look it up with virsh, or leave import_ out to have it made",
            place=places.get(key),
        )
        for key, claim in sorted(supposed.takeover.absent, key=lambda item: item[0])
        if key not in held
    )
    if not supposed.takeover.takings:
        return None
    images = resolve_images(supposed.desired, supposed.observed, store=store, need_files=False, progress=progress)
    adoption = plan_adoption(desired, observed, supposed=supposed, images=images)
    if adoption.trouble is not None and adoption.blocked:
        raise adoption.trouble
    return adoption


def _read_seeds(
    matches: Matches, observed: Observed, *, drivers: Mapping[str, Driver]
) -> dict[tuple[str, Slot], SeedContent]:
    """The documents on the disks that the state names, from wherever they are."""
    contents: dict[tuple[str, Slot], SeedContent] = {}
    for host, snapshot in observed.hosts.items():
        for pool in snapshot.pools:
            for volume in pool.volumes or ():
                if volume.config.path in matches.seeds and volume.config.capacity <= MAX_BYTES:
                    image = _download(drivers[host], pool.name, volume.name, length=volume.config.capacity)
                    contents[host, (pool.name, volume.name)] = _content(image)
    return contents


def _download(driver: Driver, pool: str, name: str, *, length: int) -> bytes:
    return b"".join(driver.download_volume(pool, name, length=length))


def _content(image: bytes) -> SeedContent:
    digest = hashlib.sha256(image).hexdigest()
    files = read_seed(image)
    if files is None:
        return SeedContent(digest=digest)
    return SeedContent(
        digest=digest,
        user_data=files.get("user-data", ""),
        network_config=files.get("network-config", ""),
        meta_data=_meta_data(files.get("meta-data", "")),
    )


def _meta_data(text: str) -> dict[str, object] | None:
    try:
        document = load_yaml(text, what="meta-data")
    except VmstackError:
        return None
    if document is None:
        return {}
    return document if isinstance(document, dict) else None
