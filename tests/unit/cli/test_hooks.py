"""Functions of a program that run around what is done to its resources."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import run, stack, write_stack  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[3]
PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

def say(event):
    async def tell(args):
        seen = {"event": event, "name": args.name, "id": args.id, "old": bool(args.old_inputs or args.old_outputs)}
        seen["in"] = dict(args.new_inputs or args.old_inputs or {})
        seen["out"] = sorted(args.new_outputs or args.old_outputs or {})
        with open("%(log)s", "a") as log:
            log.write(repr(seen) + "\\n")
        print("from a hook")
        if "%(fails)s" == event:
            raise ValueError("enough of this")
    return pulumi.ResourceHook(event, tell, pulumi.ResourceHookOptions(on_dry_run=True, ignore_errors=%(tolerant)s))

events = ["before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete"]
hooks = pulumi.ResourceHookBinding(**{event: [say(event)] for event in events})
kvm = libvirt.Provider("kvm", uri="qemu:///system")
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pools/p", opts=pulumi.ResourceOptions(provider=kvm))
libvirt.Volume(
    "disk", name="disk", pool=pool.name, size=%(size)s << 20,
    opts=pulumi.ResourceOptions(provider=kvm, hooks=hooks, parent=pool),
)
"""


@pytest.fixture
def told(stack, host):  # noqa: F811 - the fixture
    """Write the program; and what its hooks were told since."""
    log = stack / "log"

    def write(*, size=1, fails="", tolerant=False):
        write_stack(stack, PROGRAM % {"log": log, "size": size, "fails": fails, "tolerant": tolerant})

    def read():
        lines = log.read_text().splitlines() if log.exists() else []
        log.write_text("")
        return [eval(line) for line in lines]

    write()
    return write, read


def test_hooks_run_around_what_is_done(stack, told, capsys):  # noqa: F811
    write, read = told
    assert run("plan", stack) == 0
    assert "the program's hook 'before_create' runs before it (before_create)" in capsys.readouterr().out
    assert read() == []
    assert run("apply", stack, "--yes", "--json") == 0
    output = capsys.readouterr()
    assert [json.loads(line) for line in output.out.splitlines()]
    assert "from a hook" in output.err
    first, second = read()
    assert (first["event"], first["name"], first["in"]["size"], first["out"]) == ("before_create", "disk", 1 << 20, [])
    assert (second["event"], second["id"], "size" in second["out"]) == ("after_create", "/pools/p/disk", True)

    assert run("apply", stack, "--yes") == 0
    assert read() == []
    write(size=2)
    assert run("apply", stack, "--yes") == 0
    assert [(one["event"], one["in"]["size"], one["old"]) for one in read()] == [
        ("before_update", 2 << 20, False),
        ("after_update", 2 << 20, False),
    ]
    assert run("destroy", stack, "--yes", "--allow-data-loss") == 0
    assert [one["event"] for one in read()] == ["before_delete", "after_delete"]


def test_what_a_hook_refuses_is_not_done(stack, told, host, capsys):  # noqa: F811
    write, read = told
    write(fails="before_create")
    assert run("apply", stack, "--yes") == 3
    text = capsys.readouterr().err
    assert "the hook 'before_create' (before_create) of 'disk' failed: enough of this" in text
    assert "Traceback" not in text
    assert "/pools/p/disk" not in host.machine.files
    assert [one["event"] for one in read()] == ["before_create"]
    write()
    assert run("apply", stack, "--yes") == 0
    assert [one["event"] for one in read()] == ["before_create", "after_create"]
    assert "/pools/p/disk" in host.machine.files


def test_a_hook_that_fails_afterwards_fails_the_apply_and_takes_nothing_back(stack, told, host):  # noqa: F811
    write, _ = told
    write(fails="after_create")
    assert run("apply", stack, "--yes") == 3
    assert run("plan", stack, "--detailed-exitcode") == 0
    assert "/pools/p/disk" in host.machine.files


def test_a_tolerant_hook_that_fails_is_a_note(stack, told, capsys):  # noqa: F811
    write, read = told
    write(fails="before_create", tolerant=True)
    assert run("apply", stack, "--yes") == 0
    output = capsys.readouterr()
    assert "the hook 'before_create' (before_create) failed: enough of this" in output.out + output.err
    assert [one["event"] for one in read()] == ["before_create", "after_create"]


def test_what_leaves_the_program_takes_its_hooks_with_it(stack, told):  # noqa: F811
    _, read = told
    assert run("apply", stack, "--yes") == 0
    read()
    program = stack / "__main__.py"
    program.write_text(program.read_text().partition("libvirt.Volume(")[0])
    assert run("apply", stack, "--yes", "--allow-data-loss") == 0
    assert read() == []


AT_HOME = """
import os, subprocess, sys
import pulumi
import pulumi_libvirt as libvirt
import settings

os.environ["PLACE"] = "here"
sys.path.append("lib")
settings.seen.append("program")

def look(args):
    import extra, settings
    settings.seen.append(args.name)
    with open("log", "a") as log:
        print(settings.seen, extra.word, open("data.txt").read(), os.environ["PLACE"], sys.argv, file=log)

hook = pulumi.ResourceHook("look", look)
hooks = pulumi.ResourceHookBinding(before_create=[hook], after_create=[hook])
kvm = libvirt.Provider("kvm", uri="qemu:///system")
libvirt.Pool(
    "pool", name="pool", type="dir", path="/pools/p", opts=pulumi.ResourceOptions(provider=kvm, hooks=hooks)
)
"""


def test_hooks_run_where_the_program_runs_and_with_what_is_its_own(stack, host):  # noqa: F811
    before = Path.cwd(), dict(os.environ), list(sys.path), set(sys.modules)
    home = stack / "src"
    (home / "lib").mkdir(parents=True)
    (stack / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: src\n")
    (home / "__main__.py").write_text(AT_HOME)
    (home / "settings.py").write_text("seen = []\n")
    (home / "lib" / "extra.py").write_text("word = 'late'\n")
    (home / "data.txt").write_text("text")
    assert run("apply", stack, "--yes") == 0
    first, second = (home / "log").read_text().splitlines()
    rest = f"late text here ['{home}/__main__.py']"
    assert (first, second) == (f"['program', 'pool'] {rest}", f"['program', 'pool', 'pool'] {rest}")
    assert (Path.cwd(), dict(os.environ), list(sys.path)) == before[:3]
    assert not {"settings", "extra"} & set(sys.modules)


@pytest.mark.parametrize(
    "made",
    [
        "    import vmstack\n    vmstack.Host('late', uri='qemu:///session')\n",
        "    libvirt.Volume('late', size=1, opts=pulumi.ResourceOptions(provider=kvm))\n",
        "    pulumi.ComponentResource('unit:C', 'late')\n",
    ],
)
def test_a_hook_makes_no_resources(stack, host, capsys, made):  # noqa: F811
    program = AT_HOME.replace("import settings\n", "", 1).replace('settings.seen.append("program")\n', "")
    write_stack(stack, program.replace("    import extra, settings\n", made))
    assert run("apply", stack, "--yes") == 3
    assert "was made outside a stack program" in capsys.readouterr().err


NOISY = """
import os, subprocess, sys
from vmstack import policy

def shout(word):
    subprocess.run(["echo", "child of " + word], check=True)
    os.write(1, b"descriptor of " + word.encode() + b"\\n")
    print("print of", word)
    print("past of", word, file=sys.__stdout__)

shout("program")

@policy
def strict(plan):
    shout("policy")
"""


def test_what_children_of_the_program_print_is_no_answer_of_vmstack(stack, tmp_path):  # noqa: F811
    body = PROGRAM % {"log": tmp_path / "log", "size": 1, "fails": "", "tolerant": False}
    write_stack(stack, NOISY + body.replace('print("from a hook")', "shout(args.name)"))
    script = f"""
        import sys
        from tests.fake.host import FakeHost
        from vmstack.apply import pipeline
        from vmstack.cli.main import run
        host = FakeHost()
        pipeline.connect = lambda spec, *, readonly, at_once=1: host.connect(faults=host.faults)
        sys.argv[1:] = ["apply", {str(stack)!r}, "--yes", "--json"]
        run()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("version", "outputs")
    assert sum(line["type"] == "apply_complete" for line in lines) == 2
    said = done.stderr.splitlines()
    for who in ("program", "policy", "disk"):
        for how in ("child", "descriptor", "print", "past"):
            assert f"{how} of {who}" in said


@pytest.mark.parametrize("end", ["", "raise ValueError('enough')", "sys.exit(3)", "raise KeyboardInterrupt"])
def test_stdout_is_vmstacks_again_however_the_program_ends(stack, capfd, end):  # noqa: F811
    write_stack(stack, f"import os, sys\nimport vmstack\nos.write(1, b'noise\\n')\n{end}\n")
    run("validate", stack)
    os.write(1, b"answer\n")
    captured = capfd.readouterr()
    assert "noise" not in captured.out
    assert "noise" in captured.err
    assert captured.out.endswith("answer\n")
