"""A host as people leave it: machines by virt-install, kcli, Terraform and by hand, on networks and pools of theirs."""

import string
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.live.stack.virsh import POOLS, URI
from tests.live.stack.workbench import Stack
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.model.specs import HostSpec

CASES = Path(__file__).parents[2] / "cases" / "found"
_SIZE = "64M"
_RUNNING = ("debian", "kcli", "xp")
_PAUSED = "pxe"
_OVERLAYS = {"kcli_0.img": "debian12.qcow2", "terraform.qcow2": "debian12.qcow2", "over.snap1": "over.qcow2"}
_RAW = ("Windows 10.img", "vmlinuz", "initrd")
_ISOS = ("virtio.iso", "kcli.ISO", "commoninit.iso")
_NETWORKS = {
    "nat": """
        <network><name>$prefix-nat</name><forward mode='nat'/><bridge name='${bridge}n' stp='on'/><mtu size='1400'/>
          <domain name='lab.test' localOnly='yes'/>
          <dns><forwarder domain='corp.test' addr='192.0.2.53'/><txt name='who' value='them'/>
            <srv service='ldap' protocol='tcp' domain='lab.test' target='a.lab.test' port='389' priority='10'/>
            <host ip='$subnet.9'><hostname>printer</hostname><hostname>printer.lab.test</hostname></host></dns>
          <ip address='$subnet.1' netmask='255.255.255.192'>
            <dhcp><range start='$subnet.20' end='$subnet.50'/>
              <host mac='52:54:00:5b:d0:01' name='$prefix-kcli' ip='$subnet.11'/>
              <host mac='52:54:00:5b:d0:99' name='nobody' ip='$subnet.12'/></dhcp></ip>
          <portgroup name='slow'><bandwidth><inbound average='1000'/></bandwidth></portgroup>
        </network>""",
    "route": """
        <network><name>$prefix-route</name><forward mode='route'/><bridge name='${bridge}r'/>
          <ip address='$subnet.126' prefix='26'><dhcp><range start='$subnet.70' end='$subnet.80'/></dhcp></ip>
          <ip family='ipv6' address='fd00:${number}::1' prefix='64'/>
          <route address='198.51.100.0' prefix='24' gateway='$subnet.65'/></network>""",
    "isolated": "<network><name>$prefix-isolated</name><bridge name='${bridge}i'/>"
    "<ip address='$subnet.129' prefix='26'/></network>",
    "bridged": "<network><name>$prefix-bridged</name><forward mode='bridge'/><bridge name='br0'/></network>",
    "macvtap": "<network><name>$prefix-macvtap</name>"
    "<forward mode='private'><interface dev='eth0'/></forward></network>",
    "off": "<network><name>$prefix-off</name><bridge name='${bridge}o'/></network>",
}


@dataclass(frozen=True)
class Findings:
    """What was made. `running` are the UUIDs of guests that run, `names` those in libvirt of all domains."""

    running: tuple[str, ...]
    names: tuple[str, ...]


def make_findings(stack: Stack) -> Findings:
    """Make everything with names that the stack's clean-up finds."""
    folder, outside = Path(stack.pool_folder), POOLS / f"vmstack-{stack.prefix}-outside"
    for path in (folder, outside):
        path.mkdir()
    number = stack.subnet.rsplit(".", 1)[1]
    values = {
        "prefix": stack.prefix, "folder": str(folder), "outside": str(outside), "subnet": stack.subnet,
        "bridge": f"lvd{number}", "number": number,
    }  # fmt: skip
    documents = {path.stem.rpartition("-")[2]: path.read_text() for path in sorted(CASES.glob("*.xml"))}
    texts = {name: string.Template(text).substitute(values) for name, text in documents.items()}
    _make_files(folder, outside, texts=texts)
    driver = connect(HostSpec(name="here", uri=URI), readonly=False)
    try:
        pool = f"{stack.prefix}-pool"
        driver.define_pool(f"<pool type='dir'><name>{pool}</name><target><path>{folder}</path></target></pool>")
        driver.start_pool(pool)
        return _define(driver, texts, values=values, prefix=stack.prefix)
    finally:
        driver.close()


def _make_files(folder: Path, outside: Path, *, texts: dict[str, str]) -> None:
    images = ["debian12.qcow2", "over.qcow2"]
    for line in "\n".join(texts.values()).splitlines():
        name = line.partition(f"{folder}/")[2].partition('"')[0]
        if name.endswith(".qcow2"):
            images.append(name)
    commands = [f"qemu-img create -q -f qcow2 '{folder}/{name}' {_SIZE}" for name in sorted({*images})]
    commands += [
        f"qemu-img create -q -f qcow2 -F qcow2 -b '{folder}/{below}' '{folder}/{name}'"
        for name, below in _OVERLAYS.items()
    ]
    subprocess.run(["sh", "-ec", "\n".join(commands)], check=True)  # one shell for all: processes are slow here
    for path in (*(folder / name for name in (*_RAW, *_ISOS)), outside / "raw.img"):
        with path.open("wb") as file:
            file.truncate(1 << 20)


def _define(driver: Driver, texts: dict[str, str], *, values: dict[str, str], prefix: str) -> Findings:
    for text in _NETWORKS.values():
        driver.define_network(string.Template(text).substitute(values))
    for network in driver.networks():
        if network.name.startswith(f"{prefix}-") and not network.name.endswith("-off"):
            driver.start_network(network.uuid)
    for text in texts.values():
        driver.define_domain(text.replace("</name>", f"</name><uuid>{uuid.uuid4()}</uuid>", 1))
    domains = {domain.name: domain for domain in driver.domains() if domain.name.startswith(f"{prefix}-")}
    started = [domains[f"{prefix}-{name}"].uuid for name in (*_RUNNING, _PAUSED)]
    for one in started:
        driver.start_domain(one)
    driver.set_domain_autostart(started[0], enabled=True)
    subprocess.run(["virsh", "-q", "-c", URI, "suspend", started[-1]], check=True)
    return Findings(running=tuple(started), names=tuple(sorted(domains)))
