"""Functions of a program that run around what is done to its resources."""

import json

import pytest

from tests.unit.cli.test_commands import run, stack, write_stack  # noqa: F401 - a fixture

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
