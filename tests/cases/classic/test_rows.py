"""Every row of "What is different, on purpose" in docs/pulumi-compatibility.md has a test.

Most are files of this folder; what no file can tell is tested here.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.cases.classic.bench import Bench, Round
from tests.cases.classic.casefile import Case, State, all_cases, fill
from tests.cases.classic.test_cases import bench, graphs, image_cache, project  # noqa: F401 - fixtures
from vmstack.errors import ConflictError
from vmstack.model.effects import ShutdownDomain
from vmstack.model.identity import Kind

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "pulumi-compatibility.md"
UNIT = "tests/unit/evaluate/test_classic.py::"
# From the first cell of a row to what shows it: files of this folder, tests of this module or of another.
ROWS: dict[str, tuple[str, ...]] = {
    "`hooks` of an update": ("tests/unit/cli/test_hooks.py::test_hooks_run_around_what_is_done",),
    "`hooks` with `on_dry_run`": ("tests/unit/cli/test_hooks.py::test_hooks_run_around_what_is_done",),
    "delete hooks of what left the program": (
        "tests/unit/cli/test_hooks.py::test_what_leaves_the_program_takes_its_hooks_with_it",
    ),
    "changes that it took and lost": (
        "tests/cases/classic/test_complete.py::test_every_change_that_was_lost_is_made_or_refused",
    ),
    "a volume that is made anew": ("volume/under_a_guest", "volume/under_overlays"),
    "a volume that is there": ("test_a_volume_that_is_there_is_not_taken_over",),
    "a volume that is to shrink": ("volume/size", "volume/base_size"),
    "another name or directory of a pool": ("pool/name", "pool/path"),
    "`running=False`": ("domain/running", "test_what_is_not_to_run_is_never_started"),
    "any update": ("test_an_update_starts_nothing",),
    "a change that a guest has to be off for": ("test_a_guest_is_asked_to_shut_down",),
    "a `logical` pool": ("pool/logical",),
    "`xml.xslt` of a pool changed": ("pool/xslt",),
    "`xml.xslt` of a volume changed": ("volume/xslt",),
    "a volume without `size`, `source` or base": ("volume/size",),
    "auto-naming": ("domain/name", "network/name", "test_made_names_and_identities_are_the_same_everywhere"),
    "UUIDs and MACs": ("test_made_names_and_identities_are_the_same_everywhere",),
    "`CloudInitDisk`": ("cloud_init_disk/documents", "test_one_disk_of_cloud_init_is_a_seed_for_each_domain"),
    "`wait_for_lease`": ("domain/interfaces_wait_for_lease",),
    "`wait_for_lease` where nobody serves DHCP": ("domain/interfaces_nobody_serves",),
    "addresses of a guest that did not wait": (f"{UNIT}test_addresses_that_dhcp_gives_are_unknown_and_said_to_be",),
    "link-local addresses": ("tests/unit/hosts/test_node.py::test_link_local_addresses_are_none",),
    "`Ignition`, `Combustion`": ("ignition/content", "combustion/content", "domain/ignition"),
    "`user_data`, `meta_data`, `network_config`, `content` as outputs": (
        "test_documents_of_guests_are_secret_outputs",
    ),
    "no `graphics`": ("domain/graphics", "domain/graphics_vnc"),
    "`graphics` without `listen_type`": ("domain/graphics_autoport", "domain/graphics"),
    "`graphics` with `autoport=False`": ("domain/graphics_autoport",),
    "`metadata`": ("domain/metadata",),
    "`fw_cfg_name`": ("domain/ignition",),
    "`tpm.model`": ("domain/tpm",),
    "`consoles` with `source_path` of a `pty`": ("domain/consoles_pty_path",),
    "serial ports above the first": ("domain/consoles",),
    "disks that are files, block devices or URLs": ("domain/disks_of_the_host",),
    "`disks.wwn`": ("domain/disks_wwn",),
    "another `arch`": ("domain/arch",),
    "XSLT": ("domain/xslt", "network/xslt", "test_what_a_stylesheet_added_is_looked_after"),
    "no `type`": ("domain/type",),
    "no `machine`": ("domain/machine",),
    "`domain` of a network": ("network/domain", "network/dns_local_only"),
    "`dns.enabled=False`": ("network/dns_enabled",),
    "`mtu`, `dhcp.enabled`, `dns.*`, `routes`, `dnsmasq_options` changed": (
        "network/mtu", "network/dhcp", "network/dns_enabled", "network/dns_local_only", "network/routes",
        "network/dnsmasq_options",
    ),
    "images from URLs": ("volume/source",),
    "a name below two components": (f"{UNIT}test_two_of_one_name_below_different_components_are_refused",),
    "`apply` on a value that is not known": (f"{UNIT}test_addresses_that_dhcp_gives_are_unknown_and_said_to_be",),
}  # fmt: skip


def test_every_row_has_a_test_and_every_test_its_row() -> None:
    text = PAGE.read_text().partition("## What is different, on purpose")[2]
    table = text[text.index("|---") :].split("\n\n")[0]
    rows = [re.split(r" \| ", line.strip("| "))[0] for line in table.splitlines()[1:]]
    assert sorted(set(rows) - set(ROWS)) == [], "rows that nothing shows"
    assert sorted(set(ROWS) - set(rows)) == [], "rows that the page does not have"


@pytest.mark.parametrize("shown", sorted({name for names in ROWS.values() for name in names}))
def test_what_shows_a_row_is_there(shown: str) -> None:
    if "::" not in shown and not shown.startswith("test_"):
        assert shown in dict(all_cases())
        return
    module, _, function = shown.rpartition("::")
    source = (ROOT / module if module else Path(__file__)).read_text()
    assert function in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def _play(bench: Bench, program: str, *more: str, uses: tuple[str, ...] = ("pool",)) -> Round:  # noqa: F811
    """Apply the programs one after the other."""
    states = {f"state {number}": State(program=text) for number, text in enumerate((program, *more))}
    found = Round(Case(about="", covers=[], states=states, uses=list(uses)), bench, running=True)
    for state in states:
        found.reach(state)
    return found


def _starts(bench: Bench) -> list[str]:  # noqa: F811
    return [call.method for call in bench.driver.changes if call.method in ("start_domain", "resume_domain")]


def test_a_volume_that_is_there_is_not_taken_over(bench: Bench) -> None:  # noqa: F811
    """Whatever somebody put there stays as it was: it is no volume of the stack's."""
    _play(bench, 'libvirt.Volume("other", name="other.qcow2", pool=pool.name, size=1048576, opts=on)')
    bench.driver.create_volume(
        "case-pool",
        "<volume><name>v.qcow2</name><capacity>4096</capacity><target><format type='qcow2'/></target></volume>",
    )
    with pytest.raises(ConflictError) as caught:
        _play(bench, 'libvirt.Volume("v", name="v.qcow2", pool=pool.name, source="$image", opts=on)')
    assert "v.qcow2" in str(caught.value)
    assert '<capacity unit="bytes">4096<' in bench.driver.volume("case-pool", "v.qcow2").xml


def test_what_is_not_to_run_is_never_started(bench: Bench) -> None:  # noqa: F811
    _play(bench, 'libvirt.Domain("vm", name="vm", running=False, opts=on)')
    assert _starts(bench) == []


def test_an_update_starts_nothing(bench: Bench) -> None:  # noqa: F811
    program = 'libvirt.Domain("vm", name="vm", running=False, {}, opts=on)'
    _play(
        bench,
        program.format("memory=64"),
        program.format("memory=128, description='x', autostart=True"),
        program.format("memory=128, disks=[{'volume_id': data.id}], network_interfaces=[{'network_id': net.id}]"),
        uses=("data", "net"),
    )
    assert _starts(bench) == []


def test_a_guest_is_asked_to_shut_down(bench: Bench) -> None:  # noqa: F811
    """It has two minutes, and its power is not cut; what the apply says then is shown by the property tests."""
    program = 'libvirt.Domain("vm", name="vm", memory={}, opts=on)'
    _play(bench, program.format(64))
    case = Case(about="", covers=[], states={})
    planned = bench.plan(bench.evaluate(fill(case.text_of(program.format(128)), bench.values)))
    [asked] = [step.effect for step in planned.plan.steps if isinstance(step.effect, ShutdownDomain)]
    assert (asked.timeout, asked.power_off) == (120, False)


def test_made_names_and_identities_are_the_same_everywhere(bench: Bench) -> None:  # noqa: F811
    case = Case(about="", covers=[], states={}, uses=["net"])
    program = fill(
        case.text_of(
            'vm = libvirt.Domain("vm", network_interfaces=[{"network_id": net.id}], running=False, opts=on)\n'
            'pulumi.export("said", [vm.name, vm.id, vm.network_interfaces[0].mac])'
        ),
        bench.values,
    )
    first, second = (bench.evaluate(program) for _ in range(2))
    assert first.outputs["said"].known
    assert first.outputs == second.outputs
    name, uuid, mac = first.outputs["said"].value
    bench.apply(bench.plan(first))
    [domain] = bench.driver.domains()
    assert (domain.name, domain.uuid) == (name, uuid)
    assert mac.lower() in domain.xml
    assert re.fullmatch(r"vm-[0-9a-f]{7}", name)


def test_one_disk_of_cloud_init_is_a_seed_for_each_domain(bench: Bench) -> None:  # noqa: F811
    program = """
for name in ("a", "b"):
    libvirt.Domain(name, name=name, cloudinit=seed.id, running=False, opts=on)
"""
    _play(bench, program, uses=("seed",))
    names = [record.name for record in bench.driver.volumes("case-pool")]
    assert [re.sub(r"[0-9a-f]{12}", "digest", name) for name in names] == ["a-seed-digest.iso", "b-seed-digest.iso"]
    assert len({name[2:] for name in names}) == 2, "they have an instance-id each"


def test_documents_of_guests_are_secret_outputs(bench: Bench) -> None:  # noqa: F811
    case = Case(about="", covers=[], states={}, uses=["seed"])
    graph = bench.evaluate(
        fill(
            case.text_of(
                'script = libvirt.Combustion("script", pool=pool.name, content="#!/bin/sh", opts=on)\n'
                'pulumi.export("seed", seed.user_data)\npulumi.export("script", script.content)\n'
                'pulumi.export("pool", pool.name)'
            ),
            bench.values,
        )
    )
    assert {name: output.secret for name, output in graph.outputs.items()} == {
        "seed": True, "script": True, "pool": False,
    }  # fmt: skip


def test_what_a_stylesheet_added_is_looked_after(bench: Bench) -> None:  # noqa: F811
    """What somebody takes out of the definition by hand is a difference, and put back."""
    case = dict(all_cases())["domain/xslt"]
    found = Round(case, bench, running=False)
    found.reach("reset")
    [domain] = bench.driver.domains()
    assert 'action="reset"' in domain.xml
    bench.driver.define_domain(re.sub(r'<watchdog model="i6300esb".*?(/>|</watchdog>)', "", domain.xml, flags=re.S))
    program = case.text("reset", running=False, values=bench.values)
    planned = bench.plan(bench.evaluate(program))
    assert [(change.key.kind, change.operation) for change in planned.plan.changes] == [(Kind.VM, "update")]
    bench.apply(planned)
    assert 'action="reset"' in bench.driver.domain(domain.uuid).xml
