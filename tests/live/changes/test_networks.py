"""Row by row: the class that the plan says, against what happened to the networks and their guests."""

import pytest

from tests.cases.classic.bench import Bench
from tests.live.changes import rows_network
from tests.live.changes.networks import NetworkSession

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]


def test_every_change_does_what_the_plan_says(bench: Bench) -> None:
    faults = NetworkSession(bench, rows_network.CHANGES).run()
    assert not faults, "\n".join(faults)
