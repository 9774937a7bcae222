"""Which networks of libvirt's a guest's NICs are on: by the network's name, or by that of the bridge that it makes."""

from collections.abc import Iterator

from vmstack.model.configs import DomainConfig, NicConfig
from vmstack.model.observed import ObservedDomain, ObservedNetwork


def bridge_made_by(network: ObservedNetwork) -> str | None:
    """The bridge that comes and goes with the network; `None` for one over a bridge of the host."""
    config = network.live or network.config
    return None if config.forward == "bridge" else config.bridge


def is_plugged(nic: NicConfig, network: ObservedNetwork) -> bool:
    """Whether the NIC loses its cable with the network."""
    if nic.network is not None:
        return nic.network == network.name
    return nic.bridge is not None and nic.bridge == bridge_made_by(network)


def is_on(config: DomainConfig, network: ObservedNetwork) -> bool:
    return any(is_plugged(nic, network) for nic in config.nics)


def nics_on(domain: ObservedDomain, network: ObservedNetwork) -> Iterator[NicConfig]:
    """Yield the NICs by which the domain, live or at its next start, is on the network."""
    configs = (domain.config,) if domain.live is None else (domain.config, domain.live)
    return (nic for config in configs for nic in config.nics if is_plugged(nic, network))


def has_nic_on(domain: ObservedDomain, network: ObservedNetwork) -> bool:
    """Whether the domain, live or at its next start, is on the network."""
    return any(True for _ in nics_on(domain, network))
