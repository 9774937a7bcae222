"""Domains and networks as `pulumi_libvirt` tells of them: its outputs by their names on the wire."""

import re
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Final

from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.network import read_network
from vmstack.xmlio.safe import parse_xml

_KIB_PER_MIB: Final = 1024
# Canonical machine types and the names that stand for them.
_MACHINES: Final = ((re.compile(r"pc-q35-[\d.]+"), "q35"), (re.compile(r"pc-i440fx-[\d.]+"), "pc"))
_MODES: Final = {None: "none", "nat": "nat", "route": "route", "open": "open", "bridge": "bridge"}


def describe_domain(xml: str, *, addresses: Mapping[str, tuple[str, ...]]) -> dict[str, object]:
    """What the XML and the addresses by MAC tell; members that are not there are not known.

    `address/<mac>` holds the addresses of a NIC that has some.
    """
    root = parse_xml(xml, what="a domain's XML")
    config = read_domain(root)
    nvram = root.find("os/nvram")
    machine = config.machine
    for pattern, alias in _MACHINES:
        if machine is not None and pattern.fullmatch(machine):
            machine = alias
    told: dict[str, object] = {
        "id": config.uuid,
        "name": config.name,
        "type": config.type,
        "arch": config.arch,
        "machine": machine,
        "emulator": root.findtext("devices/emulator"),
        "nvram": None if nvram is None else {"file": nvram.text, "template": nvram.get("template")},
        "cpuMode": config.cpu_mode,
        "vcpu": config.vcpus,
        "memory": config.memory_kib // _KIB_PER_MIB,
        "description": config.description,
        "disks": [{"file": disk.path} for disk in config.disks if disk.device == "disk" and disk.path],
        "networkInterfaces": [
            {
                "networkName": nic.network,
                "bridge": nic.bridge,
                "mac": nic.mac.upper(),
                "addresses": list(addresses.get(nic.mac, ())),
            }
            for nic in config.nics
        ],
    }
    return told | {f"address/{mac}": list(found) for mac, found in addresses.items()}


def describe_network(xml: str) -> dict[str, object]:
    """What the definition tells."""
    config = read_network(xml)
    served = any(subnet.ranges for subnet in config.subnets)
    return {
        "id": config.uuid,
        "name": config.name,
        "mode": _MODES.get(config.forward, config.forward),
        "bridge": config.bridge,
        "domain": config.domain,
        "mtu": config.mtu,
        "addresses": [str(ip_interface(f"{one.gateway}/{one.prefix}").network) for one in config.subnets],
        "dhcp": {"enabled": served},
    }
