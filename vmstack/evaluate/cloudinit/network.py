"""network-config (version 2) for guests whose NICs need more than "DHCP on the first one"."""

from collections.abc import Sequence
from typing import Any

from vmstack.errors import InputError
from vmstack.evaluate.cloudinit.documents import Quoted, dump_yaml, load_yaml
from vmstack.model.base import Data


class NicPlan(Data, frozen=True, kw_only=True):
    """How the guest shall configure one NIC. `addresses` carry prefixes; `routers` are ways out, by family."""

    name: str
    mac: str
    dhcp4: bool
    dhcp6: bool
    addresses: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()


def network_config(nics: Sequence[NicPlan]) -> str:
    """Write the document. NICs are found by MAC: their names in the guest depend on its kernel and its slots.

    Only what all renderers of cloud-init know is used: `0.0.0.0/0` instead of `default`, no `set-name`.
    """
    ethernets: dict[str, Any] = {}
    for nic in nics:
        entry: dict[str, Any] = {"match": {"macaddress": Quoted(nic.mac)}, "dhcp4": nic.dhcp4}
        if nic.dhcp6:
            entry["dhcp6"] = True
        if nic.addresses:
            entry["addresses"] = [Quoted(address) for address in nic.addresses]
        if nic.routers:
            entry["routes"] = [
                {"to": Quoted("::/0" if ":" in router else "0.0.0.0/0"), "via": Quoted(router)}
                for router in nic.routers
            ]
        if nic.nameservers:
            entry["nameservers"] = {"addresses": [Quoted(server) for server in nic.nameservers]}
        ethernets[nic.name] = entry
    return dump_yaml({"version": 2, "ethernets": ethernets})


def check_network_config(text: str) -> None:
    """Raise `InputError` unless the document is network-config of version 1 or 2."""
    document = load_yaml(text, what="network_config")
    if isinstance(document, dict) and isinstance(document.get("network"), dict):
        document = document["network"]
    if not isinstance(document, dict) or document.get("version") not in (1, 2):
        raise InputError(
            "network_config has no version 1 or 2", resolution="start it with 'version: 2' and 'ethernets:'"
        )
