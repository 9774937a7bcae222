"""The yardstick: the same libvirt calls as vmstack needs, written as a bare libvirt-python script.

bare.py read POOL                  reads every domain, network, pool, volume and secret that a plan has to read
bare.py create POOL BASE COUNT     COUNT linked clones with seeds, defined and not started, with 8 threads
bare.py remove PREFIX POOL         takes away what `create` made
"""

import io
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import libvirt
import pycdlib
from lxml import etree

THREADS = 8
URI = "qemu:///system"


def element(tag: str, text: str | None = None, /, *children: etree._Element, **attributes: str) -> etree._Element:
    node = etree.Element(tag, attributes)
    node.text = text
    node.extend(children)
    return node


def render(node: etree._Element) -> str:
    return etree.tostring(node, encoding="unicode")


def read(pool_name: str) -> None:
    connection = libvirt.openReadOnly(URI)
    pool = connection.storagePoolLookupByName(pool_name)

    def read_domain(domain: libvirt.virDomain) -> None:
        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        state, _ = domain.state()
        domain.autostart()
        if state == libvirt.VIR_DOMAIN_RUNNING:
            domain.XMLDesc(0)

    def read_network(network: libvirt.virNetwork) -> None:
        network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        network.autostart()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read_domain, connection.listAllDomains()))
        list(threads.map(read_network, connection.listAllNetworks()))
        list(threads.map(lambda each: each.XMLDesc(0), connection.listAllStoragePools()))
        list(threads.map(lambda each: each.XMLDesc(0), pool.listAllVolumes()))
        list(threads.map(lambda each: each.XMLDesc(0), connection.listAllSecrets()))


def build_seed(name: str) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.new(joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {"user-data": "#cloud-config\nhostname: " + name + "\n", "meta-data": "instance-id: " + name + "\n"}
    for number, (file, text) in enumerate(sorted(files.items())):
        data = text.encode()
        iso.add_fp(io.BytesIO(data), len(data), f"/F{number}.;1", rr_name=file, joliet_path="/" + file)
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def volume_xml(name: str, *, capacity: int, format: str, backing: str | None = None) -> str:
    target = element("target", None, element("format", type=format))
    node = element("volume", None, element("name", name), element("capacity", str(capacity), unit="bytes"), target)
    if backing:
        node.append(element("backingStore", None, element("path", backing), element("format", type="qcow2")))
    return render(node)


def disk(path: str, *, format: str, target: str, serial: str, backing: str | None = None) -> etree._Element:
    node = element("disk", None, type="file", device="disk")
    node.append(element("driver", name="qemu", type=format))
    node.append(element("source", file=path))
    store = element("backingStore")
    if backing:
        store = element(
            "backingStore", None, element("format", type="qcow2"), element("source", file=backing), type="file"
        )
    node.append(store)
    node.append(element("target", dev=target, bus="virtio"))
    node.append(element("serial", serial))
    return node


def create(pool_name: str, base: str, count: int) -> None:
    base_path = libvirt.open(URI).storagePoolLookupByName(pool_name).storageVolLookupByName(base).path()
    own = threading.local()

    def connect() -> None:
        # A thread, a connection: on a shared one libvirtd loses replies while a stream ends (9.0), and this hangs.
        own.connection = libvirt.open(URI)
        own.pool = own.connection.storagePoolLookupByName(pool_name)

    def create_one(number: int) -> None:
        connection, pool = own.connection, own.pool
        name = f"bare-{number}"
        overlay = pool.createXML(volume_xml(f"{name}.qcow2", capacity=10 * 2**30, format="qcow2", backing=base_path))
        iso = build_seed(name)
        seed = pool.createXML(volume_xml(f"{name}.iso", capacity=len(iso), format="raw"))
        stream = connection.newStream()
        seed.upload(stream, 0, len(iso))
        stream.send(iso)
        stream.finish()
        devices = element("devices")
        devices.append(disk(overlay.path(), format="qcow2", target="vda", serial="root", backing=base_path))
        devices.append(disk(seed.path(), format="raw", target="vdb", serial="seed"))
        nic = element(
            "interface", None, element("source", network="bench"), element("model", type="virtio"), type="network"
        )
        devices.append(nic)
        devices.append(element("serial", type="pty"))
        devices.append(element("controller", type="pci", model="pcie-root"))
        for _ in range(8):
            devices.append(element("controller", type="pci", model="pcie-root-port"))
        domain = element(
            "domain",
            None,
            element("name", name),
            element("uuid", str(uuid.uuid4())),
            element("memory", "512", unit="MiB"),
            element("vcpu", "1"),
            element("os", None, element("type", "hvm", arch="x86_64", machine="q35")),
            devices,
            type="qemu",
        )
        connection.defineXML(render(domain))

    with ThreadPoolExecutor(THREADS, initializer=connect) as threads:
        list(threads.map(create_one, range(count)))


def remove(prefix: str, pool_name: str) -> None:
    connection = libvirt.open(URI)
    for domain in connection.listAllDomains():
        if domain.name().startswith(prefix):
            domain.undefine()
    for volume in connection.storagePoolLookupByName(pool_name).listAllVolumes():
        if volume.name().startswith(prefix):
            volume.delete()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["read", pool_argument]:
            read(pool_argument)
        case ["create", pool_argument, base_argument, count_argument]:
            create(pool_argument, base_argument, int(count_argument))
        case ["remove", prefix_argument, pool_argument]:
            remove(prefix_argument, pool_argument)
        case _:
            sys.exit(__doc__)
