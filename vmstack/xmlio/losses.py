"""What a domain's definition would lose, were another one written in its place."""

from typing import Final

from vmstack.model.ownership import Adopted
from vmstack.xmlio.adopted import name_disks
from vmstack.xmlio.overlay import Fact, missing_facts
from vmstack.xmlio.safe import drop_attributes, parse_xml

# What a domain that says nothing of it is given by libvirt (its qemu_postparse.c and domain_postparse.c).
_FILLED_IN: Final = (
    "uuid", "metadata", "resource", "os/loader", "os/nvram", "os/firmware", "os/boot", "features/gic", "features/smm",
    "cpu/model", "cpu/vendor", "devices/emulator", "devices/controller", "devices/audio", "devices/input[@bus='ps2']",
    "devices/watchdog[@model='itco']", "devices/*/address", "devices/*/target/model", "devices/console/target",
    "devices/serial/target", "devices/graphics/listen", "devices/disk/backingStore",
)  # fmt: skip
_FILLED_IN_ATTRIBUTES: Final = {
    ".": ("id",),
    "os": ("firmware",),
    "vcpu": ("placement",),
    "cpu": ("check", "match", "migratable"),
    "clock": ("adjustment", "basis"),
    "devices/console": ("tty",),
    "devices/graphics": ("listen", "port", "autoport"),
    "devices/tpm/backend": ("version",),
    "devices/video/model": ("heads", "primary", "ram", "vgamem", "vram", "vram64"),
}
# Other people's disks and interfaces go into a new definition, too, and what is taken out is told by its name. libvirt
# gives a balloon to a machine that has none.
_KEPT: Final = frozenset({"/devices/disk", "/devices/interface", "/devices/memballoon"})


def find_losses(written: str, *, held: str, adopted: Adopted | None = None) -> tuple[Fact, ...]:
    """What the definition that is `held` says, and the one to be `written` does not or otherwise; each path once.

    Not looked at are what libvirt puts into every definition by itself (controllers are), whole disks and interfaces,
    and what one of the two has under a password. Raises `DocumentError`.
    """
    ours = parse_xml(written, what="a domain's XML", compact=True)
    theirs = parse_xml(held, what="a domain's XML as it is", compact=True)
    name_disks(theirs, adopted=adopted)
    for path in _FILLED_IN:
        for node in theirs.findall(path):
            if (parent := node.getparent()) is not None:
                parent.remove(node)
    for path, names in _FILLED_IN_ATTRIBUTES.items():
        for node in theirs.findall(path):
            drop_attributes(node, *names)
    facts = {fact.path: fact for fact in missing_facts(theirs, ours)}
    return tuple(facts[path] for path in sorted(facts) if path not in _KEPT)
