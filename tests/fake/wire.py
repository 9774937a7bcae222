"""The line between a caller and the fake hypervisor: every driver method passes here, and so do faults."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from lxml import etree

from tests.fake.faults import Call, Faults
from tests.fake.machine import Domain, Machine, Network, Pool
from vmstack.errors import HostError, NotFoundError

Method = TypeVar("Method", bound=Callable[..., Any])


def _cross(function: Callable[..., Any], *, mutates: bool) -> Callable[..., Any]:
    names = [*inspect.signature(function).parameters][1:]

    @functools.wraps(function)
    def call(self: "Wire", *args: object, **kwargs: object) -> object:
        entry = self.record(function.__name__, {**dict(zip(names, args, strict=False)), **kwargs}, mutates=mutates)
        self.faults.fire("before", entry)
        if function.__name__ in {"upload_volume", "wait_for_domain"}:
            result = function(self, *args, **kwargs)
        else:
            with self.machine.mutex:
                result = function(self, *args, **kwargs)
        if mutates:
            self.changes.append(entry)
        self.faults.fire("after", entry)
        return result

    return call


def mutates(function: Method) -> Method:
    """A method that changes the host; recorded in `changes` once done."""
    return _cross(function, mutates=True)  # type: ignore[return-value]


def reads(function: Method) -> Method:
    """A method that changes nothing."""
    return _cross(function, mutates=False)  # type: ignore[return-value]


class Wire:
    """The base of the call groups: one connection's state and the look-ups that all groups need."""

    machine: Machine
    faults: Faults
    changes: list[Call]

    def __init__(self, machine: Machine, faults: Faults) -> None:
        self.machine = machine
        self.faults = faults
        self.changes = []
        self.closed = False
        self._counting = threading.Lock()
        self._calls = 0
        self._changes = 0

    def record(self, method: str, arguments: dict[str, object], *, mutates: bool) -> Call:
        """Number a call."""
        with self._counting:
            self._calls += 1
            self._changes += mutates
            change = self._changes if mutates else 0
            return Call(number=self._calls, change=change, method=method, arguments=arguments, mutates=mutates)

    def find_pool(self, name: str, *, active: bool | None = None) -> Pool:
        pool = self.machine.pools.get(name)
        if pool is None:
            raise NotFoundError(f"Storage pool not found: no storage pool with matching name {name!r}")
        if active is True and not pool.active:
            raise HostError(f"Requested operation is not valid: storage pool {name!r} is not active")
        if active is False and pool.active:
            raise HostError(f"Requested operation is not valid: storage pool {name!r} is already active")
        return pool

    def find_network(self, uuid: str) -> Network:
        network = self.machine.networks.get(uuid)
        if network is None:
            raise NotFoundError(f"Network not found: no network with matching uuid {uuid!r}")
        return network

    def find_domain(self, uuid: str, *, active: bool | None = None) -> Domain:
        domain = self.machine.domains.get(uuid)
        if domain is None:
            raise NotFoundError(f"Domain not found: no domain with matching uuid {uuid!r}")
        if active is True and domain.live_xml is None:
            raise HostError("Requested operation is not valid: domain is not running")
        if active is False and domain.live_xml is not None:
            raise HostError("Requested operation is not valid: domain is already running")
        return domain


def parse(xml: str, *, root: str) -> etree._Element:
    """Parse as libvirt does: anything malformed, or with another root, is an error."""
    # One for each call, as in `parse_xml`: connections are used by many threads.
    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
    try:
        element = etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise HostError(f"XML error: {error}") from None
    if element.tag != root:
        raise HostError(f"XML error: unexpected root element <{element.tag}>, expecting <{root}>")
    return element


def text(element: etree._Element) -> str:
    """Text of an element tree, indented as libvirt's own."""
    etree.indent(element)
    return etree.tostring(element, encoding="unicode") + "\n"


def need(element: etree._Element, path: str) -> str:
    """The text at `path`, which libvirt insists on."""
    found = element.findtext(path)
    if not found:
        raise HostError(f"XML error: missing element {path!r}")
    return found


_UNITS = {
    "b": 1, "byte": 1, "bytes": 1, "k": 1024, "kib": 1024, "kb": 1000, "m": 1 << 20, "mib": 1 << 20, "mb": 10**6,
    "g": 1 << 30, "gib": 1 << 30, "gb": 10**9, "t": 1 << 40, "tib": 1 << 40, "tb": 10**12,
}  # fmt: skip


def size_of(element: etree._Element | None, *, default_unit: str) -> int | None:
    """A scaled integer in bytes."""
    if element is None or element.text is None:
        return None
    unit = element.get("unit", default_unit).lower()
    if unit not in _UNITS or not element.text.strip().isdigit():
        raise HostError(f"XML error: {element.text!r} with unit {unit!r} is no size")
    return int(element.text) * _UNITS[unit]
