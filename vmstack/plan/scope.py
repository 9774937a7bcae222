"""What to read in depth on each host."""

from collections import defaultdict

from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import Scope
from vmstack.model.specs import HostSpec, PoolSpec


def scope_of(desired: DesiredGraph) -> dict[str, Scope]:
    """The pools whose volumes matter, by host name; every host of the graph is a key."""
    pools: dict[str, set[str]] = defaultdict(set)
    for resource in desired.resources:
        if isinstance(resource.spec, HostSpec):
            pools.setdefault(resource.spec.name, set())
        elif isinstance(resource.spec, PoolSpec):
            pools[resource.spec.host].add(resource.spec.label)
    return {host: Scope(pools=frozenset(labels)) for host, labels in sorted(pools.items())}
