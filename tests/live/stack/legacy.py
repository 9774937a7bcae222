"""Objects as the provider behind `pulumi_libvirt` 0.5.4 makes them, and the states that Pulumi and Terraform have."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.live.stack.foreign import define
from tests.live.stack.virsh import virsh
from tests.live.stack.workbench import Stack

USER_DATA = "#cloud-config\nhostname: web\n"
META_DATA = "local-hostname: web\n"
_NETWORK = """
<network><name>{name}</name><forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>
  <bridge name='{bridge}' stp='on' delay='0'/>
  <dns enable='yes'/>
  <ip address='{subnet}.1' netmask='255.255.255.0' family='ipv4'>
    <dhcp><range start='{subnet}.2' end='{subnet}.254'/>
      <host mac='{mac}' name='web' ip='{subnet}.10'/></dhcp>
  </ip>
</network>
"""
_DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><pae/><acpi/><apic/></features>
  <devices>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='qcow2'/><source pool='{pool}' volume='web.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='{folder}/init.iso'/><target dev='hdd' bus='ide'/>
      <serial>cloudinit</serial>
    </disk>
    <interface type='network'><mac address='{mac}'/><source network='{network}'/><model type='virtio'/></interface>
    <console type='pty'><target type='serial' port='0'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc' autoport='yes'><listen type='none'/></graphics>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Legacy:
    """What was made: names in libvirt and ids."""

    pool: str
    network: str
    domain: str
    folder: str
    mac: str
    ids: dict[str, str]


def build(stack: Stack, *, probe: str, work: Path) -> Legacy:
    """A pool with a base volume, an overlay and a cloud-init disk, a network, and a domain that runs on them."""
    pool, network, domain = stack.name("pool"), stack.name("net"), stack.name("web")
    folder, number = stack.pool_folder, int(stack.subnet.rsplit(".", 1)[1])
    mac = f"52:54:00:aa:{number:02x}:01"
    virsh("pool-define-as", pool, "dir", "--target", folder)
    virsh("pool-build", pool)
    virsh("pool-start", pool)
    virsh("pool-autostart", pool)
    virsh("vol-create-as", pool, "base.qcow2", "1", "--format", "qcow2")
    virsh("vol-upload", "base.qcow2", probe, "--pool", pool)
    virsh("pool-refresh", pool)
    size = virsh("vol-dumpxml", "base.qcow2", "--pool", pool).partition("<capacity unit='bytes'>")[2].partition("<")[0]
    base = f"{folder}/base.qcow2"
    virsh(
        *("vol-create-as", pool, "web.qcow2", size, "--format", "qcow2"),
        *("--backing-vol", base, "--backing-vol-format", "qcow2"),
    )
    iso = _build_iso(work)
    virsh("vol-create-as", pool, "init.iso", str(iso.stat().st_size), "--format", "raw")
    virsh("vol-upload", "init.iso", str(iso), "--pool", pool)
    define(_NETWORK.format(name=network, bridge=f"lvo{number}", subnet=stack.subnet, mac=mac), kind="net")
    virsh("net-start", network)
    define(_DOMAIN.format(name=domain, pool=pool, folder=folder, mac=mac, network=network), kind="domain")
    virsh("start", domain)
    ids = {
        "pool": _uuid("pool", pool),
        "network": virsh("net-uuid", network).strip(),
        "domain": virsh("domuuid", domain).strip(),
        "base": base,
        "root": f"{folder}/web.qcow2",
        "init": f"{folder}/init.iso;{uuid.uuid4()}",
    }
    return Legacy(pool, network, domain, folder, mac, ids)


def _uuid(kind: str, name: str) -> str:
    return virsh(f"{kind}-uuid", name).strip()


def _build_iso(work: Path) -> Path:
    """As the old provider calls mkisofs, all three files always there."""
    source, iso = work / "documents", work / "init.iso"
    source.mkdir(parents=True)
    (source / "user-data").write_text(USER_DATA)
    (source / "meta-data").write_text(META_DATA)
    (source / "network-config").write_text("")
    command = [
        "genisoimage",
        "-quiet",
        "-output",
        iso,
        "-volid",
        "cidata",
        "-joliet",
        "-rock",
        *sorted(source.iterdir()),
    ]
    subprocess.run(command, check=True)
    return iso


def pulumi_export(legacy: Legacy, *, project: str) -> str:
    """What `pulumi stack export` says of it, with its program's component and a secret."""
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:AAAA:BBBB"}
    parts = [
        ("pool/pool:Pool", "pool", "pool", {"name": legacy.pool}),
        ("network/network:Network", "lan", "network", {"name": legacy.network}),
        ("volume/volume:Volume", "base", "base", {"name": "base.qcow2", "pool": legacy.pool}),
        ("volume/volume:Volume", "root", "root", {"name": "web.qcow2", "pool": legacy.pool}),
        ("x", "init", "init", {"name": "init.iso", "pool": legacy.pool, "userData": secret}),
        ("domain/domain:Domain", "web", "domain", {"name": legacy.domain}),
    ]
    types = {"x": "libvirt:index/cloudInitDisk:CloudInitDisk"}
    resources = [
        {"urn": f"urn:pulumi:dev::{project}::pulumi:pulumi:Stack::{project}-dev", "custom": False,
         "type": "pulumi:pulumi:Stack"},
        {"urn": f"urn:pulumi:dev::{project}::unit:Machine::web", "custom": False, "type": "unit:Machine"},
        {"urn": f"urn:pulumi:dev::{project}::pulumi:providers:libvirt::kvm", "custom": True, "id": "1",
         "type": "pulumi:providers:libvirt", "inputs": {"uri": "qemu:///system"}},
        {"urn": f"urn:pulumi:dev::{project}::random:index/randomPet:RandomPet::pet", "custom": True, "id": "cat",
         "type": "random:index/randomPet:RandomPet"},
    ]  # fmt: skip
    for kind, name, what, outputs in parts:
        type_ = types.get(kind) or f"libvirt:index/{kind.partition('/')[2]}"
        parents = "unit:Machine$" if name in ("root", "web") else ""
        urn = f"urn:pulumi:dev::{project}::{parents}{type_}::{name}"
        resources.append({"urn": urn, "custom": True, "type": type_, "id": legacy.ids[what], "outputs": outputs})
    return json.dumps({"version": 3, "deployment": {"manifest": {}, "resources": resources}})


def tfstate(legacy: Legacy) -> str:
    """What Terraform says of it, from a program that calls things otherwise."""
    parts = [
        ("libvirt_pool", "storage", None, "pool", {"name": legacy.pool, "type": "dir", "path": legacy.folder}),
        ("libvirt_network", "net", None, "network", {"name": legacy.network}),
        ("libvirt_volume", "image", None, "base", {"name": "base.qcow2", "pool": legacy.pool}),
        ("libvirt_volume", "disk", 0, "root", {"name": "web.qcow2", "pool": legacy.pool}),
        ("libvirt_cloudinit_disk", "seed", None, "init", {"name": "init.iso", "pool": legacy.pool}),
        ("libvirt_domain", "vm", "web", "domain", {"name": legacy.domain}),
    ]
    resources = []
    for type_, name, index, what, attributes in parts:
        instance = {"schema_version": 0, "attributes": {"id": legacy.ids[what], **attributes}}
        if index is not None:
            instance["index_key"] = index
        provider = 'provider["registry.terraform.io/dmacvicar/libvirt"]'
        resources.append(
            {"mode": "managed", "type": type_, "name": name, "provider": provider, "instances": [instance]}
        )
    return json.dumps({"version": 4, "terraform_version": "1.5.7", "lineage": "l", "resources": resources})
