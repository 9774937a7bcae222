"""Attaching, detaching and growing devices of fake domains."""

from lxml import etree

from tests.fake import domain_xml, pci
from tests.fake.domain_calls import DomainCalls, identity_of
from tests.fake.machine import Domain
from tests.fake.wire import mutates, parse, text
from vmstack.errors import HostError, NotFoundError

_KINDS = ("disk", "interface", "controller", "channel", "rng", "watchdog")


class DeviceCalls(DomainCalls):
    """The device methods of the driver."""

    @mutates
    def attach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)
        device = _device(xml)
        domain_xml.complete_device(device, self.machine)
        running = self._plugged(domain, _device_copy(device)) if live else domain.live_xml
        domain.xml = _added(domain.xml, device) if config else domain.xml
        domain.live_xml = running

    def _plugged(self, domain: Domain, device: etree._Element) -> str:
        """The live definition with the device in it. `HostError` without a free port or without its file."""
        root = parse(domain.live_xml or "", root="domain")
        devices = root.find("devices")
        _refuse_duplicate(devices, device)
        if pci.needs_port(device):
            free = pci.free_ports(devices)
            if not free:
                raise HostError("internal error: No more available PCI slots")
            pci.place_on(device, free[0])
        backing, bridges = {}, {}
        source = device.find("source")
        if device.tag == "disk" and source is not None and source.get("file"):
            self._check_disk(domain, device)
            backing[source.get("file", "")] = self._chain(source.get("file", ""))
        if device.tag == "interface" and source is not None and source.get("network"):
            bridges[source.get("network", "")] = self._bridge_of(source.get("network", ""))
        number = 1 + len(devices)
        domain_xml.enliven(device, number=number, identifier=domain.boot, backing=backing, bridges=bridges)
        devices.append(device)
        domain_xml.order(root, devices)
        return text(root)

    @mutates
    def update_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        """Interfaces alone, and of those where they are: a tap moves to a bridge only when its place changes."""
        domain = self._editable(uuid, live=live)
        device = _device(xml)
        if device.tag != "interface" or device.get("type") not in {"network", "bridge"}:
            raise HostError(f"Operation not supported: cannot modify {device.tag} device")
        identity = identity_of(device)
        running = parse(domain.live_xml, root="domain") if live and domain.live_xml else None
        if running is not None:
            found = _find(running, "interface", identity)
            new, old = device.find("source"), found.find("source")
            assert new is not None
            assert old is not None
            if (device.get("type"), new.get("network")) != (found.get("type"), old.get("network")):
                source = etree.Element("source", {key: value for key, value in new.attrib.items() if key != "portid"})
                name = source.get("network")
                if name:
                    source.set("portid", f"00000000-0000-4000-b000-{self.machine.tick():012x}")
                    source.set("bridge", self._bridge_of(name))
                found.replace(old, source)
                found.set("type", device.get("type", ""))
        if config:
            root = parse(domain.xml, root="domain")
            held = _find(root, "interface", identity)
            held.set("type", device.get("type", ""))
            held.replace(held.find("source"), _device_copy(device.find("source")))
            domain.xml = text(root)
        if running is not None:
            domain.live_xml = text(running)

    @mutates
    def detach_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)
        device = _device(xml)
        kind, identity = device.tag, identity_of(device)
        if live:
            _find(parse(domain.live_xml or "", root="domain"), kind, identity)
        if config:
            root = parse(domain.xml, root="domain")
            found = _find(root, kind, identity)
            found.getparent().remove(found)
            domain.xml = text(root)
        if live and (kind, identity) not in domain.leaving:
            domain.leaving.append((kind, identity))

    @mutates
    def resize_disk(self, uuid: str, path: str, *, capacity: int) -> None:
        domain = self.find_domain(uuid, active=True)
        root = parse(domain.live_xml or "", root="domain")
        if not any(source.get("file") == path for source in root.iterfind("devices/disk/source")):
            raise HostError(f"invalid argument: disk {path!r} was not found in the domain config")
        self.machine.file(path).capacity = capacity


def _device(xml: str) -> etree._Element:
    try:
        tag = str(etree.fromstring(xml.encode()).tag)
    except etree.XMLSyntaxError as error:
        raise HostError(f"XML error: {error}") from None
    if tag not in _KINDS:
        raise HostError(f"unsupported configuration: cannot attach a {tag!r}")
    return parse(xml, root=tag)


def _device_copy(device: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(device))


def _added(definition: str, device: etree._Element) -> str:
    root = parse(definition, root="domain")
    devices = root.find("devices")
    _refuse_duplicate(devices, device)
    devices.append(device)
    pci.assign(devices)
    domain_xml.order(root, devices)
    return text(root)


def _refuse_duplicate(devices: etree._Element, device: etree._Element) -> None:
    # libvirt accepts a second card with the same MAC; a disk's target must be free.
    if device.tag == "disk" and any(identity_of(old) == identity_of(device) for old in devices.iterfind("disk")):
        raise HostError(f"Requested operation is not valid: target {identity_of(device)} already exists")


def _find(root: etree._Element, kind: str, identity: str) -> etree._Element:
    for device in root.iterfind(f"devices/{kind}"):
        if identity_of(device) == identity:
            return device
    raise NotFoundError(f"device not found: no {kind} {identity!r}")
