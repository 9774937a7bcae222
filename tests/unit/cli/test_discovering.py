"""`vmstack discover` from end to end on a fake host: whose things are, and a program for what is nobody's."""

import json

import pytest
from lxml.builder import E

from tests.fake.host import FakeHost
from tests.fake.wire import text
from tests.unit.cli.test_commands import run, write_stack
from vmstack.hosts.ledger import HostLedger
from vmstack.model.identity import StackId
from vmstack.model.ownership import Adopted, EntryState, Ledger, LedgerEntry, Stamp
from vmstack.xmlio.stamp import NAMESPACE, write_stamp

PROGRAM = 'from vmstack import Host, Network\nNetwork("own", cidr="10.8.0.0/24", host=Host("kvm"))\n'
UUIDS = {name: f"6e0c1b4e-0000-4000-8000-00000000002{number}" for number, name in enumerate(
    ("web", "db", "theirs", "copy", "passing", "far", "old", "lan", "wide", "idle"))}  # fmt: skip


def _domain(name: str, *devices, memory: int = 262144) -> str:
    return text(
        E.domain(
            E.name(name), E.uuid(UUIDS[name]), E.memory(str(memory), unit="KiB"), E.vcpu("1"),
            E.os(E.type("hvm", arch="x86_64", machine="q35")), E.devices(*devices), type="qemu",
        )
    )  # fmt: skip


def _disk(path: str, *, target: str = "vda", bus: str = "virtio"):
    return E.disk(
        E.driver(name="qemu", type="qcow2"), E.source(file=path), E.target(dev=target, bus=bus),
        type="file", device="disk",
    )  # fmt: skip


def _nic(number: int, network: str):
    return E.interface(
        E.mac(address=f"52:54:00:aa:bb:{number:02x}"), E.source(network=network), E.model(type="virtio"), type="network"
    )


@pytest.fixture
def found(host: FakeHost) -> FakeHost:
    """A host that several people use."""
    host.define_pool(text(E.pool(E.name("vms"), E.target(E.path("/pools/vms")), type="dir")))
    host.build_pool("vms")
    host.start_pool("vms")
    for name in ("web.qcow2", "db.qcow2", "theirs.qcow2", "spare.qcow2"):
        host.create_volume(
            "vms", text(E.volume(E.name(name), E.capacity("1073741824"), E.target(E.format(type="qcow2"))))
        )
    for name, *subnets in (("lan", "10.7.0.1"), ("wide", "10.6.1.1", "10.6.2.1"), ("idle", "10.5.0.1")):
        network = E.network(E.name(name), E.uuid(UUIDS[name]), E.forward(mode="nat"), E.bridge(name=f"br{name}"))
        network.extend([E.ip(address=address, prefix="24") for address in subnets])
        host.define_network(text(network))
        if name != "idle":
            host.start_network(UUIDS[name])
    host.define_domain(_domain("web", _disk("/pools/vms/web.qcow2"), _nic(1, "lan"), _nic(2, "wide")))
    host.start_domain(UUIDS["web"])
    host.define_domain(
        _domain("db", _disk("/pools/vms/db.qcow2"), _disk("/else/data.qcow2", target="vdb"), _nic(3, "idle"))
    )
    for name in ("theirs", "copy"):
        host.define_domain(_domain(name, _disk("/pools/vms/theirs.qcow2") if name == "theirs" else _nic(4, "lan")))
        stamp = Stamp(path="other/prod/vm/theirs", digest="d", adopted=Adopted(uuid=UUIDS["theirs"]))
        host.set_domain_metadata(UUIDS[name], xml=write_stamp(stamp), namespace=NAMESPACE, live=False)
    theirs = StackId("other", "prod")
    entry = LedgerEntry(name="theirs-root", role="volume", pool="vms", label="theirs.qcow2", state=EntryState.READY)
    HostLedger(host, theirs).write(Ledger(stack=theirs, entries=(entry,)))
    host.define_domain(_domain("passing"))
    host.start_domain(UUIDS["passing"])
    host.undefine_domain(UUIDS["passing"])
    return host


def test_everything_is_listed_with_its_owner(folder, found, capsys):
    assert run("discover") == 0
    out = capsys.readouterr().out
    assert "The stack other/prod's:\n    vm       theirs            shutoff  vm.theirs" in out
    assert "    volume   vms/theirs.qcow2  in use  volume.theirs-root" in out
    assert "a copy of other/prod/vm/theirs" in out
    assert "passing          running  transient" in out
    folder.mkdir()
    write_stack(folder, PROGRAM)
    assert run("apply", folder, "--yes") == 0
    capsys.readouterr()
    assert run("discover", "-C", folder, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["stack"] == "shop/dev"
    owners = {item["name"]: item["owner"] for item in document["hosts"][0]["objects"]}
    assert owners["own"] == {"stack": "shop/dev", "address": "network.own"}
    assert owners["web"] is None
    assert owners["vms/theirs.qcow2"] == {"stack": "other/prod", "address": "volume.theirs-root"}
    assert run("discover", "-C", folder) == 0
    assert "This stack's:\n    network  own  active  network.own" in capsys.readouterr().out


def test_a_program_is_written_and_takes_over(folder, found, capsys):
    assert run("discover", "--generate", folder) == 0
    out = capsys.readouterr().out
    for line in (
        "vm copy: it has the mark of other/prod/vm/theirs, whose copy it is; to go on: take the mark off",
        "vm passing: it is transient",
        "vm theirs: it is vm.theirs of the stack other/prod",
        "network wide: it has several subnets of one family",
        "network idle: it is not active; to go on: start it: virsh net-start idle",
        "The program takes over 6 objects as they are",
    ):
        assert line in out
    program = (folder / "__main__.py").read_text()
    assert "# * vm 'passing': it is transient" in program
    assert "disk vdb (virtio): /else/data.qcow2 is in no directory pool" in program.replace("\n#   ", " ")
    assert "NIC 52:54:00:aa:bb:03: its network 'idle' is not active" in program.replace("\n#   ", " ")
    assert 'wide = Network.existing("wide")' in program
    state = found.domain(UUIDS["web"])
    assert run("plan", folder) == 0
    assert "A plan after it is empty" in capsys.readouterr().out
    assert run("apply", folder, "--yes") == 0
    assert "No changes." in capsys.readouterr().out
    assert found.domain(UUIDS["web"]).state == state.state == "running"
    assert run("plan", folder, "--detailed-exitcode") == 0
    # What nobody owned is owned now: there is nothing left for a second program.
    assert run("discover", "--generate", folder / "more") == 1
    assert "nothing is there that a program could take over" in capsys.readouterr().err


def test_fields_that_would_change_are_ignored_and_what_cannot_be_is_left_out(folder, found, capsys):
    found.set_memory(UUIDS["web"], 131072, live=True, config=False)
    found.define_domain(
        _domain("old", E.disk(E.target(dev="sda", bus="sata"), E.readonly(), type="file", device="cdrom"))
    )
    assert run("discover", "--generate", folder, "--select", "web", "--select", "old", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["taken"] == ["vm.old", "vm.web", "volume.web-vda"]
    program = (folder / "__main__.py").read_text()
    assert 'ignore_changes=["memory"]' in program
    assert 'vms = StoragePool.existing("vms", path="/pools/vms")' in program


def test_bad_command_lines(folder, found, capsys, monkeypatch):
    folder.mkdir()
    (folder / "__main__.py").write_text("# mine\n")
    for arguments, why in (
        (("--generate", folder), "is there already"),
        (
            ("--generate", folder / "new", "--select", "nobody*"),
            "--select 'nobody*' names no VM, network or pool of the host",
        ),
        ((folder,), "DIR and --select belong to --generate"),
        (("--select", "x"), "DIR and --select belong to --generate"),
        (("-C", folder), "holds no Pulumi.yaml"),
        (("--generate", "a", "-C", "b"), "the folder is given twice"),
    ):
        assert run("discover", *arguments) == 1
        assert why in capsys.readouterr().err
    assert (folder / "__main__.py").read_text() == "# mine\n"
    assert not (folder / "new").exists()
