"""`vmstack import KIND NAME ID` and `import_` of native resources, from end to end on a fake host."""

import json

import pytest
from lxml import etree
from lxml.builder import E

from tests.fake.host import FakeHost
from tests.fake.wire import text
from tests.unit.cli.test_commands import run, write_stack
from vmstack.hosts.ledger import HostLedger
from vmstack.model.identity import StackId
from vmstack.model.ownership import Ledger, LedgerEntry, Stamp
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

STACK = StackId("shop", "dev")
VM, NET, POOL = (f"5e0c1b4e-0000-4000-8000-00000000001{number}" for number in "abc")
MAC = "52:54:00:12:34:57"
NAMED = {
    "pool": "vmpool",
    "lan": "old net",
    "base": "vmpool/debian 12.qcow2",
    "root": "/pools/vm/web.qcow2",
    "web": "web (1)",
}
PROGRAM = """
import pulumi
from vmstack import Disk, Host, Network, Nic, StoragePool, VirtualMachine, Volume


def found(id):
    return pulumi.ResourceOptions(import_=id) if {named} else None


kvm = Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", path="/pools/vm", label="vmpool", opts=found("vmpool"))
lan = Network("lan", cidr="10.20.0.0/24", dhcp=("10.20.0.2", "10.20.0.254"), label="old net", opts=found("old net"))
base = Volume.existing("base", pool=pool, label="debian 12.qcow2")
root = Volume("root", pool=pool, base=base, size="2GiB", label="web.qcow2", opts=found("/pools/vm/web.qcow2"))
web = VirtualMachine(
    "web", label="web (1)", memory="512MiB", disks=[Disk("vda", volume=root)], networks=[Nic(lan.dhcp())],
    autostart=False, opts=found("web (1)"),
)
pulumi.export("mac", web.mac)
"""


@pytest.fixture
def stack(folder, monkeypatch):
    monkeypatch.setenv("VMSTACK_STACK", "dev")
    folder.mkdir()
    return folder


@pytest.fixture
def old(host: FakeHost) -> FakeHost:
    """What somebody made there by hand: a running guest over a base image, with a drive and a NIC besides."""
    host.define_pool(text(E.pool(E.name("vmpool"), E.uuid(POOL), E.target(E.path("/pools/vm")), type="dir")))
    host.build_pool("vmpool")
    host.start_pool("vmpool")
    host.set_pool_autostart("vmpool", enabled=True)
    for name, below in (("debian 12.qcow2", None), ("web.qcow2", "debian 12.qcow2")):
        volume = E.volume(E.name(name), E.capacity(str(2 << 30)), E.target(E.format(type="qcow2")))
        if below is not None:
            volume.append(E.backingStore(E.path(f"/pools/vm/{below}"), E.format(type="qcow2")))
        host.create_volume("vmpool", text(volume))
    host.define_network(
        text(
            E.network(
                E.name("old net"), E.uuid(NET), E.forward(mode="nat"), E.bridge(name="virbr9"),
                E.ip(E.dhcp(E.range(start="10.20.0.2", end="10.20.0.254")), address="10.20.0.1", prefix="24"),
            )
        )
    )  # fmt: skip
    host.start_network(NET)
    host.set_network_autostart(NET, enabled=True)
    host.define_domain(
        text(
            E.domain(
                E.name("web (1)"), E.uuid(VM), E.memory("524288", unit="KiB"), E.vcpu("1"),
                E.os(E.type("hvm", arch="x86_64", machine="pc-i440fx-7.2")),
                E.devices(
                    E.disk(E.driver(name="qemu", type="qcow2"), E.source(file="/pools/vm/web.qcow2"),
                           E.target(dev="vda", bus="virtio"), type="file", device="disk"),
                    E.disk(E.target(dev="hda", bus="ide"), E.readonly(), type="file", device="cdrom"),
                    E.interface(E.mac(address=MAC), E.source(network="old net"), E.model(type="virtio"),
                                type="network"),
                    E.interface(E.mac(address="52:54:00:12:34:58"), E.source(bridge="br0"), type="bridge"),
                ),
                type="qemu",
            )
        )
    )  # fmt: skip
    host.start_domain(VM)
    return host


def _write(folder, *, named: bool) -> None:
    write_stack(folder, PROGRAM.format(named=named))


def test_what_a_program_names_is_taken_over_by_names_and_paths(stack, old, capsys):
    _write(stack, named=True)
    before = old.domain(VM)
    assert run("plan", stack) == 0
    out = capsys.readouterr().out
    assert "Import: 4 to take over, 0 held already, 0 not found, 0 left as they are." in out
    assert "A plan after it is empty" in out
    assert run("apply", stack, "--yes") == 0
    capsys.readouterr()
    assert run("plan", stack, "--detailed-exitcode") == 0
    shown = capsys.readouterr()
    assert "No changes." in shown.out
    assert "added outside" not in shown.out + shown.err  # the drive and the bridge were there before
    after = old.domain(VM)
    assert (after.state, after.live_xml is not None) == (before.state, True)
    stamp = read_stamp(after.xml)
    assert stamp.adopted.left == ("disks[hda]", "nics[52:54:00:12:34:58]")
    assert stamp.adopted.nics == {"lan": MAC}
    # Nothing hangs on the names that led there.
    _write(stack, named=False)
    assert run("plan", stack, "--detailed-exitcode") == 0


def test_one_object_after_the_other_is_taken_over(stack, old, capsys):
    _write(stack, named=False)
    assert run("import", "-C", stack, "vm", "web", "web (1)", "--yes") == 1
    assert "vmstack import pool pool vmpool" in capsys.readouterr().err
    for kind, name, id in (
        ("pool", "pool", POOL), ("volume", "root", "web.qcow2"), ("network", "lan", "old net"),
        ("vm", "web", VM.upper()),
    ):  # fmt: skip
        assert run("import", "-C", stack, kind, name, id, "--preview") == 0
        assert f"{kind}.{name}" in capsys.readouterr().out
        assert run("import", "-C", stack, kind, name, id) == 1
        assert "no terminal to ask at" in capsys.readouterr().err
        assert run("import", "-C", stack, kind, name, id, "--yes", "--json") == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines[-1]["changes"] == {"import": 1, "operation": "import"}
    assert run("plan", stack, "--detailed-exitcode") == 0
    assert run("import", "-C", stack, "vm", "web", "web (1)", "--yes") == 0
    assert "1 held already" in capsys.readouterr().out


def test_bad_imports_of_one_object(stack, old, capsys):
    _write(stack, named=False)
    old.set_domain_metadata(VM, xml=write_stamp(Stamp(path="a/b/vm/c", digest="d")), namespace=NAMESPACE, live=True)
    theirs = StackId("other", "dev")
    entry = LedgerEntry(name="x", role="pool", pool="vmpool")
    HostLedger(old, theirs).write(Ledger(stack=theirs, entries=(entry,)))
    for arguments, code, why in (
        (("vm", "web", "nobody"), 1, "vm.web: its host has no vm 'nobody'"),
        (("vm", "webb", "web (1)"), 1, "the program has no vm.webb"),
        (("volume", "base", "vmpool/debian 12.qcow2"), 1, "the program only refers to it"),
        (("vm", "web", "web (1)"), 5, "the domain 'web (1)' is a/b/vm/c already"),
        (("pool", "pool", "vmpool"), 5, "is of the stack other/dev already"),
        (("volume", "root", "vmpool/debian 12.qcow2"), 1, "is called 'debian 12.qcow2' in libvirt"),
        (("disk", "root", "x"), 1, "is neither a folder nor KIND NAME ID"),
        (("vm", "web"), 1, "is neither a folder nor KIND NAME ID"),
        (("vm", "web", "x", "--map", "a=b"), 1, "--map is for states"),
        (("vm", "web", "x", "--from-pulumi", "y"), 1, "say what to import from"),
    ):
        assert run("import", "-C", stack, *arguments, "--yes") == code
        assert why in capsys.readouterr().err
    assert HostLedger(old, STACK).read() is None


def test_what_the_stack_holds_may_go_from_the_host_though_it_is_named(stack, old, capsys):
    _write(stack, named=True)
    assert run("apply", stack, "--yes") == 0
    old.power_off_domain(VM)
    old.delete_volume("vmpool", "web.qcow2")
    capsys.readouterr()
    assert run("plan", stack) == 5  # as any volume with data that is missing
    assert "volume.root holds data and is missing on its host" in capsys.readouterr().err


def test_channels_of_the_program_come_and_go_beside_those_that_were_there(stack, old, capsys):
    old.power_off_domain(VM)
    channel = E.channel(E.target(type="virtio", name="org.theirs.0"), type="unix")
    root = etree.fromstring(old.domain(VM).xml)
    root.find("devices").append(channel)
    old.define_domain(text(root))
    program = PROGRAM.format(named=True).replace("autostart=False", "autostart=False, running=False")
    write_stack(stack, program)
    assert run("apply", stack, "--yes") == 0
    write_stack(
        stack,
        program.replace("import Disk", "import Channel, Disk").replace(
            "autostart=False", 'autostart=False, devices=[Channel("org.ours.0")]'
        ),
    )
    assert run("apply", stack, "--yes") == 0
    assert _channels(old) == ["org.theirs.0", "org.ours.0"]
    assert run("plan", stack, "--detailed-exitcode") == 0
    write_stack(stack, program)
    assert run("apply", stack, "--yes") == 0
    assert _channels(old) == ["org.theirs.0"]


def _channels(host: FakeHost) -> list[str]:
    return [item.get("name") for item in etree.fromstring(host.domain(VM).xml).findall("devices/channel/target")]
