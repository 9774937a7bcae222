"""Networks: what every driver does, and refuses."""

import pytest

from tests.contract import documents
from tests.contract.conftest import Site
from tests.contract.documents import dhcp_host, dhcp_range, dns_host, dns_srv, dns_txt, port_group
from vmstack.errors import ExistsError, HostError, NotFoundError
from vmstack.model.specs import DnsHost
from vmstack.xmlio.network import read_network
from vmstack.xmlio.stamp import NAMESPACE

MAC = "52:aa:00:00:00:{:02x}"
OTHER = "urn:other:tool"


def test_network_lives_from_definition_to_undefinition(site: Site) -> None:
    uuid = site.network()
    record = site.driver.network(uuid)
    assert (record.name, record.active, record.persistent, record.autostart) == (site.name("net"), False, True, False)
    assert record.live_xml is None
    site.driver.start_network(uuid)
    site.driver.set_network_autostart(uuid, enabled=True)
    record = site.driver.network(uuid)
    assert record.active
    assert record.autostart
    assert record.live_xml is not None
    config = read_network(record.xml)
    assert (config.name, config.uuid, config.bridge) == (site.name("net"), uuid, site.bridge(0))
    assert config.subnets[0].gateway == f"{site.subnet(0)}.1"
    assert record in site.driver.networks()
    site.driver.stop_network(uuid)
    site.driver.undefine_network(uuid)
    with pytest.raises(NotFoundError):
        site.driver.network(uuid)


def test_active_network_outlives_its_definition_until_it_stops(site: Site) -> None:
    uuid = site.network(start=True)
    site.driver.undefine_network(uuid)
    record = site.driver.network(uuid)
    assert (record.active, record.persistent, record.autostart) == (True, False, False)
    site.driver.stop_network(uuid)
    with pytest.raises(NotFoundError):
        site.driver.network(uuid)


@pytest.mark.parametrize("call", ["network", "start_network", "stop_network", "undefine_network"])
def test_network_that_is_not_there(site: Site, call: str) -> None:
    with pytest.raises(NotFoundError):
        getattr(site.driver, call)(site.uuid("none"))


@pytest.mark.parametrize(("name", "uuid"), [("net", "other"), ("other", "net")], ids=["name taken", "uuid taken"])
def test_network_definition_that_clashes(site: Site, name: str, uuid: str) -> None:
    site.network()
    xml = documents.network(site.name(name), site.uuid(uuid), bridge=site.bridge(1), subnet=site.subnet(1))
    with pytest.raises(ExistsError):
        site.driver.define_network(xml)


def test_bridge_name_is_one_network_s_alone(site: Site) -> None:
    site.network()
    with pytest.raises(HostError):
        site.driver.define_network(
            documents.network(site.name("b"), site.uuid("b"), bridge=site.bridge(0), subnet=site.subnet(1))
        )


def test_overlap_shows_at_the_start(site: Site) -> None:
    site.network(start=True)
    other = documents.network(site.name("b"), site.uuid("b"), bridge=site.bridge(1), subnet=site.subnet(0))
    site.driver.define_network(other)
    with pytest.raises(HostError):
        site.driver.start_network(site.uuid("b"))
    assert not site.driver.network(site.uuid("b")).active


def test_start_and_stop_are_not_idempotent(site: Site) -> None:
    uuid = site.network()
    with pytest.raises(HostError):
        site.driver.stop_network(uuid)
    site.driver.start_network(uuid)
    with pytest.raises(HostError):
        site.driver.start_network(uuid)


def test_redefinition_of_an_active_network_waits_for_its_next_start(site: Site) -> None:
    uuid = site.network(start=True)
    host = dhcp_host(mac=MAC.format(1), ip=f"{site.subnet(0)}.11")
    site.network(hosts=(host,))
    record = site.driver.network(uuid)
    assert len(read_network(record.xml).subnets[0].reservations) == 1
    assert read_network(record.live_xml or "").subnets[0].reservations == ()


@pytest.mark.parametrize(("live", "config"), [(True, True), (False, True), (True, False)])
def test_update_reaches_what_it_is_told(site: Site, live: bool, config: bool) -> None:
    uuid = site.network(start=True)
    _update(
        site, "add", "ip-dhcp-host", dhcp_host(mac=MAC.format(1), ip=f"{site.subnet(0)}.11"), live=live, config=config
    )
    _update(site, "add", "dns-host", dns_host(f"{site.subnet(0)}.5", "a.b", "c"), live=live, config=config)
    record = site.driver.network(uuid)
    for reached, xml in ((live, record.live_xml), (config, record.xml)):
        found = read_network(xml or "")
        assert [item.ip for item in found.subnets[0].reservations] == ([f"{site.subnet(0)}.11"] if reached else [])
        assert found.dns_hosts == ((DnsHost(ip=f"{site.subnet(0)}.5", hostnames=("a.b", "c")),) if reached else ())


def test_update_of_an_inactive_network(site: Site) -> None:
    site.network()
    host = dhcp_host(mac=MAC.format(1), ip=f"{site.subnet(0)}.11")
    with pytest.raises(HostError):
        _update(site, "add", "ip-dhcp-host", host, live=True)
    assert read_network(site.driver.network(site.uuid("net")).xml).subnets[0].reservations == ()
    _update(site, "add", "ip-dhcp-host", host)
    assert len(read_network(site.driver.network(site.uuid("net")).xml).subnets[0].reservations) == 1


# The state before is one host: MAC 1, name one, address .11. What remains is MAC, name and last byte.
DHCP_CASES = {
    "add another": ("add", (2, "two", 12), [(1, "one", 11), (2, "two", 12)]),
    "add the same": ("add", (1, "one", 11), None),
    "add its MAC": ("add", (1, "two", 12), None),
    "add its name": ("add", (2, "one", 12), None),
    "add its address": ("add", (2, "two", 11), None),
    "modify by MAC": ("modify", (1, "new", 12), [(1, "new", 12)]),
    "modify by name": ("modify", (2, "one", 12), [(2, "one", 12)]),
    "modify by address": ("modify", (2, "two", 11), [(2, "two", 11)]),
    "modify nothing": ("modify", (2, "two", 12), None),
    "delete the same": ("delete", (1, "one", 11), []),
    "delete by MAC": ("delete", (1, None, None), []),
    "delete by address": ("delete", (None, None, 11), []),
    "delete with a wrong address": ("delete", (1, "one", 12), None),
    "delete nothing": ("delete", (2, None, None), None),
}


@pytest.mark.parametrize("case", DHCP_CASES)
def test_update_of_dhcp_hosts(site: Site, case: str) -> None:
    command, fields, expected = DHCP_CASES[case]
    site.network(hosts=(_host(site, 1, "one", 11),))
    if expected is None:
        with pytest.raises(HostError):
            _update(site, command, "ip-dhcp-host", _host(site, *fields))
        expected = [(1, "one", 11)]
    else:
        _update(site, command, "ip-dhcp-host", _host(site, *fields))
    found = read_network(site.driver.network(site.uuid("net")).xml).subnets[0].reservations
    assert [(item.mac, item.name, item.ip) for item in found] == [
        (MAC.format(mac), name, f"{site.subnet(0)}.{last}") for mac, name, last in expected
    ]


# The state before is two hosts: .5 named a, .6 named a and b.
DNS_CASES = {
    "add another": ("add", (7, "c"), [(5, "a"), (6, "a", "b"), (7, "c")]),
    "add a name at another address": ("add", (7, "a"), [(5, "a"), (6, "a", "b"), (7, "a")]),
    "add its address": ("add", (5, "c"), None),
    "modify": ("modify", (5, "c"), None),
    "delete by address": ("delete", (5,), [(6, "a", "b")]),
    "delete by name": ("delete", (None, "b"), [(5, "a")]),
    "delete that fits two": ("delete", (5, "a"), None),
    "delete with a name of its own": ("delete", (6, "b"), [(5, "a")]),
    "delete nothing": ("delete", (9, "z"), None),
}


@pytest.mark.parametrize("case", DNS_CASES)
def test_update_of_dns_hosts(site: Site, case: str) -> None:
    command, (last, *names), expected = DNS_CASES[case]
    site.network()
    for item in ((5, "a"), (6, "a", "b")):
        _update(site, "add", "dns-host", dns_host(f"{site.subnet(0)}.{item[0]}", *item[1:]))
    host = dns_host(f"{site.subnet(0)}.{last}" if last else None, *names)
    if expected is None:
        with pytest.raises(HostError):
            _update(site, command, "dns-host", host)
        expected = [(5, "a"), (6, "a", "b")]
    else:
        _update(site, command, "dns-host", host)
    found = read_network(site.driver.network(site.uuid("net")).xml).dns_hosts
    assert [(item.ip, *item.hostnames) for item in found] == [
        (f"{site.subnet(0)}.{number}", *hostnames) for number, *hostnames in expected
    ]


# The state before is one range, .100 to .120.
RANGE_CASES = {
    "add another": ("add", (30, 40), [(100, 120), (30, 40)]),
    "add one that overlaps": ("add", (110, 125), [(100, 120), (110, 125)]),
    "add it again": ("add", (100, 120), None),
    "add one of another subnet": ("add", (100, 300), None),
    "modify": ("modify", (100, 120), None),
    "delete": ("delete", (100, 120), []),
    "delete another": ("delete", (100, 121), None),
}


@pytest.mark.parametrize("case", RANGE_CASES)
def test_update_of_dhcp_ranges(site: Site, case: str) -> None:
    command, (start, end), expected = RANGE_CASES[case]
    site.network()
    if expected is None:
        with pytest.raises(HostError):
            _update(site, command, "ip-dhcp-range", _range(site, start, end), index=0)
        expected = [(100, 120)]
    else:
        _update(site, command, "ip-dhcp-range", _range(site, start, end), index=0)
    found = read_network(site.driver.network(site.uuid("net")).xml).subnets[0].ranges
    assert [(span.start, span.end) for span in found] == [
        (f"{site.subnet(0)}.{first}", f"{site.subnet(0)}.{last}") for first, last in expected
    ]


# The state before is _a._tcp to x:1 and to y.
SRV_CASES = {
    "add another place": ("add", {"target": "z", "port": "3", "weight": "7"}, ["x:1", "y:None", "z:3"]),
    "add only another port": ("add", {"target": "y", "port": "2"}, None),
    "add another service": ("add", {"service": "b"}, ["x:1", "y:None", "None:None"]),
    "add what any fits": ("add", {}, None),
    "add only another weight": ("add", {"target": "x", "port": "1", "weight": "9"}, None),
    "add a port without a target": ("add", {"service": "b", "port": "1"}, None),
    "modify": ("modify", {"target": "y", "weight": "1"}, None),
    "delete": ("delete", {"target": "x", "port": "1"}, ["y:None"]),
    "delete by target": ("delete", {"target": "y"}, ["x:1"]),
    "delete what fits two": ("delete", {}, None),
    "delete nothing": ("delete", {"target": "q"}, None),
}


@pytest.mark.parametrize("case", SRV_CASES)
def test_update_of_dns_records(site: Site, case: str) -> None:
    command, attributes, expected = SRV_CASES[case]
    site.network()
    for place in ({"target": "x", "port": "1"}, {"target": "y"}):
        _update(site, "add", "dns-srv", dns_srv(service="a", protocol="tcp", **place))
    record = dns_srv(**{"service": "a", "protocol": "tcp", **attributes})
    if expected is None:
        with pytest.raises(HostError):
            _update(site, command, "dns-srv", record)
        expected = ["x:1", "y:None"]
    else:
        _update(site, command, "dns-srv", record)
    found = read_network(site.driver.network(site.uuid("net")).xml).dns_srvs
    assert [f"{item.target}:{item.port}" for item in found] == expected


# The state before is a text "a", and the port groups "one" (the default) and "two".
ENTRY_CASES = {
    "add a text": ("add", dns_txt(name="b", value="y"), "a=x b=y one* two"),
    "add a text of the same name": ("add", dns_txt(name="a", value="y"), None),
    "modify a text": ("modify", dns_txt(name="a", value="y"), None),
    "delete a text by its name": ("delete", dns_txt(name="a"), "one* two"),
    "delete a text that is not there": ("delete", dns_txt(name="b"), None),
    "add a group": ("add", port_group(name="three"), "a=x one* two three"),
    "add a group again": ("add", port_group(name="two"), None),
    "add another default": ("add", port_group(name="three", default="yes"), None),
    "modify a group": ("modify", port_group(name="one"), "a=x one two"),
    "modify another to be the default": ("modify", port_group(name="two", default="yes"), None),
    "modify a group that is not there": ("modify", port_group(name="three"), None),
    "delete a group": ("delete", port_group(name="one"), "a=x two"),
    "delete a group that is not there": ("delete", port_group(name="three"), None),
}


def test_update_of_texts_and_port_groups(site: Site) -> None:
    uuid = site.network()
    plain = site.driver.network(uuid).xml
    for case, (command, entry, expected) in ENTRY_CASES.items():
        site.driver.define_network(plain)
        section = "dns-txt" if entry.tag == "txt" else "portgroup"
        for old in (port_group(name="one", default="yes"), port_group(name="two")):
            _update(site, "add", "portgroup", old)
        _update(site, "add", "dns-txt", dns_txt(name="a", value="x"))
        if expected is None:
            with pytest.raises(HostError):
                _update(site, command, section, entry)
            expected = "a=x one* two"
        else:
            _update(site, command, section, entry)
        found = read_network(site.driver.network(uuid).xml)
        texts = [f"{text.name}={text.value}" for text in found.dns_txts]
        groups = [group.name + "*" * group.default for group in found.port_groups]
        assert " ".join((*texts, *groups)) == expected, case


def test_a_bridge_that_another_network_names(site: Site) -> None:
    """A network that makes its bridge is defined before one over that, and not redefined after it."""
    uuid = site.network()
    own = site.driver.network(uuid).xml
    over = (
        f"<network><name>{site.name('over')}</name><forward mode='bridge'/><bridge name='{site.bridge(0)}'/></network>"
    )
    site.driver.define_network(over)
    with pytest.raises(HostError):
        site.driver.define_network(own)
    site.driver.undefine_network(uuid)
    with pytest.raises(HostError):
        site.driver.define_network(own)


def test_services_that_libvirt_refuses(site: Site) -> None:
    document = site.driver.network(site.network()).xml
    dark = '<dns enable="no"><host ip="10.1.1.1"><hostname>x</hostname></host></dns></network>'
    astray = '<route address="10.9.9.0" prefix="24" gateway="10.8.8.8"/></network>'
    for wrong in (dark, astray):
        with pytest.raises(HostError):
            site.driver.define_network(document.replace("</network>", wrong))


def test_update_of_an_ip_that_is_not_there(site: Site) -> None:
    site.network()
    with pytest.raises(HostError):
        _update(site, "add", "ip-dhcp-host", _host(site, 1, "one", 11), index=3)


def test_metadata_of_ours_is_replaced_and_others_stays(site: Site) -> None:
    uuid = site.network(metadata=f"<x:info xmlns:x='{OTHER}' owner='me'/>", start=True)
    before = read_network(site.driver.network(uuid).xml)
    for stamp in ('<stamp path="a/b/c/d" digest="1"/>', '<stamp path="a/b/c/d" digest="2"/>'):
        site.driver.set_network_metadata(uuid, xml=stamp, namespace=NAMESPACE, live=True)
    record = site.driver.network(uuid)
    assert record.active
    assert record.xml.count("digest=") == 1
    assert f'xmlns:vmstack="{NAMESPACE}"' in record.xml.replace("'", '"')
    assert OTHER in record.xml
    assert read_network(record.xml) == before
    site.driver.set_network_metadata(uuid, xml=None, namespace=NAMESPACE, live=True)
    record = site.driver.network(uuid)
    assert NAMESPACE not in record.xml
    assert OTHER in record.xml


def _host(site: Site, mac: int | None, name: str | None, last: int | None) -> object:
    return dhcp_host(mac=MAC.format(mac) if mac else None, name=name, ip=f"{site.subnet(0)}.{last}" if last else None)


def _range(site: Site, start: int, end: int) -> object:
    high = f"{site.subnet(0)}.{end}" if end < 256 else "10.1.1.1"
    return dhcp_range(f"{site.subnet(0)}.{start}", high)


def _update(
    site: Site, command: str, section: str, host: object, *, live: bool = False, config: bool = True, index: int = -1
) -> None:
    site.driver.update_network(
        site.uuid("net"),
        command=command,
        section=section,
        xml=documents.text(host),
        parent_index=index,
        live=live,
        config=config,
    )
