import msgspec
import pytest

from vmstack.errors import DocumentError
from vmstack.model.configs import NetworkConfig, SubnetConfig
from vmstack.model.specs import DnsHost, Reservation
from vmstack.xmlio.network import patch_network, read_network, write_dhcp_host, write_dns_host, write_network

NETWORK = NetworkConfig(name="a", uuid="6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b11", forward="nat", bridge="vs-0")
V6 = SubnetConfig(family="ipv6", gateway="fd00::1", prefix=64)


@pytest.mark.parametrize(
    ("reservation", "family", "xml"),
    [
        (Reservation(ip="10.0.0.2", mac="52:00:00:00:00:01", name="n"), "ipv4",
         '<host mac="52:00:00:00:00:01" name="n" ip="10.0.0.2"/>'),
        (Reservation(ip="10.0.0.2", mac=None, name="n"), "ipv4", '<host name="n" ip="10.0.0.2"/>'),
        (Reservation(ip="fd00::2", mac="52:00:00:00:00:01", name="n"), "ipv6", '<host name="n" ip="fd00::2"/>'),
    ],
)  # fmt: skip
def test_write_dhcp_host(reservation: Reservation, family: str, xml: str) -> None:
    assert write_dhcp_host(reservation, family=family).strip() == xml


@pytest.mark.parametrize(
    ("reservation", "family"),
    [
        (Reservation(ip="10.0.0.2", mac=None, name=None), "ipv4"),
        (Reservation(ip="fd00::2", mac="52:00:00:00:00:01", name=None), "ipv6"),
    ],
)
def test_reservation_for_nobody_is_refused(reservation: Reservation, family: str) -> None:
    with pytest.raises(DocumentError, match="needs a"):
        write_dhcp_host(reservation, family=family)


def test_write_dns_host() -> None:
    xml = write_dns_host(DnsHost(ip="10.0.0.2", hostnames=("a", "<b>")))
    assert "".join(xml.split()) == '<hostip="10.0.0.2"><hostname>a</hostname><hostname>&lt;b&gt;</hostname></host>'
    with pytest.raises(DocumentError, match="no names"):
        write_dns_host(DnsHost(ip="10.0.0.2", hostnames=()))


def test_patch_refuses_another_network() -> None:
    with pytest.raises(DocumentError, match="is not that of"):
        patch_network(
            write_network(NETWORK, stamp=None),
            config=msgspec.structs.replace(NETWORK, uuid="6ddf2f4b-9d52-5e1b-8f4b-0d6a3f1c2b12"),
            stamp=None,
        )


@pytest.mark.parametrize("xml", ["<network/>", "<network><name>a</name></network>", "<domain/>"])
def test_network_without_the_essentials_is_refused(xml: str) -> None:
    with pytest.raises(DocumentError):
        read_network(xml)


def test_unknown_family_is_refused() -> None:
    with pytest.raises(DocumentError, match="family"):
        read_network("<network><name>a</name><uuid>b</uuid><ip family='ipx' address='1'/></network>")


def test_patch_keeps_the_lease_that_libvirt_knows_by_duid() -> None:
    xml = (
        write_network(msgspec.structs.replace(NETWORK, subnets=(V6,)), stamp=None)
        .replace("</network>", "")
        .replace('prefix="64"/>', 'prefix="64"><dhcp><host id="0:1" ip="fd00::9"/></dhcp></ip></network>')
    )
    before = read_network(xml)
    named = Reservation(ip="fd00::10", mac=None, name="n")
    subnet = msgspec.structs.replace(V6, reservations=(named, *before.subnets[0].reservations))
    after = patch_network(xml, config=msgspec.structs.replace(before, subnets=(subnet,)), stamp=None)
    assert 'id="0:1"' in after
    assert read_network(after).subnets == (subnet,)
