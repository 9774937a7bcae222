"""Which host gets which VM."""

from vmstack.errors import InputError, raise_all
from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import Observed
from vmstack.model.specs import NetworkSpec, PoolSpec, VmSpec


def place(desired: DesiredGraph, observed: Observed) -> DesiredGraph:
    """Return the graph with every resource on a host that was observed. Pure and deterministic.

    Every resource names its host, so placing keeps the graph as it is. Raises `InputError` for a resource on a host
    that was not observed: what it holds is unknown, and unknown is never empty.
    """
    raise_all(
        InputError(f"{resource.key} is on host {resource.spec.host}, which was not read", place=resource.place)
        for resource in desired.resources
        if isinstance(resource.spec, PoolSpec | NetworkSpec | VmSpec) and resource.spec.host not in observed.hosts
    )
    return desired
