"""Objects at a host that belong to somebody else."""

from lxml.builder import E

from tests.fake.host import FakeHost
from tests.fake.wire import text

POOL = "other-pool"
POOL_PATH = "/srv/other"
NETWORK = "other-net"
NETWORK_UUID = "0b5c1b4e-0000-4000-8000-000000000001"
RUNNING_UUID = "0b5c1b4e-0000-4000-8000-000000000002"
STOPPED_UUID = "0b5c1b4e-0000-4000-8000-000000000003"
SECRET_UUID = "0b5c1b4e-0000-4000-8000-000000000004"


def build(host: FakeHost, *, ledger: str | None = None) -> dict[str, str]:
    """Make a foreign pool with volumes, a network, a running and a stopped domain, and a secret.

    `ledger` is the description of a secret that looks like another stack's. Returns the part of the machine's dump
    that nobody may change.
    """
    other = host.connect()
    other.define_pool(
        text(
            E.pool(
                E.name(POOL), E.uuid("0b5c1b4e-0000-4000-8000-000000000005"), E.target(E.path(POOL_PATH)), type="dir"
            )
        )
    )
    other.build_pool(POOL)
    other.start_pool(POOL)
    for name in ("running.qcow2", "stopped.qcow2", "loose.img"):
        form = "raw" if name.endswith("img") else "qcow2"
        other.create_volume(POOL, text(E.volume(E.name(name), E.capacity(str(1 << 30)), E.target(E.format(type=form)))))
        other.machine.guest_writes(f"{POOL_PATH}/{name}")
    other.define_network(
        text(
            E.network(
                E.name(NETWORK),
                E.uuid(NETWORK_UUID),
                E.forward(mode="nat"),
                E.bridge(name="otherbr0"),
                E.ip(
                    E.dhcp(E.range(start="10.99.0.100", end="10.99.0.200")),
                    address="10.99.0.1",
                    prefix="24",
                ),
            )
        )
    )
    other.start_network(NETWORK_UUID)
    for uuid, name in ((RUNNING_UUID, "running"), (STOPPED_UUID, "stopped")):
        other.define_domain(domain(uuid, f"other-{name}", disk=f"{POOL_PATH}/{name}.qcow2", mac_end=uuid[-2:]))
    other.start_domain(RUNNING_UUID)
    other.define_secret(uuid=SECRET_UUID, usage="somebody:else", description=ledger or "not yours")
    return foreign_part(host)


def domain(uuid: str, name: str, *, disk: str, mac_end: str, network: str = NETWORK) -> str:
    """A domain as kcli might define it: the namespace of its metadata is a relative URI."""
    return text(
        E.domain(
            E.name(name),
            E.uuid(uuid),
            E.metadata(E("{kvirt}info", E("{kvirt}plan", "somebody's"))),
            E.memory("524288", unit="KiB"),
            E.vcpu("1"),
            E.os(E.type("hvm", arch="x86_64", machine="q35")),
            E.devices(
                E.disk(
                    E.driver(name="qemu", type="qcow2"),
                    E.source(file=disk),
                    E.target(dev="vda", bus="virtio"),
                    type="file",
                ),
                E.interface(
                    E.mac(address=f"52:54:00:99:00:{mac_end}"),
                    E.source(network=network),
                    E.model(type="virtio"),
                    type="network",
                ),
            ),
            type="qemu",
        )
    )


def foreign_part(host: FakeHost) -> dict[str, str]:
    """What `build` made, out of the machine's dump."""
    ours = ("other-", f"file {POOL_PATH}", f"directory {POOL_PATH}", "secret somebody:else")
    return {
        key: value
        for key, value in host.machine.dump().items()
        if key.partition(" ")[2].startswith("other-") or key.startswith(ours[1:])
    }
