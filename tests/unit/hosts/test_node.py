"""What a host says of a guest's addresses."""

from contextlib import nullcontext
from types import SimpleNamespace

from vmstack.hosts.driver import NicAddresses
from vmstack.hosts.node import NodeCalls


def test_link_local_addresses_are_none() -> None:
    """They are there before anybody has given the guest an address that somebody else could use."""
    cards = {
        "vnet0": {
            "hwaddr": "52:54:00:AA:00:01",
            "addrs": [{"addr": "fe80::5054:ff:feaa:1"}, {"addr": "10.20.0.9"}, {"addr": "169.254.7.7"}],
        },
        "vnet1": {"hwaddr": "52:54:00:aa:00:02", "addrs": [{"addr": "fe80::5054:ff:feaa:2"}]},
    }
    handle = SimpleNamespace(isActive=lambda: True, interfaceAddresses=lambda source: cards)
    calls = NodeCalls.__new__(NodeCalls)
    calls._link = SimpleNamespace(
        doing=lambda what: nullcontext(), connection=SimpleNamespace(lookupByUUIDString=lambda uuid: handle)
    )
    assert calls.addresses("some", agent=False) == [
        NicAddresses(mac="52:54:00:aa:00:01", addresses=("10.20.0.9",)),
        NicAddresses(mac="52:54:00:aa:00:02", addresses=()),
    ]
