"""What libvirt fills into a domain's XML: at definition, and when it starts."""

import hashlib

from lxml import etree

from tests.fake import pci
from tests.fake.machine import Machine
from tests.fake.wire import need, parse, size_of, text
from vmstack.errors import HostError

_TOP = (
    "name", "uuid", "genid", "title", "description", "metadata", "maxMemory", "memory", "currentMemory",
    "memoryBacking", "vcpu", "vcpus", "iothreads", "iothreadids", "cputune", "resource", "sysinfo", "bootloader", "os",
    "features", "cpu", "clock", "on_poweroff", "on_reboot", "on_crash", "pm", "devices", "seclabel",
)  # fmt: skip
_DEVICES = (
    "emulator", "disk", "controller", "filesystem", "interface", "serial", "parallel", "console", "channel", "input",
    "tpm", "graphics", "audio", "video", "hostdev", "watchdog", "memballoon", "rng", "vsock", "panic",
)  # fmt: skip
_TARGET_BUS = {"vd": "virtio", "sd": "scsi", "hd": "ide", "fd": "fdc"}


def complete(xml: str, machine: Machine) -> etree._Element:
    """The persistent definition that libvirt keeps for this XML. `HostError` for what libvirt refuses."""
    root = parse(xml, root="domain")
    need(root, "name")
    _complete_top(root, machine)
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    for alias in devices.xpath("*/alias"):
        alias.getparent().remove(alias)
    for device in devices:
        complete_device(device, machine)
    _check_targets(devices)
    _add_companions(devices)
    conventional = "i440fx" in root.find("os/type").get("machine", "")
    pci.give_root(devices, model="pci-root" if conventional else "pcie-root")
    pci.assign(devices)
    order(root, devices)
    return root


def check_elements(root: etree._Element) -> None:
    """Refuse elements that libvirt's schema does not know, as far as that is their place below root and devices."""
    known = {*_TOP, *_DEVICES, "perf", "iothreadids", "cputune", "numatune", "blkiotune", "keywrap", "launchSecurity"}
    known |= {
        "hub",
        "input",
        "redirdev",
        "sound",
        "smartcard",
        "memory",
        "shmem",
        "iommu",
        "nvram",
        "graphics",
        "hostdev",
    }
    for element in (*root.iterchildren(etree.Element), *root.iterfind("devices/*")):
        if not str(element.tag).startswith("{") and element.tag not in known:
            raise HostError(f"XML document failed to validate against schema: Invalid element: {element.tag}")


def order(root: etree._Element, devices: etree._Element) -> None:
    """Put elements where libvirt writes them."""
    devices[:] = sorted(devices, key=lambda item: _DEVICES.index(item.tag) if item.tag in _DEVICES else 99)
    root[:] = sorted(root, key=lambda item: _TOP.index(item.tag) if item.tag in _TOP else 99)


def _complete_top(root: etree._Element, machine: Machine) -> None:
    if root.get("type") not in {"kvm", "qemu"}:
        raise HostError(f"could not get preferred machine for domaintype={root.get('type')}")
    memory = size_of(root.find("memory"), default_unit="KiB")
    if not memory:
        raise HostError("XML error: memory size must be given")
    # libvirt goes by the NUMA cells, where there are some.
    cells = [int(cell.get("memory", "0")) << 10 for cell in root.iterfind("cpu/numa/cell[@unit='KiB']")]
    memory = sum(cells) or memory
    current = size_of(root.find("currentMemory"), default_unit="KiB") or memory
    for tag, size in (("memory", memory), ("currentMemory", min(current, memory))):
        set_kib(root, tag, -(-size // 1024))
    set_vcpus(root, *vcpus_of(root))
    kind = root.find("os/type")
    if kind is None:
        raise HostError("XML error: an os <type> must be specified")
    kind.set("arch", kind.get("arch", machine.facts.arch))
    kind.set("machine", {"q35": "pc-q35-7.2", None: "pc-i440fx-7.2", "pc": "pc-i440fx-7.2"}.get(
        kind.get("machine"), kind.get("machine")))  # fmt: skip
    if "q35" not in kind.get("machine", "") and "i440fx" not in kind.get("machine", ""):
        raise HostError("XML error: No PCI buses available")
    system = kind.getparent()
    if system.find("boot") is None and root.find("devices/*/boot") is None:
        kind.addnext(etree.Element("boot", dev="hd"))
    cpu = root.find("cpu")
    if cpu is None:
        cpu = etree.SubElement(root, "cpu", mode="custom", match="exact", check="none")
        etree.SubElement(cpu, "model", fallback="forbid").text = "qemu64"
    elif cpu.get("check") is None:
        cpu.set("check", "partial" if cpu.get("mode") == "host-model" else "none")
    for tag, value in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        if root.find(tag) is None:
            etree.SubElement(root, tag).text = value
    if root.find("clock") is None:
        etree.SubElement(root, "clock", offset="utc")
    for empty in root.xpath("description[not(text())]|metadata[not(*)]"):
        root.remove(empty)


def complete_device(device: etree._Element, machine: Machine) -> None:
    """What libvirt adds to one device."""
    if device.tag == "disk":
        target = device.find("target")
        if target is None or not target.get("dev"):
            raise HostError("XML error: missing target of a disk")
        target.set("bus", target.get("bus") or _TARGET_BUS.get(target.get("dev", "")[:2], "virtio"))
        device.set("device", device.get("device", "disk"))
        driver = device.find("driver")
        if driver is None:
            driver = etree.Element("driver")
            device.insert(0, driver)
        driver.set("name", driver.get("name", "qemu"))
        driver.set("type", driver.get("type", "raw"))
        if target.get("bus") in {"scsi", "sata"} and device.find("address") is None:
            unit = ord(target.get("dev", "sda")[-1]) - ord("a")
            etree.SubElement(
                device, "address", type="drive", controller="0", bus="0", target="0", unit=str(unit)
            )  # fmt: skip
    elif device.tag == "interface":
        mac = device.find("mac")
        if mac is None:
            digest = hashlib.sha256(b"%d" % machine.tick()).hexdigest()
            device.insert(0, etree.Element("mac", address=f"52:54:00:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"))
        else:
            mac.set("address", mac.get("address", "").lower())
        if device.find("model") is None:
            etree.SubElement(device, "model", type="rtl8139")
    elif device.tag == "serial":
        target = device.find("target")
        if target is None:
            target = etree.SubElement(device, "target", port="0")
        target.set("type", target.get("type", "isa-serial"))
        if target.find("model") is None:
            etree.SubElement(target, "model", name="isa-serial")
        _forget_pty(device)
    elif device.tag == "console":
        _forget_pty(device)
    elif device.tag == "tpm":
        device.set("model", device.get("model", "tpm-tis"))
    elif device.tag == "graphics":
        listen = device.find("listen")
        if listen is not None and listen.get("type") in {"none", "socket"}:
            for name in ("port", "autoport", "websocket"):
                device.attrib.pop(name, None)
            return
        device.set("port", device.get("port", "-1"))
        device.set("autoport", device.get("autoport", "yes"))
        if listen is None:
            listen = etree.SubElement(device, "listen", type="address")
            if device.get("listen"):
                listen.set("address", device.get("listen", ""))
        elif listen.get("address"):
            device.set("listen", listen.get("address", ""))


def _forget_pty(device: etree._Element) -> None:
    """The path of a pseudo-terminal is libvirt's choice, each time that the guest starts."""
    for source in device.findall("source") if device.get("type") == "pty" else ():
        device.remove(source)


def _check_targets(devices: etree._Element) -> None:
    seen: set[str] = set()
    for target in devices.iterfind("disk/target"):
        if target.get("dev", "") in seen:
            raise HostError(f"XML error: target {target.get('dev')!r} duplicated for disk sources")
        seen.add(target.get("dev", ""))


def _add_companions(devices: etree._Element) -> None:
    """Controllers and devices that libvirt adds on its own."""

    def lacks(path: str) -> bool:
        return devices.find(path) is None

    if lacks("emulator"):
        etree.SubElement(devices, "emulator").text = "/usr/bin/qemu-system-x86_64"
    if lacks("controller[@type='usb']"):
        etree.SubElement(devices, "controller", type="usb", index="0", model="qemu-xhci")
    if lacks("controller[@type='sata']"):
        sata = etree.SubElement(devices, "controller", type="sata", index="0")
        etree.SubElement(sata, "address", type="pci", domain="0x0000", bus="0x00", slot="0x1f", function="0x2")
    if not lacks("disk/target[@bus='ide']") and lacks("controller[@type='ide']"):
        etree.SubElement(devices, "controller", type="ide", index="0")
    if not lacks("disk/target[@bus='scsi']") and lacks("controller[@type='scsi']"):
        etree.SubElement(devices, "controller", type="scsi", index="0", model="lsilogic")
    if not lacks("channel/target[@type='virtio']") and lacks("controller[@type='virtio-serial']"):
        etree.SubElement(devices, "controller", type="virtio-serial", index="0")
    used = {address.get("port") for address in devices.iterfind("channel/address")}
    for channel in devices.iterfind("channel"):
        if channel.find("address") is None and channel.find("target[@type='virtio']") is not None:
            port = next(str(number) for number in range(1, 32) if str(number) not in used)
            used.add(port)
            etree.SubElement(channel, "address", type="virtio-serial", controller="0", bus="0", port=port)
    if not lacks("serial") and lacks("console"):
        console = etree.SubElement(devices, "console", type=devices.find("serial").get("type", "pty"))
        for log in devices.find("serial").iterfind("log"):
            etree.SubElement(console, "log", dict(log.attrib))
        etree.SubElement(console, "target", type="serial", port="0")
    virtio = [console for console in devices.iterfind("console") if console.find("target[@type='virtio']") is not None]
    for number, console in enumerate(virtio):
        console.find("target").set("port", str(number))
    for kind in ("mouse", "keyboard"):
        if lacks(f"input[@type='{kind}']"):
            etree.SubElement(devices, "input", type=kind, bus="ps2")
    if lacks("audio"):
        etree.SubElement(devices, "audio", id="1", type="none")
    if not lacks("graphics") and lacks("video"):
        video = etree.SubElement(devices, "video")
        etree.SubElement(video, "model", type="cirrus", vram="16384", heads="1", primary="yes")
        etree.SubElement(video, "address", type="pci", domain="0x0000", bus="0x00", slot="0x01", function="0x0")
    if lacks("memballoon"):
        etree.SubElement(devices, "memballoon", model="virtio")


def vcpus_of(root: etree._Element) -> tuple[int, int]:
    """Current and maximum count of vcpus."""
    element = root.find("vcpu")
    maximum = int(root.findtext("vcpu") or 1)
    current = maximum if element is None else int(element.get("current", maximum))
    if current > maximum:
        raise HostError("unsupported configuration: maximum vCPU count must not be less than current vCPU count")
    return current, maximum


def set_vcpus(root: etree._Element, current: int, maximum: int) -> None:
    """Write the count as libvirt does: `current` only where it differs."""
    element = root.find("vcpu")
    if element is None:
        element = etree.SubElement(root, "vcpu")
    element.text = str(maximum)
    element.set("placement", element.get("placement", "static"))
    element.attrib.pop("current", None)
    if current != maximum:
        element.set("current", str(current))


def kib_of(root: etree._Element, tag: str) -> int:
    return int(root.findtext(tag) or 0)


def set_kib(root: etree._Element, tag: str, kib: int) -> None:
    element = root.find(tag)
    if element is None:
        element = etree.SubElement(root, tag)
    element.text = str(kib)
    element.attrib.clear()
    element.set("unit", "KiB")


def live_of(xml: str, *, identifier: int, backing: dict[str, list[tuple[str, str]]], bridges: dict[str, str]) -> str:
    """The live XML of a domain that starts from this definition.

    `backing` gives the chain of paths and formats below each disk, `bridges` the bridge of each network.
    """
    root = parse(xml, root="domain")
    root.set("id", str(identifier))
    etree.SubElement(etree.SubElement(root, "resource"), "partition").text = "/machine"
    devices = root.find("devices")
    for number, device in enumerate(devices):
        enliven(device, number=number, identifier=identifier, backing=backing, bridges=bridges)
    label = etree.SubElement(root, "seclabel", type="dynamic", model="dac", relabel="yes")
    etree.SubElement(label, "label").text = "+64055:+64055"
    etree.SubElement(label, "imagelabel").text = "+64055:+64055"
    order(root, devices)
    return text(root)


def enliven(
    device: etree._Element,
    *,
    number: int,
    identifier: int,
    backing: dict[str, list[tuple[str, str]]],
    bridges: dict[str, str],
) -> None:
    """What a device shows only while it runs."""
    if device.tag in {"emulator", "audio"}:
        return
    source = device.find("source")
    if device.tag == "disk" and source is not None:
        source.set("index", str(number))
        parent, after = device, source
        for path, form in backing.get(source.get("file", ""), []):
            store = etree.Element("backingStore", type="file", index=str(number + 100))
            etree.SubElement(store, "format", type=form)
            etree.SubElement(store, "source", file=path)
            after.addnext(store) if parent is device else parent.append(store)
            parent = store
        end = etree.Element("backingStore")
        source.addnext(end) if parent is device else parent.append(end)
    elif device.tag == "interface" and source is not None and source.get("network"):
        source.set("portid", f"00000000-0000-4000-a000-{identifier:04x}{number:08x}")
        source.set("bridge", bridges.get(source.get("network", ""), ""))
        etree.SubElement(device, "target", dev=f"vnet{identifier * 10 + number}")
    elif device.tag == "serial" and device.get("type") == "pty":
        device.insert(0, etree.Element("source", path=f"/dev/pts/{identifier}"))
    elif device.tag == "channel":
        target = device.find("target")
        name = target.get("name", "")
        place = f"/var/lib/libvirt/qemu/channel/target/domain-{identifier}/{name}"
        if source is None:
            device.insert(0, etree.Element("source", mode="bind", path=place))
        target.set("state", "disconnected")
    elif device.tag == "graphics" and device.get("autoport") == "yes":
        device.set("port", str(5900 + identifier))
    etree.SubElement(device, "alias", name=f"{device.tag}{number}")


def inactive_of(live_xml: str) -> str:
    """The definition of a transient domain, seen as if it were off."""
    root = parse(live_xml, root="domain")
    root.attrib.pop("id", None)
    runtime = "//alias|/domain/resource|/domain/seclabel|/domain/vcpus|//disk/backingStore|//channel/source"
    for element in root.xpath(runtime):
        element.getparent().remove(element)
    for path, name in (("//channel/target", "state"), ("//disk/source", "index"), ("//interface/source", "portid")):
        for element in root.xpath(path):
            element.attrib.pop(name, None)
    return text(root)
