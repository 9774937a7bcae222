"""Limits of networks, `PortGroup` and the texts of a network's DNS."""

import pytest

from tests.unit.evaluate.conftest import Stack
from vmstack.model.hardware import BandwidthSpec
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import DnsTxt
from vmstack.model.traffic import PortGroup, Traffic


def test_a_network_says_what_it_lets_through(stack: Stack) -> None:
    graph = stack.evaluate("""
        Network("wan", cidr="10.30.0.0/24", dns_txts={"_dmarc.x.test": "v=DMARC1", "a": "b"},
                inbound="1MiB", outbound=Bandwidth("10KiB", peak="20KiB", burst="30KiB"),
                port_groups=[PortGroup("slow", inbound="1KiB", default=True), PortGroup("fast")])
    """)
    spec = next(item.spec for item in graph.resources if item.key == Key(Kind.NETWORK, "wan"))
    assert spec.dns_txts == (DnsTxt(name="_dmarc.x.test", value="v=DMARC1"), DnsTxt(name="a", value="b"))
    outbound = BandwidthSpec(average=10, peak=20, burst=30)
    assert spec.bandwidth == Traffic(inbound=BandwidthSpec(average=1024), outbound=outbound)
    assert spec.port_groups == (
        PortGroup(name="slow", default=True, bandwidth=Traffic(inbound=BandwidthSpec(average=1))),
        PortGroup(name="fast"),
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("dns_txts={'a': 'two\\nlines'}", "dns_txts: the text of 'a' must be one line"),
        ("dns_txts={'a b': 'x'}", "dns_txts: 'a b' is not a name of DNS"),
        ("dns=False, dns_txts={'a': 'x'}", "dns_txts: nobody would answer for it"),
        ("inbound='0KiB'", "inbound: a size of 0 makes no sense"),
        ("outbound=7", "outbound: 7 "),
        ("port_groups=[PortGroup('a'), PortGroup('a')]", "two groups are called 'a'"),
        ("port_groups=[PortGroup('a', default=True), PortGroup('b', default=True)]", "a and b are both the default"),
        ("mode='bridge', bridge='br0', inbound='1MiB'", "libvirt serves nothing on a bridge"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_line(stack: Stack, arguments: str, text: str) -> None:
    where = "" if "bridge" in arguments else 'cidr="10.30.0.0/24", '
    assert text in stack.fail(f'Network("wan", {where}{arguments})  # here').brief
