"""Networks of the fake hypervisor."""

import ipaddress
from typing import Literal

from lxml import etree

from tests.fake.machine import Network
from tests.fake.wire import Wire, mutates, need, parse, reads, text
from vmstack.errors import ExistsError, HostError
from vmstack.hosts.driver import NetworkRecord
from vmstack.model.effects import NetworkSection

# Since this version libvirt has virNetworkSetMetadata; before it, only a redefinition sets metadata.
_HAS_SET_METADATA = 9_007_000
_ORDER = ("name", "uuid", "title", "description", "metadata", "forward", "bridge", "mtu", "mac", "domain", "dns", "ip")


class NetworkCalls(Wire):
    """The network methods of the driver."""

    @reads
    def networks(self) -> list[NetworkRecord]:
        return [self._network_record(network) for network in self.machine.networks.values()]

    @reads
    def network(self, uuid: str) -> NetworkRecord:
        return self._network_record(self.find_network(uuid))

    def _network_record(self, network: Network) -> NetworkRecord:
        ports = None if network.live_xml is None else frozenset(self._ports_on(network)) - self.machine.released_ports
        return _record(network, ports=ports)

    def _ports_on(self, network: Network) -> set[str]:
        """The ports that running guests believe to have on the network."""
        running = (parse(domain.live_xml, root="domain") for domain in self.machine.domains.values() if domain.live_xml)
        sources = (source for root in running for source in root.iterfind("devices/interface/source[@portid]"))
        return {source.get("portid", "") for source in sources if source.get("network") == network.name}

    @mutates
    def define_network(self, xml: str) -> None:
        root = parse(xml, root="network")
        name = need(root, "name")
        uuid = root.findtext("uuid") or f"00000000-0000-4000-9000-{self.machine.tick():012x}"
        bridge = root.find("bridge")
        for other in self.machine.networks.values():
            if other.name == name and other.uuid != uuid:
                raise ExistsError(f"operation failed: network {name!r} already exists with uuid {other.uuid}")
            if other.name != name and other.uuid == uuid:
                raise ExistsError(f"operation failed: network {other.name!r} is already defined with uuid {uuid}")
            own = bridge is not None and _own_bridges(Network(uuid=uuid, name=name, xml=xml))
            if other.uuid != uuid and own and bridge.get("name") in _bridges(other):
                raise HostError(f"internal error: bridge name {bridge.get('name')!r} already in use.")
        self._complete(root, uuid)
        known = self.machine.networks.get(uuid)
        if known is None:
            self.machine.networks[uuid] = Network(uuid=uuid, name=name, xml=text(root))
        else:
            known.xml, known.persistent = text(root), True

    def _complete(self, root: etree._Element, uuid: str) -> None:
        if root.find("uuid") is None:
            etree.SubElement(root, "uuid").text = uuid
        forward = root.find("forward")
        mode = None if forward is None else forward.get("mode", "nat")
        if mode not in {None, "nat", "route", "open", "bridge"}:
            raise HostError(f"XML error: unknown forwarding type {mode!r}")
        _check_services(root, need(root, "name"))
        if mode == "bridge":
            if root.find("ip") is not None:
                raise HostError("unsupported configuration: Unsupported <ip> element with forward mode='bridge'")
        else:
            bridge = root.find("bridge")
            if bridge is None:
                taken = {name for other in self.machine.networks.values() for name in _own_bridges(other)}
                free = next(f"virbr{number}" for number in range(10_000) if f"virbr{number}" not in taken)
                bridge = etree.SubElement(root, "bridge", name=free)
            bridge.set("stp", bridge.get("stp", "on"))
            bridge.set("delay", bridge.get("delay", "0"))
            if root.find("mac") is None:
                etree.SubElement(root, "mac", address=f"52:54:00:{uuid[-8:-6]}:{uuid[-4:-2]}:{uuid[-2:]}")
        root[:] = sorted(root, key=lambda child: _ORDER.index(child.tag) if child.tag in _ORDER else 99)

    @mutates
    def start_network(self, uuid: str) -> None:
        network = self.find_network(uuid)
        if network.live_xml is not None:
            raise HostError("Requested operation is not valid: network is already active")
        root = parse(network.xml, root="network")
        wanted = _subnets(root)
        for other in self.machine.networks.values():
            if other.live_xml is None:
                continue
            taken = _subnets(parse(other.live_xml, root="network"))
            if any(mine.version == its.version and mine.overlaps(its) for mine in wanted for its in taken):
                raise HostError(f"internal error: Network is already in use by interface {_own_bridges(other)}")
        forward = root.find("forward")
        if forward is not None and forward.get("mode") == "nat" and forward.find("nat") is None:
            etree.SubElement(etree.SubElement(forward, "nat"), "port", start="1024", end="65535")
        network.live_xml = text(root)

    @mutates
    def set_network_autostart(self, uuid: str, *, enabled: bool) -> None:
        network = self.find_network(uuid)
        if not network.persistent:
            raise HostError("Requested operation is not valid: cannot set autostart for transient network")
        network.autostart = enabled

    @mutates
    def update_network(
        self,
        uuid: str,
        *,
        command: Literal["add", "modify", "delete"],
        section: NetworkSection,
        xml: str,
        parent_index: int,
        live: bool,
        config: bool,
    ) -> None:
        network = self.find_network(uuid)
        if not (live or config):
            raise HostError("invalid argument: neither live nor config")
        if live and network.live_xml is None:
            raise HostError("Requested operation is not valid: network is not running")
        edit, tag = {
            "ip-dhcp-host": (_edit_dhcp_host, "host"),
            "ip-dhcp-range": (_edit_dhcp_range, "range"),
            "dns-host": (_edit_dns_host, "host"),
            "dns-srv": (_edit_dns_srv, "srv"),
            "dns-txt": (_edit_dns_txt, "txt"),
            "portgroup": (_edit_port_group, "portgroup"),
        }[section]

        def edited(definition: str) -> str:
            root = parse(definition, root="network")
            edit(root, parse(xml, root=tag), command, parent_index, network.name)
            return text(root)

        # Both definitions are edited before either is kept, so that a refusal changes nothing.
        persistent = edited(network.xml) if config else network.xml
        running = edited(network.live_xml) if live and network.live_xml else network.live_xml
        network.xml, network.live_xml = persistent, running

    @mutates
    def set_network_metadata(self, uuid: str, *, xml: str | None, namespace: str, live: bool) -> None:
        network = self.find_network(uuid)
        network.xml = replace_metadata(network.xml, root="network", xml=xml, namespace=namespace)
        if live and network.live_xml is not None and self.machine.facts.libvirt_version >= _HAS_SET_METADATA:
            network.live_xml = replace_metadata(network.live_xml, root="network", xml=xml, namespace=namespace)

    @mutates
    def stop_network(self, uuid: str) -> None:
        network = self.find_network(uuid)
        if network.live_xml is None:
            raise HostError(f"Requested operation is not valid: network {network.name!r} is not active")
        network.live_xml = None
        self.machine.released_ports |= self._ports_on(network)
        if not network.persistent:
            del self.machine.networks[uuid]

    @mutates
    def undefine_network(self, uuid: str) -> None:
        network = self.find_network(uuid)
        if not network.persistent:
            raise HostError("Requested operation is not valid: can't undefine transient network")
        if network.live_xml is None:
            del self.machine.networks[uuid]
        else:
            network.persistent, network.autostart = False, False


def replace_metadata(definition: str, *, root: str, xml: str | None, namespace: str) -> str:
    """The definition with the metadata child of that namespace replaced, or removed for `None`."""
    tree = parse(definition, root=root)
    metadata = tree.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        after = [child for child in tree if child.tag in {"name", "uuid", "genid", "title", "description"}]
        tree.insert(len(after), metadata)
    for child in list(metadata):
        if etree.QName(child).namespace == namespace:
            metadata.remove(child)
    if xml is not None:
        try:
            stamp = etree.fromstring(xml.encode())
        except etree.XMLSyntaxError as error:
            raise HostError(f"XML error: {error}") from None
        metadata.append(_in_namespace(stamp, namespace))
    if not len(metadata):
        tree.remove(metadata)
    return text(tree)


def _in_namespace(element: etree._Element, namespace: str) -> etree._Element:
    """libvirt's call takes the element without a namespace and puts it into the one it is told."""
    named = etree.Element(f"{{{namespace}}}{etree.QName(element).localname}", nsmap={"vmstack": namespace})
    named.attrib.update(dict(element.attrib))
    named.text = element.text
    named.extend(_in_namespace(child, namespace) for child in element)
    return named


def _record(network: Network, *, ports: frozenset[str] | None) -> NetworkRecord:
    return NetworkRecord(
        uuid=network.uuid,
        name=network.name,
        active=network.live_xml is not None,
        persistent=network.persistent,
        autostart=network.autostart,
        xml=network.xml,
        live_xml=network.live_xml,
        ports=ports,
    )


def _bridges(network: Network) -> list[str]:
    """The bridges that the network names, whoever makes them."""
    return [bridge.get("name", "") for bridge in parse(network.xml, root="network").iterfind("bridge")]


def _own_bridges(network: Network) -> list[str]:
    """The bridges that the network makes itself."""
    root = parse(network.xml, root="network")
    forward = root.find("forward")
    if forward is not None and forward.get("mode") == "bridge":
        return []
    return [bridge.get("name", "") for bridge in root.iterfind("bridge")]


def _subnets(root: etree._Element) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [
        ipaddress.ip_network(f"{ip.get('address')}/{ip.get('prefix') or ip.get('netmask') or 24}", strict=False)
        for ip in root.iterfind("ip")
    ]


def _edit_dhcp_host(root: etree._Element, host: etree._Element, command: str, index: int, name: str) -> None:
    """libvirt's own matching: `add` and `modify` by any field in common, `delete` by all fields given."""
    ip = _choose_ip(root, host, command, index, name)
    dhcp = ip.find("dhcp")
    if dhcp is None:
        if command != "add":
            raise HostError(f"Requested operation is not valid: couldn't locate a dhcp host entry in network {name!r}")
        dhcp = etree.SubElement(ip, "dhcp")
    hosts = dhcp.findall("host")
    fields = ("mac", "name", "ip")
    if command == "delete":
        matching = [old for old in hosts if all(host.get(f) is None or host.get(f) == old.get(f) for f in fields)]
        if not matching:
            raise HostError(f"Requested operation is not valid: couldn't locate a matching dhcp host in {name!r}")
        dhcp.remove(matching[0])
        return
    matching = [old for old in hosts if any(host.get(f) and host.get(f) == old.get(f) for f in fields)]
    if command == "add":
        if matching:
            raise HostError(f"Requested operation is not valid: there is an existing dhcp host entry in {name!r}")
        dhcp.append(host)
    elif not matching:
        raise HostError(f"Requested operation is not valid: couldn't locate an existing dhcp host in {name!r}")
    else:
        dhcp.replace(matching[0], host)


def _check_services(root: etree._Element, name: str) -> None:
    """What libvirt refuses of DNS, ranges and routes."""
    dns = root.find("dns")
    if dns is not None and dns.get("enable") == "no" and len(dns):
        raise HostError(f"XML error: Extra data in disabled network {name!r}")
    for txt in root.iterfind("dns/txt"):
        _check_txt(txt, name)
    if len(root.findall("portgroup[@default='yes']")) > 1:
        raise HostError(f"XML error: network {name!r} has multiple default <portgroup> elements")
    for srv in root.iterfind("dns/srv"):
        _check_srv(srv, name)
    for ip in root.iterfind("ip"):
        for span in ip.iterfind("dhcp/range"):
            _check_range(ip, span)
    subnets = _subnets(root)
    for route in root.iterfind("route"):
        gateway = ipaddress.ip_address(route.get("gateway", ""))
        if not any(gateway in subnet for subnet in subnets):
            raise HostError(f"unsupported configuration: unreachable static route gateway '{gateway}' for {name!r}")


def _check_srv(srv: etree._Element, name: str) -> None:
    if not srv.get("service") or not srv.get("protocol"):
        raise HostError(f"XML error: missing required attribute in DNS SRV record of network {name!r}")
    for attribute in ("port", "priority", "weight"):
        if srv.get(attribute) is not None and srv.get("target") is None:
            raise HostError(f"XML error: DNS SRV {attribute} attribute not permitted without target in {name!r}")
        if srv.get(attribute) == "0":
            del srv.attrib[attribute]


def _check_range(ip: etree._Element, span: etree._Element) -> None:
    (subnet,) = _subnets(_network_of(ip))
    if any(ipaddress.ip_address(span.get(end, "")) not in subnet for end in ("start", "end")):
        raise HostError(f"internal error: range is not entirely within network {subnet}")


def _network_of(ip: etree._Element) -> etree._Element:
    root = etree.Element("network")
    etree.SubElement(root, "ip", dict(ip.attrib))
    return root


def _edit_dhcp_range(root: etree._Element, span: etree._Element, command: str, index: int, name: str) -> None:
    """Only an equal range is found."""
    if command == "modify":
        raise HostError("Operation not supported: dhcp ranges cannot be modified, only added or deleted")
    found = root.findall("ip")
    if index >= len(found):
        raise HostError(f"Requested operation is not valid: no <ip> element found at index {index} in {name!r}")
    ip = found[max(index, 0)]
    dhcp = ip.find("dhcp")
    ranges = [] if dhcp is None else dhcp.findall("range")
    same = [old for old in ranges if all(old.get(end) == span.get(end) for end in ("start", "end"))]
    if command == "add":
        if same:
            raise HostError(f"Requested operation is not valid: there is an existing dhcp range entry in {name!r}")
        _check_range(ip, span)
        if dhcp is None:
            dhcp = etree.SubElement(ip, "dhcp")
        dhcp.insert(len(ranges), span)
        return
    if not same:
        raise HostError(f"Requested operation is not valid: couldn't locate a matching dhcp range entry in {name!r}")
    assert dhcp is not None
    dhcp.remove(same[0])
    if not len(dhcp):
        ip.remove(dhcp)


def _edit_dns_srv(root: etree._Element, srv: etree._Element, command: str, index: int, name: str) -> None:
    """What an entry leaves out fits anything; port, priority and weight are not looked at."""
    if command == "modify":
        raise HostError("Operation not supported: DNS SRV records cannot be modified, only added or deleted")
    fields = ("service", "protocol", "domain", "target")
    dns = root.find("dns")
    records = [] if dns is None else dns.findall("srv")
    same = [old for old in records if all(srv.get(f) in (None, old.get(f)) for f in fields)]
    if command == "add":
        _check_srv(srv, name)
        if same:
            raise HostError(f"Requested operation is not valid: there is already a DNS SRV record in network {name}")
        if dns is None:
            dns = etree.Element("dns")
            root.append(dns)
            root[:] = sorted(root, key=lambda child: _ORDER.index(child.tag) if child.tag in _ORDER else 99)
        dns.append(srv)
        return
    if len(same) != 1:
        raise HostError(f"Requested operation is not valid: {len(same)} matching DNS SRV records in network {name}")
    assert dns is not None
    dns.remove(same[0])
    if not len(dns):
        root.remove(dns)


def _edit_dns_txt(root: etree._Element, txt: etree._Element, command: str, index: int, name: str) -> None:
    """Only the name counts."""
    if command == "modify":
        raise HostError("Operation not supported: DNS TXT records cannot be modified, only added or deleted")
    _check_txt(txt, name)
    dns = root.find("dns")
    same = [] if dns is None else [old for old in dns.findall("txt") if old.get("name") == txt.get("name")]
    if command == "add":
        if same:
            raise HostError(f"Requested operation is not valid: there is already a DNS TXT record in network {name}")
        if dns is None:
            dns = etree.Element("dns")
            root.append(dns)
            root[:] = sorted(root, key=lambda child: _ORDER.index(child.tag) if child.tag in _ORDER else 99)
        dns.append(txt)
        return
    if not same:
        raise HostError(f"Requested operation is not valid: couldn't locate a matching DNS TXT record in {name}")
    assert dns is not None
    dns.remove(same[0])
    if not len(dns):
        root.remove(dns)


def _check_txt(txt: etree._Element, name: str) -> None:
    if not txt.get("name") or " " in txt.get("name", ""):
        raise HostError(f"XML error: missing or prohibited DNS TXT record name in network {name}")


def _edit_port_group(root: etree._Element, group: etree._Element, command: str, index: int, name: str) -> None:
    """The name counts, and there is one default at most."""
    if not group.get("name"):
        raise HostError("XML error: A portgroup must have a name")
    groups = root.findall("portgroup")
    same = next((old for old in groups if old.get("name") == group.get("name")), None)
    default = next((old for old in groups if old.get("default") == "yes"), None)
    if same is None and command != "add":
        raise HostError(f"Requested operation is not valid: couldn't find a portgroup entry in network {name!r}")
    if same is not None and command == "add":
        raise HostError(f"Requested operation is not valid: there is an existing portgroup entry in network {name!r}")
    if command != "delete" and group.get("default") == "yes" and default is not None and default is not same:
        raise HostError(f"Requested operation is not valid: a different portgroup is the default of {name!r} already")
    if command == "add":
        root.append(group)
    elif command == "modify":
        root.replace(same, group)
    else:
        root.remove(same)


def _choose_ip(root: etree._Element, host: etree._Element, command: str, index: int, name: str) -> etree._Element:
    """The `<ip>` to edit. Without an index libvirt takes the first with DHCP of either family, then IPv4, then any."""
    found = root.findall("ip")
    if index >= 0:
        if index >= len(found):
            raise HostError(f"Requested operation is not valid: no <ip> element found at index {index} in {name!r}")
        chosen = found[index]
    else:
        with_dhcp = [ip for ip in found if ip.find("dhcp/range") is not None or ip.find("dhcp/host") is not None]
        ipv4 = [ip for ip in found if ip.get("family", "ipv4") == "ipv4"]
        if not found:
            raise HostError(f"Requested operation is not valid: no <ip> element found in network {name!r}")
        chosen = (with_dhcp or ipv4 or found)[0]
    family = chosen.get("family", "ipv4")
    if family == "ipv6" and host.get("mac"):
        raise HostError(f"XML error: Invalid to specify MAC address in network {name!r} IPv6 static host definition")
    address = host.get("ip")
    if address is None and command != "delete":
        raise HostError(f"XML error: Missing IP address in static host definition for network {name!r}")
    if address is not None and (":" in address) != (family == "ipv6"):
        raise HostError(
            "Requested operation is not valid: the address family of a host entry IP must match the parent's"
        )
    return chosen


def _edit_dns_host(root: etree._Element, host: etree._Element, command: str, index: int, name: str) -> None:
    """`add` looks at the address only, `delete` at address or any host name, and must find exactly one."""
    if command == "modify":
        raise HostError("Operation not supported: DNS HOST records cannot be modified, only added or deleted")
    if command == "add" and (host.get("ip") is None or host.find("hostname") is None):
        raise HostError("XML error: a DNS HOST record needs an address and a host name")
    dns = root.find("dns")
    hosts = [] if dns is None else dns.findall("host")
    same_ip = [old for old in hosts if host.get("ip") == old.get("ip")]
    if command == "add":
        if same_ip:
            raise HostError(f"Requested operation is not valid: there is already a DNS HOST record in network {name}")
        if dns is None:
            dns = etree.Element("dns")
            root.append(dns)
            root[:] = sorted(root, key=lambda child: _ORDER.index(child.tag) if child.tag in _ORDER else 99)
        dns.append(host)
        return
    names = {item.text for item in host.iterfind("hostname")}
    matching = [old for old in hosts if old in same_ip or names & {item.text for item in old.iterfind("hostname")}]
    if not matching:
        raise HostError(f"Requested operation is not valid: couldn't locate a matching DNS HOST record in {name}")
    if len(matching) > 1:
        raise HostError(f"Requested operation is not valid: multiple matching DNS HOST records in network {name}")
    assert dns is not None
    dns.remove(matching[0])
    if not len(dns):
        root.remove(dns)
