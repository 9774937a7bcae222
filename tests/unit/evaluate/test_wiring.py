"""NICs: stable MACs and addresses, leases, and what a guest must be told about them."""

import pytest
import yaml

from vmstack.model.identity import Key, Kind, StackId, derive_mac
from vmstack.model.specs import Reservation

STACK = StackId("unit", "dev")


def spec_of(graph, kind, name):
    return next(resource.spec for resource in graph.resources if resource.key == Key(kind, name))


def mac_of(vm, nic):
    return derive_mac(STACK, Key(Kind.VM, vm), nic=nic)


def test_an_address_is_a_lease_for_the_nic(stack):
    graph = stack.evaluate('VirtualMachine("web", networks=[lan.at(10)])\nVirtualMachine("9", networks=[lan.at(9)])')
    assert spec_of(graph, Kind.VM, "web").nics[0].addresses == ("10.20.0.10",)
    assert spec_of(graph, Kind.NETWORK, "lan").reservations == (
        Reservation(ip="10.20.0.9", mac=mac_of("9", "lan"), name=None),  # libvirt: names start with a letter
        Reservation(ip="10.20.0.10", mac=mac_of("web", "lan"), name="web"),
    )


def test_a_network_alone_derives_an_address_that_stays(stack):
    one = stack.evaluate('VirtualMachine("b", networks=[lan])')
    more = stack.evaluate('for n in "ab": VirtualMachine(n, networks=[lan])\nVirtualMachine("c", networks=[lan.at(2)])')
    address = spec_of(one, Kind.VM, "b").nics[0].addresses
    assert spec_of(more, Kind.VM, "b").nics[0].addresses == address
    assert 2 <= int(address[0].rsplit(".", 1)[1]) <= 127  # outside of DHCP, which has the upper half


def test_nics_are_on_bridges_and_interfaces_of_the_host(stack):
    graph = stack.evaluate(
        """
        VirtualMachine("a", networks=[Nic(bridge="br0"), Nic(bridge="br0"), Nic(device="eth0", mode="vepa"), lan.at(9)])
        """
    )
    nics = spec_of(graph, Kind.VM, "a").nics
    assert [(nic.name, nic.mac) for nic in nics] == [
        (name, mac_of("a", name)) for name in ("br0", "br0-2", "eth0", "lan")
    ]
    assert [(nic.network, nic.bridge, nic.device, nic.mode) for nic in nics] == [
        (None, "br0", None, None), (None, "br0", None, None), (None, None, "eth0", "vepa"), ("lan", None, None, None),
    ]  # fmt: skip
    assert [nic.addresses for nic in nics] == [(), (), (), ("10.20.0.9",)]


def test_plain_dhcp_reserves_nothing(stack):
    graph = stack.evaluate('VirtualMachine("a", networks=[lan.dhcp()])')
    assert spec_of(graph, Kind.VM, "a").nics[0].addresses == ()
    assert spec_of(graph, Kind.NETWORK, "lan").reservations == ()


def test_nics_are_called_as_their_networks_so_that_macs_stay(stack):
    graph = stack.evaluate(
        """
        back = Network("back", cidr="10.9.0.0/24", mode="isolated")
        VirtualMachine("a", networks=[lan.at(10), back.at(10), lan.at(11)])
        VirtualMachine("b", networks=[back.at(20), Nic(lan.at(20), name="front", model="e1000e", mtu=1400)])
        VirtualMachine("c", networks=[Nic(lan.dhcp(), mac="52:54:00:AA:BB:CC")])
        """
    )
    assert [(nic.name, nic.mac) for nic in spec_of(graph, Kind.VM, "a").nics] == [
        (name, mac_of("a", name)) for name in ("lan", "back", "lan-2")
    ]
    front = spec_of(graph, Kind.VM, "b").nics[1]
    assert (front.name, front.mac, front.model, front.mtu) == ("front", mac_of("b", "front"), "e1000e", 1400)
    assert spec_of(graph, Kind.VM, "c").nics[0].mac == "52:54:00:aa:bb:cc"
    names = [item.name for item in spec_of(graph, Kind.NETWORK, "lan").reservations]
    assert names == ["a", "a-lan-2", "b"]


CONFIGS = {
    "one NIC with DHCP": ("", "[lan.at(10)]", None),
    "one NIC with a static address": (
        "",
        "[lan.at(10, static=True)]",
        {"lan": {"dhcp4": False, "addresses": ["10.20.0.10/24"],
                 "routes": [{"to": "0.0.0.0/0", "via": "10.20.0.1"}], "nameservers": {"addresses": ["10.20.0.1"]}}},
    ),
    "several static addresses": (
        "",
        "[lan.at(10, 11, static=True)]",
        {"lan": {"dhcp4": False, "addresses": ["10.20.0.10/24", "10.20.0.11/24"],
                 "routes": [{"to": "0.0.0.0/0", "via": "10.20.0.1"}], "nameservers": {"addresses": ["10.20.0.1"]}}},
    ),
    "two NICs": (
        'back = Network("back", cidr="10.9.0.0/24", mode="isolated")',
        "[lan.at(10), back.at(10)]",
        {"lan": {"dhcp4": True}, "back": {"dhcp4": True}},
    ),
    "a network without DHCP": (
        'back = Network("back", cidr="10.9.0.0/24", mode="isolated", dhcp=False)',
        "[lan, back.at(10)]",
        {"lan": {"dhcp4": True},
         "back": {"dhcp4": False, "addresses": ["10.9.0.10/24"], "nameservers": {"addresses": ["10.9.0.1"]}}},
    ),
    "a bridge of the host": (
        'wire = Network("wire", mode="bridge", bridge="br0", cidr="192.0.2.0/24", gateway="192.0.2.254", '
        'nameservers=["192.0.2.53"])',
        '[wire.at("192.0.2.10")]',
        {"wire": {"dhcp4": False, "addresses": ["192.0.2.10/24"],
                  "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.254"}], "nameservers": {"addresses": ["192.0.2.53"]}}},
    ),
    "a bridge with DHCP of its own": ('wire = Network("wire", mode="bridge", bridge="br0")', "[wire]", None),
    "an existing network": (
        'default = Network.existing("default", cidr="192.168.122.0/24")',
        "[default.at(10)]",
        {"default": {"dhcp4": False, "addresses": ["192.168.122.10/24"],
                     "routes": [{"to": "0.0.0.0/0", "via": "192.168.122.1"}],
                     "nameservers": {"addresses": ["192.168.122.1"]}}},
    ),
    "two families": (
        'dual = Network("dual", cidr="10.9.0.0/24", cidr6="fd00:9::/64")',
        "[dual.at(10)]",
        {"dual": {"dhcp4": True, "addresses": ["fd00:9::a/64"]}},
    ),
    "DHCPv6": (
        'dual = Network("dual", cidr="10.9.0.0/24", cidr6="fd00:9::/64", dhcp6=True)',
        "[dual.dhcp()]",
        {"dual": {"dhcp4": True, "dhcp6": True}},
    ),
    "one default route": (
        'b = Network("b", cidr="10.9.0.0/24", dhcp=False)',
        "[lan.at(5, static=True), b.at(5)]",
        {"lan": {"dhcp4": False, "addresses": ["10.20.0.5/24"],
                 "routes": [{"to": "0.0.0.0/0", "via": "10.20.0.1"}], "nameservers": {"addresses": ["10.20.0.1"]}},
         "b": {"dhcp4": False, "addresses": ["10.9.0.5/24"], "nameservers": {"addresses": ["10.9.0.1"]}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_guests_are_told_what_dhcp_on_the_first_nic_does_not_do(stack, case):
    setup, networks, expected = CONFIGS[case]
    graph = stack.evaluate(f'{setup}\nVirtualMachine("a", pool=pool, cloud_init=CloudInit(), networks={networks})')
    text = spec_of(graph, Kind.SEED, "a").network_config
    if expected is None:
        assert text is None
        return
    document = yaml.safe_load(text)
    assert document["version"] == 2
    macs = {name: entry.pop("match") for name, entry in document["ethernets"].items()}
    assert document["ethernets"] == expected
    assert macs == {name: {"macaddress": mac_of("a", name)} for name in expected}
    for name in expected:
        assert f'"{mac_of("a", name)}"' in text  # quoted: YAML 1.1 may take digits and colons for a number


def test_a_network_config_of_the_program_is_left_alone(stack):
    graph = stack.evaluate(
        """
        VirtualMachine("a", pool=pool, networks=[lan.at(5, static=True)],
                       cloud_init=CloudInit(network_config={"version": 2, "ethernets": {}}))
        """
    )
    assert yaml.safe_load(spec_of(graph, Kind.SEED, "a").network_config) == {"version": 2, "ethernets": {}}


def test_static_addresses_are_not_leased(stack):
    graph = stack.evaluate('VirtualMachine("a", pool=pool, cloud_init=CloudInit(), networks=[lan.at(10, static=True)])')
    assert spec_of(graph, Kind.NETWORK, "lan").reservations == ()
    assert spec_of(graph, Kind.VM, "a").nics[0].addresses == ("10.20.0.10",)


def test_ipv6_without_cloud_init_is_leased_by_name(stack):
    graph = stack.evaluate(
        """
        n = Network("n", cidr6="fd00:9::/64", dhcp6=True)
        VirtualMachine("a", networks=[n.at("fd00:9::10")])
        """
    )
    assert spec_of(graph, Kind.NETWORK, "n").reservations == (Reservation(ip="fd00:9::10", mac=None, name="a"),)
