"""FakeHost: one connection to an in-memory hypervisor that behaves as libvirt does."""

from tests.fake.device_calls import DeviceCalls
from tests.fake.faults import Faults
from tests.fake.machine import DEFAULT_FACTS, Machine
from tests.fake.network_calls import NetworkCalls
from tests.fake.secret_calls import SecretCalls
from tests.fake.storage_calls import StorageCalls
from tests.fake.wire import reads
from vmstack.hosts.driver import DeviceRecord, NodeRecord
from vmstack.model.observed import HostFacts

_DEVICES = (
    DeviceRecord(
        name="computer",
        parent=None,
        capabilities=("system",),
        xml="<device><name>computer</name><capability type='system'><product>Box</product>"
        "<hardware><vendor>ACME</vendor></hardware></capability></device>",
    ),
    DeviceRecord(
        name="net_eth0",
        parent="computer",
        capabilities=("net",),
        xml="<device><name>net_eth0</name><path>/sys/eth0</path><parent>computer</parent><capability type='net'>"
        "<interface>eth0</interface><address>52:54:00:00:00:01</address><link speed='1000' state='up'/>"
        "<feature name='rx'/><capability type='80203'/></capability></device>",
    ),
)


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

    @reads
    def node(self) -> NodeRecord:
        facts = self.machine.facts
        return NodeRecord(
            cpu_model=facts.arch, memory_kib=facts.memory // 1024, cpus=facts.cpus, nodes=1, sockets=1,
            cores=facts.cpus, threads=1,
        )  # fmt: skip

    @reads
    def devices(self) -> list[DeviceRecord]:
        return list(_DEVICES)

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
