"""What a domain's definition would lose, were another one written in its place."""

import re
from collections import Counter
from typing import Final

from lxml import etree

from vmstack.xmlio.overlay import Fact, missing_facts
from vmstack.xmlio.safe import Element, drop_attributes, parse_xml

# What a domain that says nothing of it is given by libvirt (its qemu_postparse.c and domain_postparse.c), as XPath: by
# the values that libvirt chooses, so that others are told from them. Addresses stay where a machine stays what it is.
_FILLED_IN: Final = (
    "uuid", "metadata", "resource[partition='/machine']", "os[@firmware]/loader", "os/firmware",
    "os/nvram[contains(., '/qemu/nvram/') or not(text())]", "os/boot[@dev='hd']", "features/gic",
    "features/smm[@state='on'][not(*)]", "cpu/model[not(text()) or .='qemu64' or .='qemu32']",
    "devices/emulator[starts-with(., '/usr/bin/qemu-system-') or .='/usr/bin/kvm' or .='/usr/libexec/qemu-kvm']",
    "devices/controller[not(driver) and not(@ports) and not(@vectors)][@type='pci' or @type='sata' or @type='scsi'"
    " or @type='ide' or @type='fdc' or @type='ccid' or @type='virtio-serial' and @index='0'"
    " or @type='usb' and @index='0' and not(@model='nec-xhci')]",
    "devices/audio[not(*)][@type='none' or @type='spice' or @type='vnc' or not(@type)]", "devices/input[@bus='ps2']",
    "devices/watchdog[@model='itco'][@action='reset']", "devices/panic[@model='pseries']",
    "devices/*/address", "devices/*/target/model", "devices/console[target/@type='serial']",
    "devices/console/target", "devices/serial/target", "devices/graphics/listen[not(@address) and not(@network)]",
    "devices/disk/backingStore",
)  # fmt: skip
_FILLED_IN_ATTRIBUTES: Final = {
    ".": ("id",),
    "os[@firmware='efi']": ("firmware",),
    "vcpu[@placement='static']": ("placement",),
    "cpu": ("check", "match"),
    "cpu[@migratable='on']": ("migratable",),
    "cpu/model": ("fallback",),
    "clock": ("adjustment", "basis"),
    "devices/console": ("tty",),
    "devices/graphics": ("listen",),
    "devices/graphics[@autoport='yes' or @port='-1']": ("port", "autoport"),
    "devices/tpm/backend": ("version",),
    "devices/video/model": ("heads", "primary", "ram", "vgamem", "vram", "vram64"),
}
# libvirt gives a balloon to a machine that has none.
_USUAL: Final = "/devices/memballoon"
# What vmstack always writes, and tells of as fields; and what libvirt works out when a guest is started.
_SETTLED: Final = frozenset({"/memory", "/currentMemory", "/vcpu", "/vcpu/@current", "/cpu/@mode"})
_PROBED: Final = "/driver/@type"
_STARTED: Final = ("/seclabel", "/cpu/", "/os/", "/resource")
_KEY: Final = re.compile(r"\[[^]]*\]")


def find_losses(written: str, *, held: str) -> tuple[Fact, ...]:
    """What the definition that is `held` says, and the one to be `written` does not or otherwise; each path once.

    Elements of one kind are told apart by their target, MAC, name or number. Not looked at are what libvirt puts into
    every definition by itself, and what one of the two has under a password. Raises `DocumentError`.
    """
    ours = parse_xml(written, what="a domain's XML", compact=True)
    theirs = parse_xml(held, what="a domain's XML as it is", compact=True)
    for path in _FILLED_IN:
        for node in _nodes(theirs, path):
            if (parent := node.getparent()) is not None:
                parent.remove(node)
    for path, names in _FILLED_IN_ATTRIBUTES.items():
        for node in _nodes(theirs, path):
            drop_attributes(node, *names)
    found: list[Fact] = []
    times: Counter[str] = Counter()
    for fact in missing_facts(theirs, ours):
        if fact.path == _USUAL:
            continue
        times[fact.path] += 1
        again = times[fact.path]
        found.append(fact if again == 1 else fact._replace(path=f"{fact.path}[{again}]"))
    return tuple(sorted(found))


def find_waiting(live: str, *, held: str) -> tuple[str, ...]:
    """The paths of what the definition that is `held` says and the running guest's XML (`live`) does not: what its next
    start brings. Processors and memory are left out. Raises `DocumentError`."""
    found = {plain_path(fact.path) for fact in find_losses(live, held=held)}
    return tuple(sorted(path for path in found - _SETTLED if not path.endswith(_PROBED)))


def find_leaving(live: str, *, held: str) -> tuple[str, ...]:
    """The paths of the elements that the running guest's XML (`live`) has and the definition that is `held` has not:
    what goes with its next start. What libvirt gives every guest at the start is left out. Raises `DocumentError`."""
    found = {fact.path for fact in find_losses(held, held=live) if fact.value.startswith("<")}
    return tuple(sorted(path for path in found if path.count("/") < 3 and not path.startswith(_STARTED)))


def find_gains(written: str, *, held: str) -> tuple[Fact, ...]:
    """What the definition to be `written` says, and the one that is `held` does not. libvirt takes nothing out, so that
    somebody did. Raises `DocumentError`."""
    ours = parse_xml(written, what="a domain's XML", compact=True)
    theirs = parse_xml(held, what="a domain's XML as it is", compact=True)
    for path in ("metadata", "uuid", "devices/controller"):
        for node in ours.findall(path):
            if (parent := node.getparent()) is not None:
                parent.remove(node)
    facts = {fact.path: fact for fact in missing_facts(ours, theirs) if fact.value and fact.path != "/vcpu/@current"}
    return tuple(facts[path] for path in sorted(facts))


def _nodes(root: Element, path: str) -> list[Element]:
    found = root.xpath(path)
    return [node for node in found if etree.iselement(node)] if isinstance(found, list) else []


def plain_path(path: str) -> str:
    """The path of a loss without what tells elements of one kind apart."""
    return _KEY.sub("", path)
