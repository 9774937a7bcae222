"""Processor, memory backing, clock and enlightenments of a domain: what is more than one value in one place.

Format: https://libvirt.org/formatdomain.html#cpu-model-and-topology.
"""

from collections.abc import Callable
from typing import Any, Final

from vmstack.model.compute import CellSpec, CpuFeatureSpec, PinSpec, TimerSpec, TopologySpec
from vmstack.model.configs import DomainConfig
from vmstack.xmlio.codec import scale
from vmstack.xmlio.safe import Element, add, drop_children, set_attribute, set_text
from vmstack.xmlio.table import new_root

_TOPOLOGY: Final = ("sockets", "dies", "cores", "threads")
_KIB: Final = "KiB"
_NEIGHBOURS: Final = {"memoryBacking": ("currentMemory", "memory"), "cputune": ("vcpu",)}
# What libvirt documents, and Windows expects, for spinlocks (formatdomain.html#hypervisor-features).
_SPINLOCK_RETRIES: Final = "8191"


def read_compute(root: Element) -> dict[str, Any]:
    """Return what is said, by names of a config."""
    found: dict[str, Any] = {
        "topology": _read_topology(root.find("cpu/topology")),
        "cpu_features": tuple(
            CpuFeatureSpec(name=item.get("name", ""), policy=item.get("policy", "require"))  # type: ignore[arg-type]
            for item in root.findall("cpu/feature")
        ),
        "pins": tuple(
            PinSpec(vcpu=int(item.get("vcpu", "0")), cpus=item.get("cpuset", ""))
            for item in root.findall("cputune/vcpupin")
        ),
        "hugepages": _read_hugepages(root.find("memoryBacking/hugepages")),
        "numa": tuple(
            CellSpec(id=number, cpus=item.get("cpus", ""), memory_kib=_memory(item))
            for number, item in enumerate(root.findall("cpu/numa/cell"))
        ),
        "timers": tuple(
            TimerSpec(
                name=item.get("name", ""),
                present={"yes": True, "no": False}.get(item.get("present", "")),
                tickpolicy=item.get("tickpolicy"),  # type: ignore[arg-type]
            )
            for item in root.findall("clock/timer")
        ),
        "hyperv": tuple(
            sorted(str(item.tag) for item in root.findall("features/hyperv/*") if item.get("state") == "on")
        ),
    }
    return {name: value for name, value in found.items() if value not in (None, ())}


def put_compute(root: Element, *, before: DomainConfig | None, after: DomainConfig) -> None:
    """Bring it to the config; what is so already is not touched.

    `before` is what the XML says. A new domain has none, and keeps what every domain gets where nothing is said.
    """
    old = read_compute(root)
    for name, put in _PUTS.items():
        value = getattr(after, name)
        silent = before is None and value in (None, ())
        same = set(value) == set(old.get(name, ())) if isinstance(value, tuple) else value == old.get(name)
        if not silent and not same:
            put(root, value)
    if after.cpu_model is not None and (before is None or before.cpu_model != after.cpu_model):
        _settle_model(root, after.cpu_model)


def _read_topology(element: Element | None) -> TopologySpec | None:
    if element is None:
        return None
    return TopologySpec(**{name: int(element.get(name, "1")) for name in _TOPOLOGY})


def _put_topology(root: Element, wanted: TopologySpec | None) -> None:
    cpu = _place(root, "cpu")
    drop_children(cpu, "topology")
    if wanted is not None:
        topology = add(cpu, "topology")
        for name in _TOPOLOGY:
            set_attribute(topology, name, str(getattr(wanted, name)))


def _put_features(root: Element, wanted: tuple[CpuFeatureSpec, ...]) -> None:
    cpu = _place(root, "cpu")
    drop_children(cpu, "feature")
    for feature in wanted:
        add(cpu, "feature", policy=feature.policy, name=feature.name)


def _put_pins(root: Element, wanted: tuple[PinSpec, ...]) -> None:
    tune = _place(root, "cputune")
    drop_children(tune, "vcpupin")
    for pin in wanted:
        add(tune, "vcpupin", vcpu=str(pin.vcpu), cpuset=pin.cpus)
    _sweep(root, tune)


def _put_hugepages(root: Element, wanted: int | None) -> None:
    backing = _place(root, "memoryBacking")
    drop_children(backing, "hugepages")
    if wanted is not None:
        pages = add(backing, "hugepages")
        if wanted:
            add(pages, "page", size=str(wanted), unit=_KIB)
    _sweep(root, backing)


def _put_numa(root: Element, wanted: tuple[CellSpec, ...]) -> None:
    cpu = _place(root, "cpu")
    drop_children(cpu, "numa")
    if wanted:
        numa = add(cpu, "numa")
        for cell in wanted:
            add(numa, "cell", id=str(cell.id), cpus=cell.cpus, memory=str(cell.memory_kib), unit=_KIB)


def _settle_model(root: Element, name: str) -> None:
    """A model that is named is the one to have, and no other in its place."""
    cpu = _place(root, "cpu")
    cpu.set("match", "exact")
    model = cpu.find("model")
    if model is None:
        model = add(cpu, "model")
    set_text(model, name)
    model.set("fallback", "forbid")


def _read_hugepages(element: Element | None) -> int | None:
    if element is None:
        return None
    page = element.find("page")
    if page is None:
        return 0
    return int(scale(page.get("size", "0"), unit=page.get("unit", _KIB), into=_KIB))


def _memory(cell: Element) -> int:
    return int(scale(cell.get("memory", "0"), unit=cell.get("unit", _KIB), into=_KIB))


def _put_timers(root: Element, wanted: tuple[TimerSpec, ...]) -> None:
    """Have these timers; attributes that are not spoken of stay with a timer that stays."""
    clock = _place(root, "clock")
    present = {item.get("name"): item for item in clock.findall("timer")}
    for name, element in present.items():
        if name not in {timer.name for timer in wanted}:
            clock.remove(element)
    for timer in wanted:
        found = present.get(timer.name)
        element = add(clock, "timer", name=timer.name) if found is None else found
        said = {"present": None if timer.present is None else "yes" if timer.present else "no"}
        said["tickpolicy"] = timer.tickpolicy
        for name, value in said.items():
            if value is not None:
                element.set(name, value)
            elif name in element.attrib:
                del element.attrib[name]


def _put_hyperv(root: Element, wanted: tuple[str, ...]) -> None:
    features = _place(root, "features")
    hyperv = features.find("hyperv")
    if hyperv is None:
        hyperv = add(features, "hyperv", mode="custom")
    for item in hyperv.findall("*"):
        if item.tag not in wanted and item.get("state") == "on":
            hyperv.remove(item)
    for name in wanted:
        found = hyperv.find(name)
        switch = add(hyperv, name) if found is None else found
        switch.set("state", "on")
        if name == "spinlocks" and switch.get("retries") is None:
            switch.set("retries", _SPINLOCK_RETRIES)
    if not len(hyperv):
        features.remove(hyperv)


def _place(root: Element, tag: str) -> Element:
    """The element of this tag, made where it is not, beside those that libvirt's schema puts it with."""
    found = root.find(tag)
    if found is None:
        found = new_root(tag)
        anchor = next((item for name in _NEIGHBOURS.get(tag, ()) if (item := root.find(name)) is not None), None)
        if anchor is not None:
            anchor.addnext(found)
        else:
            devices = root.find("devices")
            root.insert(len(root) if devices is None else root.index(devices), found)
    return found


def _sweep(root: Element, element: Element) -> None:
    """Remove an element that says nothing any more."""
    if not len(element) and not element.attrib and not (element.text or "").strip():
        root.remove(element)


_PUTS: Final[dict[str, Callable[[Element, Any], None]]] = {
    "topology": _put_topology,
    "cpu_features": _put_features,
    "pins": _put_pins,
    "hugepages": _put_hugepages,
    "numa": _put_numa,
    "timers": _put_timers,
    "hyperv": _put_hyperv,
}
