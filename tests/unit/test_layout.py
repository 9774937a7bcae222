"""The shape of the code base itself."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 500
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "vmstack").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_is_too_long_to_be_read_at_once(module: Path) -> None:
    lines = len((ROOT / module).read_text().splitlines())
    assert lines <= LIMIT, f"{module} has {lines} lines: split it by subject"


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not [module for module in MODULES if module.stem in {"utils", "util", "helpers", "common", "misc"}]
