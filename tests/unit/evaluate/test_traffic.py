"""`Bandwidth`, `Rate`, `PortGroup` and the texts of a network's DNS."""

import pytest

from tests.unit.evaluate.conftest import Stack
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import DnsTxt
from vmstack.model.traffic import Bandwidth, PortGroup, Rate


def test_a_network_says_what_it_lets_through(stack: Stack) -> None:
    graph = stack.evaluate("""
        Network("wan", cidr="10.30.0.0/24", dns_txts={"_dmarc.x.test": "v=DMARC1", "a": "b"},
                bandwidth=Bandwidth(inbound=1000, outbound=Rate(10, peak=20, burst=30)),
                port_groups=[PortGroup("slow", bandwidth=Bandwidth(inbound=1), default=True), PortGroup("fast")])
    """)
    spec = next(item.spec for item in graph.resources if item.key == Key(Kind.NETWORK, "wan"))
    assert spec.dns_txts == (DnsTxt(name="_dmarc.x.test", value="v=DMARC1"), DnsTxt(name="a", value="b"))
    assert spec.bandwidth == Bandwidth(inbound=Rate(average=1000), outbound=Rate(average=10, peak=20, burst=30))
    assert spec.port_groups == (
        PortGroup(name="slow", default=True, bandwidth=Bandwidth(inbound=Rate(average=1))),
        PortGroup(name="fast"),
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("dns_txts={'a': 'two\\nlines'}", "dns_txts: the text of 'a' must be one line"),
        ("dns_txts={'a b': 'x'}", "dns_txts: 'a b' is not a name of DNS"),
        ("dns=False, dns_txts={'a': 'x'}", "dns_txts: nobody would answer for it"),
        ("bandwidth=Bandwidth()", "a bandwidth limits one direction at least"),
        ("bandwidth=100", "bandwidth: 100 is not a Bandwidth"),
        ("bandwidth=Bandwidth(inbound=0)", "inbound: 0 "),
        ("bandwidth=Bandwidth(inbound=Rate(9, peak=8))", "peak: 8 is less than the average of 9"),
        ("port_groups=[PortGroup('a'), PortGroup('a')]", "two groups are called 'a'"),
        ("port_groups=[PortGroup('a', default=True), PortGroup('b', default=True)]", "a and b are both the default"),
        ("mode='bridge', bridge='br0', bandwidth=Bandwidth(inbound=1)", "libvirt serves nothing on a bridge"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_line(stack: Stack, arguments: str, text: str) -> None:
    where = "" if "bridge" in arguments else 'cidr="10.30.0.0/24", '
    assert text in stack.fail(f'Network("wan", {where}{arguments})  # here').brief
