"""Plans in files: what is in them, what may be done with them, and that no other one can be applied."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import run, stack, vms, write_stack  # noqa: F401 - a fixture among them
from vmstack import __version__
from vmstack.apply.seal import Seal
from vmstack.cli.plan_file import decode_plan_file, encode_plan_file
from vmstack.errors import InputError
from vmstack.hosts.lock import HostLock
from vmstack.model.identity import StackId
from vmstack.plan.saved import SavedPlan

HOST = """
from vmstack import Host, StoragePool
kvm = Host("kvm1", uri="qemu:///system")
StoragePool("web", path="/pools/web", host=kvm)
"""
CLOUD = """
import pulumi
from vmstack import CloudInit, Host, StoragePool, VirtualMachine
kvm = Host("kvm1", uri="qemu:///system")
pool = StoragePool("web", path="/pools/web", host=kvm)
content = CloudInit(users=[{"name": "me", "plain_text_passwd": "hunter2"}])
VirtualMachine("web-0", host=kvm, pool=pool, disk="1GiB", cloud_init=content, wait=False)
pulumi.export("password", pulumi.Output.secret("hunter2"))
"""


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)


@pytest.fixture
def file(stack: Path, tmp_path: Path) -> Path:  # noqa: F811
    return tmp_path / "plan.vmp"


def forge(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Alter what the file says and make its digest right again, as somebody could who may write it."""
    _, _, body = file.read_bytes().partition(b"\n")
    document = json.loads(body)
    change(document)
    body = json.dumps(document).encode() + b"\n"
    file.write_bytes(b"vmstack-plan 1 %s -\n%s" % (hashlib.sha256(b"-\n" + body).hexdigest().encode(), body))


def test_what_was_saved_is_shown_and_applied(stack, host, file, capsys):  # noqa: F811
    assert run("plan", stack) == 0
    shown = capsys.readouterr().out
    assert run("plan", stack, "-o", file, "--detailed-exitcode") == 2
    captured = capsys.readouterr()
    assert captured.out == shown
    assert f"vmstack apply {file} -C {stack}" in captured.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == ["plan.vmp", "stack"]

    assert run("show", file) == 0
    captured = capsys.readouterr()
    assert captured.out == shown
    assert "A plan of stack shop/dev" in captured.err

    assert run("apply", file, "-C", stack) == 0  # nothing is asked, and nobody is there
    captured = capsys.readouterr()
    assert "Apply complete! Resources: " in captured.out
    assert "password = (sensitive value)" in captured.out
    assert vms(host) == {"web-0": "running"}

    changes = list(host.changes)
    assert run("apply", file, "-C", stack) == 6
    err = capsys.readouterr().err
    assert "kvm1: domain web-0 has appeared" in err
    assert "make a new plan" in err
    assert host.changes == changes


def test_an_applied_plan_leaves_nothing_to_do_and_an_empty_one_is_applied(stack, host, file, capsys):  # noqa: F811
    assert run("plan", stack, "-o", file) == 0
    assert run("apply", "-C", stack, file) == 0
    assert run("plan", stack, "--detailed-exitcode", "-o", file) == 0
    assert run("apply", "-C", stack, file) == 0
    assert "No changes." in capsys.readouterr().out


def test_a_destruction_is_saved_with_the_leave_to_lose_data(stack, host, file, capsys):  # noqa: F811
    run("apply", stack, "--yes")
    events = file.with_suffix(".ndjson")
    assert run("plan", stack, "--destroy", "--allow-data-loss", "--out", file, "--json-into", events) == 0
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    planned = [line["change"] for line in lines if line["type"] == "planned_change"]
    assert [(change["action"], "reason" in change) for change in planned] == [("delete", False)] * 4
    capsys.readouterr()
    assert run("show", file) == 0
    assert "DATA WILL BE LOST" in capsys.readouterr().out
    assert run("apply", file, "-C", stack) == 0
    assert "Destroy complete!" in capsys.readouterr().out
    assert vms(host) == {}
    assert host.secrets(usage_prefix="") == []


def test_seeds_and_secrets_are_in_no_file(folder, host, tmp_path, capsys):
    folder.mkdir()
    write_stack(folder, CLOUD)
    file = tmp_path / "plan.vmp"
    assert run("plan", folder, "-o", file) == 0
    content = file.read_bytes()
    assert b"hunter2" not in content
    assert b"plain_text_passwd" not in content
    capsys.readouterr()
    assert run("show", file, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format_version"] == "1.2"
    assert document["timestamp"].endswith("Z")
    types = {change["type"] for change in document["resource_changes"]}
    assert types == {"libvirt_domain", "libvirt_volume", "libvirt_pool", "libvirt_cloudinit_disk"}
    assert document["stack"] == {"project": "shop", "stack": "dev"}  # vmstack's own members are beside Terraform's
    assert [step["effect"] for step in document["steps"]].count("upload_seed") == 1
    assert run("apply", file, "-C", folder) == 0
    # Another password is another program, though nothing of it is in the file.
    (folder / "__main__.py").write_text(CLOUD.replace("hunter2", "hunter3"))
    assert run("plan", folder, "-o", file) == 0
    (folder / "__main__.py").write_text(CLOUD.replace("hunter2", "hunter4"))
    capsys.readouterr()
    assert run("apply", file, "-C", folder) == 1
    assert "is a plan of another program" in capsys.readouterr().err


def test_every_single_byte_counts(folder, host, tmp_path):
    folder.mkdir()
    write_stack(folder, HOST)
    file = tmp_path / "plan.vmp"
    assert run("plan", folder, "-o", file) == 0
    content = file.read_bytes()
    head = content.index(b"\n") + 1
    decode_plan_file(content, name="plan", passphrase=None, strict=True)
    accepted = []
    for position in range(len(content)):
        for flip in (0x01, 0x80) if position >= head else (0x01, 0x02, 0x10, 0x20, 0x80):
            changed = bytearray(content)
            changed[position] ^= flip
            if not _is_refused(bytes(changed)):
                accepted.append((position, flip))
    accepted += [(length, "cut") for length in range(0, len(content), 7) if not _is_refused(content[:length])]
    accepted += [(end, "longer") for end in (b"\n", b" ", b"{}") if not _is_refused(content + end)]
    assert accepted == []


def test_every_byte_of_a_seal_counts(folder, host, tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    folder.mkdir()
    write_stack(folder, HOST)
    file = tmp_path / "plan.vmp"
    assert run("plan", folder, "-o", file) == 0
    content = file.read_bytes()
    decode_plan_file(content, name="plan", passphrase="correct horse", strict=True)
    for position in [*range(content.index(b"\n") + 1), *range(0, len(content), 97)]:
        changed = bytearray(content)
        changed[position] ^= 0x01
        for passphrase in ("correct horse", None):
            assert _is_refused(bytes(changed), passphrase=passphrase, strict=passphrase is not None), position


def _is_refused(content: bytes, *, passphrase: str | None = None, strict: bool = True) -> bool:
    try:
        decode_plan_file(content, name="plan", passphrase=passphrase, strict=strict)
    except InputError:
        return True
    return False


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no saved plan of vmstack"),
        (b"{}", "is no saved plan of vmstack"),
        (b"name: shop\nruntime: python\n", "is no saved plan of vmstack"),
        (b"PK\x03\x04....", "is a plan of Terraform or OpenTofu"),
        (b"vmstack-plan 2 " + b"0" * 64 + b" -\n{}\n", "has the format 2"),
        (b"vmstack-plan 1 " + b"0" * 64 + b" -\n{}\n", "is damaged"),
        (b"vmstack-plan 01 " + b"0" * 64 + b" -\n{}\n", "is damaged"),
        (b"vmstack-plan 1", "is damaged"),
        (bytes(range(256)) * 40, "is no saved plan of vmstack"),
    ],
)
def test_other_files_are_refused(stack, host, file, capsys, content, said):  # noqa: F811
    file.write_bytes(content)
    for command in (("apply", file, "-C", stack), ("show", file)):
        assert run(*command) == 1
        assert said in capsys.readouterr().err
    assert host.changes == []


def test_what_is_neither_file_nor_folder_is_told(stack, host, tmp_path, capsys):  # noqa: F811
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, said in ((pipe, "is no folder"), (tmp_path / "nothing", "is not there")):
        for command in ("apply", "show"):
            assert run(command, path) == 1
            assert said in capsys.readouterr().err
    for path, said in ((tmp_path, "is no file"), (pipe, "is no file"), (tmp_path / "no" / "plan", "is no folder")):
        assert run("plan", stack, "-o", path) == 1
        assert said in capsys.readouterr().err
    assert host.changes == []


def test_a_plan_that_cannot_be_written_leaves_nothing(stack, host, tmp_path, capsys, monkeypatch):  # noqa: F811
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run("plan", stack, "-o", tmp_path / "plan.vmp") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack"]


def test_json_that_is_nested_too_deeply_is_refused():
    body = b'{"version": "%s", "document": %s}' % (__version__.encode(), b"[" * 200_000 + b"]" * 200_000)
    head = b"vmstack-plan 1 %s -\n" % hashlib.sha256(b"-\n" + body).hexdigest().encode()
    assert _is_refused(head + body)


def test_with_a_passphrase_nobody_else_can_write_a_plan(stack, host, file, capsys, monkeypatch):  # noqa: F811
    assert run("plan", stack, "-o", file) == 0
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    assert run("apply", file, "-C", stack) == 1
    assert "is not sealed" in capsys.readouterr().err

    assert run("plan", stack, "-o", file) == 0
    assert run("show", file) == 0
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another horse")
    capsys.readouterr()
    for command in (("apply", file, "-C", stack), ("show", file)):
        assert run(*command) == 1
        assert "is not right: it was made with another passphrase, or forged" in capsys.readouterr().err
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert run("apply", file, "-C", stack) == 1
    assert "no passphrase is given" in capsys.readouterr().err
    assert run("show", file) == 0  # it holds no secret
    assert host.changes == []

    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
    sealed = file.read_bytes()
    forge(file, lambda document: None)  # the seal taken off
    assert run("apply", file, "-C", stack) == 1
    file.write_bytes(sealed)
    assert run("apply", file, "-C", stack) == 0


def test_another_program_is_refused(stack, host, file, capsys):  # noqa: F811
    assert run("plan", stack, "-o", file) == 0
    main = stack / "__main__.py"
    original = main.read_text()
    main.write_text(original.replace('disk="1GiB"', 'disk="2GiB"'))
    assert run("apply", file, "-C", stack) == 1
    assert "is a plan of another program" in capsys.readouterr().err
    main.write_text("# a remark\n" + original)  # nothing else is wanted
    (stack / "Pulumi.dev.yaml").write_text("config: {shop:memory: 1GiB}\n")
    assert run("apply", file, "-C", stack) == 1
    assert "or its configuration, is not what it was" in capsys.readouterr().err
    (stack / "Pulumi.dev.yaml").write_text("config: {}\n")
    (stack / "Pulumi.yaml").write_text("name: store\nruntime: python\n")
    assert run("apply", file, "-C", stack) == 1
    assert "is a plan of stack shop/dev, and the program here is of store/dev" in capsys.readouterr().err
    (stack / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    assert host.changes == []
    assert run("apply", file, "-C", stack) == 0


def test_a_project_may_stand_elsewhere(stack, host, file, tmp_path, monkeypatch):  # noqa: F811
    assert run("plan", stack, "-o", file) == 0
    moved = stack.rename(tmp_path / "another-checkout")
    monkeypatch.chdir(moved)
    assert run("apply", file) == 0


def test_options_may_repeat_what_the_file_says_and_nothing_else(stack, host, file, capsys, monkeypatch):  # noqa: F811
    assert run("plan", stack, "-c", "count=2", "-o", file) == 0
    for options, said in (
        ((), "was made with -c count"),
        (("-c", "count=3"), "is a plan of another program"),
        (("-c", "count=2", "-c", "memory=1GiB"), "was made without -c memory"),
        (("-c", "count=2", "-s", "prod"), "and not of 'prod'"),
        (("-c", "count=2", "--allow-data-loss"), "other values of --allow-data-loss, or without"),
        (("-c", "count=2", "--allow-empty"), "other values of --allow-empty, or without"),
        (("-c", "count=2", "--target", "vm.*", "--max-deletes", "1"), "--target and --exclude, --max-deletes"),
        (("-c", "count=2", "--max-deletes", "0"), "other values of --max-deletes, or without"),
        (("-c", "count=2", "--connect", "qemu:///session"), "was made without --connect"),
    ):
        capsys.readouterr()
        assert run("apply", file, "-C", stack, *options) == 1, options
        assert said in capsys.readouterr().err
    monkeypatch.setenv("VMSTACK_STACK", "prod")
    assert run("apply", file, "-C", stack, "-c", "count=2") == 1
    assert "VMSTACK_STACK" in capsys.readouterr().err
    assert host.changes == []
    assert run("apply", file, "-C", stack, "-c", "count=2", "-s", "dev", "--yes") == 0
    assert len(vms(host)) == 2


def test_a_lock_is_respected(stack, host, file, capsys):  # noqa: F811
    assert run("plan", stack, "-o", file) == 0
    HostLock(host.connect(), StackId("shop", "dev"), operation="apply").acquire()
    assert run("apply", file, "-C", stack) == 4
    assert vms(host) == {}


def test_events_can_go_to_a_file_beside_what_people_see(stack, host, file, tmp_path, capsys):  # noqa: F811
    events = tmp_path / "events"

    def types() -> list[str]:
        return [json.loads(line)["type"] for line in events.read_text().splitlines()]

    assert run("plan", stack, "-o", file, "--json-into", events) == 0
    assert "vm.web-0 will be created" in capsys.readouterr().out
    assert types() == ["version", *["planned_change"] * 4, "change_summary", "outputs"]
    assert run("apply", file, "-C", stack, "--json-into", events) == 0
    assert "Apply complete!" in capsys.readouterr().out
    assert types()[:6] == ["version", *["planned_change"] * 4, "change_summary"]
    assert {"apply_start", "apply_complete", "provision_start", "provision_complete"} <= set(types())
    assert run("apply", file, "-C", stack, "--json-into", events) == 6
    assert types() == ["version", "diagnostic"]
    assert run("apply", file, "-C", stack, "--json") == 6
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["version", "diagnostic"]
    assert "domain web-0 has appeared" in lines[1]["diagnostic"]["detail"]
    assert run("apply", stack, "--yes", "--json", "--json-into", events) == 1
    assert run("plan", stack, "--json-into", tmp_path / "no" / "events") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_two_plans_of_one_thing_prove_the_same_in_other_words(folder, host, tmp_path):
    folder.mkdir()
    write_stack(folder, HOST)
    saved: list[SavedPlan] = []
    for number in range(2):
        file = tmp_path / f"{number}.vmp"
        assert run("plan", folder, "-o", file) == 0
        saved.append(decode_plan_file(file.read_bytes(), name="plan", passphrase=None, strict=True))
    assert saved[0].program != saved[1].program  # salted: what it is of cannot be looked up
    again = encode_plan_file(saved[0], seal=Seal(salt=saved[0].salt, passphrase=None))
    assert decode_plan_file(again, name="plan", passphrase=None, strict=True) == saved[0]


POLICY = """
import pulumi
from vmstack import policy

@policy
def judge(plan):
    if pulumi.Config().get("refuse"):
        plan.refuse("not today")
    plan.warn("look at it")
"""


def test_what_steers_a_plan_is_in_the_file_and_policies_judge_again(stack, host, file, capsys):  # noqa: F811
    main = stack / "__main__.py"
    main.write_text(main.read_text() + POLICY)
    assert run("plan", stack, "-c", "refuse=1", "-o", file) == 5
    assert "The plan is not saved." in capsys.readouterr().err
    assert not file.exists()

    options = ("-c", "count=2", "--exclude", "vm.web-1", "--max-disruption", "live", "--max-deletes", "0")
    assert run("plan", stack, *options, "-o", file) == 0
    capsys.readouterr()
    assert run("show", file) == 0
    captured = capsys.readouterr()
    assert "vm.web-1" not in captured.out
    assert "look at it" in captured.err
    assert run("apply", file, "-C", stack, "-c", "count=2", "--exclude", "vm.web-0") == 1
    assert run("apply", file, "-C", stack, "-c", "count=2", "--max-deletes", "1") == 1
    assert host.changes == []
    assert run("apply", file, "-C", stack, "-c", "count=2", "--max-deletes", "0") == 0
    assert vms(host) == {"web-0": "running"}

    assert run("plan", stack, "-c", "count=2", "--replace", "vm.web-0", "-o", file) == 0
    capsys.readouterr()
    assert run("show", file, "--json") == 0
    rows = {row["address"]: row for row in json.loads(capsys.readouterr().out)["resource_changes"]}
    assert rows["libvirt_domain.web-0"]["action_reason"] == "replace_by_request"
    assert run("apply", file, "-C", stack, "-c", "count=2") == 0
    assert sorted(vms(host)) == ["web-0", "web-1"]
