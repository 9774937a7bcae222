"""The commands from end to end: a stack program in, fake hosts changed or not, and what is printed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from tests.fake.faults import Faults
from tests.fake.host import FakeHost
from vmstack import __version__
from vmstack.apply import pipeline
from vmstack.cli import ssh
from vmstack.cli.main import main
from vmstack.errors import HostError, HostUnreachableError
from vmstack.hosts.lock import HostLock
from vmstack.model.identity import StackId

STACK = StackId("shop", "dev")
PROGRAM = """
import pulumi
from vmstack import Host, Network, StoragePool, VirtualMachine

kvm = Host("kvm1", uri="qemu:///system")
pool = StoragePool("web", path="/pools/web", host=kvm)
lan = Network("lan", cidr="10.20.0.0/24", mode="isolated", host=kvm)
for number in range(pulumi.Config().get_int("count") or 1):
    vm = VirtualMachine(
        f"web-{number}",
        host=kvm,
        pool=pool,
        disk="1GiB",
        memory=pulumi.Config().get("memory") or "512MiB",
        networks=[lan.at(f"10.20.0.{10 + number}")],
    )
    pulumi.export(f"web-{number}", vm.ip)
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""


def write_stack(folder: Path, program: str = PROGRAM) -> Path:
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config: {}\n")
    (folder / "__main__.py").write_text(textwrap.dedent(program))
    return folder


@pytest.fixture
def stack(folder, monkeypatch) -> Path:
    monkeypatch.setenv("VMSTACK_STACK", "dev")
    folder.mkdir()
    return write_stack(folder)


def vms(host: FakeHost) -> dict[str, str]:
    return {record.name: record.state for record in host.domains()}


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_connection_that_cannot_be_is_the_options_fault(stack, host, monkeypatch, capsys):
    for uri in ("", "qemu", "bogus:///system", "a b"):
        assert run("plan", stack, "--connect", uri) == 1
        err = capsys.readouterr().err
        assert err.startswith("Error: --connect: ")
        assert "__main__.py" not in err

    def refuse(spec, *, readonly, at_once=1):
        raise HostUnreachableError(f"host {spec.name}: cannot connect to {spec.uri}")

    monkeypatch.setattr(pipeline, "connect", refuse)
    assert run("plan", stack, "--connect", "qemu+ssh://elsewhere/system") == 1
    assert "cannot connect to qemu+ssh://elsewhere/system\n" in capsys.readouterr().err
    assert run("plan", stack) == 1
    assert "__main__.py:5\n" in capsys.readouterr().err


def test_the_life_of_a_stack(stack, host, capsys):
    assert run("plan", stack) == 0
    out = capsys.readouterr().out
    assert "  # vm.web-0 will be created" in out
    assert " 0 to change, 0 to destroy." in out.splitlines()[-1]
    assert host.domains() == []

    assert run("plan", stack, "--detailed-exitcode") == 2
    assert run("plan", stack, "--expect-no-changes") == 1
    capsys.readouterr()

    assert run("apply", stack, "--yes") == 0
    captured = capsys.readouterr()
    assert "Apply complete! Resources: " in captured.out
    assert 'web-0 = "10.20.0.10"' in captured.out
    assert "password = (sensitive value)" in captured.out
    assert "hunter2" not in captured.out + captured.err
    assert "vm.web-0: Creation complete after" in captured.err
    assert vms(host) == {"web-0": "running"}

    assert run("plan", stack, "--detailed-exitcode", "--expect-no-changes") == 0
    assert capsys.readouterr().out == "No changes. Your infrastructure matches the program.\n"
    assert run("apply", stack, "--yes") == 0
    assert "No changes." in capsys.readouterr().out

    assert run("plan", stack, "-c", "count=2", "--detailed-exitcode") == 2
    assert "vm.web-1 will be created" in capsys.readouterr().out

    assert run("show", stack) == 0
    assert "running" in capsys.readouterr().out

    assert run("destroy", stack, "--yes", "--allow-data-loss") == 0
    assert "Destroy complete! Resources: " in capsys.readouterr().out
    assert (host.domains(), host.networks(), host.pools(), host.secrets(usage_prefix="")) == ([], [], [], [])


def test_plan_as_json_is_the_same_twice_and_holds_no_secret(stack, host, capsys):
    shown = []
    for _ in range(2):
        assert run("plan", stack, "--json") == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "hunter2" not in shown[0]
    assert isinstance(json.loads(shown[0]), dict)


def test_apply_as_json_is_lines_of_events(stack, host, capsys):
    assert run("apply", stack, "--yes", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["type"] == "version"
    assert [line["type"] for line in lines][-2:] == ["change_summary", "outputs"]
    assert lines[-1]["outputs"]["password"] == {"sensitive": True}
    assert lines[-1]["outputs"]["web-0"] == {"sensitive": False, "type": "string", "value": "10.20.0.10"}


def test_apply_as_json_tells_of_a_refusal_in_json_too(stack, host, capsys):
    HostLock(host.connect(), STACK, operation="apply").acquire()
    assert run("apply", stack, "--yes", "--json") == 4
    captured = capsys.readouterr()
    _, line = [json.loads(line) for line in captured.out.splitlines()]
    assert (line["type"], line["@level"]) == ("diagnostic", "error")
    assert "is locked" in line["diagnostic"]["summary"]
    assert "is locked" in captured.err


def test_without_a_terminal_nothing_is_asked_and_nothing_done(stack, host, capsys):
    assert run("apply", stack) == 1
    assert "add --yes" in capsys.readouterr().err
    assert host.changes == []
    assert vms(host) == {}


def test_without_a_terminal_data_loss_needs_its_own_word(stack, host, capsys):
    run("apply", stack, "--yes")
    capsys.readouterr()
    assert run("destroy", stack, "--yes") == 5
    told = capsys.readouterr()
    assert "volume.web-0-root will be destroyed (DATA LOSS)" in told.out  # what would go is seen all the same
    assert "leave it out by --exclude, or allow it with --allow-data-loss" in told.err
    assert vms(host) == {"web-0": "running"}


def test_outputs_come_from_the_host_and_secrets_only_when_asked_for(stack, host, capsys):
    assert run("output", "-C", stack) == 1
    assert "was not applied yet" in capsys.readouterr().err
    run("apply", stack, "--yes")
    capsys.readouterr()
    assert run("output", "-C", stack) == 0
    assert capsys.readouterr().out == 'password = (sensitive value)\nweb-0 = "10.20.0.10"\n'
    assert run("output", "web-0", "--raw", "-C", stack) == 0
    assert capsys.readouterr().out == "10.20.0.10"
    assert run("output", "--json", "-C", stack) == 0
    assert json.loads(capsys.readouterr().out) == {
        "password": {"sensitive": True},
        "web-0": {"sensitive": False, "value": "10.20.0.10"},
    }
    assert run("output", "password", "-C", stack) == 1
    assert run("output", "missing", "-C", stack) == 1
    capsys.readouterr()
    assert run("output", "password", "--show-secrets", "--raw", "-C", stack) == 0
    assert capsys.readouterr().out == "hunter2"


def test_an_export_that_was_dropped_is_a_change_that_the_plan_names(stack, host, capsys):
    run("apply", stack, "--yes")
    write_stack(stack, PROGRAM.replace('pulumi.export("password"', '("password"'))
    capsys.readouterr()
    assert run("plan", stack, "--detailed-exitcode") == 2
    assert "Changes to outputs:\n      - password = (sensitive value)\n" in capsys.readouterr().out
    assert run("apply", stack, "--yes") == 0
    assert run("plan", stack, "--detailed-exitcode") == 0


def test_a_network_without_machines_restarts_nobody(stack, host, capsys):
    program = """
        from vmstack import Host, Network

        Network("lan", cidr="10.20.0.0/24", mode="isolated", domain="a.test", host=Host("kvm1", uri="qemu:///system"))
        """
    write_stack(stack, program)
    run("apply", stack, "--yes")
    write_stack(stack, program.replace("a.test", "b.test"))
    capsys.readouterr()
    assert run("plan", stack) == 0
    out = capsys.readouterr().out
    assert "network.lan must be replaced\n" in out
    assert "it is stopped and started anew; no machine of the stack runs on it." in out
    assert "restart" not in out


def test_destroying_nothing_says_so(stack, host, capsys):
    for arguments in (("destroy", stack, "--yes"), ("plan", stack, "--destroy")):
        assert run(*arguments) == 0
        assert capsys.readouterr().out == "Nothing to destroy: the hosts hold nothing of stack shop/dev.\n"


def test_output_and_ssh_take_a_folder_before_the_name(stack, host, monkeypatch, capsys):
    assert run("apply", stack, "--yes") == 0
    monkeypatch.chdir(stack.parent)
    capsys.readouterr()
    assert run("output", "stack") == 0
    assert 'web-0 = "10.20.0.10"' in capsys.readouterr().out
    assert run("output", "stack", "web-0", "--raw") == 0
    assert capsys.readouterr().out == "10.20.0.10"
    assert run("output", "-C", "stack", "web-0", "password") == 1
    monkeypatch.chdir("stack")
    for words in ([], ["."], [".", "web-0"], ["web-0"]):
        assert run("output", *words) == 0
    monkeypatch.chdir(stack.parent)
    assert "`output` takes the name of one output, not web-0, password" in capsys.readouterr().err
    monkeypatch.setattr(ssh.shutil, "which", lambda name: "/usr/bin/ssh")
    assert run("ssh", "stack", "web-9") == 1
    assert "no host holds a VM web-9 of stack shop/dev" in capsys.readouterr().err
    assert run("output", "other") == 1
    assert "holds no Pulumi.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["plan", "apply", "destroy", "import", "show", "validate", "stack", "graph", "unlock"]
)
def test_every_command_takes_the_folder_as_an_option_too(stack, host, capsys, command):
    more = ["--yes"] if command in ("apply", "destroy", "unlock") else []
    if command != "import":
        assert run(command, "-C", stack, *more) == 0
    capsys.readouterr()
    assert run(command, stack, "--folder", stack, *more) == 1
    assert "the folder is given twice" in capsys.readouterr().err


def test_validate_touches_no_host(stack, monkeypatch, capsys):
    def refuse(spec, *, readonly):
        raise AssertionError("a host was touched")

    monkeypatch.setattr(pipeline, "connect", refuse)
    assert run("validate", stack) == 0
    assert "Success!" in capsys.readouterr().out
    assert run("validate", stack, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "format_version": "1.0", "valid": True, "error_count": 0, "warning_count": 0, "diagnostics": [],
    }  # fmt: skip


def test_validate_tells_where_the_program_is_wrong(stack, capsys):
    write_stack(stack, 'from vmstack import Host\n\nHost("a", uri="qemu:///system")\nHost("a", uri="qemu:///system")\n')
    assert run("validate", stack, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["valid"], document["error_count"]) == (False, 1)
    assert document["diagnostics"][0]["severity"] == "error"
    assert document["diagnostics"][0]["range"]["start"]["line"] in (3, 4)
    assert run("validate", stack) == 1
    assert "__main__.py:" in capsys.readouterr().err


def test_a_program_that_raises_is_told_without_our_traceback(stack, host, capsys):
    write_stack(stack, "1 / 0\n")
    assert run("plan", stack) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: ")
    assert "site-packages" not in err
    assert "vmstack/evaluate" not in err


def test_the_graph_is_printed_and_drawing_needs_graphviz(stack, monkeypatch, capsys, tmp_path):
    assert run("graph", stack) == 0
    out = capsys.readouterr().out
    assert out.startswith('digraph "shop/dev" {')
    assert '"vm.web-0" -> ' in out
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert run("graph", stack, "--svg", tmp_path / "g.svg") == 1
    assert "graphviz" in capsys.readouterr().err


def test_a_failing_effect_ends_in_3_and_tells_what_was_done(stack, host, capsys):
    def before(call) -> None:
        if call.method == "start_domain":
            raise HostError("cannot allocate memory")

    host.faults = Faults(before=before)
    assert run("apply", stack, "--yes") == 3
    err = capsys.readouterr().err
    assert err.count("cannot allocate memory") == 2  # at once, and at the end with what to do
    assert "apply ended partly" in err
    assert "done: create pool.web" in err
    assert "failed: vm.web-0 (StartDomain)" in err
    host.faults = Faults()
    assert run("apply", stack, "--yes") == 0
    assert vms(host) == {"web-0": "running"}


def test_a_held_lock_ends_in_4_and_unlock_breaks_it(stack, host, capsys):
    lock = HostLock(host.connect(), STACK, operation="apply")
    lock.acquire()
    assert run("apply", stack, "--yes") == 4
    assert "is locked" in capsys.readouterr().err
    assert run("unlock", stack) == 1
    assert run("unlock", stack, "--yes") == 0
    out = capsys.readouterr().out
    assert "locked for apply by" in out
    assert "Unlocked." in out
    assert run("unlock", stack, "--yes") == 0
    assert "is not locked" in capsys.readouterr().out
    assert run("apply", stack, "--yes") == 0


def test_plan_and_show_say_that_another_run_is_at_work(stack, host, capsys):
    lock = HostLock(host.connect(), STACK, operation="apply")
    held = lock.acquire()
    for command in ("plan", "show"):
        assert run(command, stack) == 0
        err = capsys.readouterr().err
        assert f"Warning: stack shop/dev is locked on host.kvm1 by {held.who} on {held.where}" in err
        assert f"apply since {held.since}" in err
        assert "what follows may be half-way" in err
    lock.release()
    HostLock(host.connect(), STACK, operation="apply", lease=-1).acquire()
    assert run("plan", stack) == 0
    assert "is locked" not in capsys.readouterr().err


def test_an_unreachable_host_is_an_error_and_never_an_empty_one(stack, monkeypatch, capsys):
    def refuse(spec, *, readonly):
        raise HostUnreachableError(f"{spec.name}: no route to host", resolution="check the network")

    monkeypatch.setattr(pipeline, "connect", refuse)
    for command in ("plan", "show"):
        assert run(command, stack) == 1
        captured = capsys.readouterr()
        assert "no route to host" in captured.err
        assert captured.out == ""


def test_an_empty_program_deletes_nothing_without_a_word(stack, host, capsys):
    run("apply", stack, "--yes")
    write_stack(stack, 'from vmstack import Host\n\nHost("kvm1", uri="qemu:///system")\n')
    assert run("apply", stack, "--yes", "--allow-data-loss") != 0
    assert vms(host) == {"web-0": "running"}
    assert run("apply", stack, "--yes", "--allow-data-loss", "--allow-empty") == 0
    assert vms(host) == {}


@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("destroy", "--yes"), ("apply", "--allow-empty")])
def test_a_program_without_a_host_is_an_error(stack, host, capsys, command):
    write_stack(stack, "import vmstack\n")
    assert run(command[0], stack, *command[1:]) == 1
    captured = capsys.readouterr()
    assert "__main__.py defines no Host" in captured.err
    assert 'Host("kvm", uri="qemu:///system")' in captured.err
    assert captured.out == ""


def test_a_program_of_hosts_alone_defines_nothing(stack, host, capsys):
    write_stack(stack, 'from vmstack import Host\n\nHost("kvm1", uri="qemu:///system")\n')
    for command in (("plan",), ("apply", "--yes")):
        assert run(command[0], stack, *command[1:]) == 1
        captured = capsys.readouterr()
        assert "defines no resources" in captured.err
        assert captured.out == ""
    for command in (("plan", "--allow-empty"), ("apply", "--allow-empty", "--yes"), ("destroy", "--yes")):
        assert run(command[0], stack, *command[1:]) == 0
        assert ("Nothing to destroy" if command[0] == "destroy" else "No changes.") in capsys.readouterr().out


def test_an_interruption_after_the_apply_does_not_say_that_nothing_changed(stack, host, monkeypatch, capsys):
    def interrupt(result):
        raise KeyboardInterrupt

    monkeypatch.setattr("vmstack.cli.applying.remember_guests", interrupt)
    assert run("apply", stack, "--yes") == 130
    err = capsys.readouterr().err
    assert "nothing was changed" not in err
    assert "after the apply had ended" in err
    assert vms(host) == {"web-0": "running"}


def test_an_interrupted_apply_ends_in_130_and_goes_on_later(stack, host, capsys):
    def before(call) -> None:
        if call.method == "define_domain":
            os.kill(os.getpid(), signal.SIGINT)

    host.faults = Faults(before=before)
    assert run("apply", stack, "--yes", "-c", "count=3", "--parallelism", "1") == 130
    err = capsys.readouterr().err
    assert "Stopping (SIGINT)" in err
    assert "not done: " in err
    host.faults = Faults()
    assert run("apply", stack, "--yes", "-c", "count=3") == 0
    assert vms(host) == {f"web-{number}": "running" for number in range(3)}
    assert not [one for one in host.secrets(usage_prefix="") if "lock" in one.usage]


def test_an_interrupted_plan_ends_in_130(stack, monkeypatch, capsys):
    def interrupt(spec, *, readonly):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "connect", interrupt)
    assert run("plan", stack) == 130


def test_a_bug_is_told_as_one(stack, monkeypatch, capsys, tmp_path):
    def explode(spec, *, readonly):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(pipeline, "connect", explode)
    assert run("plan", stack) == 1
    err = capsys.readouterr().err
    assert "this is a bug in vmstack" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["plan", "--bogus"], ["nonsense"], ["apply", "--parallelism", "0"], ["plan", ".", "-c", "novalue"]]
)
def test_wrong_usage_ends_in_1_and_not_in_2(arguments, capsys):
    assert run(*arguments) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_ssh_becomes_ssh_with_the_address_from_the_host(stack, host, monkeypatch, capsys):
    calls: list[list[str]] = []
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")

    def execute(program: str, arguments: list[str]) -> None:
        calls.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execute)
    assert run("ssh", "web-0", "-C", stack) == 1
    assert "no host holds a VM web-0" in capsys.readouterr().err
    run("apply", stack, "--yes")
    with pytest.raises(SystemExit):
        run("ssh", "vm.web-0", "-C", stack, "-l", "ada", "--", "uptime", "-p")
    assert calls[0][-6:] == ["-l", "ada", "--", "10.20.0.10", "uptime", "-p"]
    assert "-i" not in calls[0]
    key = stack / "key"
    key.write_text("")
    monkeypatch.chdir(stack)
    with pytest.raises(SystemExit):
        run("ssh", "-i", "key", "web-0", "ls", "-a")
    assert calls[1][-6:] == ["-i", str(key), "--", "10.20.0.10", "ls", "-a"]
    assert "not reported ready" not in capsys.readouterr().err


def test_ssh_with_a_wrong_option_or_key_is_wrong_usage(stack, host, capsys):
    assert run("ssh", "-x", "web-0", "-C", stack) == 1
    assert "ssh: there is no option -x" in capsys.readouterr().err
    assert run("ssh", "--idenity=key", "web-0", "-C", stack) == 1
    assert "ssh: there is no option --idenity" in capsys.readouterr().err
    assert run("ssh", "-i", stack / "nothing", "web-0", "-C", stack) == 1
    assert "--identity: there is no file" in capsys.readouterr().err


def test_ssh_says_that_a_machine_is_not_ready_yet(stack, host, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")

    def execute(program: str, arguments: list[str]) -> None:
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execute)
    run("apply", stack, "--yes")
    find = ssh.find_domain

    def unready(*arguments, **named):
        snapshot, domain = find(*arguments, **named)
        stamp = msgspec.structs.replace(domain.stamp, ready="pending")
        return snapshot, msgspec.structs.replace(domain, stamp=stamp)

    monkeypatch.setattr(ssh, "find_domain", unready)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run("ssh", "web-0", "-C", stack)
    assert "Warning: vm.web-0 has not reported ready yet" in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from vmstack.cli.main import main\n"
        "main(['--help'])\n"
        "heavy = {'rich', 'libvirt', 'lxml', 'pulumi', 'msgspec', 'yaml', 'jinja2', 'grpc', 'urllib3'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    for command in ("plan", "apply", "destroy", "show", "output", "validate", "graph", "doctor", "ssh", "unlock"):
        assert command in done.stdout


def test_the_version(capsys):
    assert run("version") == 0
    assert capsys.readouterr().out == f"vmstack {__version__}\n"
