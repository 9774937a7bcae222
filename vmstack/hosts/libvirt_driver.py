"""The driver over libvirt, put together from its parts by noun."""

from vmstack.hosts.capabilities import CapabilityCalls
from vmstack.hosts.channels import ChannelCalls
from vmstack.hosts.domains import DomainCalls
from vmstack.hosts.networks import NetworkCalls
from vmstack.hosts.node import NodeCalls
from vmstack.hosts.pools import PoolCalls
from vmstack.hosts.secrets import SecretCalls
from vmstack.hosts.volumes import VolumeCalls


class LibvirtDriver(
    CapabilityCalls, NodeCalls, DomainCalls, NetworkCalls, PoolCalls, VolumeCalls, SecretCalls, ChannelCalls
):
    """`vmstack.hosts.driver.Driver` over one libvirt connection."""

    def close(self) -> None:
        """Close the connection; waiting calls of other threads return or raise soon after."""
        self._link.close()
