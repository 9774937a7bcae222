"""`vmstack explain`, and the page of the documentation that it makes."""

import inspect
import json
from pathlib import Path

import pytest

from vmstack import Network, StoragePool, VirtualMachine, Volume
from vmstack.cli.explaining import find, page
from vmstack.cli.main import main
from vmstack.errors import InputError
from vmstack.plan.changes.row import Noun

PAGE = Path(__file__).parents[3] / "docs" / "changes.md"


def explain(*arguments: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(["explain", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_the_page_is_what_the_table_says() -> None:
    wanted = page()
    assert PAGE.read_text() == wanted, "make it anew: vmstack explain --markdown > docs/changes.md"


def test_a_field_is_told_by_state_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain("vcpus", capsys=capsys)
    assert "vm vcpus" in out
    assert "running, paused: live" in out
    assert "A running guest cannot give vcpus back." in out


def test_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(explain("vm.cpu_mode", "--json", capsys=capsys))
    (field,) = document["fields"]
    assert (field["noun"], field["field"]) == ("vm", "cpu_mode")
    (row,) = field["rows"]
    assert row["classes"] == {"running": "restart", "paused": "restart", "stopped": "none", "saved": "next-boot"}
    everything = json.loads(explain("--json", capsys=capsys))
    assert {entry["noun"] for entry in everything["fields"]} == {str(noun) for noun in Noun}


def test_without_a_field_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys=capsys)
    assert "vcpus, max_vcpus, memory" in out
    assert "\nvolume\n" in out


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("vcpus", "vcpus"),
        ("disks[data].cache", "disks[].cache"),
        ("disks.cache", "disks[].cache"),
        ("disk", "disks[].capacity"),
        ("networks", "nics[]"),
        ("volume.image", "image"),
        ("running", "power"),
        ("full_copy", "source"),
        ("network.subnets", "subnets"),
        ("network.reservations[a]", "reservations[]"),
        ("network.lan", "network.*"),
    ],
)
def test_fields_are_known_by_the_names_that_people_use(text: str, field: str) -> None:
    assert {row.field for _, row in find(text)} == {field}


@pytest.mark.parametrize("kind", [VirtualMachine, Network, StoragePool, Volume])
def test_every_parameter_is_explained(kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    for name in set(inspect.signature(kind.__init__).parameters) - {"self", "name"}:
        try:
            assert find(name)
        except InputError as error:
            assert f"{name!r} is no field: " in str(error)


def test_a_name_that_several_things_have_is_told_for_all_of_them() -> None:
    assert {noun for noun, _ in find("autostart")} == {Noun.VM, Noun.NETWORK, Noun.POOL}


@pytest.mark.parametrize(
    ("text", "near"), [("vcpu", "did you mean vcpus"), ("cache", "disks[].cache"), ("?", "lists all")]
)
def test_a_field_that_is_none_is_told_with_those_that_are_near(
    text: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert near in explain(text, capsys=capsys, code=1)
