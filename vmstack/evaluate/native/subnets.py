"""Arithmetic of one address family of a network: who may have which address."""

import dataclasses
import hashlib
import ipaddress
from functools import cached_property
from typing import Final, Literal

from vmstack.errors import InputError
from vmstack.model.specs import DhcpRange, Subnet

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Version = Literal[4, 6]

# libvirt refuses a DHCP range of more than 65535 addresses (virSocketAddrGetRange).
MAX_RANGE: Final = 65535
# By default DHCP has the upper half of a network, and no more than what a large fleet needs.
_DEFAULT_RANGE: Final = 1024


@dataclasses.dataclass(frozen=True)
class SubnetPlan:
    """A subnet: the network, the host's (or router's) address in it, and what DHCP hands out."""

    network: IpNetwork
    gateway: Address
    dhcp: tuple[Address, Address] | None

    @property
    def version(self) -> Version:
        """4 or 6."""
        return self.network.version

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The first and last number an address of a host may have."""
        first, last = int(self.network.network_address), int(self.network.broadcast_address)
        return first + 1, last - 1 if self.version == 4 else last

    @cached_property
    def free(self) -> tuple[tuple[int, int], ...]:
        """The intervals of addresses that are neither the gateway's nor DHCP's."""
        low, high = self.bounds
        taken = [(int(self.gateway), int(self.gateway))]
        if self.dhcp:
            taken.append((int(self.dhcp[0]), int(self.dhcp[1])))
        intervals, start = [], low
        for first, last in sorted(taken):
            if start < first:
                intervals.append((start, first - 1))
            start = max(start, last + 1)
        if start <= high:
            intervals.append((start, high))
        return tuple(intervals)

    def address(self, number: int) -> Address:
        """Return the address with that number in the whole address space."""
        return ipaddress.IPv4Address(number) if self.version == 4 else ipaddress.IPv6Address(number)

    def nth(self, index: int) -> Address:
        """Return the n-th address from the network's own; raises `InputError` when that is no host's."""
        number = int(self.network.network_address) + index
        if index < 1 or number > self.bounds[1]:
            last = self.bounds[1] - int(self.network.network_address)
            raise InputError(
                f"{self.network} has no host number {index}",
                resolution=f"choose one from 1 to {last}, or give the network a wider cidr",
            )
        return self.address(number)

    def derive(self, identity: str) -> Address | None:
        """Return the address that follows from a resource's identity, outside of DHCP; `None` when none is free."""
        count = sum(last - first + 1 for first, last in self.free)
        if not count:
            return None
        offset = int.from_bytes(hashlib.sha256(f"{identity}/address".encode()).digest()[:16]) % count
        for first, last in self.free:
            if offset <= last - first:
                return self.address(first + offset)
            offset -= last - first + 1
        return None

    def check(self, address: Address) -> None:
        """Raise `InputError` when a guest cannot have the address."""
        low, high = self.bounds
        if address == self.gateway:
            raise InputError(f"{address} is the gateway's address")
        if not low <= int(address) <= high:
            raise InputError(f"{address} is the network's own or broadcast address")

    def in_dhcp(self, address: Address) -> bool:
        """Tell whether DHCP hands the address out."""
        return self.dhcp is not None and int(self.dhcp[0]) <= int(address) <= int(self.dhcp[1])

    def spec(self) -> Subnet:
        """Return the model's form."""
        dhcp = DhcpRange(start=str(self.dhcp[0]), end=str(self.dhcp[1])) if self.dhcp else None
        return Subnet(cidr=str(self.network), gateway=str(self.gateway), dhcp=dhcp)


def read_subnet(cidr: object, *, version: Version, gateway: object, dhcp: object, default_dhcp: bool) -> SubnetPlan:
    """Read `cidr` (and what goes with it) as given to `Network`; field names in errors end in 6 for IPv6."""
    suffix = "6" if version == 6 else ""
    network = _read_network(cidr, field=f"cidr{suffix}", version=version)
    plan = SubnetPlan(network=network, gateway=network.network_address + 1, dhcp=None)
    if gateway is not None:
        address = read_address(gateway, field=f"gateway{suffix}")
        if address not in network or not plan.bounds[0] <= int(address) <= plan.bounds[1]:
            raise InputError(f"gateway{suffix}: {address} is not a host's address in {network}")
        plan = dataclasses.replace(plan, gateway=address)
    wanted = default_dhcp if dhcp is None else dhcp
    if wanted is True:
        return dataclasses.replace(plan, dhcp=_default_range(plan))
    if wanted is False:
        return plan
    return dataclasses.replace(plan, dhcp=_read_range(wanted, plan=plan, field=f"dhcp{suffix}"))


def read_address(value: object, *, field: str) -> Address:
    """Read an address of either family."""
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None or (address.version == 6 and address.scope_id):
        raise InputError(f"{field}: {value!r} is not an IP address")
    return address


def _read_network(value: object, *, field: str, version: Version) -> IpNetwork:
    text = value if isinstance(value, str | ipaddress.IPv4Network | ipaddress.IPv6Network) else ""
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InputError(f"{field}: {value!r} is not a network", resolution='write it as "10.20.0.0/24"') from None
    if isinstance(text, str) and "/" not in text:
        raise InputError(f"{field}: {value!r} has no prefix length", resolution=f'write it as "{text}/24"')
    if loose.version != version:
        other = "cidr6" if loose.version == 6 else "cidr"
        raise InputError(f"{field}: {loose} is IPv{loose.version}", resolution=f"give it as {other}=")
    if isinstance(text, str) and text.split("/")[0] != str(loose.network_address):
        address = ipaddress.ip_address(text.split("/")[0])
        if address != loose.network_address:
            raise InputError(
                f"{field}: {value} is an address in {loose}, not a network",
                resolution=f'write cidr="{loose}", gateway="{address}"',
            )
    if loose.num_addresses < 4:
        raise InputError(f"{field}: {loose} has no room for a host and a guest", resolution="use a larger network")
    if loose.is_multicast or loose.is_loopback or loose.is_unspecified:
        raise InputError(f"{field}: {loose} is not a network for guests")
    return loose


def _default_range(plan: SubnetPlan) -> tuple[Address, Address]:
    low, high = plan.bounds
    start = max(high - min((high - low + 1) // 2, _DEFAULT_RANGE) + 1, low)
    gateway = int(plan.gateway)
    if start <= gateway <= high:
        start, high = (gateway + 1, high) if high - gateway >= gateway - start else (start, gateway - 1)
    return plan.address(start), plan.address(high)


def _read_range(value: object, *, plan: SubnetPlan, field: str) -> tuple[Address, Address]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{field}: {value!r} is not a range", resolution=f'write {field}=("first", "last"), or False')
    start, end = (read_address(item, field=field) for item in value)
    low, high = plan.bounds
    for address in (start, end):
        if address not in plan.network or not low <= int(address) <= high:
            raise InputError(f"{field}: {address} is not a host's address in {plan.network}")
    if int(start) > int(end):
        raise InputError(f"{field}: it ends ({end}) before it starts ({start})")
    if int(end) - int(start) + 1 > MAX_RANGE:
        raise InputError(f"{field}: it has more than {MAX_RANGE} addresses, which libvirt refuses")
    if int(start) <= int(plan.gateway) <= int(end):
        raise InputError(f"{field}: the gateway {plan.gateway} is in it", resolution="leave the gateway out of it")
    return start, end
