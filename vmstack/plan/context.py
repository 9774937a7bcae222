"""What every part of the planner needs to know, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import ImageFacts
from vmstack.model.specs import PoolSpec
from vmstack.plan.catalog import Catalog, parts_of
from vmstack.plan.draft import Draft
from vmstack.plan.index import HostIndex
from vmstack.plan.policy import PlanPolicy


@dataclass(frozen=True, slots=True)
class Context:
    """The inputs of one planning, indexed, and the draft that it fills.

    `order` are the needs of all resources of the program, also when a destruction makes the catalog empty. Unless the
    program is known `whole`, what is not in the catalog may be wanted all the same. `followers` are made anew because
    something else is (`replace_with`), and `remade` because the command line says so. Where something is `selected`,
    all else stays as it is, wanted or not.
    """

    catalog: Catalog
    indexes: Mapping[str, HostIndex]
    policy: PlanPolicy
    images: Mapping[str, ImageFacts]
    whole: bool = True
    order: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    followers: Mapping[Key, tuple[Key, ...]] = field(default_factory=dict)
    remade: frozenset[Key] = frozenset()
    selected: frozenset[Key] | None = None
    draft: Draft = field(default_factory=Draft)

    @property
    def stack(self) -> StackId:
        return self.catalog.stack

    def spares(self, key: Key) -> bool:
        """Whether the resource is left out of the plan, so that it must stay as it is."""
        return self.selected is not None and key not in self.selected

    def index_of_pool(self, pool: str) -> HostIndex:
        """The host of a pool (by its name in the program)."""
        return self.indexes[self.catalog.pool_host(pool)]

    def is_logical(self, pool: str) -> bool:
        """Whether the pool (by its name in the program) is a volume group of LVM."""
        spec = self.catalog.pools[pool]
        found = self.indexes[spec.host].pools.get(spec.label) if spec.existing else None
        return (found.config.type if found is not None else spec.type) == "logical"

    def pool_path(self, spec: PoolSpec) -> str:
        """The pool's directory; of an existing pool it is what libvirt says."""
        if spec.path is not None and not spec.existing:
            return spec.path.rstrip("/") or "/"
        found = self.indexes[spec.host].pools.get(spec.label)
        path = found.config.path if found else spec.path
        return (path or "").rstrip("/")

    def volume_path(self, pool: str, label: str) -> str:
        """The file of a volume in a pool (by its name in the program)."""
        return f"{self.pool_path(self.catalog.pools[pool])}/{label}"

    def needs(self, kind: Kind, name: str) -> tuple[Key, ...]:
        """The keys that the resource must come after: what it is made of, and what the program says besides."""
        resource = self.catalog.resources.get(Key(kind, name))
        if resource is None:
            return ()
        parts = (*parts_of(resource.spec), *self.catalog.bridge_makers(resource.spec))
        return tuple(dict.fromkeys((*resource.needs, *parts)))
