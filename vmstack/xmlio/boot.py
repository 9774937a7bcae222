"""How a guest comes up: the firmware's own files, the order of devices, and what the firmware shows to the guest."""

import itertools
from typing import Final

from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import FwCfgSpec
from vmstack.xmlio.safe import Element, add, drop_attributes, drop_children, set_attribute, set_text
from vmstack.xmlio.table import new_root

_QEMU: Final = "{http://libvirt.org/schemas/domain/qemu/1.0}"
_FW_CFG: Final = "sysinfo[@type='fwcfg']"


def read_loader(system: Element) -> dict[str, str]:
    """Return the firmware's file, its variables and their template, by their names in a config."""
    nvram = system.find("nvram")
    found = {
        "loader": system.findtext("loader"),
        "nvram": None if nvram is None else nvram.text,
        "nvram_template": None if nvram is None else nvram.get("template"),
    }
    return {name: text.strip() for name, text in found.items() if text is not None and text.strip()}


def build_loader(system: Element, config: DomainConfig) -> None:
    """Name the firmware's files; a firmware that is named is not libvirt's choice."""
    if config.loader is not None:
        drop_attributes(system, "firmware")
        set_text(add(system, "loader", readonly="yes", type="pflash", secure="no"), config.loader)
    if config.nvram is not None or config.nvram_template is not None:
        nvram = add(system, "nvram")
        if config.nvram_template is not None:
            set_attribute(nvram, "template", config.nvram_template)
        if config.nvram is not None:
            set_text(nvram, config.nvram)


def patch_loader(system: Element, *, before: DomainConfig, after: DomainConfig) -> bool:
    """Bring the firmware's files to the config; whether anything was changed."""
    olds = (before.loader, before.nvram, before.nvram_template)
    if olds == (after.loader, after.nvram, after.nvram_template):
        return False
    drop_children(system, "loader", "nvram", "firmware")
    build_loader(system, after)
    return True


def read_boot(system: Element) -> tuple[str, ...]:
    """Return the kinds of devices that the firmware tries, in their order."""
    return tuple(dev for boot in system.findall("boot") if (dev := boot.get("dev")))


def put_boot(system: Element, devices: tuple[str, ...]) -> None:
    """Have the firmware try these kinds of devices; for none libvirt puts what it thinks best."""
    if read_boot(system) == devices:
        return
    drop_children(system, "boot")
    for device in devices:
        add(system, "boot", dev=device)


def read_fw_cfg(root: Element) -> FwCfgSpec | None:
    """Return the file that the firmware shows to the guest, as libvirt's own element or as arguments of QEMU."""
    for entry in root.iterfind(f"{_FW_CFG}/entry"):
        name, path = entry.get("name"), entry.get("file")
        if name and path:
            return FwCfgSpec(name=name, path=path)
    for _, value in _arguments(root):
        found = dict(part.partition("=")[::2] for part in (value.get("value") or "").split(","))
        if found.get("name") and found.get("file"):
            return FwCfgSpec(name=found["name"], path=found["file"])
    return None


def put_fw_cfg(root: Element, wanted: FwCfgSpec | None) -> None:
    """Show the file to the guest, in place of the one that is shown; or none."""
    before = read_fw_cfg(root)
    if before == wanted:
        return
    table = root.find(_FW_CFG)
    if table is None and wanted is not None:
        table = new_root("sysinfo", type="fwcfg")
        anchor = root.find("os")
        root.insert(len(root) if anchor is None else root.index(anchor), table)
    if before is not None:
        _forget(root, before)
    if wanted is not None and table is not None:
        add(table, "entry", name=wanted.name, file=wanted.path)
    elif table is not None and not len(table):
        root.remove(table)


def _forget(root: Element, old: FwCfgSpec) -> None:
    for entry in root.findall(f"{_FW_CFG}/entry"):
        parent = entry.getparent()
        if entry.get("name") == old.name and parent is not None:
            parent.remove(entry)
    for option, value in _arguments(root):
        parent = option.getparent()
        if parent is not None and f"name={old.name}," in f"{value.get('value')},":
            parent.remove(option)
            parent.remove(value)
            if not len(parent):
                root.remove(parent)


def _arguments(root: Element) -> list[tuple[Element, Element]]:
    """The arguments of QEMU that begin a file for the firmware, each with its value."""
    arguments = root.findall(f"{_QEMU}commandline/{_QEMU}arg")
    pairs = itertools.pairwise(arguments)
    return [(option, value) for option, value in pairs if option.get("value") == "-fw_cfg"]
