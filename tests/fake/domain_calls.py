"""Domains of the fake hypervisor: definitions, power and guests."""

import ipaddress
import time
import uuid as uuids
import zlib
from collections.abc import Callable, Iterator, Mapping

from lxml import etree

from tests.fake import domain_xml, guests
from tests.fake.machine import Domain
from tests.fake.network_calls import replace_metadata
from tests.fake.wire import Wire, mutates, parse, reads, text
from vmstack.errors import ExistsError, HostError, NotFoundError
from vmstack.hosts.driver import DomainRecord, NicAddresses
from vmstack.hosts.passwords import keep_passwords

# After so many looks at a guest that does nothing, it will not do anything any more.
_PATIENCE = 1000


class DomainCalls(Wire):
    """The domain methods of the driver, but for devices."""

    @reads
    def domains(self) -> list[DomainRecord]:
        return [self._record(domain) for domain in list(self.machine.domains.values())]

    @reads
    def domain(self, uuid: str) -> DomainRecord:
        self._progress(uuid)
        return self._record(self.find_domain(uuid))

    @reads
    def addresses(self, uuid: str, *, agent: bool) -> list[NicAddresses]:
        domain = self.find_domain(uuid)
        wait = self.machine.guest(domain).lease_after
        if domain.live_xml is None or wait is None or (agent and not self.machine.guest(domain).agent):
            return []
        domain.looks += 1
        if domain.looks <= wait:
            return []
        found = []
        for card in parse(domain.live_xml, root="domain").iterfind("devices/interface"):
            mac, source = card.find("mac"), card.find("source")
            name = "" if source is None else source.get("network", "")
            for network in self.machine.networks.values():
                if mac is not None and network.live_xml is not None and name == network.name:
                    lease = _lease(parse(network.live_xml, root="network"), mac.get("address", "").lower())
                    found += [NicAddresses(mac=mac.get("address", "").lower(), addresses=lease)] if lease else []
        return sorted(found, key=lambda card: card.mac)

    @mutates
    def define_domain(self, xml: str, *, validate: bool = False) -> None:
        if validate:
            domain_xml.check_elements(parse(xml, root="domain"))
        root = domain_xml.complete(xml, self.machine)
        name = root.findtext("name") or ""
        uuid = root.findtext("uuid")
        if uuid is None:
            uuid = f"00000000-0000-4000-b000-{self.machine.tick():012x}"
            root.find("name").addnext(_element("uuid", uuid))
        known = self.machine.domains.get(uuid)
        holder = self.machine.domain_names.get(name, uuid)
        if holder != uuid:
            raise ExistsError(f"operation failed: domain {name!r} already exists with uuid {holder}")
        if known is not None and known.name != name:
            raise ExistsError(f"operation failed: domain {known.name!r} is already defined with uuid {uuid}")
        if known is None:
            self.machine.domains[uuid] = Domain(uuid=uuid, name=name, xml=text(root))
            self.machine.domain_names[name] = uuid
        else:
            keep_passwords(root, secure_xml=known.xml)  # as the driver does
            known.xml, known.persistent = text(root), True

    @mutates
    def rename_domain(self, uuid: str, *, name: str) -> None:
        domain = self.find_domain(uuid)
        if domain.name == name:
            return
        if domain.live_xml is not None:
            raise HostError("Requested operation is not valid: cannot rename active domain")
        if domain.managed_save:
            raise HostError("Requested operation is not valid: domain with a managed saved state can't be renamed")
        if name in self.machine.domain_names:
            raise ExistsError(f"Requested operation is not valid: domain with name {name!r} already exists")
        root = parse(domain.xml, root="domain")
        root.find("name").text = name
        del self.machine.domain_names[domain.name]
        self.machine.domain_names[name] = uuid
        domain.name, domain.xml = name, text(root)

    @mutates
    def start_domain(self, uuid: str) -> None:
        domain = self.find_domain(uuid, active=False)
        root = parse(domain.xml, root="domain")
        bridges = {}
        for source in root.iterfind("devices/interface/source[@network]"):
            bridges[source.get("network", "")] = self._bridge_of(source.get("network", ""))
        backing = {}
        for disk in root.iterfind("devices/disk"):
            source = disk.find("source")
            if source is not None and source.get("file"):
                self._check_disk(domain, disk)
                backing[source.get("file", "")] = self._chain(source.get("file", ""))
        domain.boot += 1
        domain.live_xml = domain_xml.live_of(domain.xml, identifier=domain.boot, backing=backing, bridges=bridges)
        ports = parse(domain.live_xml, root="domain").iterfind("devices/interface/source[@portid]")
        self.machine.released_ports -= {source.get("portid", "") for source in ports}
        domain.state, domain.managed_save, domain.stopping = "running", False, None
        domain.leaving.clear()
        domain.instance = guests.instance_of(self._seed(domain))

    def _check_disk(self, domain: Domain, disk: etree._Element) -> None:
        """Refuse a file that is not there, or that another running guest writes to."""
        path = disk.find("source").get("file", "")
        if path not in self.machine.files:
            raise NotFoundError(f"Cannot access storage file {path!r}: No such file or directory")
        for below, _ in self._chain(path):
            if below not in self.machine.files:
                raise NotFoundError(f"Cannot access backing file {below!r} of storage file {path!r}")
        shared = disk.find("readonly") is not None or disk.find("shareable") is not None
        chain = {path, *(below for below, _ in self._chain(path))}
        for other in self.machine.domains.values():
            if other is domain or other.live_xml is None:
                continue
            for its in parse(other.live_xml, root="domain").iterfind("devices/disk"):
                source = its.find("source")
                its_path = None if source is None else source.get("file")
                writes = its.find("readonly") is None and its.find("shareable") is None
                if (its_path in chain and writes) or (its_path == path and not shared):
                    raise HostError(f'internal error: Failed to get "write" lock: another process uses {its_path!r}')

    def _chain(self, path: str) -> list[tuple[str, str]]:
        chain: list[tuple[str, str]] = []
        file = self.machine.files.get(path)
        while file is not None and file.backing is not None and len(chain) < 100:
            chain.append((file.backing, file.backing_format or "raw"))
            file = self.machine.files.get(file.backing)
        return chain

    def _bridge_of(self, name: str) -> str:
        for network in self.machine.networks.values():
            if network.name == name:
                if network.live_xml is None:
                    raise HostError(f"Requested operation is not valid: network {name!r} is not active")
                bridge = parse(network.live_xml, root="network").find("bridge")
                return "" if bridge is None else bridge.get("name", "")
        raise NotFoundError(f"Network not found: no network with matching name {name!r}")

    @mutates
    def resume_domain(self, uuid: str) -> None:
        domain = self.find_domain(uuid, active=True)
        if domain.state == "running":
            raise HostError("Requested operation is not valid: domain is already running")
        domain.state = "running"

    @mutates
    def shutdown_domain(self, uuid: str) -> None:
        domain = self.find_domain(uuid, active=True)
        guest = self.machine.guest(domain)
        if guest.obeys_shutdown and domain.state == "running":
            domain.stopping = guest.stop_polls

    @mutates
    def power_off_domain(self, uuid: str) -> None:
        self._stop(self.find_domain(uuid, active=True))

    def _stop(self, domain: Domain) -> None:
        domain.live_xml, domain.state, domain.stopping = None, "shutoff", None
        if not domain.persistent:
            self.machine.forget(domain)

    @mutates
    def set_domain_autostart(self, uuid: str, *, enabled: bool) -> None:
        domain = self.find_domain(uuid)
        if not domain.persistent:
            raise HostError("Requested operation is not valid: cannot set autostart for transient domain")
        domain.autostart = enabled

    @mutates
    def set_vcpus(self, uuid: str, count: int, *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)
        results = []
        for wanted, definition in ((live, domain.live_xml), (config, domain.xml)):
            root = parse(definition, root="domain") if wanted and definition else None
            if root is not None:
                current, maximum = domain_xml.vcpus_of(root)
                if count > maximum:
                    raise HostError(f"invalid argument: requested vcpus is greater than max allowable: {count}")
                if definition is domain.live_xml:
                    if count < current:
                        raise HostError("internal error: unable to execute QEMU command 'device_del': vcpu unplug")
                    _list_vcpus(root, count, maximum)
                domain_xml.set_vcpus(root, count, maximum)
            results.append(text(root) if root is not None else definition)
        domain.live_xml, domain.xml = results[0], results[1] or ""

    @mutates
    def set_memory(self, uuid: str, kib: int, *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            if kib > domain_xml.kib_of(root, "memory"):
                raise HostError("invalid argument: cannot set memory higher than max memory")
            domain_xml.set_kib(root, "currentMemory", kib)
            return text(root)

        self._edit(domain, changed, live=live, config=config)

    @mutates
    def set_description(self, uuid: str, text: str | None, *, live: bool) -> None:
        domain = self._editable(uuid, live=live)

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            for old in root.findall("description"):
                root.remove(old)
            if text:
                root.append(_element("description", text))
                domain_xml.order(root, root.find("devices"))
            return _text(root)

        self._edit(domain, changed, live=live, config=True)

    @mutates
    def set_title(self, uuid: str, text: str | None, *, live: bool) -> None:
        domain = self._editable(uuid, live=live)
        self._edit(domain, lambda definition: _with_text(definition, "title", text), live=live, config=True)

    @mutates
    def tune_domain(self, uuid: str, values: Mapping[str, int], *, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)
        tags = {"cpu_shares": "shares", "vcpu_period": "period", "vcpu_quota": "quota"}

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            tune = _tune_of(root)
            for name, value in values.items():
                if name not in tags:
                    raise HostError(f"invalid argument: parameter {name!r} not supported")
                for old in tune.findall(tags[name]):
                    tune.remove(old)
                tune.append(_element(tags[name], str(value)))
            return _text(root)

        self._edit(domain, changed, live=live, config=config)

    @mutates
    def pin_vcpu(self, uuid: str, vcpu: int, *, cpus: str, live: bool, config: bool) -> None:
        domain = self._editable(uuid, live=live)

        def changed(definition: str) -> str:
            root = parse(definition, root="domain")
            if vcpu >= domain_xml.vcpus_of(root)[1]:
                raise HostError("invalid argument: vcpu is out of range")
            tune = _tune_of(root)
            for old in tune.findall(f"vcpupin[@vcpu='{vcpu}']"):
                tune.remove(old)
            etree.SubElement(tune, "vcpupin", vcpu=str(vcpu), cpuset=cpus)
            tune[:] = sorted(tune, key=lambda item: (item.tag == "vcpupin", int(item.get("vcpu", "0"))))
            return _text(root)

        self._edit(domain, changed, live=live, config=config)

    @mutates
    def set_domain_metadata(
        self, uuid: str, *, xml: str | None, namespace: str, live: bool, config: bool = True
    ) -> None:
        domain = self._editable(uuid, live=live)
        self._edit(
            domain,
            lambda definition: replace_metadata(definition, root="domain", xml=xml, namespace=namespace),
            live=live,
            config=config,
        )

    @mutates
    def undefine_domain(self, uuid: str, *, moments: bool = False) -> None:
        domain = self.find_domain(uuid)
        if not domain.persistent:
            raise HostError("Requested operation is not valid: cannot undefine transient domain")
        for count, what in ((domain.snapshots, "snapshots"), (domain.checkpoints, "checkpoints")):
            if count and domain.live_xml is None and not moments:
                raise HostError(f"Requested operation is not valid: cannot delete inactive domain with {count} {what}")
        domain.managed_save = False
        if domain.live_xml is None:
            self.machine.forget(domain)
        else:
            domain.persistent, domain.autostart = False, False
            domain.xml = domain_xml.inactive_of(domain.live_xml)

    @reads
    def wait_for_domain(
        self, uuid: str, *, until: Callable[[DomainRecord | None], bool], timeout: float
    ) -> DomainRecord | None:
        for _ in range(_PATIENCE):
            with self.machine.mutex:
                domain = self.machine.domains.get(uuid)
                record = None if domain is None else self._record(domain)
                if until(record):
                    return record
                if not self._progress(uuid):
                    break
        raise TimeoutError(f"waited {timeout} s for domain {uuid}")

    @reads
    def read_channel(self, uuid: str, channel: str, *, timeout: float) -> Iterator[bytes]:
        domain = self.find_domain(uuid, active=True)
        root = parse(domain.live_xml or "", root="domain")
        if not any(target.get("name") == channel for target in root.iterfind("devices/channel/target")):
            raise NotFoundError(f"invalid argument: no channel {channel!r} in domain {domain.name!r}")
        return self._speech(domain, timeout=timeout)

    def _speech(self, domain: Domain, *, timeout: float) -> Iterator[bytes]:
        """What the guest says: each yield is a second of its time, none of ours."""
        guest, boot = self.machine.guest(domain), domain.boot
        started = time.monotonic()
        for second in range(int(timeout)):
            if domain.live_xml is None or domain.boot != boot or time.monotonic() - started > timeout:
                return
            line = self._line(domain) if second >= guest.polls and not guest.silent else b""
            yield line

    def _line(self, domain: Domain) -> bytes:
        guest = self.machine.guest(domain)
        seed = self._seed(domain)
        instance = guest.instance if guest.instance is not None else domain.instance
        if guest.instance is None and not guests.reports(seed):
            return b""
        boot = str(uuids.uuid5(uuids.NAMESPACE_OID, f"{domain.uuid}/{domain.boot}"))
        addresses = guest.addresses if guest.addresses is not None else self._addresses(domain, seed)
        return guests.report_line(guest, boot=boot, instance=instance or "", addresses=addresses)

    def _seed(self, domain: Domain) -> dict[str, bytes]:
        for source in parse(domain.live_xml or domain.xml, root="domain").iterfind("devices/disk/source"):
            file = self.machine.files.get(source.get("file", ""))
            if file is not None and file.format == "iso":
                return guests.read_seed(b"".join(file.content.read()))
        return {}

    def _addresses(self, domain: Domain, seed: dict[str, bytes]) -> tuple[str, ...]:
        found = list(guests.static_addresses(seed))
        cards = {
            (mac.get("address", ""), source.get("network", ""))
            for card in parse(domain.live_xml or "", root="domain").iterfind("devices/interface")
            if (mac := card.find("mac")) is not None and (source := card.find("source")) is not None
        }
        for network in self.machine.networks.values():
            if network.live_xml is not None:
                found += [
                    host.get("ip", "")
                    for host in parse(network.live_xml, root="network").iterfind("ip/dhcp/host")
                    if (host.get("mac", "").lower(), network.name) in cards
                ]
        return tuple(dict.fromkeys(found))

    def _editable(self, uuid: str, *, live: bool) -> Domain:
        return self.find_domain(uuid, active=True) if live else self.find_domain(uuid)

    def _edit(self, domain: Domain, changed: Callable[[str], str], *, live: bool, config: bool) -> None:
        """Change both definitions, or neither when one refuses."""
        running = changed(domain.live_xml) if live and domain.live_xml else domain.live_xml
        domain.xml = changed(domain.xml) if config else domain.xml
        domain.live_xml = running

    def _progress(self, uuid: str) -> bool:
        """Let a little time pass for the guest; whether anything moved."""
        domain = self.machine.domains.get(uuid)
        if domain is None or domain.live_xml is None:
            return False
        if domain.stopping is not None:
            domain.stopping -= 1
            if domain.stopping < 0:
                self._stop(domain)
            return True
        if domain.leaving and self.machine.guest(domain).releases_devices:
            root = parse(domain.live_xml, root="domain")
            for kind, identity in domain.leaving:
                for device in root.iterfind(f"devices/{kind}"):
                    if identity_of(device) == identity:
                        device.getparent().remove(device)
            domain.leaving.clear()
            domain.live_xml = text(root)
            return True
        return False

    def _record(self, domain: Domain) -> DomainRecord:
        return DomainRecord(
            uuid=domain.uuid,
            name=domain.name,
            state=domain.state,
            persistent=domain.persistent,
            autostart=domain.autostart,
            has_managed_save=domain.managed_save,
            snapshots=domain.snapshots,
            checkpoints=domain.checkpoints,
            xml=_without_passwords(domain.xml),
            live_xml=None if domain.live_xml is None else _without_passwords(domain.live_xml),
        )


_text = text


def _without_passwords(xml: str) -> str:
    """As libvirt tells a definition to those who do not ask for secrets (`VIR_DOMAIN_XML_SECURE`)."""
    if " passwd" not in xml:
        return xml
    root = parse(xml, root="domain")
    for graphics in root.iterfind("devices/graphics"):
        for name in ("passwd", "passwdValidTo"):
            graphics.attrib.pop(name, None)
    return text(root)


def _lease(network: etree._Element, mac: str) -> tuple[str, ...]:
    """What the network's DHCP gives the MAC: what is reserved for it, else an address of the range that follows."""
    found = []
    for subnet in network.iterfind("ip/dhcp"):
        kept = [host.get("ip", "") for host in subnet.iterfind("host") if host.get("mac", "").lower() == mac]
        span = subnet.find("range")
        if kept or span is not None:
            start = "" if span is None else span.get("start", "")
            number = zlib.crc32(mac.encode()) % 64
            found.append(kept[0] if kept else str(ipaddress.ip_address(start) + number))
    return tuple(found)


def _element(tag: str, value: str) -> etree._Element:
    element = etree.Element(tag)
    element.text = value
    return element


def _with_text(definition: str, tag: str, value: str | None) -> str:
    root = parse(definition, root="domain")
    for old in root.findall(tag):
        root.remove(old)
    if value:
        root.append(_element(tag, value))
        domain_xml.order(root, root.find("devices"))
    return text(root)


def _tune_of(root: etree._Element) -> etree._Element:
    tune = root.find("cputune")
    if tune is None:
        tune = etree.SubElement(root, "cputune")
        domain_xml.order(root, root.find("devices"))
    return tune


def _list_vcpus(root: etree._Element, count: int, maximum: int) -> None:
    """Once vcpus were plugged, libvirt lists each of them."""
    for old in root.findall("vcpus"):
        root.remove(old)
    listing = etree.Element("vcpus")
    for number in range(maximum):
        enabled = "yes" if number < count else "no"
        vcpu = etree.SubElement(listing, "vcpu", id=str(number), enabled=enabled)
        vcpu.set("hotpluggable", "no" if number == 0 else "yes")
    root.find("vcpu").addnext(listing)


def identity_of(device: etree._Element) -> str:
    """How libvirt tells devices of a kind apart when it detaches one."""
    if device.tag == "disk":
        return device.find("target").get("dev", "")
    if device.tag == "interface":
        return (device.find("mac").get("address", "") if device.find("mac") is not None else "").lower()
    if device.tag == "hostdev":
        return etree.tostring(device.find("source"), method="c14n").decode()
    target = device.find("target")
    if device.tag == "filesystem" and target is not None:
        return target.get("dir", "")
    return f"{device.get('type')}/{'' if target is None else target.get('name', '')}"
