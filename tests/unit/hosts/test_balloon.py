"""Setting memory ends when the guest's balloon got there, or says that it did not."""

import pytest

from tests.fake.host import FakeHost
from vmstack.hosts.driver import DomainRecord
from vmstack.hosts.execute import execute
from vmstack.model.configs import DomainConfig
from vmstack.model.effects import SetMemory
from vmstack.xmlio.domain import read_domain, write_domain

UUID = "6570600b-1371-561c-9501-c5912fb0e66f"


class SlowBalloon(FakeHost):
    """A host whose guest moves its balloon only when it has been looked at `looks` times; never for None."""

    looks: int | None = 3

    def set_memory(self, uuid: str, kib: int, *, live: bool, config: bool) -> None:
        super().set_memory(uuid, kib, live=False, config=config)
        self.wanted = kib

    def wait_for_domain(self, uuid: str, *, until, timeout: float) -> DomainRecord | None:
        for look in range(10):
            if self.looks is not None and look == self.looks:
                super().set_memory(uuid, self.wanted, live=True, config=False)
            record = self.domain(uuid)
            if until(record):
                return record
        raise TimeoutError


@pytest.mark.parametrize(("looks", "arrives"), [(0, True), (3, True), (None, False)])
def test_memory_is_set_when_the_balloon_got_there(looks: int | None, arrives: bool) -> None:
    host = SlowBalloon()
    host.looks = looks
    config = DomainConfig(
        name="a", uuid=UUID, type="qemu", vcpus=1, max_vcpus=1, memory_kib=131072, max_memory_kib=262144,
        arch="x86_64", machine="q35",
    )  # fmt: skip
    host.define_domain(write_domain(config, stamp=None))
    host.start_domain(UUID)
    done = execute(SetMemory(uuid=UUID, name="a", kib=196608, live=True), host, supply=None, report=lambda *_: None)
    live = host.domain(UUID).live_xml
    assert live is not None
    assert (read_domain(live).memory_kib == 196608) is arrives
    assert done.notes == (() if arrives else ("a: the guest's balloon has not moved yet to 196608 KiB",))
