"""Row by row: the class that the plan says, against what happened to the guest."""

import pytest

from tests.cases.classic.bench import Bench
from tests.live.changes import rows_compute, rows_devices, rows_network, rows_storage
from tests.live.changes.change import Change, Names, Trial
from tests.live.changes.networks import NetworkSession
from tests.live.changes.storage import StorageSession
from tests.live.changes.trials import Session

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]
# So many guests at once: more would only wait for each other.
_TOGETHER = 24
_MODULES = {"compute": rows_compute.CHANGES, "devices": rows_devices.CHANGES}


def _batches(name: str, changes: tuple[Change, ...]) -> list[object]:
    trials = list(Names(name[0]).trials(changes))
    return [
        pytest.param(trials[start : start + _TOGETHER], id=f"{name}-{start // _TOGETHER + 1}")
        for start in range(0, len(trials), _TOGETHER)
    ]


@pytest.mark.parametrize("trials", [batch for name, rows in _MODULES.items() for batch in _batches(name, rows)])
def test_every_change_does_what_the_plan_says(bench: Bench, trials: list[Trial]) -> None:
    faults = Session(bench, trials).run()
    assert not faults, "\n".join(faults)


def test_every_change_of_a_network_does_what_the_plan_says(bench: Bench) -> None:
    faults = NetworkSession(bench, rows_network.CHANGES).run()
    assert not faults, "\n".join(faults)


def test_every_change_of_storage_does_what_the_plan_says(bench: Bench) -> None:
    faults = StorageSession(bench, rows_storage.CHANGES).run()
    assert not faults, "\n".join(faults)
