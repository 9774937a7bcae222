"""The effects on devices of domains."""

from typing import Final

from vmstack.errors import GuestError, HostError
from vmstack.hosts.attempts import Patience
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.model.effects import (
    AttachDevice,
    DetachDevice,
    PlugNics,
    SetIoThreads,
    SetIoTune,
    SetPassword,
    UpdateDevice,
)
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.host_devices import read_host_devices
from vmstack.xmlio.network import read_network
from vmstack.xmlio.plugging import plugging_documents
from vmstack.xmlio.safe import Element, drop_attributes, parse_xml, serialise, set_attribute

# Of these a domain has one, as far as vmstack goes.
_SINGLE: Final = frozenset({"rng", "vsock"})


class DeviceEffects:
    """Effects on the devices of one host's domains."""

    def __init__(self, driver: Driver, *, patience: Patience) -> None:
        self._driver = driver
        self._patience = patience

    def attach(self, effect: AttachDevice) -> None:
        """Attach where the device is not yet: matched by serial (disk) or MAC (interface)."""
        record = self._driver.domain(effect.uuid)
        device = parse_xml(effect.xml, what="a device")
        live = effect.live and record.live_xml is not None and not _has(record.live_xml, device)
        config = not _has(record.xml, device)
        if live or config:
            self._patience.insist(lambda: self._driver.attach_device(effect.uuid, effect.xml, live=live, config=config))

    def detach(self, effect: DetachDevice) -> None:
        """Detach from the guest first, wait until it let go, then from the definition.

        Raises `GuestError` when it does not let go in time; the definition still has the device then.
        """
        device = parse_xml(effect.xml, what="a device")

        def is_out(record: DomainRecord | None) -> bool:
            return record is None or record.live_xml is None or not _has(record.live_xml, device)

        if effect.live and not is_out(self._driver.domain(effect.uuid)):
            self._patience.settle(
                lambda: self._driver.detach_device(effect.uuid, self._own(effect, live=True), live=True, config=False),
                done=lambda: is_out(self._driver.domain(effect.uuid)),
            )
            try:
                self._driver.wait_for_domain(effect.uuid, until=is_out, timeout=effect.timeout)
            except TimeoutError as error:
                raise GuestError(
                    f"{effect.name} did not let go of {effect.device} within {effect.timeout} s",
                    resolution="free the device inside the guest (unmount it), then run apply again; or shut the guest "
                    f"down (virsh shutdown {effect.name}) and run apply, which changes it and starts it again",
                ) from error
        if _has(self._driver.domain(effect.uuid).xml, device):
            self._patience.insist(
                lambda: self._driver.detach_device(effect.uuid, self._own(effect, live=False), live=False, config=True)
            )

    def _own(self, effect: DetachDevice, *, live: bool) -> str:
        """The device in the definition's own words: of some, libvirt compares what it filled in by itself."""
        device, record = parse_xml(effect.xml, what="a device"), self._driver.domain(effect.uuid)
        xml = record.live_xml if live else record.xml
        if xml is None or device.tag in ("disk", "interface"):
            return effect.xml
        known = parse_xml(xml, what="a domain").findall(f"devices/{device.tag}")
        own = next((item for item in known if _identity(item) == _identity(device)), None)
        return effect.xml if own is None else serialise(own)

    def plug(self, effect: PlugNics) -> None:
        """Put the NICs back on the bridge; a guest that went off meanwhile has them there at its next start."""
        network = self._driver.network(effect.network)
        record = self._driver.domain(effect.uuid)
        if record.live_xml is None:
            return
        if network.live_xml is None:
            raise HostError(f"network {network.name} is not active", resolution="make a new plan; it was stopped")
        bridge = read_network(network.live_xml).bridge or ""
        for mac in effect.macs:
            documents = plugging_documents(
                record.live_xml, record.xml, mac=mac, network=network.name, bridge=bridge, ports=network.ports
            )
            for xml in documents:
                self._driver.update_device(effect.uuid, xml, live=True, config=False)

    def update(self, effect: UpdateDevice) -> None:
        """Change the device in place. Raises `GuestError` where the guest holds the tray of a drive shut."""
        try:
            self._patience.insist(
                lambda: self._driver.update_device(effect.uuid, effect.xml, live=effect.live, config=True)
            )
        except HostError as error:
            if "tray" not in str(error):
                raise
            raise GuestError(
                f"{effect.name} holds the tray of {effect.device} shut",
                details=(error.brief,),
                resolution="eject the medium inside the guest, then run apply again",
            ) from error

    def set_io_tune(self, effect: SetIoTune) -> None:
        self._patience.insist(
            lambda: self._driver.set_io_tune(
                effect.uuid, effect.target, limits=effect.limits, live=effect.live, config=True
            )
        )

    def set_io_threads(self, effect: SetIoThreads) -> None:
        """Add and take away the threads of the highest numbers, one by one, in either definition."""
        record = self._driver.domain(effect.uuid)
        for xml, live in ((record.live_xml if effect.live else None, True), (record.xml, False)):
            present = 0 if xml is None else read_domain(xml).iothreads or 0
            if xml is None:
                continue
            for number in range(present + 1, effect.count + 1):
                self._driver.add_io_thread(effect.uuid, number, live=live, config=not live)
            for number in range(present, effect.count, -1):
                self._driver.remove_io_thread(effect.uuid, number, live=live, config=not live)

    def set_password(self, effect: SetPassword, *, password: str | None) -> None:
        """Set the password of the first display that can have one, each definition's in its own words."""
        record = self._driver.domain(effect.uuid)
        for xml, live in ((record.live_xml if effect.live else None, True), (record.xml, False)):
            display = None if xml is None else _display(xml)
            if display is None:
                continue
            drop_attributes(display, "passwd", "passwdValidTo")
            if password is not None:
                set_attribute(display, "passwd", password)
            self._update_display(effect.uuid, serialise(display), live=live)

    def _update_display(self, uuid: str, xml: str, *, live: bool) -> None:
        self._patience.insist(lambda: self._driver.update_device(uuid, xml, live=live, config=not live))


def _display(xml: str) -> Element | None:
    displays = parse_xml(xml, what="a domain").findall("devices/graphics")
    return next((display for display in displays if display.get("type") in ("vnc", "spice")), None)


def _has(xml: str, device: Element) -> bool:
    """Whether the domain has the device: by serial or slot, MAC, name, place on the host, or kind."""
    known = parse_xml(xml, what="a domain").findall(f"devices/{device.tag}")
    return any(_identity(item) == _identity(device) for item in known)


def _identity(device: Element) -> tuple[str, str]:
    if device.tag in _SINGLE:
        return "kind", str(device.tag)
    if device.tag == "hostdev":
        return "place", "".join(spec.name for spec in read_host_devices((device,)))
    for kind, path, attribute in (
        ("name", "target", "name"),
        ("directory", "target", "dir"),
        ("serial", "serial", None),
        ("mac", "mac", "address"),
        ("slot", "target", "dev"),
    ):
        node = device.find(path)
        if node is not None:
            value = node.text if attribute is None else node.get(attribute)
            if value:
                return kind, value.strip().lower()
    return "text", serialise(device)
