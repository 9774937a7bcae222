"""Which host gets which VM."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from vmstack.errors import ConflictError, InputError, VmstackError, raise_all
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key, Kind
from vmstack.model.observed import HostFacts, Observed
from vmstack.model.specs import NetworkSpec, PoolSpec, VmSpec


def place(desired: DesiredGraph, observed: Observed) -> DesiredGraph:
    """Return the graph with every resource on a host that was observed. Pure and deterministic.

    Every resource names its host, so placing keeps the graph as it is. Raises `InputError` for a resource on a host
    that was not observed (what it holds is unknown, and unknown is never empty), and `ConflictError` for two hosts
    that are one: each would delete what the other has.
    """
    unread: list[VmstackError] = [
        InputError(f"{resource.key} is on host {resource.spec.host}, which was not read", place=resource.place)
        for resource in desired.resources
        if isinstance(resource.spec, PoolSpec | NetworkSpec | VmSpec) and resource.spec.host not in observed.hosts
    ]
    raise_all([*unread, *_doubles(desired, observed=observed)])
    return desired


def _doubles(desired: DesiredGraph, *, observed: Observed) -> Iterator[VmstackError]:
    places = {resource.key: resource.place for resource in desired.resources}
    seen: dict[tuple[str, ...], str] = {}
    for name, snapshot in sorted(observed.hosts.items()):
        facts = snapshot.facts
        first = seen.setdefault(_identity(facts), name) if facts.uuid else name
        if first != name:
            yield ConflictError(
                f"host.{first} and host.{name} are one and the same host",
                details=[
                    f"{observed.hosts[first].facts.uri} and {facts.uri} both reach the machine {facts.uuid}",
                ],
                resolution="keep one of them; for separate daemons on one machine, set host_uuid in each libvirtd.conf",
                place=places.get(Key(Kind.HOST, name)),
            )


def _identity(facts: HostFacts) -> tuple[str, ...]:
    """The hypervisor: its machine, its kind, and whose it is; a user's own session is apart from the system's."""
    uri = urlsplit(facts.uri)
    user = (uri.username or "") if uri.path == "/session" else ""
    return facts.uuid, uri.scheme.partition("+")[0], uri.path, user
