"""The functions of `pulumi_libvirt`: those that compute are computed, those that ask a host are answered by it."""

import ipaddress
import zlib
from collections.abc import Mapping
from typing import Any, Final

from vmstack.errors import InputError, Place
from vmstack.evaluate.engine.values import reveal
from vmstack.evaluate.recorder import Recorder
from vmstack.model.facts import Question, Subject

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


_SUBJECTS: Final[Mapping[str, tuple[Subject, str | None]]] = {
    "getNodeInfo": ("node", None),
    "getNodeDevices": ("devices", "capability"),
    "getNodeDeviceInfo": ("device", "name"),
}


def is_computed(token: str) -> bool:
    """Whether the function's result follows from its arguments."""
    return token.rpartition(":")[2] in _INPUTS


def ask_host(
    token: str, arguments: Mapping[str, Any], *, uri: str, recorder: Recorder, place: Place | None
) -> Mapping[str, Any] | None:
    """Return what the host told; `None` while it was not asked. Raises `InputError`."""
    name = token.rpartition(":")[2]
    if name not in _SUBJECTS:
        raise InputError(
            f"the function {name} is not supported",
            resolution=f"these are: {', '.join(sorted((*_INPUTS, *_SUBJECTS)))}",
        )
    subject, key = _SUBJECTS[name]
    given = str(reveal(arguments.get(key))[0] or "") if key else ""
    if subject == "device" and not given:
        raise InputError(f"{name}: {key} is missing")
    answer = recorder.need(Question(uri=uri, subject=subject, id=given), place=place)
    if answer is None:
        return None
    if subject == "device" and "capability" not in answer:
        why = "of a kind that is not described" if answer else "not there"
        raise InputError(
            f"{name}: the device {given!r} of {uri} is {why}", resolution="choose one of get_node_devices()"
        )
    said = {key: given} if key and given and subject == "devices" else {}
    told = {**answer, **said}
    return {**told, "id": _checksum(told)}


def compute(token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result of a function that asks nobody. Raises `InputError`."""
    name = token.rpartition(":")[2]
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
    return {**given, "rendered": rendered, "id": _checksum(rendered)}


def _checksum(values: Mapping[str, Any]) -> str:
    """The old provider's ids: a checksum of how Go prints the map, which is in the order of its keys."""
    printed = "map[" + " ".join(f"{key}:{value}" for key, value in sorted(values.items())) + "]"
    return str(zlib.crc32(printed.encode()))
