"""XML of small objects, as the contract tests define them on either kind of host."""

from lxml import etree
from lxml.builder import E


def text(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode")


def pool(name: str, uuid: str, path: str) -> str:
    return text(E.pool(E.name(name), E.uuid(uuid), E.target(E.path(path)), type="dir"))


def volume(name: str, *, capacity: int = 1 << 20, form: str = "qcow2", backing: str | None = None) -> str:
    root = E.volume(E.name(name), E.capacity(str(capacity), unit="bytes"), E.target(E.format(type=form)))
    if backing is not None:
        root.append(E.backingStore(E.path(backing), E.format(type="qcow2")))
    return text(root)


def snapshot(domain_xml: str) -> str:
    """The record of a snapshot of a domain that is off."""
    root = E.domainsnapshot(E.name("before"), E.state("shutoff"), E.creationTime("1"), etree.fromstring(domain_xml))
    return text(root)


def network(
    name: str,
    uuid: str,
    *,
    bridge: str,
    subnet: str,
    hosts: tuple[etree._Element, ...] = (),
    metadata: str | None = None,
) -> str:
    """An isolated network `subnet`.0/24 with DHCP."""
    root = E.network(E.name(name), E.uuid(uuid))
    if metadata is not None:
        root.append(E.metadata(etree.fromstring(metadata)))
    root.append(E.bridge(name=bridge))
    dhcp = E.dhcp(E.range(start=f"{subnet}.100", end=f"{subnet}.120"), *hosts)
    root.append(E.ip(dhcp, address=f"{subnet}.1", prefix="24"))
    return text(root)


def dhcp_host(*, mac: str | None = None, ip: str | None = None, name: str | None = None) -> etree._Element:
    fields = {"mac": mac, "name": name, "ip": ip}
    return E.host({key: value for key, value in fields.items() if value is not None})


def dns_host(ip: str | None, *names: str) -> etree._Element:
    return E.host({"ip": ip} if ip else {}, *(E.hostname(name) for name in names))


def dhcp_range(start: str, end: str) -> etree._Element:
    return etree.Element("range", start=start, end=end)


def dns_srv(**attributes: str) -> etree._Element:
    return etree.Element("srv", attributes)


def dns_txt(**attributes: str) -> etree._Element:
    return etree.Element("txt", attributes)


def port_group(**attributes: str) -> etree._Element:
    return etree.Element("portgroup", attributes)


def disk(path: str, *, target: str = "vda", serial: str = "root", bus: str = "virtio") -> etree._Element:
    return E.disk(
        E.driver(name="qemu", type="qcow2"),
        E.source(file=path),
        E.target(dev=target, bus=bus),
        E.serial(serial),
        type="file",
        device="disk",
    )


def nic(mac: str, network_name: str) -> etree._Element:
    return E.interface(E.mac(address=mac), E.source(network=network_name), E.model(type="virtio"), type="network")


def domain(
    name: str,
    uuid: str,
    *devices: etree._Element,
    vcpus: tuple[int, int] = (1, 2),
    memory: tuple[int, int] = (32768, 65536),
    machine: str = "q35",
    ports: int = 0,
) -> str:
    """A q35 domain under TCG. `vcpus` and `memory` (KiB) are current and maximum; `ports` are spare PCIe ports."""
    spare = [E.controller(type="pci", index=str(number + 1), model="pcie-root-port") for number in range(ports)]
    root = E.domain(
        E.name(name),
        E.uuid(uuid),
        E.memory(str(memory[1]), unit="KiB"),
        E.currentMemory(str(memory[0]), unit="KiB"),
        E.vcpu(str(vcpus[1]), current=str(vcpus[0])),
        E.os(E.type("hvm", arch="x86_64", machine=machine)),
        E.features(E.acpi()),
        E.devices(
            *spare,
            *devices,
            E.channel(E.target(type="virtio", name="org.vmstack.ready.0"), type="unix"),
            E.serial(type="pty"),
        ),
        type="qemu",
    )
    return text(root)
