"""Row by row: the class that the plan says, against what happened to the disks, pools and guests."""

import pytest

from tests.cases.classic.bench import Bench
from tests.live.changes import rows_storage
from tests.live.changes.storage import StorageSession

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(300)]


def test_every_change_does_what_the_plan_says(bench: Bench) -> None:
    faults = StorageSession(bench, rows_storage.CHANGES).run()
    assert not faults, "\n".join(faults)
