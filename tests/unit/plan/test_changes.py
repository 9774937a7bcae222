"""The change table: whole, without contradictions, and what the differs really look up."""

from itertools import chain

import pytest

from vmstack.model.configs import DomainConfig
from vmstack.model.plan import Disruption
from vmstack.plan import domain_diff, network_diff
from vmstack.plan.changes.row import Case, Noun, Outcome, VmState
from vmstack.plan.changes.table import TABLE, disruption_of, field_of, only_case, row_of
from vmstack.plan.ignore import written_paths

ROWS = [(noun, row) for noun, rows in TABLE.items() for row in rows]


def fields(noun: Noun) -> set[str]:
    return {row.field for row in TABLE[noun]}


def test_every_path_that_the_domain_diff_can_yield_has_a_row() -> None:
    parts = [f"{name}[]" for name in domain_diff._KEYED]
    for owner, names in (("disks[]", domain_diff._DISK_FIELDS), ("nics[]", domain_diff._NIC_FIELDS)):
        parts += [owner, *(f"{owner}.{name}" for name in names)]
    parts += ["channels[]", "disks[].kind", "disks[].backing", "disks[].content", "stylesheet", "stylesheet[]"]
    assert {*domain_diff.SCALARS, *parts} <= fields(Noun.VM)


def test_every_field_of_a_domain_is_written_under_some_path() -> None:
    own = {"uuid", "disks", "nics", "channels", "pcie_ports", *domain_diff._KEYED}
    assert {*domain_diff.SCALARS.values(), *own} == set(DomainConfig.__struct_fields__)


def test_every_path_that_the_network_diff_can_yield_has_a_row() -> None:
    lists = {"subnets", "dhcp[]", "reservations[]", "dns_hosts[]", "dns_srvs[]", "dns_hosts", "dns_srvs", "xslt"}
    assert {*network_diff._FIELDS, *lists} <= fields(Noun.NETWORK)


def test_everything_that_ignore_changes_knows_has_a_row() -> None:
    for noun, names in written_paths().items():
        missing = {name for name in names if not {name, f"{name}[]"} & fields(noun)}
        assert not missing, noun


def test_no_row_stands_twice_and_rows_of_one_field_say_when_they_hold() -> None:
    keys = [(noun, row.field, row.case) for noun, row in ROWS]
    assert len(keys) == len(set(keys))
    for noun, row in ROWS:
        others = [other for other in TABLE[noun] if other.field == row.field]
        kinds = [other for other in others if not other.when]
        assert len(kinds) <= 1, (noun, row.field)


def test_every_case_has_a_row() -> None:
    assert {row.case for _, row in ROWS} == set(Case)


@pytest.mark.parametrize("state", VmState)
def test_every_row_has_a_reason_and_a_class_for_every_state(state: VmState) -> None:
    for noun, row in ROWS:
        assert row.why.endswith("."), (noun, row)
        refused = row.classes.of(state) is Outcome.REFUSED
        assert row.disruption(state).value == ("data-loss" if refused else row.classes.of(state).value)


def test_a_stopped_guest_notices_only_losses() -> None:
    harmless = (Outcome.NONE, Outcome.LIVE, Outcome.REFUSED)
    for noun, row in ROWS:
        assert row.classes.stopped in harmless or row.case is Case.VOLUME_REPLACE, (noun, row)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("vcpus", "vcpus"),
        ("disks[data].cache", "disks[].cache"),
        ("nics[52:aa:bb:cc:dd:ee].model", "nics[].model"),
        ("metadata[http://[::1]/x]", "metadata[]"),
        ("network.lan", "network.*"),
        ("base.image", "base.image"),
    ],
)
def test_paths_name_fields(path: str, field: str) -> None:
    assert field_of(path) == field


def test_a_change_that_no_row_knows_is_a_defect() -> None:
    with pytest.raises(LookupError, match="no row for vm moon"):
        row_of("moon", case=Case.NOTE)
    with pytest.raises(LookupError, match="3 cases for vm vcpus"):
        only_case("vcpus")


def test_any_field_of_a_definition_that_is_written_whole_restarts_its_guest() -> None:
    everything = chain(fields(Noun.VM))
    classes = {disruption_of(field, case=Case.WHOLE, state=VmState.RUNNING) for field in everything}
    assert classes == {Disruption.RESTART}
