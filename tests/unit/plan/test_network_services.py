"""What a network serves: created, changed in each direction with the planned effect, and read back without a diff."""

from typing import Any

import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, STACK, graph, look, network
from tests.unit.plan.scenarios import converge
from vmstack.errors import DocumentError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.plan import Change, Disruption, Operation
from vmstack.model.specs import DhcpRange, DnsForwarder, DnsHost, DnsSrv, DnsTxt, Route, Subnet
from vmstack.model.traffic import PortGroup, Traffic
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.network import read_network

UUID = derive_uuid(STACK, Key(Kind.NETWORK, "lan"))
LIVE, ANEW = (Operation.UPDATE, Disruption.LIVE), (Operation.REPLACE, Disruption.NONE)
SRV = DnsSrv(service="a", protocol="tcp", target="x.y", port=1)
OTHER = DnsSrv(service="a", protocol="tcp", target="x.y", port=2)
HOST = DnsHost(ip="10.20.0.9", hostnames=("n",))
TXT = DnsTxt(name="a", value="x")
WIDE = Traffic(inbound=BandwidthSpec(average=1000, peak=5000, burst=5120), outbound=BandwidthSpec(average=500))
FAST = PortGroup(name="fast", bandwidth=WIDE)
SLOW = PortGroup(name="slow", default=True, bandwidth=Traffic(inbound=BandwidthSpec(average=10)))
STYLESHEET = """
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
  {}
</xsl:stylesheet>
"""
TFTP = STYLESHEET.format(
    '<xsl:template match="ip"><xsl:copy><xsl:apply-templates select="@*"/><tftp root="/one"/>'
    '<xsl:apply-templates select="node()"/></xsl:copy></xsl:template>'
)
MTU = STYLESHEET.format('<xsl:template match="bridge"><xsl:copy-of select="."/><mtu size="1400"/></xsl:template>')


def subnets(*spans: tuple[int, int]) -> tuple[Subnet, ...]:
    ranges = [DhcpRange(start=f"10.20.0.{first}", end=f"10.20.0.{last}") for first, last in spans]
    return (Subnet(cidr="10.20.0.0/24", gateway="10.20.0.1", dhcp=ranges[0] if ranges else None),)


DARK, LIT = {"dns_enabled": False}, {"dns_enabled": True}
LEAVES = {
    "DNS goes off": (LIT, DARK, ANEW, {"dns_enabled"}),
    "DNS goes on": (DARK, LIT, ANEW, {"dns_enabled"}),
    "DNS goes on by default": (DARK, {}, ANEW, {"dns_enabled"}),
    "DNS goes off by default": ({}, DARK, ANEW, {"dns_enabled"}),
    "names go with DNS": ({"dns_hosts": (HOST,)}, DARK, ANEW, {"dns_enabled", "dns_hosts[10.20.0.9]"}),
    "a domain is shared": ({"domain": "a.b"}, {"domain": "a.b", "domain_local": False}, ANEW, {"domain_local"}),
    "a domain is local": ({"domain": "a.b", "domain_local": False}, {"domain": "a.b"}, ANEW, {"domain_local"}),
    "forwarders come": ({}, {"dns_forwarders": (DnsForwarder(address="9.9.9.9"),)}, ANEW, {"dns_forwarders"}),
    "forwarders change": ({"dns_forwarders": (DnsForwarder(address="9.9.9.9"),)},
                          {"dns_forwarders": (DnsForwarder(address="9.9.9.9", domain="x"), DnsForwarder(domain="y"))},
                          ANEW, {"dns_forwarders"}),
    "forwarders go": ({"dns_forwarders": (DnsForwarder(domain="y"),)}, {}, ANEW, {"dns_forwarders"}),
    "records come": ({}, {"dns_srvs": (SRV,)}, LIVE, {"dns_srvs[_a._tcp/x.y:1]"}),
    "records change": ({"dns_srvs": (SRV,)}, {"dns_srvs": (OTHER,)}, LIVE,
                       {"dns_srvs[_a._tcp/x.y:1]", "dns_srvs[_a._tcp/x.y:2]"}),
    "records that libvirt cannot tell apart": ({"dns_srvs": (SRV,)}, {"dns_srvs": (SRV, OTHER)}, ANEW,
                                               {"dns_srvs"}),
    "records go": ({"dns_srvs": (SRV,)}, {}, LIVE, {"dns_srvs[_a._tcp/x.y:1]"}),
    "texts come": ({}, {"dns_txts": (TXT, DnsTxt(name="b", value="y z"))}, LIVE, {"dns_txts[a]", "dns_txts[b]"}),
    "texts change": ({"dns_txts": (TXT,)}, {"dns_txts": (DnsTxt(name="a", value="y"),)}, LIVE, {"dns_txts[a]"}),
    "texts go": ({"dns_txts": (TXT,)}, {}, LIVE, {"dns_txts[a]"}),
    "groups come": ({}, {"port_groups": (FAST, SLOW)}, LIVE, {"port_groups[fast]", "port_groups[slow]"}),
    "groups change": ({"port_groups": (SLOW,)}, {"port_groups": (PortGroup(name="slow", bandwidth=WIDE),)}, LIVE,
                      {"port_groups[slow]"}),
    "the default group changes": ({"port_groups": (FAST, SLOW)},
                                  {"port_groups": (PortGroup(name="fast", default=True), PortGroup(name="slow"))},
                                  LIVE, {"port_groups[fast]", "port_groups[slow]"}),
    "groups go": ({"port_groups": (FAST, SLOW)}, {"port_groups": (FAST,)}, LIVE, {"port_groups[slow]"}),
    "a bandwidth comes": ({}, {"bandwidth": WIDE}, ANEW, {"bandwidth"}),
    "a bandwidth changes": ({"bandwidth": WIDE}, {"bandwidth": Traffic(outbound=BandwidthSpec(average=9))}, ANEW,
                            {"bandwidth"}),
    "a bandwidth goes": ({"bandwidth": WIDE}, {}, ANEW, {"bandwidth"}),
    "texts go with DNS": ({"dns_txts": (TXT,)}, DARK, ANEW, {"dns_enabled", "dns_txts[a]"}),
    "routes come": ({}, {"routes": (Route(cidr="10.30.0.0/24", gateway="10.20.0.9"),)}, ANEW, {"routes"}),
    "routes change": ({"routes": (Route(cidr="10.30.0.0/24", gateway="10.20.0.9"),)},
                      {"routes": (Route(cidr="10.30.0.0/24", gateway="10.20.0.8"),)}, ANEW, {"routes"}),
    "routes go": ({"routes": (Route(cidr="10.30.0.0/24", gateway="10.20.0.9"),)}, {}, ANEW, {"routes"}),
    "options come": ({}, {"dnsmasq_options": ("expand-hosts",)}, ANEW, {"dnsmasq_options"}),
    "options change": ({"dnsmasq_options": ("a", "b")}, {"dnsmasq_options": ("b", "a=1")}, ANEW,
                       {"dnsmasq_options"}),
    "options go": ({"dnsmasq_options": ("a", "b")}, {}, ANEW, {"dnsmasq_options"}),
    "DHCP goes": ({}, {"subnets": subnets()}, LIVE, {"dhcp[10.20.0.1]"}),
    "DHCP comes": ({"subnets": subnets()}, {}, LIVE, {"dhcp[10.20.0.1]"}),
    "DHCP changes": ({}, {"subnets": subnets((50, 60))}, LIVE, {"dhcp[10.20.0.1]"}),
    "mtu comes": ({}, {"mtu": 1400}, ANEW, {"mtu"}),
    "mtu changes": ({"mtu": 1300}, {"mtu": 1400}, ANEW, {"mtu"}),
    "mtu goes": ({"mtu": 1300}, {}, ANEW, {"mtu"}),
    "autostart goes": ({}, {"autostart": False}, (Operation.UPDATE, Disruption.NONE), {"autostart"}),
    "autostart comes": ({"autostart": False}, {}, (Operation.UPDATE, Disruption.NONE), {"autostart"}),
    "a stylesheet comes": ({}, {"xslt": TFTP}, ANEW, {"xslt"}),
    "a stylesheet changes": ({"xslt": TFTP}, {"xslt": TFTP.replace("one", "two")}, ANEW, {"xslt"}),
    "a stylesheet of known fields": ({"xslt": TFTP}, {"xslt": MTU}, ANEW, {"xslt", "mtu"}),
    "a stylesheet goes": ({"xslt": TFTP}, {}, ANEW, {"xslt"}),
}  # fmt: skip


def desired(options: Options | None = None, **fields: Any) -> DesiredGraph:
    return graph(network(**fields), options={"network.lan": options} if options else {})


def changes(fake: FakeHost, wanted: DesiredGraph) -> tuple[Change, ...]:
    return make_plan(wanted, look(fake, wanted), policy=PlanPolicy(), images=IMAGES).changes


@pytest.mark.parametrize("case", LEAVES)
def test_services_change_as_planned(case: str) -> None:
    before, after, (operation, disruption), paths = LEAVES[case]
    fake = FakeHost()
    converge(fake, desired(**before))
    assert not changes(fake, desired(**before))
    (change,) = changes(fake, desired(**after))
    assert (change.operation, change.disruption) == (operation, disruption)
    assert {field.path for field in change.fields} == paths
    converge(fake, desired(**after))
    assert not changes(fake, desired(**after))
    # It is what it had become at once, and the running network is as its definition.
    fresh = FakeHost()
    converge(fresh, desired(**after))
    record = fake.network(UUID)
    assert read_network(record.xml) == read_network(fresh.network(UUID).xml)
    assert read_network(record.live_xml) == read_network(record.xml)
    assert ("tftp" in record.xml) == ("tftp" in fresh.network(UUID).xml)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dns_forwarders", (DnsForwarder(address="1.1.1.1"),)), ("dnsmasq_options", ("a",)), ("dns_srvs", (SRV,)),
     ("routes", (Route(cidr="10.30.0.0/24", gateway="10.20.0.9"),)), ("dns_enabled", False), ("dns_txts", (TXT,)),
     ("port_groups", (FAST,)), ("bandwidth", WIDE)],
)  # fmt: skip
def test_what_others_wrote_is_left_alone(field: str, value: object) -> None:
    fake = FakeHost()
    converge(fake, desired(**{field: value}))
    # As if the stamp had never known of it.
    network_ = fake.machine.networks[UUID]
    network_.xml = network_.xml.replace(f" {field}", "").replace(f'"{field} ', '"').replace("dns_srvs[", "dns_x[")
    network_.xml = network_.xml.replace("dns_txts[", "dns_x[").replace("port_groups[", "port_x[")
    assert all(change.fields == () for change in changes(fake, desired()))


@pytest.mark.parametrize("ignored", ["dns_enabled", "dns_forwarders", "dns_srvs", "routes", "dnsmasq_options", "dhcp",
                                     "domain_local", "xslt", "dns_txts", "port_groups", "bandwidth"])  # fmt: skip
def test_services_can_be_ignored(ignored: str) -> None:
    before = {
        "dns_enabled": {"dns_enabled": True}, "dns_srvs": {"dns_srvs": (SRV,)}, "routes": {}, "dnsmasq_options": {},
        "dns_forwarders": {}, "dhcp": {}, "domain_local": {"domain": "a.b"}, "xslt": {"xslt": TFTP},
        "dns_txts": {"dns_txts": (TXT,)}, "port_groups": {"port_groups": (FAST,)}, "bandwidth": {"bandwidth": WIDE},
    }[ignored]  # fmt: skip
    after = {
        "dns_enabled": DARK, "dns_srvs": {"dns_srvs": (OTHER,)}, "dnsmasq_options": {"dnsmasq_options": ("x",)},
        "routes": {"routes": (Route(cidr="10.30.0.0/24", gateway="10.20.0.9"),)}, "dhcp": {"subnets": subnets()},
        "dns_forwarders": {"dns_forwarders": (DnsForwarder(domain="x"),)},
        "domain_local": {"domain": "a.b", "domain_local": False}, "xslt": {"xslt": TFTP.replace("one", "two")},
        "dns_txts": {"dns_txts": (DnsTxt(name="a", value="y"),)}, "port_groups": {"port_groups": (SLOW,)},
        "bandwidth": {},
    }[ignored]  # fmt: skip
    fake = FakeHost()
    converge(fake, desired(**before))
    xml = fake.network(UUID).xml
    wanted = desired(Options(ignore_changes=(ignored,)), **after)
    assert all(change.fields == () for change in changes(fake, wanted))
    converge(fake, wanted)
    assert not changes(fake, wanted)
    assert read_network(fake.network(UUID).xml) == read_network(xml)


def test_what_a_stylesheet_wrote_is_kept_as_it_is() -> None:
    fake = FakeHost()
    converge(fake, desired(xslt=TFTP))
    machine = fake.machine.networks[UUID]
    machine.xml = machine.xml.replace('root="/one"', 'root="/drift"').replace("root='/one'", "root='/drift'")
    (change,) = changes(fake, desired(xslt=TFTP))
    assert [(field.path, field.before) for field in change.fields] == [("xslt", "without /network/ip/tftp/@root")]
    converge(fake, desired(xslt=TFTP))
    assert "drift" not in fake.network(UUID).xml
    # Layout and comments of a stylesheet are nobody's business.
    assert not changes(fake, desired(xslt=TFTP.replace("  <xsl", "<!-- hm -->\n<xsl")))


def test_a_stylesheet_that_takes_the_name_away_is_refused() -> None:
    rude = STYLESHEET.format('<xsl:template match="name"/>')
    with pytest.raises(DocumentError, match=r"network\.lan"):
        changes(FakeHost(), desired(xslt=rude))
