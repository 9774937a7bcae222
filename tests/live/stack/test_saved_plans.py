"""A saved plan on the real daemon: it is applied when nothing moved, and refused with no effect when anything did."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.stack.virsh import URI, virsh
from tests.live.stack.workbench import Stack
from vmstack.cli.main import main
from vmstack.errors import NotFoundError
from vmstack.hosts.connection import connect
from vmstack.hosts.fingerprints import network_fingerprint, pool_fingerprint, volume_fingerprint
from vmstack.hosts.ledger import HostLedger
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.specs import HostSpec
from vmstack.xmlio.fingerprint import domain_fingerprint
from vmstack.xmlio.stamp import NAMESPACE

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600)]

PROGRAM = """
from vmstack import Disk, Host, Network, StoragePool, VirtualMachine
import pulumi

kvm = Host("kvm", uri="qemu:///system")
pool = StoragePool("pool", label="$prefix-pool", path="$folder")
lan = Network("lan", label="$prefix-lan", cidr="$subnet.0/25", mode="isolated")


def machine(name, **values):
    return VirtualMachine(name, label=f"$prefix-{name}", pool=pool, disk="1MiB", **values)


machine("changed", memory="64MiB", networks=[lan.at(10)], power_off_after_timeout=True, shutdown_timeout=1)
machine("same", running=False)
machine("gone", running=False)
pulumi.export("token", pulumi.Output.secret("s3cret"))
"""
AFTER = 'machine("new", running=False, networks=[lan.at(11)])\n'
STRANGER = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64'>hvm</type></os><devices>{device}</devices></domain>"""
DISK = (
    "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
)
CARD = """<interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='{network}'/>
<model type='virtio'/></interface>"""


class Moves:
    """What somebody does at the host with virsh: each is a way there and the way back."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.changed, self.gone, self.lan, self.pool = map(stack.name, ("changed", "gone", "lan", "pool"))
        self.stranger = stack.name("stranger")

    def all(self) -> dict[str, tuple[Callable[[], object], Callable[[], object], str]]:
        changed, gone, lan, pool = self.changed, self.gone, self.lan, self.pool
        lease = ("ip-dhcp-host", f"<host mac='52:54:00:dd:dd:dd' ip='{self.stack.subnet}.77'/>", "--live", "--config")
        files = self.stack.pool_folder
        return {
            "autostart": (self.do("autostart", changed), self.do("autostart", changed, "--disable"), changed),
            "suspended": (self.do("suspend", changed), self.do("resume", changed), changed),
            "described": (
                self.do("desc", changed, "--config", "--live", "by hand"),
                self.do("desc", changed, "--config", "--live", ""), changed),
            "card attached": (
                self.given("attach-device", changed, CARD.format(network=lan), "--config"),
                self.given("detach-device", changed, CARD.format(network=lan), "--config"), changed),
            "stamp lost": (
                self.kept("domain", changed, "metadata", "--uri", NAMESPACE, "--remove", "--config"), self.restore,
                changed),
            "what goes is gone": (self.kept("domain", gone, "undefine"), self.restore, gone),
            "what goes runs": (self.do("start", gone), self.do("destroy", gone), gone),
            "bystander's autostart": (
                self.do("autostart", self.stack.name("same")),
                self.do("autostart", self.stack.name("same"), "--disable"), "vm.same"),
            "name taken": (
                self.define(self.stack.name("new"), ""), self.do("undefine", self.stack.name("new")), "new"),
            "data in use": (
                self.define(self.stranger, DISK.format(path=f"{files}/gone-root.qcow2")),
                self.do("undefine", self.stranger), "gone-root.qcow2 is in use"),
            "volume there already": (
                self.do("vol-create-as", pool, "new-root.qcow2", "1M", "--format", "qcow2"),
                self.do("vol-delete", "new-root.qcow2", pool), "new-root.qcow2 has appeared"),
            "pool stopped": (self.do("pool-destroy", pool), self.do("pool-start", pool), "gone-root.qcow2 is gone"),
            "lease added": (
                self.do("net-update", lan, "add", *lease), self.do("net-update", lan, "delete", *lease), lan),
            "network autostart": (
                self.do("net-autostart", lan, "--disable"), self.do("net-autostart", lan), lan),
            "powered off": (
                self.do("destroy", changed), self.do("start", changed), changed),
        }  # fmt: skip

    def do(self, *command: str) -> Callable[[], object]:
        return lambda: virsh(*command)

    def given(self, command: str, name: str, xml: str, *more: str) -> Callable[[], object]:
        return lambda: virsh(command, name, "/dev/stdin", *more, stdin=xml)

    def define(self, name: str, device: str) -> Callable[[], object]:
        return lambda: virsh("define", "/dev/stdin", stdin=STRANGER.format(name=name, device=device))

    def kept(self, kind: str, name: str, command: str, *more: str) -> Callable[[], object]:
        """Do it, and keep the definition as it was."""

        def act() -> None:
            self.xml = virsh("dumpxml", name, "--inactive", "--security-info")
            virsh(command, name, *more)

        return act

    def restore(self) -> None:
        virsh("define", "/dev/stdin", stdin=self.xml)


def test_exactly_that_plan_or_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_COLOR", "1")
    for variable in ("VMSTACK_STACK", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    stack.write(PROGRAM)
    code, text = run("apply", stack.folder, "--yes")
    assert code == 0, text
    program = stack.main.read_text()
    program = program.replace('memory="64MiB"', 'memory="96MiB"')
    stack.main.write_text(program.replace('machine("gone", running=False)\n', AFTER))
    file = tmp_path / "plan.vmp"
    code, text = run("plan", stack.folder, "--allow-data-loss", "-o", file)
    assert code == 0, text
    assert b"s3cret" not in file.read_bytes()

    host = connect(HostSpec(name="here", uri=URI), readonly=True)
    project = StackId(stack.prefix, "dev")
    uuids = [derive_uuid(project, Key(Kind.VM, name)) for name in ("changed", "same", "gone")]
    lan = derive_uuid(project, Key(Kind.NETWORK, "lan"))

    def world() -> list[object]:
        """All of the stack, as libvirt tells it."""
        found: list[object] = []
        for uuid in uuids:
            with suppress(NotFoundError):
                found.append(domain_fingerprint(host.domain(uuid)))
        pool = host.pool(stack.name("pool"))
        found += [network_fingerprint(host.network(lan)), pool_fingerprint(pool), HostLedger(host, project).read()]
        return [*found, *(map(volume_fingerprint, host.volumes(pool.name)) if pool.active else ())]

    moves = Moves(stack).all()
    assert len(moves) >= 10
    for name, (act, back, named) in moves.items():
        act()
        before = world()
        code, text = run("apply", file, "-C", stack.folder)
        assert code == 6, f"{name}: {text}"
        assert named in text, f"{name}: {text}"
        assert world() == before, name
        back()

    pid = virsh("domid", stack.name("changed"))
    code, text = run("apply", file, "-C", stack.folder)
    assert code == 0, text
    assert virsh("domid", stack.name("changed")) != pid
    names = {name for name in virsh("list", "--all", "--name").split() if name.startswith(f"{stack.prefix}-")}
    assert names == {stack.name(name) for name in ("changed", "same", "new")}
    code, text = run("plan", stack.folder, "--detailed-exitcode")
    assert code == 0, text
    code, text = run("apply", file, "-C", stack.folder)
    assert (code, "has appeared" in text) == (6, True)
    code, text = run("plan", stack.folder, "--destroy", "--allow-data-loss", "-o", file)
    assert code == 0, text
    code, text = run("apply", file, "-C", stack.folder)
    assert code == 0, text
    assert stack.listed() == {command: [] for command in stack.listed()}
