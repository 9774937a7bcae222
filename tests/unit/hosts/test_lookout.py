"""Hosts read ahead by a process of its own, which is forked before there are threads: in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

from vmstack.hosts.lookout import covers
from vmstack.model.configs import DomainConfig, PoolConfig
from vmstack.model.observed import HostFacts, HostSnapshot, ObservedDomain, ObservedPool, Scope

FACTS = HostFacts(
    uri="qemu:///system", hostname="kvm", arch="x86_64", domain_type="qemu", libvirt_version=9000000,
    hypervisor_version=7002000, cpus=2, memory=1 << 32,
)  # fmt: skip
UUID = "11111111-2222-3333-4444-555555555555"


def pool(*, active: bool = True, volumes: tuple[()] | None = None) -> ObservedPool:
    config = PoolConfig(name="web", uuid=UUID, type="dir", path="/srv/web")
    return ObservedPool(uuid=UUID, name="web", active=active, autostart=True, config=config, volumes=volumes)


def domain(*, xml: str) -> ObservedDomain:
    config = DomainConfig(name="web-0", uuid=UUID, vcpus=1, max_vcpus=1, memory_kib=1, max_memory_kib=1)
    return ObservedDomain(
        uuid=UUID, name="web-0", active=False, state="shutoff", persistent=True, autostart=False, config=config, xml=xml
    )


@pytest.mark.parametrize(
    ("snapshot", "scope", "enough"),
    [
        pytest.param({}, Scope(pools=frozenset({"web"})), True, id="a pool that is not there yet"),
        pytest.param({"pools": (pool(),)}, Scope(), True, id="a pool of others"),
        pytest.param(
            {"pools": (pool(),)}, Scope(pools=frozenset({"web"})), False, id="a pool that was not looked into"
        ),
        pytest.param({"pools": (pool(volumes=()),)}, Scope(pools=frozenset({"web"})), True, id="a pool that was"),
        pytest.param({"pools": (pool(active=False),)}, Scope(pools=frozenset({"web"})), True, id="a pool that is off"),
        pytest.param(
            {"domains": (domain(xml=""),)}, Scope(objects=frozenset({UUID})), False, id="a domain to take over"
        ),
        pytest.param({"domains": (domain(xml="<domain/>"),)}, Scope(objects=frozenset({UUID})), True, id="our domain"),
    ],
)
def test_what_was_seen_must_be_all_that_the_program_is_about(
    snapshot: dict[str, tuple[object, ...]], scope: Scope, enough: bool
) -> None:
    assert covers(HostSnapshot(host="kvm", facts=FACTS, **snapshot), scope) is enough  # type: ignore[arg-type]


PROGRAM = """
import os, signal, sys
from tests.fake.host import FakeHost
from vmstack.hosts.lookout import Lookout
from vmstack.hosts.observe import observe_host
from vmstack.model.identity import StackId
from vmstack.model.observed import Scope
from vmstack.model.specs import HostSpec

fake, stack = FakeHost(), StackId("shop", "dev")
names = ("a", "b", "broken", "unasked")
specs = {name: HostSpec(name=name, uri=f"qemu+unix:///system?socket=/{name}") for name in names}
specs["far"] = HostSpec(name="far", uri="qemu+ssh://far/system")

def open_host(spec):
    if spec.name == "broken":
        raise ValueError("whatever")
    if spec.name == "hangs":
        signal.pause()
    return fake.connect(faults=fake.faults)

lookout = Lookout.post(open_host)
for name in ("a", "b", "broken", "far", "a"):
    lookout.send(specs[name], stack=stack)
seen = lookout.snapshots(specs, scopes={})
assert set(seen) == {"a", "b"}, seen
driver = open_host(specs["a"])
for name in seen:
    assert seen[name] == observe_host(name, driver, stack=stack, scope=Scope())

lookout.send(HostSpec(name="hangs", uri="qemu:///system"), stack=stack)
os.kill(lookout._pid, signal.SIGKILL)
assert lookout.snapshots({"hangs": HostSpec(name="hangs", uri="qemu:///system")}, scopes={}) == {}
lookout.dismiss()
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no process is left")
"""


def test_a_process_reads_ahead_what_it_can_and_leaves_the_rest() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "no process is left\n"
    assert done.stderr == ""
