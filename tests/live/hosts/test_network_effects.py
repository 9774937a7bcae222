"""Effects on networks, on the real daemon."""

import pytest

from tests.contract import documents
from tests.live.hosts.conftest import Corner
from vmstack.errors import HostError, NotFoundError
from vmstack.model.effects import (
    DefineNetwork,
    SetNetworkAutostart,
    StampNetwork,
    StartNetwork,
    StopNetwork,
    UndefineNetwork,
    UpdateNetwork,
)
from vmstack.model.ownership import Stamp
from vmstack.xmlio.network import read_network
from vmstack.xmlio.stamp import read_stamp, write_stamp

pytestmark = pytest.mark.libvirt
MAC = "52:00:00:00:00:0a"


def dhcp(corner: Corner, last: int, *, mac: str = MAC, name: str = "a") -> str:
    return documents.text(documents.dhcp_host(mac=mac, ip=f"{corner.subnet(0)}.{last}", name=name))


def reservations(corner: Corner, uuid: str, *, live: bool) -> list[tuple[str, str | None]]:
    record = corner.driver.network(uuid)
    config = read_network(record.live_xml if live else record.xml)
    return [(host.ip, host.mac) for subnet in config.subnets for host in subnet.reservations]


def test_network_is_made_and_removed_twice(corner: Corner) -> None:
    name, uuid = corner.name("net"), corner.uuid("net")
    xml = documents.network(name, uuid, bridge=corner.bridge(0), subnet=corner.subnet(0))
    for _ in range(2):
        corner.do(DefineNetwork(uuid=uuid, name=name, xml=xml))
        corner.do(StartNetwork(uuid=uuid, name=name))
        corner.do(SetNetworkAutostart(uuid=uuid, name=name, enabled=True))
    record = corner.driver.network(uuid)
    assert (record.active, record.persistent, record.autostart) == (True, True, True)
    for _ in range(2):
        corner.do(StopNetwork(uuid=uuid, name=name))
    for _ in range(2):
        corner.do(UndefineNetwork(uuid=uuid, name=name))
    with pytest.raises(NotFoundError):
        corner.driver.network(uuid)


@pytest.mark.parametrize("first", ["live", "config", "both", "none"])
def test_reservation_is_added_wherever_it_lacks(corner: Corner, first: str) -> None:
    uuid = corner.network(start=True)
    if first != "none":
        corner.driver.update_network(
            uuid,
            command="add",
            section="ip-dhcp-host",
            xml=dhcp(corner, 10),
            parent_index=-1,
            live=first in ("live", "both"),
            config=first in ("config", "both"),
        )
    corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="ip-dhcp-host", xml=dhcp(corner, 10)))
    for live in (True, False):
        assert reservations(corner, uuid, live=live) == [(f"{corner.subnet(0)}.10", MAC)]


def test_reservation_is_modified_and_deleted_twice(corner: Corner) -> None:
    uuid = corner.network(start=True)
    for command, last, expected in (("add", 10, 10), ("modify", 11, 11), ("delete", 11, None)):
        effect = UpdateNetwork(uuid=uuid, name="n", command=command, section="ip-dhcp-host", xml=dhcp(corner, last))
        for _ in range(2):
            corner.do(effect)
        wanted = [] if expected is None else [(f"{corner.subnet(0)}.{expected}", MAC)]
        assert [reservations(corner, uuid, live=live) for live in (True, False)] == [wanted, wanted]


def test_reservation_of_a_stopped_network(corner: Corner) -> None:
    uuid = corner.network(start=False)
    corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="ip-dhcp-host", xml=dhcp(corner, 10)))
    assert reservations(corner, uuid, live=False) == [(f"{corner.subnet(0)}.10", MAC)]


def test_address_that_another_holds_is_refused(corner: Corner) -> None:
    uuid = corner.network(start=True)
    corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="ip-dhcp-host", xml=dhcp(corner, 10)))
    other = dhcp(corner, 10, mac="52:00:00:00:00:0b", name="b")
    with pytest.raises(HostError):
        corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="ip-dhcp-host", xml=other))


def test_dns_hosts_are_added_and_deleted_and_never_modified(corner: Corner) -> None:
    uuid = corner.network(start=True)
    entry = documents.text(documents.dns_host(f"{corner.subnet(0)}.9", "x", "y"))
    for _ in range(2):
        corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="dns-host", xml=entry))
    record = corner.driver.network(uuid)
    assert read_network(record.xml).dns_hosts == read_network(record.live_xml).dns_hosts
    assert read_network(record.xml).dns_hosts[0].hostnames == ("x", "y")
    changed = documents.text(documents.dns_host(f"{corner.subnet(0)}.9", "z"))
    with pytest.raises(HostError):
        corner.do(UpdateNetwork(uuid=uuid, name="n", command="modify", section="dns-host", xml=changed))
    for _ in range(2):
        corner.do(UpdateNetwork(uuid=uuid, name="n", command="delete", section="dns-host", xml=entry))
    assert read_network(corner.driver.network(uuid).live_xml).dns_hosts == ()


def test_stamp_leaves_the_rest_of_the_network_alone(corner: Corner) -> None:
    foreign = '<other:mark xmlns:other="urn:other" a="1"/>'
    uuid = corner.network(start=True, metadata=foreign)
    corner.do(UpdateNetwork(uuid=uuid, name="n", command="add", section="ip-dhcp-host", xml=dhcp(corner, 10)))
    before = corner.driver.network(uuid)
    for digest in ("d1", "d2", "d2"):
        stamp = Stamp(path="p/s/network/n", digest=digest, fields=("mtu",))
        corner.do(StampNetwork(uuid=uuid, name="n", stamp_xml=write_stamp(stamp), live=True))
        record = corner.driver.network(uuid)
        assert read_stamp(record.xml) == stamp
        assert record.xml.count("stamp ") == 1
    assert "urn:other" in record.xml
    assert record.active
    assert read_network(record.xml) == read_network(before.xml)
    assert read_network(record.live_xml) == read_network(before.live_xml)
    corner.driver.set_network_metadata(uuid, xml=None, namespace="urn:vmstack:stamp:1", live=True)
    assert corner.driver.network(uuid).xml == before.xml
