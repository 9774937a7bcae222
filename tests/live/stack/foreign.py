"""Objects that vmstack did not make, beside a stack: a running domain, a network, a pool and a volume."""

from dataclasses import dataclass

from tests.live.stack.virsh import POOLS, dump, virsh
from tests.live.stack.workbench import Stack

_NETWORK = """
<network><name>{name}</name><bridge name='{bridge}'/>
  <ip address='{subnet}.129' netmask='255.255.255.128'>
    <dhcp><range start='{subnet}.140' end='{subnet}.150'/></dhcp>
  </ip>
</network>
"""
_DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><description>not ours &lt;at all&gt;</description>
  <metadata><kvirt:info xmlns:kvirt='kvirt'><kvirt:plan>theirs</kvirt:plan></kvirt:info></metadata>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><mac address='52:54:00:{mac}'/><source network='{network}'/></interface>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Neighbours:
    """Their names in libvirt."""

    domain: str
    network: str
    pool: str
    volume: str

    def dumps(self) -> dict[str, str]:
        """All that virsh says of them, live and inactive."""
        return {
            "domain": dump("domain", self.domain),
            "network": dump("net", self.network),
            "pool": dump("pool", self.pool),
            "volume": dump("vol", self.volume, "--pool", self.pool),
        }


def make_neighbours(stack: Stack) -> Neighbours:
    """Make and start them in the upper half of the stack's subnet, with names that its clean-up finds."""
    names = Neighbours(stack.name("their-vm"), stack.name("their-net"), stack.name("their-pool"), "their.qcow2")
    folder = POOLS / f"vmstack-{stack.prefix}-theirs"
    virsh("pool-define-as", names.pool, "dir", "--target", str(folder))
    virsh("pool-build", names.pool)
    virsh("pool-start", names.pool)
    virsh("vol-create-as", names.pool, names.volume, "1M", "--format", "qcow2")
    number = stack.subnet.rsplit(".", 1)[1]
    define(_NETWORK.format(name=names.network, bridge=f"lvf{number}", subnet=stack.subnet), kind="net")
    virsh("net-start", names.network)
    path = folder / names.volume
    mac = f"d9:{int(number):02x}:01"
    define(_DOMAIN.format(name=names.domain, path=path, network=names.network, mac=mac), kind="domain")
    virsh("start", names.domain)
    # Reading a file moves its access time once; from here on it stands still.
    path.read_bytes()
    virsh("pool-refresh", names.pool)
    return names


def define(xml: str, *, kind: str) -> None:
    """Define a domain or network."""
    virsh("define" if kind == "domain" else f"{kind}-define", "/dev/stdin", stdin=xml)
