"""What people do at a host by hand, as with virsh: each drift takes any object that it finds of the stack's."""

from collections.abc import Callable

from lxml import etree

from tests.fake.host import FakeHost
from tests.fake.machine import Content, Domain, File, Network
from tests.fake.wire import text
from tests.property.stacks import StackWish
from vmstack.errors import VmstackError

Drift = Callable[[FakeHost, StackWish, int], None]


def _domains(host: FakeHost, wish: StackWish) -> list[Domain]:
    return [domain for domain in host.machine.domains.values() if domain.name.startswith(f"{wish.name}-")]


def _networks(host: FakeHost, wish: StackWish) -> list[Network]:
    return [network for network in host.machine.networks.values() if network.name.startswith(f"{wish.name}-")]


def _on_domain(change: Callable[[FakeHost, Domain], None]) -> Drift:
    def drift(host: FakeHost, wish: StackWish, pick: int) -> None:
        found = _domains(host, wish)
        if found:
            change(host, found[pick % len(found)])

    return drift


def _on_network(change: Callable[[FakeHost, Network], None]) -> Drift:
    def drift(host: FakeHost, wish: StackWish, pick: int) -> None:
        found = _networks(host, wish)
        if found:
            change(host, found[pick % len(found)])

    return drift


def _edited(xml: str, edit: Callable[[etree._Element], None]) -> str:
    root = etree.fromstring(xml.encode())
    edit(root)
    return text(root)


def _suspend(host: FakeHost, domain: Domain) -> None:
    if domain.live_xml is not None:
        domain.state = "paused"


def _shut_down(host: FakeHost, domain: Domain) -> None:
    host.shutdown_domain(domain.uuid)
    host.wait_for_domain(domain.uuid, until=lambda now: now is None or now.live_xml is None, timeout=60)


def _remove_device(path: str) -> Callable[[FakeHost, Domain], None]:
    def change(host: FakeHost, domain: Domain) -> None:
        def edit(root: etree._Element) -> None:
            found = root.find(path)
            if found is not None:
                found.getparent().remove(found)

        host.define_domain(_edited(domain.xml, edit))

    return change


def _set(path: str, value: str) -> Callable[[FakeHost, Domain], None]:
    def change(host: FakeHost, domain: Domain) -> None:
        def edit(root: etree._Element) -> None:
            root.find(path).text = value

        host.define_domain(_edited(domain.xml, edit))

    return change


def _attach_alien_disk(host: FakeHost, domain: Domain) -> None:
    host.machine.make_directory("/srv/alien")
    host.machine.files.setdefault("/srv/alien/x.img", File("/srv/alien/x.img", "raw", 1024, Content.blank(1024)))
    host.attach_device(
        domain.uuid,
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/alien/x.img'/>"
        "<target dev='vdz' bus='virtio'/></disk>",
        live=False,
        config=True,
    )


def _attach_alien_card(host: FakeHost, domain: Domain) -> None:
    xml = "<interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='other-net'/></interface>"
    host.attach_device(domain.uuid, xml, live=False, config=True)


def _delete_volume(suffix: str) -> Drift:
    def drift(host: FakeHost, wish: StackWish, pick: int) -> None:
        pool = f"{wish.name}-pool"
        names = sorted(name for name in host.machine.pools[pool].names if suffix in name)
        if names:
            host.delete_volume(pool, names[pick % len(names)])

    return drift


def _alien_volume(host: FakeHost, wish: StackWish, pick: int) -> None:
    host.create_volume(f"{wish.name}-pool", f"<volume><name>alien{pick}.img</name><capacity>1024</capacity></volume>")


def _forget_pool(host: FakeHost, wish: StackWish, pick: int) -> None:
    host.stop_pool(f"{wish.name}-pool")
    host.undefine_pool(f"{wish.name}-pool")


def _add_lease(host: FakeHost, network: Network) -> None:
    prefix = etree.fromstring(network.xml.encode()).find("ip").get("address").rpartition(".")[0]
    host.update_network(
        network.uuid,
        command="add",
        section="ip-dhcp-host",
        xml=f"<host mac='52:54:00:dd:dd:dd' ip='{prefix}.77'/>",
        parent_index=-1,
        live=network.live_xml is not None,
        config=True,
    )


def _drop_dns(host: FakeHost, network: Network) -> None:
    def edit(root: etree._Element) -> None:
        dns = root.find("dns")
        if dns is not None:
            root.remove(dns)

    host.define_network(_edited(network.xml, edit))


def _set_network_attribute(path: str, name: str, value: str) -> Callable[[FakeHost, Network], None]:
    def change(host: FakeHost, network: Network) -> None:
        def edit(root: etree._Element) -> None:
            found = root.find(path)
            if found is not None:
                found.set(name, value)

        host.define_network(_edited(network.xml, edit))

    return change


DRIFTS: dict[str, Drift] = {
    "power off": _on_domain(lambda host, domain: host.power_off_domain(domain.uuid)),
    "start": _on_domain(lambda host, domain: host.start_domain(domain.uuid)),
    "suspend": _on_domain(_suspend),
    "undefine": _on_domain(lambda host, domain: host.undefine_domain(domain.uuid)),
    "power off and undefine": _on_domain(
        lambda host, domain: (host.power_off_domain(domain.uuid), host.undefine_domain(domain.uuid))
    ),
    "shut down": _on_domain(_shut_down),
    "flip autostart": _on_domain(
        lambda host, domain: host.set_domain_autostart(domain.uuid, enabled=not domain.autostart)
    ),
    "vcpus live": _on_domain(lambda host, domain: host.set_vcpus(domain.uuid, 4, live=True, config=False)),
    "vcpus config": _on_domain(lambda host, domain: host.set_vcpus(domain.uuid, 4, live=False, config=True)),
    "memory live": _on_domain(lambda host, domain: host.set_memory(domain.uuid, 131072, live=True, config=False)),
    "memory config": _on_domain(lambda host, domain: host.set_memory(domain.uuid, 131072, live=False, config=True)),
    "description": _on_domain(lambda host, domain: host.set_description(domain.uuid, "by hand", live=False)),
    "maximum memory": _on_domain(_set("memory", str(3 << 20))),
    "alien disk": _on_domain(_attach_alien_disk),
    "alien card": _on_domain(_attach_alien_card),
    "disk taken": _on_domain(_remove_device("devices/disk")),
    "card taken": _on_domain(_remove_device("devices/interface")),
    "channel taken": _on_domain(_remove_device("devices/channel")),
    "root deleted": _delete_volume("-root"),
    "data deleted": _delete_volume("data"),
    "seed deleted": _delete_volume("-seed-"),
    "base deleted": _delete_volume("debian"),
    "alien volume": _alien_volume,
    "pool stopped": lambda host, wish, pick: host.stop_pool(f"{wish.name}-pool"),
    "pool forgotten": _forget_pool,
    "pool autostart": lambda host, wish, pick: host.set_pool_autostart(f"{wish.name}-pool", enabled=bool(pick % 2)),
    "network stopped": _on_network(lambda host, network: host.stop_network(network.uuid)),
    "network undefined": _on_network(lambda host, network: host.undefine_network(network.uuid)),
    "network gone": _on_network(
        lambda host, network: (host.stop_network(network.uuid), host.undefine_network(network.uuid))
    ),
    "network autostart": _on_network(
        lambda host, network: host.set_network_autostart(network.uuid, enabled=not network.autostart)
    ),
    "lease added": _on_network(_add_lease),
    "dns dropped": _on_network(_drop_dns),
    "network range": _on_network(_set_network_attribute("ip/dhcp/range", "end", "10.0.0.9")),
    "network mode": _on_network(_set_network_attribute("forward", "mode", "route")),
}


def drift(host: FakeHost, wish: StackWish, name: str, pick: int) -> bool:
    """Do it as somebody else at the host would; whether the host let them."""
    try:
        DRIFTS[name](host.connect(), wish, pick)
    except VmstackError:
        return False
    return True
