"""`vmstack drift`: what it prints, its exit codes, and that it only looks."""

import json
from pathlib import Path

import pytest

from tests.fake.host import FakeHost
from vmstack.apply import pipeline
from vmstack.cli.main import main
from vmstack.errors import HostUnreachableError
from vmstack.model.identity import Key, Kind, StackId, derive_uuid

UUID = derive_uuid(StackId("shop", "dev"), Key(Kind.VM, "web"))
PROGRAM = """
from vmstack import Host, StoragePool, VirtualMachine

kvm = Host("kvm1", uri="qemu:///system")
pool = StoragePool("web", path="/pools/web", host=kvm)
VirtualMachine("web", host=kvm, pool=pool, disk="1GiB", running=False, on_drift={"vcpus": "report"})
"""


@pytest.fixture
def stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VMSTACK_STACK", "dev")
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "Pulumi.dev.yaml").write_text("config: {}\n")
    (folder / "__main__.py").write_text(PROGRAM)
    return folder


def test_drift_is_shown_with_who_applied_last_and_what_apply_does(
    stack: Path, host: FakeHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["apply", "--yes", str(stack)]) == 0
    capsys.readouterr()
    asked: list[bool] = []

    def connect(spec: object, *, readonly: bool, at_once: int = 1) -> FakeHost:
        asked.append(readonly)
        return host.connect()

    monkeypatch.setattr(pipeline, "connect", connect)
    assert main(["drift", str(stack)]) == 0
    assert "No drift." in capsys.readouterr().out

    host.set_vcpus(UUID, 1, live=False, config=True)
    host.set_description(UUID, "others", live=False)
    host.set_domain_autostart(UUID, enabled=True)
    changes = host.change_count
    assert main(["drift", str(stack)]) == 2
    out = capsys.readouterr().out
    assert "  # vm.web on kvm1\n  # applied " in out
    assert "__main__.py:6" in out
    assert "~ autostart: false -> true   (apply puts it right)" in out
    assert '+ description: "others" was added   (apply leaves it)' in out
    assert "Drift: 2 found, 1 to repair, 1 to report, 0 that apply refuses." in out
    assert main(["drift", "--json", str(stack)]) == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["stack"]) == (1, {"project": "shop", "stack": "dev"})
    [found] = [item for item in document["drift"] if item["kind"] == "autostart"]
    assert found.pop("place")["line"] == 6
    assert found.pop("applied") == document["last_runs"]["kvm1"]
    assert found == {
        "address": "vm.web", "host": "kvm1", "kind": "autostart", "path": "autostart", "was": False, "now": True,
        "remedy": "repair", "disruption": "none", "note": None,
    }  # fmt: skip
    assert (document["refusals"], document["unknown"]) == ([], [])
    assert host.change_count == changes
    assert all(asked)


def test_a_host_that_cannot_be_read_is_an_error_and_no_drift(
    stack: Path, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> FakeHost:
        raise HostUnreachableError("no connection")

    monkeypatch.setattr(pipeline, "connect", connect)
    assert main(["drift", str(stack)]) == 1


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ('"fix"', "on_drift: 'fix' is not one of 'repair', 'report', 'ignore'"),
        ('{"vcpus": "no"}', "on_drift: vcpus: 'no' is not one of"),
        ('{"colour": "report"}', "on_drift names 'colour', which is no field of it"),
        ("3", "on_drift: 3 is not a dict"),
    ],
)
def test_bad_policies_are_refused(
    stack: Path, host: FakeHost, capsys: pytest.CaptureFixture[str], policy: str, text: str
) -> None:
    (stack / "__main__.py").write_text(PROGRAM.replace('{"vcpus": "report"}', policy))
    assert main(["validate", str(stack)]) == 1
    assert text in capsys.readouterr().err
