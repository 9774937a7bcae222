"""Row by row: the class that the plan says, against what happened to the guest."""

import pytest

from tests.cases.classic.bench import Bench
from tests.live.changes import rows_compute
from tests.live.changes.change import Trial, batches
from tests.live.changes.trials import Session

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]


@pytest.mark.parametrize("trials", batches("compute", rows_compute.CHANGES))
def test_every_change_does_what_the_plan_says(bench: Bench, trials: list[Trial]) -> None:
    faults = Session(bench, trials).run()
    assert not faults, "\n".join(faults)
