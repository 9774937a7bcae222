"""The graph with what the hosts know better: the identity of objects that the stack took over.

What vmstack makes has a derived UUID, MAC, bridge and name, so a program's evaluation knows them. What others made has
its own, which stand in its stamp and in the ledger: they take the place of the derived ones wherever the program did
not choose itself, in specs, seeds and outputs alike.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from xml.sax.saxutils import escape

import msgspec

from vmstack.model.graph import DesiredGraph, Output, Resource
from vmstack.model.identity import Key, Kind, StackId, derive_bridge, derive_label, derive_mac, derive_uuid
from vmstack.model.observed import HostSnapshot, Observed, ObservedDomain, ObservedNetwork
from vmstack.model.ownership import LedgerEntry
from vmstack.model.readiness import READY_CHANNEL
from vmstack.model.specs import NetworkSpec, PoolSpec, Reservation, Spec, VmSpec, VolumeSpec
from vmstack.plan.index import owned_name

ThingT = TypeVar("ThingT")

# A UUID, a MAC address, a derived bridge; and the end of a derived label.
_TOKEN: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9A-F]{2}:){5}[0-9A-F]{2}"
    r"|vs-[0-9a-f]{10}"
)
_TAIL: Final = re.compile(r"-[0-9a-f]{7}(?![0-9a-f])")
_TAIL_LENGTH: Final = 8
# Fields by which specs and options name each other: they are the program's own names, whatever these are made of.
_NAMES: Final = frozenset(
    {"name", "host", "pool", "image", "base", "volume", "seed", "ignition", "network", "open", "boot"}
)
_MARKUP: Final = frozenset({"xml", "xslt", "stylesheet"})


def settle(desired: DesiredGraph, observed: Observed) -> DesiredGraph:
    """Return the graph as the hosts have its adopted objects; the graph itself where there are none. Pure."""
    pools = (resource.spec for resource in desired.resources if isinstance(resource.spec, PoolSpec))
    known = _Known(desired.stack, observed, pool_hosts={pool.name: pool.host for pool in pools})
    for resource in desired.resources:
        known.note(resource)
    if not known.texts and not known.kept:
        return desired
    resources = tuple(known.settle(resource) for resource in desired.resources)
    outputs = {name: known.settle_output(output) for name, output in desired.outputs.items()}
    return msgspec.structs.replace(desired, resources=resources, outputs=outputs)


class _Known:
    """Everything adopted, on all hosts. `texts` are derived values and what stands in their place.

    A volume that was made anew is not adopted any more, and keeps its name all the same, as does a pool. `kept` are
    labels of what the program has under another name now, with those that they really have.
    """

    def __init__(self, stack: StackId, observed: Observed, *, pool_hosts: Mapping[str, str]) -> None:
        self._stack = stack
        self._domains: dict[tuple[str, str], ObservedDomain] = {}
        self._networks: dict[tuple[str, str], ObservedNetwork] = {}
        self._entries: dict[tuple[str, Key], LedgerEntry] = {}
        self._labels: dict[str, list[str]] = defaultdict(list)
        self._pool_hosts = pool_hosts
        self.texts: dict[str, str] = {}
        self.kept: dict[Key, tuple[str, str]] = {}
        for host, snapshot in observed.hosts.items():
            self._read(host, snapshot)

    def _read(self, host: str, snapshot: HostSnapshot) -> None:
        for domain in snapshot.domains:
            if domain.stamp is not None and domain.stamp.adopted is not None:
                name = owned_name(domain.stamp, uuid=domain.uuid, stack=self._stack, kind=Kind.VM)
                self._domains[host, name or ""] = domain
        for network in snapshot.networks:
            if network.stamp is not None and network.stamp.adopted is not None:
                name = owned_name(network.stamp, uuid=network.uuid, stack=self._stack, kind=Kind.NETWORK)
                self._networks[host, name or ""] = network
        for entry in snapshot.ledger.entries if snapshot.ledger else ():
            if entry.role in ("pool", "volume"):
                kind = Kind.POOL if entry.role == "pool" else Kind.VOLUME
                self._entries[host, Key(kind, entry.name)] = entry

    def note(self, resource: Resource) -> None:
        """Note which derived values of a resource are other ones."""
        spec, key = resource.spec, resource.key
        if isinstance(spec, VmSpec):
            domain = self._domains.get((spec.host, spec.name))
            stamp = domain.stamp if domain is not None else None
            if domain is None or stamp is None or stamp.adopted is None:
                return
            self._replace(derive_uuid(self._stack, key), domain.uuid)
            self._replace_label(key, domain.name, spec.label)
            for nic, mac in stamp.adopted.nics.items():
                derived = derive_mac(self._stack, key, nic=nic)
                self._replace(derived, mac)
                self._replace(derived.upper(), mac.upper())
        elif isinstance(spec, NetworkSpec):
            network = self._networks.get((spec.host, spec.name))
            if network is not None:
                self._replace(derive_uuid(self._stack, key), network.uuid)
                self._replace_label(key, network.name, spec.label)
                if network.config.bridge is not None:
                    self._replace(derive_bridge(self._stack, key), network.config.bridge)
        elif isinstance(spec, PoolSpec):
            entry = self._entries.get((spec.host, key))
            if entry is not None:
                self._replace_label(key, entry.pool, spec.label)
                self._keep_label(key, entry.pool, spec.label, renamed=entry.renamed, default=spec.name)
                if entry.uuid is not None:
                    self._replace(derive_uuid(self._stack, key), entry.uuid)
        elif isinstance(spec, VolumeSpec):
            entry = self._entries.get((self._pool_hosts.get(spec.pool, ""), key))
            if entry is not None:
                self._replace_label(key, entry.label, spec.label)
                default = f"{spec.name}.{spec.format}"
                self._keep_label(key, entry.label, spec.label, renamed=entry.renamed, default=default)

    def _keep_label(self, key: Key, found: str, label: str, *, renamed: bool, default: str) -> None:
        """What was made under another name in the program keeps its own, unless the program gives it one."""
        if renamed and label == default and label != found:
            self.kept[key] = (label, found)

    def _replace(self, derived: str, found: str) -> None:
        if derived != found:
            self.texts[derived] = found

    def _replace_label(self, key: Key, found: str, label: str) -> None:
        """Where the program gives no name in libvirt, the object keeps the one that it has."""
        if label != found and label == derive_label(self._stack, key):
            self._replace(label, found)
            self._labels[label[-_TAIL_LENGTH:]].append(label)

    def settle(self, resource: Resource) -> Resource:
        """The resource with the values that its objects really have."""
        spec: Spec = _each(resource.spec, self._within, markup=self._within_markup)
        if isinstance(spec, VmSpec):
            spec = self._settle_vm(spec)
        if isinstance(spec, NetworkSpec):
            spec = self._settle_network(spec)
        if resource.key in self.kept and isinstance(spec, PoolSpec | VolumeSpec):
            spec = msgspec.structs.replace(spec, label=self.kept[resource.key][1])
        return resource if spec is resource.spec else msgspec.structs.replace(resource, spec=spec)

    def _settle_vm(self, spec: VmSpec) -> VmSpec:
        domain = self._domains.get((spec.host, spec.name))
        if domain is None:
            return spec
        # A guest that others made has no channel to report over, and gets one only when it is made anew.
        reports = READY_CHANNEL in domain.config.channels
        return msgspec.structs.replace(spec, uuid=domain.uuid, ready_timeout=spec.ready_timeout if reports else None)

    def _settle_network(self, spec: NetworkSpec) -> NetworkSpec:
        network = self._networks.get((spec.host, spec.name))
        adopted = network.stamp.adopted if network is not None and network.stamp is not None else None
        if network is None or adopted is None or adopted.born is None or spec.bridge is not None:
            return spec
        bridge = derive_bridge(self._stack, Key(Kind.NETWORK, adopted.born))
        return msgspec.structs.replace(spec, bridge=bridge) if network.config.bridge == bridge else spec

    def settle_output(self, output: Output) -> Output:
        return msgspec.structs.replace(output, value=_each(output.value, self._within))

    def _text(self, text: str) -> str:
        return self.texts.get(text, text)

    def _within_markup(self, text: str) -> str:
        return self._within(text, quote=lambda found: escape(found, {'"': "&quot;"}))

    def _within(self, text: str, *, quote: Callable[[str], str] = str) -> str:
        """A text with all derived values in it replaced. There may be thousands, so it is searched for their forms."""
        text = _TOKEN.sub(lambda match: self._text(match[0]), text)
        parts: list[str] = []
        start = 0
        for match in _TAIL.finditer(text):
            for label in self._labels.get(match[0], ()):
                if text.startswith(label, match.end() - len(label)) and match.end() - len(label) >= start:
                    parts += [text[start : match.end() - len(label)], quote(self.texts[label])]
                    start = match.end()
                    break
        text = "".join((*parts, text[start:]))
        for label, found in self.kept.values():
            if label in text:
                # Whole names only: one may be part of another.
                parts = re.split(rf"(?<![\w.-]){re.escape(label)}(?![\w.-])", text)
                text = quote(found).join(parts)
        return text


def _each(value: ThingT, change: Callable[[str], str], *, markup: Callable[[str], str] | None = None) -> ThingT:
    """A value of structures and JSON-able parts with every text in it changed; the value itself where none is.

    Names of resources and devices stay; documents are changed by `markup`.
    """
    result: object = value
    if isinstance(value, str):
        # Members of enumerations are no free text.
        text = change(value) if type(value) is str else value
        result = value if text == value else text
    elif isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        named = frozenset() if isinstance(value, Reservation) else _NAMES
        changed = {
            name: _each(field, (markup or change) if name in _MARKUP else change, markup=markup)
            for name, field in fields.items()
            if name not in named
        }
        if any(item is not fields[name] for name, item in changed.items()):
            result = msgspec.structs.replace(value, **changed)
    elif isinstance(value, Mapping):
        mapped = {name: _each(item, change, markup=markup) for name, item in value.items()}
        result = mapped if any(mapped[name] is not item for name, item in value.items()) else value
    elif isinstance(value, list | tuple):
        items = [_each(item, change, markup=markup) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            result = tuple(items) if isinstance(value, tuple) else items
    return result  # type: ignore[return-value]
