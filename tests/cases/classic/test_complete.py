"""Every input of the SDK's own classes has a case, and so has every change that the old provider lost."""

import pytest

from tests.cases.classic.casefile import Case, all_cases
from tests.cases.classic.inventory import SILENT_NO_OPS, all_inputs, all_names

CASES = dict(all_cases())


def test_every_input_has_a_case() -> None:
    covered = {name for case in CASES.values() for name in case.covers}
    assert sorted(all_inputs() - covered) == []
    assert sorted(covered - set(all_names())) == [], "the SDK has no such input"


@pytest.mark.parametrize("name", CASES)
def test_case_goes_both_ways(name: str) -> None:
    """Every state of a case is left and come to, unless the file says why there is but one way."""
    case = CASES[name]
    if case.one_way is not None or len(case.states) == 1:
        return
    states = {state for state, own in case.states.items() if own.refused is None}
    assert states <= {step.start for step in case.changes}, "states that are never left"
    assert states <= {step.to for step in case.changes}, "states that no change leads to"


def test_every_change_that_was_lost_is_made_or_refused() -> None:
    """The complete list of updates that the old provider took without doing anything."""
    lost = {name for case in CASES.values() if case.silent_no_op for name in case.covers}
    assert sorted(SILENT_NO_OPS - lost) == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.silent_no_op])
def test_case_of_a_lost_change_shows_one(name: str) -> None:
    assert any(_shows(CASES[name], index) for index in range(len(CASES[name].changes)))


def _shows(case: Case, index: int) -> bool:
    """A change that does something, that is refused, or that has nothing to do because both states are one."""
    step = case.changes[index]
    return bool(step.plan) or step.refused is not None or case.states[step.start].expect == case.states[step.to].expect
