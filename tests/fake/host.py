"""FakeHost: one connection to an in-memory hypervisor that behaves as libvirt does."""

from tests.fake.device_calls import DeviceCalls
from tests.fake.faults import Faults
from tests.fake.machine import DEFAULT_FACTS, Machine
from tests.fake.network_calls import NetworkCalls
from tests.fake.secret_calls import SecretCalls
from tests.fake.storage_calls import StorageCalls
from tests.fake.wire import reads
from vmstack.model.observed import HostFacts


class FakeHost(StorageCalls, NetworkCalls, DeviceCalls, SecretCalls):
    """Implements `vmstack.hosts.driver.Driver`. What the contract tests say of it holds of the real daemon too.

    `machine` is the hypervisor; `connect` opens another connection to the same one (after a crash, or as somebody
    else at the host). `faults` are this connection's; `changes` are the mutating calls that it completed.
    """

    def __init__(
        self, machine: Machine | None = None, *, faults: Faults | None = None, facts: HostFacts = DEFAULT_FACTS
    ) -> None:
        super().__init__(machine or Machine(facts), faults or Faults())

    def connect(self, *, faults: Faults | None = None) -> "FakeHost":
        """A fresh connection to the same machine."""
        return FakeHost(self.machine, faults=faults)

    def fork(self) -> "FakeHost":
        """A connection to a copy of the machine, which goes its own way."""
        return FakeHost(self.machine.copy())

    @property
    def change_count(self) -> int:
        """How many mutating calls this connection was asked for."""
        return self._changes

    @reads
    def facts(self) -> HostFacts:
        return self.machine.facts

    def close(self) -> None:
        self.closed = True


def fleet(*names: str) -> dict[str, FakeHost]:
    """Several separate hosts by name."""
    return {
        name: FakeHost(facts=HostFacts(**{**_fields(DEFAULT_FACTS), "hostname": name, "uri": f"fake://{name}/system"}))
        for name in names
    }


def _fields(facts: HostFacts) -> dict[str, object]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}
