"""What a domain or network has besides what its program says, in a few words for people."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from vmstack.model.readiness import AGENT_CHANNEL
from vmstack.xmlio.safe import Element, parse_xml
from vmstack.xmlio.stamp import NAMESPACE

# What every domain has, what libvirt chooses by itself, and what is told of elsewhere.
_PLAIN: Final = frozenset({
    "name", "uuid", "memory", "currentMemory", "vcpus", "os", "cpu", "devices", "description", "resource", "seclabel",
    "features", "clock", "metadata",
})  # fmt: skip
_PLAIN_DEVICES: Final = frozenset({"emulator", "disk", "interface", "controller", "graphics", "audio"})
_PLAIN_FEATURES: Final = frozenset({"acpi", "apic", "pae", "vmport", "gic"})
_PLAIN_NETWORK: Final = frozenset({
    "name", "uuid", "forward", "bridge", "mac", "mtu", "domain", "dns", "ip", "route",
    "bandwidth", "portgroup",
})  # fmt: skip
_PLAIN_DNS: Final = frozenset({"forwarder", "srv", "host", "txt"})
_ENDS: Final = {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"}
# Consoles, input devices and such that every machine gets.
_COMMON: Final = frozenset({
    "serial pty", "console pty", "mouse", "keyboard", "memballoon virtio", "rng virtio", f"channel {AGENT_CHANNEL}",
})  # fmt: skip

_Words = Callable[[Element], str | None]


def unsaid_of_domain(xml: str, *, said: frozenset[str]) -> list[str]:
    """What the XML of a domain has besides what the program says; `said` are phrases of here, or their beginnings, that
    it does say."""
    root = parse_xml(xml, what="the XML of a domain", compact=True)
    found = Counter(
        phrase for phrase in _domain(root) if phrase and not any(f"{phrase} ".startswith(f"{one} ") for one in said)
    )
    return [f"{number} x {word}" if number > 1 else word for word, number in found.items()]


def unsaid_of_network(xml: str) -> list[str]:
    """The same of a network."""
    root = parse_xml(xml, what="the XML of a network", compact=True)
    words = [_tag(child) for child in root if _tag(child) not in {*_PLAIN_NETWORK, "metadata"}]
    words += [f"dns {_tag(child)}" for child in root.iterfind("dns/*") if _tag(child) not in _PLAIN_DNS]
    words += [f"dhcp {_tag(child)}" for child in root.iterfind("ip/dhcp/*") if _tag(child) not in ("range", "host")]
    forward = root.find("forward")
    if forward is not None:
        words += [f"forward {_tag(child)}" for child in forward if _tag(child) != "interface"]
        words += [f"forward dev {forward.get('dev')}"] if forward.get("dev") else []
    return list(dict.fromkeys(words))


def _domain(root: Element) -> Iterator[str | None]:
    for child in root:
        tag = _tag(child)
        if tag in _ENDS:
            yield None if child.text == _ENDS[tag] else f"{tag} {child.text}"
        elif tag == "vcpu":
            yield f"vcpu cpuset {child.get('cpuset')}" if child.get("cpuset") else None
        elif tag in ("cputune", "memoryBacking"):
            yield from (f"{tag} {_tag(item)}" for item in child)
        elif tag == "pm":
            yield None  # virt-install writes the same for every guest
        elif tag not in _PLAIN:
            yield tag
    yield from _metadata(root)
    yield from _system(root)
    yield from (f"features {_tag(item)}" for item in root.iterfind("features/*") if _tag(item) not in _PLAIN_FEATURES)
    yield from _clock(root)
    yield from _cpu(root)
    for device in root.iterfind("devices/*"):
        if _tag(device) not in _PLAIN_DEVICES:
            words = _device(device)
            yield None if words in _COMMON else words


def _metadata(root: Element) -> Iterator[str]:
    for item in root.iterfind("metadata/*"):
        namespace = str(item.tag).partition("}")[0].removeprefix("{") if "}" in str(item.tag) else ""
        if namespace != NAMESPACE:
            yield f"metadata {_tag(item)}"


def _system(root: Element) -> Iterator[str | None]:
    loader = root.find("os/loader")
    if loader is not None:
        yield "loader secure" if loader.get("secure") == "yes" else "loader"
    for item in root.iterfind("os/firmware/feature[@enabled='yes']"):
        yield f"firmware {item.get('name')}"
    for tag in ("nvram", "kernel", "initrd", "cmdline", "bootmenu", "bios", "smbios"):
        if root.find(f"os/{tag}") is not None:
            yield tag
    order = " ".join(item.get("dev", "") for item in root.iterfind("os/boot"))
    yield f"boot {order}" if order not in ("", "hd") else None


def _clock(root: Element) -> Iterator[str | None]:
    clock = root.find("clock")
    if clock is not None:
        offset = clock.get("offset", "utc")
        yield None if offset == "utc" else f"clock {offset}"
        timers = " ".join(item.get("name", "") for item in clock.findall("timer"))
        yield f"clock timers {timers}" if timers else None


def _cpu(root: Element) -> Iterator[str | None]:
    cpu = root.find("cpu")
    if cpu is None:
        return
    if cpu.get("mode", "custom") == "custom":
        yield f"cpu model {cpu.findtext('model') or 'custom'}"
    for tag in ("topology", "numa", "cache", "feature"):
        yield f"cpu {tag}" if cpu.find(tag) is not None else None


def _device(device: Element) -> str:
    """A device by its tag and what tells it from others of that tag."""
    model = device.find("model")
    target = device.find("target")
    named = target.get("name") if target is not None and _tag(device) == "channel" else None
    directory = target.get("dir") if target is not None and _tag(device) == "filesystem" else None
    detail = named or directory or device.get("model") or (model.get("type") if model is not None else None)
    if _tag(device) == "input":
        return device.get("type", "input")
    return " ".join(part for part in (_tag(device), detail or device.get("type")) if part)


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else "comment"
