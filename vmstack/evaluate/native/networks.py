"""`Network`: libvirt networks, bridges of the host, and where a VM's NIC goes on them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import msgspec

from vmstack.errors import ConflictError, InputError, Place
from vmstack.evaluate.native.base import Native, validated
from vmstack.evaluate.native.fields import (
    check_flag,
    check_host_name,
    check_int,
    check_interface,
    check_label,
    check_list,
    check_mac,
    check_type,
)
from vmstack.evaluate.native.hosts import Host, choose_host
from vmstack.evaluate.native.options import OnDrift, read_options
from vmstack.evaluate.native.services import (
    DnsForwarder,
    DnsSrv,
    check_dark,
    dnsmasq_option,
    read_forwarders,
    read_srvs,
    read_txts,
    route,
)
from vmstack.evaluate.native.stylesheets import Patch, read_sheet
from vmstack.evaluate.native.subnets import Address, SubnetPlan, Version, read_address, read_subnet
from vmstack.evaluate.native.traffic import Bandwidth, PortGroup, read_port_groups, read_traffic
from vmstack.evaluate.places import find_place
from vmstack.model.identity import Kind, derive_bridge
from vmstack.model.specs import DnsHost, NetworkMode, NetworkSpec, Spec
from vmstack.model.specs import Reservation as ReservationSpec

Mode = Literal["nat", "route", "isolated", "open", "bridge"]
Range = bool | tuple[str, str]

_MODES: Final[tuple[Mode, ...]] = ("nat", "route", "isolated", "open", "bridge")


class Reservation:
    """A fixed DHCP lease for a machine that the stack does not make."""

    __slots__ = ("ip", "mac", "name")

    @validated
    def __init__(self, ip: str, *, mac: str | None = None, name: str | None = None) -> None:
        self.ip = read_address(ip, field="ip")
        self.mac = None if mac is None else check_mac(mac, field="mac")
        self.name = None if name is None else check_host_name(name, field="name")
        if self.ip.version == 4 and self.mac is None:
            raise InputError("mac: an IPv4 lease is found by it", resolution='give mac="52:54:00:..."')
        if self.ip.version == 6 and self.name is None:
            raise InputError("name: an IPv6 lease is found by it", resolution='give name="..."')


@dataclasses.dataclass(frozen=True, slots=True)
class Attachment:
    """Where a NIC goes. `addresses` `None`: whatever DHCP gives. `derive`: addresses that follow from the VM."""

    network: "Network"
    addresses: tuple[Address, ...] | None = None
    derive: bool = False
    static: bool = False


class Network(Native):
    """A libvirt network (nat, route, isolated, open) or a bridge of the host (`mode="bridge"`).

    `gateway` is the host's address in it (for a bridge: the router's), by default the first. `dhcp` is a range, or
    True (default where libvirt serves the network) for the upper half, or False. `nameservers` are for guests with
    static addresses (default: the gateway, where libvirt serves DNS). `dns_hosts` maps addresses to names.
    `dns=False` serves no DNS. `domain_local=False` asks the outside for names of `domain` that are not known here.
    `routes` maps networks to the machines on this one that lead there. `dnsmasq_options` are lines of dnsmasq's own.
    `dns_txts` maps names to the texts that DNS answers with. `inbound` and `outbound` limit what all machines together
    receive and send; `port_groups` are settings that NICs choose from. `xml` are patches of the XML that
    vmstack writes, `xslt` is a stylesheet over it.
    """

    __slots__ = ("_reserved", "_taken", "bridge_name", "host", "label", "mode", "nameservers", "serves_dns", "subnets")
    kind = Kind.NETWORK

    @validated
    def __init__(
        self,
        name: str,
        *,
        cidr: str | None = None,
        cidr6: str | None = None,
        mode: Mode = "nat",
        host: Host | None = None,
        gateway: str | None = None,
        gateway6: str | None = None,
        dhcp: Range | None = None,
        dhcp6: Range | None = None,
        bridge: str | None = None,
        reservations: Sequence[Reservation] = (),
        dns: bool | None = None,
        dns_hosts: Mapping[str, str | Sequence[str]] | None = None,
        dns_forwarders: Sequence[str | DnsForwarder] = (),
        dns_srvs: Sequence[DnsSrv] = (),
        dns_txts: Mapping[str, str] | None = None,
        routes: Mapping[str, str] | None = None,
        dnsmasq_options: Sequence[str] = (),
        nameservers: Sequence[str] = (),
        domain: str | None = None,
        domain_local: bool = True,
        mtu: int | None = None,
        inbound: str | Bandwidth | None = None,
        outbound: str | Bandwidth | None = None,
        port_groups: Sequence[PortGroup] = (),
        autostart: bool = True,
        xml: Sequence[Patch] = (),
        xslt: str | None = None,
        on_drift: OnDrift = None,
        label: str | None = None,
        opts: Any = None,
    ) -> None:
        super().__init__(name)
        if mode not in _MODES:
            raise InputError(f"mode: {mode!r} is not one of {', '.join(map(repr, _MODES))}")
        self.mode = NetworkMode(mode)
        foreign = self.mode is NetworkMode.BRIDGE
        if foreign:
            served = {"dhcp": dhcp, "dhcp6": dhcp6, "dns_hosts": dns_hosts, "domain": domain, "mtu": mtu,
                      "dns": dns, "dns_forwarders": dns_forwarders, "dns_srvs": dns_srvs, "routes": routes,
                      "dns_txts": dns_txts, "dnsmasq_options": dnsmasq_options, "reservations": reservations,
                      "inbound": inbound, "outbound": outbound}  # fmt: skip
            for field, value in served.items():
                if value:
                    raise InputError(f"{field}: libvirt serves nothing on a bridge of the host")
            if bridge is None:
                raise InputError("bridge: it is missing", resolution='name the bridge on the host: bridge="br0"')
        elif cidr is None and cidr6 is None and self.mode is not NetworkMode.ISOLATED:
            raise InputError("cidr: it is missing", resolution='give the network\'s addresses: cidr="10.20.0.0/24"')
        self.fill(host=host, label=label, nameservers=nameservers)
        self.bridge_name = None if bridge is None else check_interface(bridge, field="bridge")
        if self.bridge_name is None:
            self.bridge_name = derive_bridge(self.recorder.stack, self.key)
        self.subnets = _read_subnets(
            cidr, cidr6, gateway=gateway, gateway6=gateway6, dhcp=dhcp, dhcp6=dhcp6, default_dhcp=not foreign
        )
        self._reserve(reservations)
        if domain is None and not check_flag(domain_local, field="domain_local"):
            raise InputError("domain_local: it says something about domain, which is missing")
        if dns is not None:
            self.serves_dns = check_flag(dns, field="dns")
        check_dark(
            dns_enabled=dns,
            served={
                "dns_hosts": dns_hosts,
                "dns_forwarders": dns_forwarders,
                "dns_srvs": dns_srvs,
                "dns_txts": dns_txts,
            },
            field="dns",
        )
        own = [subnet.network for subnet in self.subnets]
        options = check_list(dnsmasq_options, field="dnsmasq_options")
        spec = NetworkSpec(
            name=self.name,
            label=self.label,
            host=self.host.name,
            mode=self.mode,
            bridge=self.bridge_name,
            subnets=tuple(subnet.spec() for subnet in self.subnets),
            dns_hosts=_read_dns_hosts(dns_hosts),
            dns_enabled=None if foreign else dns,
            dns_forwarders=read_forwarders(dns_forwarders),
            dns_srvs=read_srvs(dns_srvs),
            dns_txts=read_txts(dns_txts),
            routes=tuple(
                route(cidr, gateway, subnets=own, at="routes")
                for cidr, gateway in check_type(routes or {}, dict, field="routes").items()
            ),
            dnsmasq_options=tuple(dnsmasq_option(item, field="dnsmasq_options") for item in options),
            domain_local=domain_local,
            domain=None if domain is None else check_host_name(domain, field="domain"),
            mtu=None if mtu is None else check_int(mtu, field="mtu", low=1280 if cidr6 else 576, high=65535),
            bandwidth=read_traffic(inbound, outbound),
            port_groups=read_port_groups(port_groups),
            autostart=check_flag(autostart, field="autostart"),
            xslt=read_sheet(xml, xslt),
        )
        wishes = read_options(opts, on_drift=on_drift)
        self.record(spec, needs=(self.host.key,), wishes=wishes, finish=self._finish)

    @classmethod
    @validated
    def existing(
        cls,
        name: str,
        *,
        host: Host | None = None,
        label: str | None = None,
        cidr: str | None = None,
        cidr6: str | None = None,
        gateway: str | None = None,
        gateway6: str | None = None,
        nameservers: Sequence[str] = (),
        opts: Any = None,
    ) -> Self:
        """Refer to a libvirt network that is there already and is never changed.

        Its addresses, when given, serve to check those of VMs, which are then static (cloud-init sets them).
        """
        network = cls.__new__(cls)
        Native.__init__(network, name)
        network.mode = NetworkMode.EXISTING
        network.fill(host=host, label=label, nameservers=nameservers)
        network.bridge_name = None
        network.subnets = _read_subnets(
            cidr, cidr6, gateway=gateway, gateway6=gateway6, dhcp=None, dhcp6=None, default_dhcp=False
        )
        spec = NetworkSpec(
            name=network.name,
            label=network.label,
            host=network.host.name,
            mode=network.mode,
            bridge=None,
            subnets=tuple(subnet.spec() for subnet in network.subnets),
        )
        wishes = read_options(opts, reference="an existing network")
        network.record(spec, needs=(network.host.key,), wishes=wishes)
        return network

    def fill(self, *, host: object, label: object, nameservers: object) -> None:
        self.host = choose_host(host, recorder=self.recorder)
        self.serves_dns = True
        self.label = self.name if label is None else check_label(label, field="label")
        servers = check_list(nameservers, field="nameservers")
        self.nameservers = tuple(str(read_address(server, field="nameservers")) for server in servers)
        self._taken: dict[Address, tuple[str, Place | None]] = {}
        self._reserved: list[ReservationSpec] = []

    @validated
    def at(self, *addresses: str | int, static: bool = False) -> Attachment:
        """Say which addresses a NIC on this network has: texts, or numbers counted from the network's own address.

        They are leased to the NIC by DHCP, or with `static` (and where nothing of ours serves DHCP) set by cloud-init.
        """
        check_flag(static, field="static")
        if not addresses:
            raise InputError("at: no address is given", resolution=f"say {self.name}.at(10), or pass the network alone")
        found: list[Address] = []
        for item in addresses:
            if isinstance(item, int) and not isinstance(item, bool):
                if not self.subnets:
                    raise InputError(f"at: the addresses of {self.key} are not known", resolution="give it a cidr=")
                found += [subnet.nth(item) for subnet in self.subnets]
            else:
                found.append(read_address(item, field="at"))
        for address in found:
            subnet = self.subnet_of(address)
            subnet.check(address)
            if static and subnet.in_dhcp(address):
                raise InputError(
                    f"at: {address} is in the range that DHCP hands out, so it cannot be static",
                    resolution="choose one outside of the range, or leave out static=True",
                )
        if len(set(found)) != len(found):
            raise InputError("at: the same address is given twice")
        return Attachment(network=self, addresses=tuple(found), static=static)

    @validated
    def dhcp(self) -> Attachment:
        """A NIC whose address is whatever DHCP gives: not known to the program."""
        return Attachment(network=self)

    def attach(self) -> Attachment:
        """What the network alone means in `networks=[...]`: a derived address where we serve it, else plain DHCP."""
        if self.foreign or not self.subnets:
            return self.dhcp()
        return Attachment(network=self, derive=True)

    @property
    def foreign(self) -> bool:
        """Somebody else serves this network: we cannot reserve addresses on it."""
        return self.mode in (NetworkMode.BRIDGE, NetworkMode.EXISTING)

    def subnet_of(self, address: Address) -> SubnetPlan:
        """Return the subnet an address is in; raises `InputError` when there is none."""
        for subnet in self.subnets:
            if address in subnet.network:
                return subnet
        if not self.subnets:
            raise InputError(
                f"{address}: the addresses of {self.key} are not known", resolution="give the network a cidr="
            )
        known = " or ".join(str(subnet.network) for subnet in self.subnets)
        raise InputError(f"{address} is not in {self.key}, which is {known}")

    def take(self, address: Address, *, owner: str, derived: bool) -> None:
        """Note who has an address; raises when somebody has it already. Nobody is ever moved."""
        other = self._taken.setdefault(address, (owner, find_place()))
        if other[0] != owner:
            first = f" (at {other[1]})" if other[1] else ""
            raise ConflictError(
                f"{address} belongs to {other[0]} already{first}",
                details=["it was derived from the VM's name, and another VM has the same"] if derived else (),
                resolution=f"give one of them another address with {self.name}.at(...)",
            )

    def reserve(self, reservation: ReservationSpec) -> None:
        """Add a lease of a VM's NIC."""
        self._reserved.append(reservation)

    def _reserve(self, reservations: object) -> None:
        for item in check_list(reservations, field="reservations"):
            wanted = check_type(item, Reservation, field="reservations")
            subnet = self.subnet_of(wanted.ip)
            subnet.check(wanted.ip)
            if subnet.dhcp is None:
                raise InputError(f"reservations: {wanted.ip}: no DHCP is served there", resolution="set dhcp=True")
            owner = f"the reservation of {wanted.mac or wanted.name}"
            self.take(wanted.ip, owner=owner, derived=False)
            self._reserved.append(ReservationSpec(ip=str(wanted.ip), mac=wanted.mac, name=wanted.name))

    def _finish(self, spec: Spec) -> Spec:
        ordered = sorted(self._reserved, key=lambda item: (":" in item.ip, int(read_address(item.ip, field="ip"))))
        return msgspec.structs.replace(spec, reservations=tuple(ordered))

    def _subnet(self, version: Version) -> SubnetPlan:
        for subnet in self.subnets:
            if subnet.version == version:
                return subnet
        raise InputError(f"{self.key}: it has no IPv{version} addresses that are known")

    @property
    def cidr(self) -> str:
        """The IPv4 network, such as `10.20.0.0/24`."""
        return str(self._subnet(4).network)

    @property
    def cidr6(self) -> str:
        """The IPv6 network."""
        return str(self._subnet(6).network)

    @property
    def gateway(self) -> str:
        """The host's (or router's) IPv4 address in it."""
        return str(self._subnet(4).gateway)

    @property
    def gateway6(self) -> str:
        """The host's (or router's) IPv6 address in it."""
        return str(self._subnet(6).gateway)

    @property
    def bridge(self) -> str:
        """The bridge on the host."""
        if self.bridge_name is None:
            raise InputError(f"{self.key}: the bridge of an existing network is not known")
        return self.bridge_name

    @property
    def uuid(self) -> str:
        """The network's UUID in libvirt."""
        if self.foreign:
            raise InputError(f"{self.key}: vmstack does not make it, so its UUID is not known")
        return self._uuid()


def _read_subnets(
    cidr: object,
    cidr6: object,
    *,
    gateway: object,
    gateway6: object,
    dhcp: object,
    dhcp6: object,
    default_dhcp: bool,
) -> tuple[SubnetPlan, ...]:
    subnets = []
    if cidr is not None:
        subnets.append(read_subnet(cidr, version=4, gateway=gateway, dhcp=dhcp, default_dhcp=default_dhcp))
    elif gateway is not None or dhcp not in (None, False):
        raise InputError("cidr: it is missing", resolution="gateway and dhcp say something about cidr")
    if cidr6 is not None:
        # Guests find IPv6 by router advertisements; DHCPv6 is an extra.
        subnets.append(read_subnet(cidr6, version=6, gateway=gateway6, dhcp=dhcp6, default_dhcp=False))
    elif gateway6 is not None or dhcp6 not in (None, False):
        raise InputError("cidr6: it is missing", resolution="gateway6 and dhcp6 say something about cidr6")
    return tuple(subnets)


def _read_dns_hosts(value: object) -> tuple[DnsHost, ...]:
    found = []
    for ip, names in check_type(value or {}, dict, field="dns_hosts").items():
        address = read_address(ip, field="dns_hosts")
        listed = (names,) if isinstance(names, str) else check_list(names, field="dns_hosts")
        if not listed:
            raise InputError(f"dns_hosts: {address} has no name")
        found.append(DnsHost(ip=str(address), hostnames=tuple(check_host_name(n, field="dns_hosts") for n in listed)))
    return tuple(sorted(found, key=lambda item: (":" in item.ip, item.ip)))
