"""Reservations and names of a network that runs: changed in place, and dnsmasq knows them at once."""

import secrets
import socket
import struct
from pathlib import Path

import pytest

from tests.live.stack.virsh import dump, virsh
from tests.live.stack.workbench import Stack

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
from vmstack import Host, Network, Reservation

Host("kvm", uri="qemu:///system")
Network(
    "lan", label="$prefix-lan", cidr="$subnet.0/24", mode="isolated", domain="lv.test",
    reservations=[
        Reservation("$subnet.20", mac="52:54:00:aa:00:20", name="twenty"),
    ],
    dns_hosts={"$subnet.30": "first.lv.test"},
)
"""


def ask(server: str, name: str) -> str | None:
    """Ask a DNS server for a name's address (RFC 1035); `None` when it knows none."""
    number = secrets.randbits(16)
    question = (
        b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack("!HH", 1, 1)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.sendto(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question, (server, 53))
        answer = sock.recv(512)
    reply, flags, _, answers = struct.unpack("!4H", answer[:8])
    assert reply == number
    return socket.inet_ntoa(answer[-4:]) if not flags & 0xF and answers else None


def test_reservations_and_names_change_while_the_network_runs(stack: Stack) -> None:
    stack.write(PROGRAM)
    stack.apply()
    server, network = f"{stack.subnet}.1", stack.name("lan")
    assert ask(server, "first.lv.test") == f"{stack.subnet}.30"
    info = virsh("net-info", network)

    stack.edit('"$subnet.30": "first.lv.test"', '"$subnet.30": "second.lv.test", "$subnet.31": "third.lv.test"')
    stack.edit('"$subnet.20", mac="52:54:00:aa:00:20", name="twenty"', '"$subnet.21", mac="52:54:00:aa:00:20"')
    stack.edit("    ],", '        Reservation("$subnet.22", mac="52:54:00:aa:00:22", name="other"),\n    ],')
    change = stack.plan()["changes"]["network.lan"]
    assert (change["actions"], change["disruption"]) == (["update"], "live")
    assert {field["path"] for field in change["fields"]} == {
        f"dns_hosts[{stack.subnet}.30]",
        f"dns_hosts[{stack.subnet}.31]",
        "reservations[52:54:00:aa:00:20]",
        "reservations[52:54:00:aa:00:22]",
    }
    stack.apply()
    stack.is_converged()
    both = dump("net", network)
    for text in (
        f"ip='{stack.subnet}.21'",
        f"ip='{stack.subnet}.22'",
        "<hostname>second.lv.test",
        "<hostname>third.lv.test",
    ):
        assert both.count(text) == 2, both
    for text in ("<hostname>first.lv.test", f"ip='{stack.subnet}.20'"):
        assert text not in both
    assert virsh("net-info", network) == info
    assert ask(server, "second.lv.test") == f"{stack.subnet}.30"
    assert ask(server, "third.lv.test") == f"{stack.subnet}.31"
    assert ask(server, "first.lv.test") is None
    leases = Path(f"/var/lib/libvirt/dnsmasq/{network}.hostsfile").read_text().split()
    assert leases == [f"52:54:00:aa:00:20,{stack.subnet}.21", f"52:54:00:aa:00:22,{stack.subnet}.22,other"]

    stack.edit(', "$subnet.31": "third.lv.test"', "")
    stack.edit('        Reservation("$subnet.22", mac="52:54:00:aa:00:22", name="other"),\n', "")
    stack.apply()
    stack.is_converged()
    assert ask(server, "third.lv.test") is None
    assert f"ip='{stack.subnet}.22'" not in dump("net", network)


def test_network_that_cannot_change_in_place_is_made_anew_and_says_so(stack: Stack) -> None:
    stack.write(PROGRAM)
    stack.apply()
    uuid = virsh("net-uuid", stack.name("lan"))
    stack.edit('domain="lv.test"', 'domain="lv2.test", mtu=1400')
    change = stack.plan()["changes"]["network.lan"]
    assert change["actions"] == ["delete", "create"]
    stack.apply()
    stack.is_converged()
    assert virsh("net-uuid", stack.name("lan")) == uuid
    assert dump("net", stack.name("lan")).count("<domain name='lv2.test'") == 2
