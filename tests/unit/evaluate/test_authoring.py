"""Programs that are written for what is found: the text, its names and its form."""

import json
import os
import string
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest

from vmstack.evaluate.authoring.naming import Names
from vmstack.evaluate.authoring.program import author
from vmstack.evaluate.authoring.source import Call, Code, quote, statement
from vmstack.evaluate.authoring.survey import Lessons
from vmstack.hosts.driver import DomainRecord, NetworkRecord
from vmstack.hosts.observe import observed_domain, observed_network
from vmstack.model.configs import PoolConfig, VolumeConfig
from vmstack.model.identity import Kind, StackId
from vmstack.model.observed import HostFacts, HostSnapshot, ObservedPool, ObservedVolume

CASES = Path(__file__).parents[2] / "cases" / "found"
PROGRAM = CASES / "program.txt"
STACK = StackId("lab", "dev")
POOL = "/pools/lab"
GIB = 1 << 30
BACKING = {"kcli_0.img": "debian12.qcow2", "terraform.qcow2": "debian12.qcow2", "over.snap1": "over.qcow2"}
IMAGES = ("debian", "win10", "win11", "uefi", "xp", "scsi0", "scsi1", "nics", "numa", "pin", "debian12", "over")
VALUES = {"prefix": "lab", "folder": POOL, "outside": "/else/where"}


def _domains():
    for number, path in enumerate(sorted(CASES.glob("*.xml"))):
        xml = string.Template(path.read_text()).substitute(VALUES)
        name = xml.partition("<name>")[2].partition("</name>")[0]
        own = str(uuid.UUID(int=number + 1, version=4))
        xml = xml.replace("</name>", f"</name><uuid>{own}</uuid>", 1)
        record = DomainRecord(
            uuid=own, name=name, state="paused" if name == "lab-pxe" else "shutoff", persistent=name != "lab-kernel",
            autostart=False, has_managed_save=False, xml=xml, live_xml=None,
        )  # fmt: skip
        yield observed_domain(record, stack=STACK, deep=True, directories={"lab-pool": POOL})


def _networks():
    for name, forward, ip in (
        ("lab-nat", "<forward mode='nat'/>", "<ip address='10.9.0.1' prefix='24'><dhcp>"
         "<range start='10.9.0.2' end='10.9.0.99'/><host mac='52:54:00:5b:d0:01' name='lab-kcli' ip='10.9.0.11'/>"
         "<host mac='52:54:00:5b:d0:02' name='other' ip='10.9.0.12'/></dhcp></ip>"),
        ("lab-route", "<forward mode='route' dev='eth0'/>", "<ip address='10.9.1.1' prefix='24'/>"
         "<ip family='ipv6' address='fd00::2' prefix='64'/>"),
        ("lab-isolated", "", ""),
        ("lab-bridged", "<forward mode='bridge'/><bridge name='br0'/>", ""),
        ("lab-two", "<forward mode='nat'/>", "<ip address='10.9.2.1' prefix='24'/>"
         "<ip address='10.9.3.1' prefix='24'/>"),
        ("lab-vepa", "<forward mode='vepa'><interface dev='eth0'/></forward>", ""),
    ):  # fmt: skip
        own = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        xml = f"<network><name>{name}</name><uuid>{own}</uuid>{forward}{ip}</network>"
        record = NetworkRecord(
            uuid=own, name=name, active=True, persistent=True, autostart=True, xml=xml, live_xml=None
        )
        yield observed_network(record, stack=STACK, deep=True)


def _snapshot(*, backwards: bool = False) -> HostSnapshot:
    files = [*(f"{name}.qcow2" for name in IMAGES), *BACKING, "Windows 10.img"]
    volumes = [
        ObservedVolume(
            pool="lab-pool",
            name=name,
            config=VolumeConfig(
                name=name,
                format="raw" if name == "Windows 10.img" else "qcow2",
                capacity=GIB,
                path=f"{POOL}/{name}",
                backing_path=f"{POOL}/{BACKING[name]}" if name in BACKING else None,
            ),
        )
        for name in sorted(files)
    ]
    pool = PoolConfig(name="lab-pool", uuid="", type="dir", path=POOL)
    facts = HostFacts(
        uri="qemu+ssh://root@kvm1.example/system", hostname="kvm1", arch="x86_64", domain_type="qemu",
        libvirt_version=9000000, hypervisor_version=7002000, cpus=4, memory=8 * GIB,
    )  # fmt: skip
    order = slice(None, None, -1 if backwards else 1)
    return HostSnapshot(
        host="kvm",
        facts=facts,
        domains=tuple(sorted(_domains(), key=lambda item: item.name)),
        networks=tuple(sorted(_networks(), key=lambda item: item.name)),
        pools=(
            ObservedPool(
                uuid="", name="lab-pool", active=True, autostart=True, config=pool, volumes=tuple(volumes)[order]
            ),
        ),
    )


def test_the_program_reads_as_a_person_would_write_it(tmp_path):
    """Made anew with UPDATE=1."""
    authored = author(_snapshot(), stack=STACK, select=(), lessons=Lessons())
    text = authored.files["__main__.py"]
    if os.environ.get("UPDATE"):
        PROGRAM.write_text(text)
    assert text == PROGRAM.read_text()
    assert author(_snapshot(backwards=True), stack=STACK, select=(), lessons=Lessons()) == authored
    file = tmp_path / "program.py"
    file.write_text(text)
    ruff = [Path(sys.executable).with_name("ruff")]
    subprocess.run([*ruff, "format", "--isolated", "--check", "--quiet", file], check=True, cwd=tmp_path)
    subprocess.run([*ruff, "check", "--isolated", "--quiet", file], check=True, cwd=tmp_path)
    assert authored.files["Pulumi.dev.yaml"] == "config:\n  lab:uri: qemu+ssh://root@kvm1.example/system\n"
    assert [(kind.value, name, why) for kind, name, why, _ in authored.left] == [
        ("network", "lab-two", "it has several subnets of one family"),
        ("network", "lab-vepa", "its mode is vepa"),
        ("vm", "lab-kernel", "it is transient, so nothing can be noted in it for longer than it runs"),
    ]


def test_what_is_chosen_brings_what_it_needs():
    authored = author(_snapshot(), stack=STACK, select=("lab-k*",), lessons=Lessons())
    assert [str(key) for key in authored.taken] == ["vm.lab-kcli", "volume.lab-kcli-vda"]
    text = authored.files["__main__.py"]
    assert 'lab_nat = Network.existing("lab-nat")' in text
    assert f'StoragePool.existing("lab-pool", path="{POOL}")' in text
    assert "lab_nat.dhcp()" in text  # whose reservations are not ours
    assert not author(_snapshot(), stack=STACK, select=("nobody",), lessons=Lessons()).taken


def test_lessons_change_the_program():
    lessons = Lessons(
        refused={(Kind.VM, "lab-pin"): "it bites", (Kind.VOLUME, "lab-pool/scsi0.qcow2"): "it stings",
                 (Kind.NETWORK, "lab-nat"): "it barks", (Kind.POOL, "lab-pool"): "it howls"},
        ignored={"lab-uefi": ("memory", "vcpus")},
    )  # fmt: skip
    authored = author(_snapshot(), stack=STACK, select=(), lessons=lessons)
    text = authored.files["__main__.py"]
    assert 'import_="lab-uefi", ignore_changes=["memory", "vcpus"]' in text.replace("\n        ", " ")
    assert "disk sda (scsi): it stings" in text
    assert "* vm 'lab-pin': it bites." in text
    assert 'Network.existing("lab-nat")' in text
    assert "StoragePool.existing(" in text


def test_volumes_of_others_and_shared_ones_are_left_alone():
    snapshot = _snapshot()
    twin = msgspec.structs.replace(snapshot.domains[3], uuid="x", name="lab-twin")
    disks = {disk.path for disk in twin.config.disks}
    authored = author(
        msgspec.structs.replace(snapshot, domains=(*snapshot.domains, twin)), stack=STACK, select=(), lessons=Lessons()
    )
    assert disks
    assert "other VMs have its volume too" in authored.files["__main__.py"]


@pytest.mark.parametrize(
    ("labels", "names", "variables"),
    [
        (["web", "web"], ["web", "web-2"], ["web", "web_2"]),
        (["class", "2019", "Größe", "print"], ["class", "2019", "Gr-e", "print"],
         ["vm_class", "vm_2019", "gr_e", "print_vm"]),
        (["--", "a" * 80], ["vm", "a" * 63], ["vm", "a" * 63]),
        (["a.b", "a-b", "a_b"], ["a.b", "a-b", "a_b"], ["a_b", "a_b_vm", "a_b_vm_2"]),
    ],
)  # fmt: skip
def test_names_are_fit_for_python(labels, names, variables):
    given = Names(frozenset({"print"}))
    found = [given.resource(Kind.VM, label) for label in labels]
    assert found == names
    assert [given.variable(name, kind=Kind.VM) for name in found] == variables


def test_source_is_written_in_the_width_of_a_page():
    call = Call("F", ("a",), (("b", Code("x")), ("c", None), ("d", ["e" * 40, ("f" * 40, "g")]), ("h", {"i": 1})))
    assert statement(call, target="t") == [
        "t = F(",
        '    "a",',
        "    b=x,",
        "    d=[",
        f'        "{"e" * 40}",',
        f'        ("{"f" * 40}", "g"),',
        "    ],",
        '    h={"i": 1},',
        ")",
    ]
    assert statement(Call("F", (("a",),))) == ['F(("a",))']
    for text in ('"', "'", "\\", "a\nb\x1b", "it's", 'say "x"', "'\"", "ü\u202e"):
        assert json.loads(json.dumps(eval(quote(text)))) == text
        assert quote(text).isprintable()
