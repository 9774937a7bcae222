"""The functions of `pulumi_libvirt`: those that compute are computed, those that ask a host are refused."""

import ipaddress
import zlib
from collections.abc import Mapping
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.engine.values import reveal

_INPUTS: Final = {
    "getNetworkDnsHostTemplate": ("ip", "hostname"),
    "getNetworkDnsSrvTemplate": ("service", "protocol", "domain", "target", "port", "weight", "priority"),
    "getNetworkDnsmasqOptionsTemplate": ("optionName", "optionValue"),
}
_REQUIRED: Final = {
    "getNetworkDnsHostTemplate": ("ip", "hostname"),
    "getNetworkDnsSrvTemplate": ("service", "protocol"),
    "getNetworkDnsmasqOptionsTemplate": ("optionName",),
}


def call_function(token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a function's result. Raises `InputError`."""
    name = token.rpartition(":")[2]
    if name not in _INPUTS:
        raise InputError(
            f"the function {name} is not supported: it asks the host, and evaluating a program asks none",
            resolution="pass what it would tell as configuration",
        )
    given = {key: reveal(value)[0] for key, value in arguments.items() if value is not None}
    for key in _REQUIRED[name]:
        if not given.get(key):
            raise InputError(f"{name}: {key} is missing")
    for key in given:
        if key not in _INPUTS[name]:
            raise InputError(f"{name}: there is no input {key!r}")
    if "ip" in given:
        try:
            ipaddress.ip_address(given["ip"])
        except ValueError:
            raise InputError(f"{name}: ip: {given['ip']!r} is not an IP address") from None
    rendered = {key: str(given[key]) for key in _INPUTS[name] if given.get(key)}
    # The old provider's ids: a checksum of how Go prints the map, which is in the order of its keys.
    printed = "map[" + " ".join(f"{key}:{value}" for key, value in sorted(rendered.items())) + "]"
    return {**given, "rendered": rendered, "id": str(zlib.crc32(printed.encode()))}
