"""Every file in tests/cases/classic on a FakeHost: each state made from nothing, and each change made.

README.md there describes the format. tests/live/classic runs the same files on the real daemon.
"""

from pathlib import Path

import msgspec
import pytest

from tests.cases.classic.bench import Bench, Round
from tests.cases.classic.casefile import Case, all_cases, plans_of
from tests.fake.host import FakeHost
from vmstack.model.graph import DesiredGraph

CASES = {name: case for name, case in all_cases() if case.only != "libvirt"}
URI = "qemu:///system"
STATES = [(name, running, state) for name, case in CASES.items() for running in case.modes for state in case.states]
CHANGES = [(name, running) for name, case in CASES.items() if case.changes for running in case.modes]
Graphs = dict[tuple[str, frozenset[tuple[str, str]]], DesiredGraph]


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="session")
def graphs() -> Graphs:
    """Evaluated once: many cases have the same programs, in the same folder."""
    return {}


@pytest.fixture
def bench(project: Path, graphs: Graphs, image_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    monkeypatch.setenv("VMSTACK_CLOUDINIT_SCHEMA", "")
    hosts: dict[str, FakeHost] = {}

    def open_host(uri: str) -> FakeHost:
        if uri not in hosts:
            hosts[uri] = FakeHost()
            for group in ("case", "case-too"):  # volume groups of LVM
                hosts[uri].machine.make_directory(f"/dev/{group}")
        return hosts[uri]

    values = {"prefix": "case", "subnet": "10.20.0", "folder": "/var/lib/libvirt/case", "uri": URI, "bridge": "br0"}
    return Bench(project, open_host, values, cache=image_cache, graphs=graphs)


def _label(value: object) -> str:
    return {True: "running", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("name", "running", "state"), STATES, ids=_label)
def test_state(name: str, running: bool, state: str, bench: Bench) -> None:
    case = CASES[name]
    host = _equip(bench, case)
    before = host.machine.dump()
    found = Round(case, bench, running=running)
    refused = case.states[state].refused
    if refused is not None:
        found.refuse(state, text=refused)
        assert host.machine.dump() == before
        return
    found.reach(state)
    found.leave()
    assert {key: text for key, text in host.machine.dump().items() if before.get(key) != text} == {}


@pytest.mark.parametrize(("name", "running"), CHANGES, ids=_label)
def test_changes(name: str, running: bool, bench: Bench) -> None:
    case = CASES[name]
    _equip(bench, case)
    found = Round(case, bench, running=running)
    for number, step in enumerate(case.changes):
        try:
            found.change(number)
        except Exception as error:
            error.add_note(f"The change is number {number}: from {step.start} to {step.to}")
            raise
        if step.refused is None and any("next-boot" in plan for plan in plans_of(step, running=running).values()):
            found.leave()  # what the guest still runs with would be in the next plan


def _equip(bench: Bench, case: Case) -> FakeHost:
    """The fake host, with the hardware that the case is about."""
    host = bench.driver
    if case.kvm:
        host.machine.facts = msgspec.structs.replace(host.machine.facts, domain_type="kvm")
    return host
