"""Attaching, detaching and growing devices of fake domains."""

from collections.abc import Callable

from lxml import etree

from tests.fake import domain_xml, pci
from tests.fake.domain_calls import DomainCalls, identity_of
from tests.fake.machine import Domain
from tests.fake.wire import mutates, parse, text
from vmstack.errors import HostError, NotFoundError
from vmstack.model.hardware import IoTuneSpec

_KINDS = ("disk", "interface", "controller", "channel", "rng", "watchdog", "vsock", "hostdev", "filesystem")
_HARDWARE = "/dev/vhost-vsock"  # which this machine lacks, as it lacks devices to pass on
# What libvirt changes of a NIC while the guest runs; all else must stay.
_CABLE = ("source", "link", "bandwidth", "filterref", "virtualport", "target")


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
        _check_hardware(root, device)
        _check_memory(root, device)
        number = 1 + len(devices)
        domain_xml.enliven(device, number=number, identifier=domain.boot, backing=backing, bridges=bridges)
        devices.append(device)
        domain_xml.order(root, devices)
        return text(root)

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
    def update_device(self, uuid: str, xml: str, *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)
        device = parse(xml, root=str(etree.fromstring(xml.encode()).tag))

        def changed(definition: str, *, running: bool) -> str:
            root = parse(definition, root="domain")
            old = _find(root, device.tag, _updated(device))
            if running:
                self._check_update(old, device)
            if device.tag == "interface" or (running and device.tag == "graphics"):
                plugged = old.find("source") if device.tag == "interface" and running else None
                before = old.get("type")
                _copy(device, old)
                if plugged is not None:
                    self._plug(old, plugged, moved=before != device.get("type"))
            else:
                new = _device_copy(device)
                domain_xml.complete_device(new, self.machine)
                for name in ("alias", "address") if new.find("address") is None else ():
                    new.extend([_device_copy(item) for item in old.findall(name)])
                old.getparent().replace(old, new)
            return text(root)

        running = changed(domain.live_xml, running=True) if live and domain.live_xml else domain.live_xml
        domain.xml = changed(domain.xml, running=False) if config else domain.xml
        domain.live_xml = running

    def _plug(self, nic: etree._Element, before: etree._Element, *, moved: bool) -> None:
        """A tap goes to a bridge when the NIC's place changes, and nothing happens to it otherwise."""
        source = nic.find("source")
        assert source is not None
        name = source.get("network")
        if not name:
            return
        if not moved and name == before.get("network"):
            source.attrib.update({key: value for key, value in before.attrib.items() if key in {"portid", "bridge"}})
            return
        source.set("portid", f"00000000-0000-4000-b000-{self.machine.tick():012x}")
        source.set("bridge", self._bridge_of(name))

    def _check_update(self, old: etree._Element, new: etree._Element) -> None:
        source = new.find("source")
        if new.tag == "interface":
            for name in ("model", "mtu", "driver"):
                if _attributes(old, name) != _attributes(new, name):
                    raise HostError(f"Operation not supported: cannot modify {name} of a network device")
            if source is not None and source.get("network"):
                self._bridge_of(source.get("network", ""))
        elif new.tag == "disk":
            if old.get("device") != "cdrom":
                raise HostError("unsupported configuration: disk source can be changed only in removable drives")
            if _attributes(old, "target") != _attributes(new, "target"):
                raise HostError("Operation not supported: cannot modify field 'target' of the disk")
            if source is not None and source.get("file") and source.get("file") not in self.machine.files:
                raise NotFoundError(f"Cannot access storage file {source.get('file')!r}: No such file or directory")
        elif new.tag == "graphics":
            if _attributes(old, "listen") != _attributes(new, "listen"):
                raise HostError("Operation not supported: cannot change listen address setting on 'vnc' graphics")
        else:
            raise HostError(f"Operation not supported: live update of device {new.tag!r} is not supported")

    @mutates
    def set_io_tune(self, uuid: str, target: str, *, limits: IoTuneSpec, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            for disk in root.iterfind("devices/disk"):
                if identity_of(disk) == target:
                    break
            else:
                raise HostError(f"invalid argument: disk {target!r} not found in domain")
            for old in disk.findall("iotune"):
                disk.remove(old)
            values = {name: getattr(limits, name) for name in limits.__struct_fields__ if getattr(limits, name)}
            if values:
                element = etree.SubElement(disk, "iotune")
                for name, value in values.items():
                    etree.SubElement(element, f"{name}_sec").text = str(value)
            return text(root)

        self._edit(domain, changed, live=live, config=config)

    @mutates
    def add_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None:
        def add(threads: set[int], _disks: set[str]) -> None:
            if number in threads:
                raise HostError(f"invalid argument: an IOThread is already using iothread_id '{number}'")
            threads.add(number)

        self._edit_threads(uuid, add, live=live, config=config)

    @mutates
    def remove_io_thread(self, uuid: str, number: int, *, live: bool, config: bool) -> None:
        def remove(threads: set[int], used: set[str]) -> None:
            if number not in threads:
                raise HostError(f"invalid argument: cannot find IOThread '{number}' in iothreadids list")
            if str(number) in used:
                raise HostError(f"invalid argument: cannot remove IOThread {number} since it is being used by disk")
            threads.remove(number)

        self._edit_threads(uuid, remove, live=live, config=config)

    def _edit_threads(
        self, uuid: str, change: Callable[[set[int], set[str]], None], *, live: bool, config: bool
    ) -> None:
        domain = self._editable(uuid, live=live)

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            listed = [int(item.get("id", "0")) for item in root.iterfind("iothreadids/iothread")]
            threads = set(listed or range(1, int(root.findtext("iothreads") or 0) + 1))
            change(threads, {str(driver.get("iothread")) for driver in root.iterfind("devices/disk/driver")})
            for tag in ("iothreads", "iothreadids"):
                for old in root.findall(tag):
                    root.remove(old)
            if threads:
                etree.SubElement(root, "iothreads").text = str(len(threads))
                ids = etree.SubElement(root, "iothreadids")
                for thread in sorted(threads):
                    etree.SubElement(ids, "iothread", id=str(thread))
            domain_xml.order(root, root.find("devices"))
            return text(root)

        self._edit(domain, changed, live=live, config=config)

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


def _updated(device: etree._Element) -> str:
    """How libvirt finds what it is to change."""
    return device.get("type", "") if device.tag == "graphics" else identity_of(device)


def _attributes(device: etree._Element, name: str) -> list[dict[str, str]]:
    items = [dict(item.attrib) for item in device.findall(name)]
    for item in items:
        item.pop("tray", None)
        item.pop("name", None)
    return [item for item in items if item]


def _copy(new: etree._Element, old: etree._Element) -> None:
    """Take over what may change; what only a running guest's device has stays."""
    if new.tag == "graphics":
        old.attrib.pop("passwd", None)
        old.attrib.update({name: value for name, value in new.attrib.items() if name == "passwd"})
        return
    old.set("type", new.get("type", ""))
    for name in _CABLE[:-1]:
        for item in old.findall(name):
            old.remove(item)
    for name in _CABLE[:-1]:
        old.extend([_device_copy(item) for item in new.findall(name) if item.get("state") != "up"])


def _check_hardware(root: etree._Element, device: etree._Element) -> None:
    """What this machine does not have, and what libvirt does not plug in."""
    if device.tag == "vsock":
        raise HostError(f"unsupported configuration: unable to open vhost-vsock device ({_HARDWARE})")
    if device.tag == "hostdev":
        raise HostError("unsupported configuration: host doesn't support passthrough of host devices")
    if device.tag == "watchdog":
        raise HostError("internal error: No more available PCI slots")
    if device.tag == "filesystem":
        driver = device.find("driver")
        if driver is None or driver.get("type") != "virtiofs":
            raise HostError("Operation not supported: only virtiofs filesystems can be hotplugged")


def _check_memory(root: etree._Element, device: etree._Element) -> None:
    """virtiofs maps the guest's memory, running or not."""
    driver, access = device.find("driver"), root.find("memoryBacking/access")
    fast = device.tag == "filesystem" and driver is not None and driver.get("type") == "virtiofs"
    if fast and (access is None or access.get("mode") != "shared"):
        raise HostError("unsupported configuration: 'virtiofs' requires shared memory")


def _device_copy(device: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(device))


def _added(definition: str, device: etree._Element) -> str:
    root = parse(definition, root="domain")
    devices = root.find("devices")
    _refuse_duplicate(devices, device)
    _check_memory(root, device)
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
        if (_updated(device) if kind == "graphics" else identity_of(device)) == identity:
            return device
    raise NotFoundError(f"device not found: no {kind} {identity!r}")
