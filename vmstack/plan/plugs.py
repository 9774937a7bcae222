"""NICs of running guests that are plugged in again while they run: what a network that is stopped lets go of."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vmstack.model.identity import Key
from vmstack.model.observed import ObservedDomain
from vmstack.plan.changes.row import Case
from vmstack.plan.context import Context
from vmstack.plan.domain_diff import Difference
from vmstack.plan.networks import NetworkDecision


class Plug(NamedTuple):
    """NICs to plug in again, by MAC, and the network that they are on.

    `network` is its name in libvirt, `key` is that of a network of the stack; one that is only referred to has none.
    """

    network: str
    uuid: str
    key: Key | None
    macs: tuple[str, ...]


def find_plugs(
    found: ObservedDomain, *, networks: Mapping[str, NetworkDecision], host: str, context: Context
) -> tuple[Plug, ...]:
    """The NICs of a guest on networks that are started anew in this plan, and those that lead nowhere already."""
    if found.live is None:
        return ()
    plugs: dict[str, Plug] = {}
    own = {network.held: network for network in networks.values() if network.spec.host == host}
    for name, network in own.items():
        macs = tuple(nic.mac for nic in found.live.nics if network.carries(nic))
        if network.replugs and macs:
            plugs[name] = Plug(name, network.design.uuid, network.key, macs)
    loose = {nic.network for nic in found.live.nics if nic.mac in found.unplugged and nic.network is not None}
    for name in loose - plugs.keys():
        other = context.indexes[host].network_names.get(name)
        if other is None or not other.active or (name in own and own[name].restarts):
            continue
        macs = tuple(nic.mac for nic in found.live.nics if nic.network == name and nic.mac in found.unplugged)
        plugs[name] = Plug(name, other.uuid, own[name].key if name in own else None, macs)
    return tuple(plugs[name] for name in sorted(plugs))


def plug_differences(plugs: tuple[Plug, ...], *, networks: Mapping[str, NetworkDecision]) -> Iterator[Difference]:
    """What is said of it as differences of the guest."""
    for plug in plugs:
        network = networks.get(plug.key.name) if plug.key is not None else None
        path = f"network.{plug.key.name if plug.key is not None else plug.network}"
        if network is None or not network.replugs:
            yield Difference(path, "unplugged", "plugged in", Case.UNPLUGGED)
        else:
            before = "as it is" if network.observed and network.observed.active else "not active"
            yield Difference(path, before, "started anew", Case.NETWORK_REPLUG)
