"""What waits for a restart: what a definition says otherwise, and nothing that libvirt only filled in."""

from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, MIB, graph, look, small
from tests.unit.plan.scenarios import UUID, converge, deliver
from vmstack.model.configs import DiskConfig, DomainConfig, NicConfig
from vmstack.model.hardware import ConsoleSpec, GraphicsSpec, TpmSpec
from vmstack.model.observed import ObservedDomain
from vmstack.model.ownership import Stamp
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import RestartSpec
from vmstack.plan.domain_diff import written_fields
from vmstack.plan.pending import pending_restart, tell_pending
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

MAC = "52:00:00:00:00:01"
ROOT = DiskConfig(serial="root", path="/p/root.qcow2", format="qcow2", target="vda")
DRIVE = DiskConfig(serial=None, path=None, format="raw", target="sda", bus="sata", device="cdrom")
CONFIG = DomainConfig(
    name="a", uuid="u", vcpus=1, max_vcpus=2, memory_kib=1024, max_memory_kib=2048, cpu_mode="maximum",
    disks=(ROOT, DRIVE), nics=(NicConfig(mac=MAC, network="lan", model="virtio"),),
)  # fmt: skip


def change(config: DomainConfig, **values: Any) -> DomainConfig:
    return msgspec.structs.replace(config, **values)


def observe(defined: DomainConfig, running: DomainConfig | None, **more: Any) -> ObservedDomain:
    domain = ObservedDomain(
        uuid="u", name="a", active=running is not None, state="running", persistent=True, autostart=False,
        config=defined, live=running, stamp=Stamp(path="p/s/vm/a", digest="d", fields=written_fields(CONFIG)),
    )  # fmt: skip
    return msgspec.structs.replace(domain, **more)


@pytest.mark.parametrize(
    ("defined", "running"),
    [
        (CONFIG, None),
        (CONFIG, CONFIG),
        (CONFIG, change(CONFIG, memory_kib=2048)),
        (CONFIG, change(CONFIG, description="old", loader="/f", nvram="/n", nvram_template="/t", emulator="/q")),
        (change(CONFIG, cpu_mode="host-model"), change(CONFIG, cpu_mode="custom")),
        (CONFIG, change(CONFIG, disks=(change(ROOT, backing_path="/b", backing_format="qcow2"), DRIVE))),
        (CONFIG, change(CONFIG, disks=(ROOT, change(DRIVE, format=None)))),
        (CONFIG, change(CONFIG, nics=(change(CONFIG.nics[0], mtu=1400),))),
        (
            change(CONFIG, graphics=GraphicsSpec(listen="", websocket=-1)),
            change(CONFIG, graphics=GraphicsSpec(websocket=5700)),
        ),
        (
            change(CONFIG, tpm=TpmSpec(model="tpm-crb")),
            change(CONFIG, tpm=TpmSpec(model="tpm-crb", version="2.0")),
        ),
    ],
    ids=lambda value: None,
)
def test_what_libvirt_fills_in_does_not_wait(defined: DomainConfig, running: DomainConfig | None) -> None:
    assert pending_restart(observe(defined, running)) == ()


@pytest.mark.parametrize(
    ("defined", "running", "told"),
    [
        ({"vcpus": 2}, {}, "vcpus (1 now, 2 from its next start)"),
        ({"max_memory_kib": 4096}, {}, "max_memory (2 MiB now, 4 MiB from its next start)"),
        ({"cpu_mode": "host-passthrough"}, {}, "cpu_mode (maximum now, host-passthrough from its next start)"),
        ({}, {"kernel": "/k"}, "kernel (/k now, absent from its next start)"),
        ({"disks": (DRIVE,)}, {}, "disks[root] (/p/root.qcow2 now, absent from its next start)"),
        ({}, {"disks": (DRIVE,)}, "disks[root] (absent now, /p/root.qcow2 from its next start)"),
        ({"nics": ()}, {}, "nics[lan] (lan now, absent from its next start)"),
        (
            {"nics": (change(CONFIG.nics[0], model="e1000e"),)},
            {},
            "nics[lan].model (virtio now, e1000e from its next start)",
        ),
        (
            {"disks": (change(ROOT, cache="none"), DRIVE)},
            {},
            "disks[root].cache (absent now, none from its next start)",
        ),
    ],
    ids=lambda value: None,
)
def test_what_the_next_start_brings_waits(defined: dict[str, Any], running: dict[str, Any], told: str) -> None:
    found = pending_restart(observe(change(CONFIG, **defined), change(CONFIG, **running)), nic_names={MAC: "lan"})
    assert [tell_pending(item) for item in found] == [told]


def test_what_others_put_into_the_definition_waits_but_for_disks_that_are_no_part_of_the_stack() -> None:
    theirs = change(CONFIG, video="cirrus", consoles=(ConsoleSpec(port=1, type="file", path="/c"),), disks=(ROOT,))
    assert [item.path for item in pending_restart(observe(theirs, CONFIG))] == ["consoles[serial1]", "video"]
    found = pending_restart(observe(theirs, CONFIG, stamp=None))
    assert [item.path for item in found] == ["consoles[serial1]", "disks[sda]", "video"]


def test_nothing_waits_where_there_is_no_definition() -> None:
    assert pending_restart(observe(change(CONFIG, vcpus=2), CONFIG, persistent=False)) == ()


@pytest.mark.parametrize("policy", ["now", "defer"])
def test_a_saved_guest_goes_on_without_what_changes_and_the_plan_says_so(policy: Any) -> None:
    fake = FakeHost()
    converge(fake, graph(*small()))
    domain = fake.machine.domains[UUID]
    domain.managed_save, domain.state, domain.live_xml, domain.saved_xml = True, "shutoff", None, domain.xml

    def planned(**changes: Any) -> Plan:
        desired = graph(*small(restarts=RestartSpec(policy=policy), **changes))
        return make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)

    [note] = [found.text for found in planned().diagnostics]
    assert note == "it has a saved state, from which it goes on"
    bigger = {"vcpus": 6, "max_vcpus": 6, "memory": 600 * MIB}
    plan = planned(**bigger)
    [note] = [found.text for found in plan.diagnostics]
    assert "max_vcpus, memory, vcpus" in note
    assert "Apply once more" in note
    deliver(plan, fake)
    plan = planned(**bigger)
    assert [change.disruption for change in plan.changes] == [
        Disruption.RESTART if policy == "now" else Disruption.LIVE
    ]
    deliver(plan, fake)
    assert planned(**bigger).changes == ()
