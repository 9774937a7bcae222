"""The NICs of a VM: their MACs and addresses, leases for them, and what the guest must be told."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vmstack.errors import InputError
from vmstack.evaluate.cloudinit.network import NicPlan
from vmstack.evaluate.native.devices import Nic, as_attachment
from vmstack.evaluate.native.networks import Attachment, Network
from vmstack.evaluate.native.subnets import Address
from vmstack.model.identity import Key, StackId, derive_mac
from vmstack.model.specs import NetworkMode, NicSpec, Reservation


@dataclasses.dataclass(frozen=True, slots=True)
class Wiring:
    """All NICs of a VM. `needs_config` tells that the guest's default, DHCP on its first NIC, is not enough."""

    specs: tuple[NicSpec, ...]
    plans: tuple[NicPlan, ...]
    networks: tuple[Network, ...]
    needs_config: bool

    @property
    def static(self) -> bool:
        """Some addresses exist only if the guest sets them."""
        return any(plan.addresses for plan in self.plans)


def wire(items: Sequence[object], *, stack: StackId, vm: Key, has_cloud_init: bool) -> Wiring:
    """Work out the NICs of a VM and reserve their addresses. Raises `InputError` or `ConflictError`."""
    specs: list[NicSpec] = []
    plans: list[NicPlan] = []
    networks: list[Network] = []
    routed: set[int] = set()
    for item in items:
        nic = item if isinstance(item, Nic) else None
        if nic is not None and nic.attachment is None:
            spec = _on_host(nic, stack=stack, vm=vm, taken={spec.name for spec in specs})
            specs.append(spec)
            plans.append(NicPlan(name=spec.name, mac=spec.mac, dhcp4=True, dhcp6=False))
            routed.add(4)
            continue
        attachment = nic.attachment if nic is not None and nic.attachment is not None else as_attachment(item)
        network = attachment.network
        name = _name_nic(nic, place=network.name, taken={spec.name for spec in specs})
        mac = (nic.mac if nic else None) or derive_mac(stack, vm, nic=name)
        addresses = _find_addresses(attachment, identity=f"{stack.path(vm)}/{name}")
        static = [
            address
            for address in addresses
            if attachment.static or _is_static(address, network=network, has_cloud_init=has_cloud_init)
        ]
        leased = [address for address in addresses if address not in static and address.version == 4]
        if len(leased) > 1:
            raise InputError(
                f"networks: {network.name}: DHCP gives one IPv4 address to a NIC, and there are {len(leased)}",
                resolution="say static=True, or use several NICs",
            )
        if static and not has_cloud_init:
            raise InputError(
                f"networks: {network.name}: nobody would give the guest {static[0]}: no DHCP of ours is there",
                resolution="give the VM a cloud_init, which sets static addresses, or use DHCP",
            )
        for address in addresses:
            network.take(address, owner=str(vm), derived=attachment.derive)
        # libvirt refuses a host name that does not start with a letter (virNetworkDHCPHostDefParseXML).
        label = vm.name if network not in networks else f"{vm.name}-{name}"
        _reserve(addresses, network=network, mac=mac, name=label if label[0].isalpha() else None, static=static)
        specs.append(
            NicSpec(
                name=name,
                mac=mac,
                network=network.name,
                addresses=tuple(str(address) for address in addresses),
                model=nic.model if nic else "virtio",
                **_extras(nic),
            )
        )
        plans.append(_plan_nic(name, mac=mac, network=network, static=static, routed=routed))
        networks.append(network)
    return Wiring(
        specs=tuple(specs),
        plans=tuple(plans),
        networks=tuple(networks),
        needs_config=len(plans) > 1 or any(plan.addresses or plan.dhcp6 for plan in plans),
    )


def _on_host(nic: Nic, *, stack: StackId, vm: Key, taken: set[str]) -> NicSpec:
    """A NIC without a network of libvirt's: somebody else gives it its address, by DHCP."""
    name = _name_nic(nic, place=nic.bridge or nic.device or "", taken=taken)
    return NicSpec(
        name=name,
        mac=nic.mac or derive_mac(stack, vm, nic=name),
        bridge=nic.bridge,
        device=nic.device,
        mode=nic.mode,
        model=nic.model,
        **_extras(nic),
    )


def _extras(nic: Nic | None) -> dict[str, Any]:
    """What a NIC says beside its network."""
    names = ("mtu", "link", "queues", "inbound", "outbound", "filter", "filter_parameters", "portgroup")
    return {} if nic is None else {name: getattr(nic, name) for name in names}


def _name_nic(nic: Nic | None, *, place: str, taken: set[str]) -> str:
    """A NIC is called as its network, so that its MAC stays when other NICs come and go."""
    if nic and nic.name:
        if nic.name in taken:
            raise InputError(f"networks: two NICs are called {nic.name!r}")
        return nic.name
    name, number = place, 2
    while name in taken:
        name, number = f"{place}-{number}", number + 1
    return name


def _find_addresses(attachment: Attachment, *, identity: str) -> list[Address]:
    if not attachment.derive:
        return list(attachment.addresses or ())
    found = []
    for subnet in attachment.network.subnets:
        address = subnet.derive(identity)
        if address is None:
            raise InputError(
                f"networks: {attachment.network.name}: no address of {subnet.network} is outside of DHCP",
                resolution=f"say {attachment.network.name}.at(...) or .dhcp(), or make the DHCP range smaller",
            )
        found.append(address)
    return found


def _is_static(address: Address, *, network: Network, has_cloud_init: bool) -> bool:
    """Leases for IPv4 go by MAC and are sure; for IPv6 they go by what the guest calls itself, so better not."""
    served = network.subnet_of(address).dhcp is not None
    return not served or (address.version == 6 and has_cloud_init)


def _reserve(
    addresses: Sequence[Address], *, network: Network, mac: str, name: str | None, static: Sequence[Address]
) -> None:
    for address in addresses:
        if network.subnet_of(address).dhcp is None:
            continue
        if address.version == 6:
            if name is not None:
                network.reserve(Reservation(ip=str(address), mac=None, name=name))
                name = None  # one lease for a name
        elif address not in static:
            network.reserve(Reservation(ip=str(address), mac=mac, name=name))


def _plan_nic(name: str, *, mac: str, network: Network, static: Sequence[Address], routed: set[int]) -> NicPlan:
    """`routed` are the families that have a way out already: a guest gets one default route."""
    routers: list[str] = []
    nameservers: list[str] = []
    families = {address.version for address in static}
    leads_out = network.mode is not NetworkMode.ISOLATED
    for subnet in network.subnets:
        if subnet.version not in families:
            continue
        # IPv6 routers make themselves known where libvirt or a real router serves the network.
        if leads_out and subnet.version == 4 and 4 not in routed:
            routers.append(str(subnet.gateway))
        if network.mode is not NetworkMode.BRIDGE and network.serves_dns and 4 in families:
            nameservers.append(str(subnet.gateway))
    if leads_out:
        routed.add(4)
    served6 = any(subnet.version == 6 and subnet.dhcp for subnet in network.subnets)
    prefixes = [f"{address}/{network.subnet_of(address).network.prefixlen}" for address in static]
    return NicPlan(
        name=name,
        mac=mac,
        dhcp4=4 not in families and (network.foreign or any(subnet.version == 4 for subnet in network.subnets)),
        dhcp6=6 not in families and served6,
        addresses=tuple(prefixes),
        routers=tuple(routers),
        nameservers=network.nameservers or tuple(nameservers) if families else (),
    )
