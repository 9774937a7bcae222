"""Where the case files come from: what a stack was, what happened at the host, and what it is to be.

`UPDATE=1 pytest tests/unit/plan/test_cases.py` writes every scenario's file anew, and somebody then reads the
difference: the file, not this module, is what the planner is held to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from lxml import etree

from tests.fake import foreign
from tests.fake.disk_images import qcow2
from tests.fake.host import FakeHost
from tests.unit.plan.builders import (
    FACTS,
    GIB,
    IMAGES,
    MIB,
    STACK,
    data,
    graph,
    image,
    lease,
    look,
    network,
    nic,
    pool,
    root,
    seed,
    small,
    vm,
)  # fmt: skip
from vmstack.apply.runner import apply_plan
from vmstack.hosts.ledger import HostLedger
from vmstack.images.seed import build_seed
from vmstack.model.compute import ComputeSpec, CpuFeatureSpec, PinSpec, TopologySpec
from vmstack.model.graph import DesiredGraph, Options, Output
from vmstack.model.identity import Key, Kind, StackId, base_volume_name, derive_uuid
from vmstack.model.observed import ImageFacts
from vmstack.model.ownership import EntryState, Ledger, RunRecord
from vmstack.model.plan import Payload, Plan
from vmstack.model.specs import (
    DiskSpec,
    DnsHost,
    GroupSpec,
    HealthSpec,
    NetworkMode,
    Power,
    Reservation,
    RestartSpec,
    SeedPolicy,
    SeedSpec,
    Spec,
    VolumeSource,
)
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.safe import parse_xml, serialise
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

Act = Callable[[FakeHost], None]
_RUN = RunRecord(run="r1", who="tester", where="here", when="2026-01-01T00:00:00+00:00")
UUID = derive_uuid(STACK, Key(Kind.VM, "web-0"))
NET_UUID = derive_uuid(STACK, Key(Kind.NETWORK, "lan"))


NO_POLICY = PlanPolicy()


@dataclass(frozen=True)
class Scenario:
    """`before` was applied (nothing, if `None`), then `act` happened, and `after` is planned."""

    about: str
    after: DesiredGraph
    before: DesiredGraph | None = None
    act: Act | None = None
    policy: PlanPolicy = NO_POLICY
    images: dict[str, ImageFacts] | None = None


class _Supply:
    def __init__(self, payload: Payload) -> None:
        self._payload = payload

    def open_image(self, name: str) -> tuple[list[bytes | int], int]:
        content = qcow2(GIB, mark=name.encode())
        return [content], len(content)

    def seed(self, digest: str) -> bytes:
        return build_seed(self._payload.seeds[digest])

    def password(self, name: str) -> str:
        return self._payload.passwords[name]


def converge(fake: FakeHost, desired: DesiredGraph, *, images: dict[str, ImageFacts] | None = None) -> None:
    """Plan and apply."""
    policy = PlanPolicy(allow_empty=True, allow_data_loss=True)
    deliver(make_plan(desired, look(fake, desired), policy=policy, images=images or IMAGES), fake)


def deliver(plan: Plan, fake: FakeHost) -> None:
    """Apply a plan, all of it."""
    result = apply_plan(
        plan,
        {"kvm1": fake},
        supply=_Supply(plan.payload),
        run=_RUN,
    )
    assert result.complete, [str(failure.error) for failure in result.failed]


def play(scenario: Scenario) -> FakeHost:
    """The host as the scenario leaves it."""
    fake = FakeHost()
    foreign.build(fake)
    if scenario.before is not None:
        converge(fake, scenario.before)
    if scenario.act is not None:
        scenario.act(fake.connect())
    return fake


ROOT = DiskSpec(name="root", volume="web-0-root")
DATA = DiskSpec(name="data", volume="web-0-data")
CLOUD = seed()


def edited(**changes: Any) -> SeedSpec:
    return seed(user_data="#cloud-config\npackages: [caddy]\n", **changes)


def full(*more: Spec, lan: dict[str, Any] | None = None, options: Any = None, **changes: Any) -> DesiredGraph:
    """A VM with a root and a data disk, a seed and a NIC with a reserved address."""
    values: dict[str, Any] = {"disks": (ROOT, DATA), "nics": (nic(),), "seed": "web-0", "ready_timeout": 60}
    net = network(**{"reservations": (lease(),), **(lan or {})})
    return graph(
        pool(),
        image(),
        root(),
        data(),
        net,
        *(more or (CLOUD,)),
        vm(**{**values, **changes}),
        options=options,
        outputs={"ip": Output(value="10.20.0.10"), "token": Output(value="s3cret", secret=True)},
    )


def stopped(*specs: Spec, **changes: Any) -> DesiredGraph:
    return graph(*small(*specs, power=Power.STOPPED, **changes))


def ledger_edit(**states: EntryState) -> Act:
    """Make entries of volumes pending again, as a killed run leaves them. `_` in names stands for `-`."""

    def act(fake: FakeHost) -> None:
        store = HostLedger(fake, STACK)
        held = store.read()
        assert held is not None
        chosen = {name.replace("_", "-"): state for name, state in states.items()}
        entries = tuple(
            msgspec.structs.replace(entry, state=chosen.get(entry.name.replace("@", "-at-"), entry.state))
            for entry in held.entries
        )
        store.write(msgspec.structs.replace(held, entries=entries))

    return act


def volume_xml(name: str) -> str:
    return f"<volume><name>{name}</name><capacity>1048576</capacity><target><format type='raw'/></target></volume>"


def _clone_xml(name: str) -> str:
    base = f"/pools/web/{base_volume_name('debian', sha256=FACTS.sha256, format='qcow2')}"
    return (
        f"<volume><name>{name}</name><capacity>{GIB}</capacity><target><format type='qcow2'/></target>"
        f"<backingStore><path>{base}</path><format type='qcow2'/></backingStore></volume>"
    )


def _foreign_domain(fake: FakeHost) -> None:
    fake.define_domain(
        foreign.domain("0b5c1b4e-0000-4000-8000-0000000000aa", "web-0", disk="/srv/other/loose.img", mac_end="aa")
    )


def _forged_stamp(fake: FakeHost) -> None:
    from vmstack.model.ownership import Stamp

    stamp = Stamp(path=STACK.path(Key(Kind.VM, "web-9")), digest="x")
    fake.set_domain_metadata(foreign.STOPPED_UUID, xml=write_stamp(stamp), namespace=NAMESPACE, live=False)


def _foreign_pool(fake: FakeHost) -> None:
    fake.define_pool(
        "<pool type='dir'><name>web</name><uuid>0b5c1b4e-0000-4000-8000-0000000000bb</uuid>"
        "<target><path>/elsewhere</path></target></pool>"
    )


def _foreign_volume(fake: FakeHost) -> None:
    fake.create_volume("web", volume_xml("web-0-data.qcow2"))


def _reserve(fake: FakeHost) -> None:
    fake.update_network(
        foreign.NETWORK_UUID, command="add", section="ip-dhcp-host", parent_index=0, live=True, config=True,
        xml="<host mac='52:54:00:00:00:01' ip='10.99.0.7'/>",
    )  # fmt: skip


def _guest_of_others(fake: FakeHost) -> None:
    xml = "<interface type='network'><mac address='52:54:00:00:00:78'/><source network='lan'/></interface>"
    fake.attach_device(foreign.RUNNING_UUID, xml, live=True, config=True)


def _network_edited(fake: FakeHost) -> None:
    lan = fake.machine.networks[NET_UUID]
    assert lan.live_xml is not None
    lan.live_xml = lan.live_xml.replace("10.20.0.200", "10.20.0.150")


def _fail(fake: FakeHost) -> None:
    record = fake.domain(UUID)
    stamp = read_stamp(record.xml)
    assert stamp is not None
    failed = msgspec.structs.replace(stamp, ready="failed", report="cloud-init: ('packages', 'E: no nginx')")
    fake.set_domain_metadata(UUID, xml=write_stamp(failed), namespace=NAMESPACE, live=True)


def _no_channel(fake: FakeHost) -> None:
    domain = fake.machine.domains[UUID]
    domain.xml, domain.live_xml = (_without_channel(xml or "") for xml in (domain.xml, domain.live_xml))


def _without_channel(xml: str) -> str:
    root = parse_xml(xml, what="a domain")
    for target in root.findall("devices/channel/target[@name='org.vmstack.ready.0']"):
        channel = target.getparent()
        channel.getparent().remove(channel)
    return serialise(root)


def _save(fake: FakeHost) -> None:
    fake.machine.domains[UUID].managed_save = True


def _pause(fake: FakeHost) -> None:
    fake.machine.domains[UUID].state = "paused"


def _extra_nic(fake: FakeHost) -> None:
    xml = (
        f"<interface type='network'><mac address='52:54:00:00:00:77'/><source network='{foreign.NETWORK}'/></interface>"
    )
    fake.attach_device(UUID, xml, live=True, config=True)


def _ready_ledger(fake: FakeHost, *, state: EntryState) -> None:
    """Another stack's ledger that has the base image in this stack's (existing) pool."""
    from vmstack.model.ownership import LedgerEntry

    label = base_volume_name("debian", sha256=FACTS.sha256, format="qcow2")
    fake.create_volume(
        foreign.POOL,
        f"<volume><name>{label}</name><capacity>{GIB}</capacity><target><format type='qcow2'/></target></volume>",
    )
    entry = LedgerEntry(
        name="debian@x", role="base", pool=foreign.POOL, label=label, state=state, path=f"{foreign.POOL_PATH}/{label}",
        format="qcow2", capacity=GIB, sha256=FACTS.sha256, image="debian", upload=True,
    )  # fmt: skip
    other = StackId("shop", "prod")
    HostLedger(fake, other).write(Ledger(stack=other, entries=(entry,)))


def _snapshot(fake: FakeHost, *, persistent: bool) -> None:
    """What an external snapshot of the running guest leaves behind, or a transient block copy."""
    domain = fake.machine.domains[UUID]
    assert domain.live_xml is not None
    domain.live_xml = _repointed(domain.live_xml)
    if persistent:
        domain.xml = _repointed(domain.xml)


def _repointed(xml: str) -> str:
    """The XML with another file as its first disk."""
    root = etree.fromstring(xml)
    for source in root.iterfind("devices/disk/source"):
        source.set("file", source.get("file", "").replace("web-0-root.qcow2", "web-0-root.snap1"))
    return etree.tostring(root, encoding="unicode")


def _managed_save(fake: FakeHost) -> None:
    fake.machine.domains[UUID].managed_save = True


def _moved_pool(fake: FakeHost) -> None:
    """Somebody defines the existing pool at another directory, where a volume of the same name is."""
    found = fake.pool(foreign.POOL)
    fake.stop_pool(foreign.POOL)
    fake.define_pool(found.xml.replace(foreign.POOL_PATH, "/srv/elsewhere"))
    fake.build_pool(foreign.POOL)
    fake.start_pool(foreign.POOL)
    fake.create_volume(foreign.POOL, volume_xml("web-0-data.qcow2"))


def _lose_ledger(fake: FakeHost) -> None:
    HostLedger(fake, STACK).remove()


def _empty_pool(fake: FakeHost) -> None:
    for name in sorted(fake.machine.pools["web"].names, reverse=True):
        fake.delete_volume("web", name)


def _foreign_user(fake: FakeHost) -> None:
    fake.define_domain(
        foreign.domain(foreign.STOPPED_UUID, "other-stopped", disk="/pools/web/web-0-data.qcow2", mac_end="02")
    )


def _foreign_overlay(fake: FakeHost) -> None:
    """A domain of somebody else whose disk, in a pool of theirs, is on top of our base image."""
    xml = foreign.domain(foreign.STOPPED_UUID, "other-stopped", disk=f"{foreign.POOL_PATH}/stopped.qcow2", mac_end="02")
    base = f"/pools/web/{base_volume_name('debian', sha256=FACTS.sha256, format='qcow2')}"
    chain = f"<backingStore type='file'><format type='qcow2'/><source file='{base}'/></backingStore>"
    fake.define_domain(xml.replace("<target dev", f"{chain}<target dev", 1))


EXISTING = pool(label=foreign.POOL, path=None, existing=True)
NAMED = {
    "vm.web-0": Options(replace_on_changes=("memory",)),
    "network.lan": Options(replace_on_changes=("dns_hosts",)),
}


def _triggers(value: str, *, protect: bool | None = None) -> dict[str, Options]:
    keys = ("vm.web-0", "network.lan", "volume.web-0-root", "volume.web-0-data")
    return {key: Options(replacement_trigger=value, protect=protect) for key in keys}


def _partners(value: str) -> dict[str, Options]:
    return {
        "network.lan": Options(replacement_trigger=value),
        "vm.web-0": Options(replace_with=(Key(Kind.NETWORK, "lan"),)),
        "volume.web-0-root": Options(replace_with=(Key(Kind.VM, "web-0"),)),
    }


PROTECTED = {"vm.web-0": Options(protect=True)}
OTHER_IMAGE = msgspec.structs.replace(FACTS, sha256="cd" * 32)
DNS = (DnsHost(ip="10.20.0.53", hostnames=("ns", "dns")),)

LATER = RestartSpec(policy="defer")
BIGGER_LATER = full(memory=2 * GIB, max_memory=2 * GIB, restarts=LATER)


def pair(**changes: Any) -> DesiredGraph:
    """Two VMs of a rolling group, of which a health check tells that they are well."""
    care = RestartSpec(group=GroupSpec(name="pair", percent=50), health=HealthSpec(command=("true",)))
    machines = [vm(name, restarts=care, **changes) for name in ("web-0", "web-1")]
    return graph(pool(), image(), root(), root("web-1-root"), *machines)


SCENARIOS: dict[str, Scenario] = {
    "create": Scenario("everything is new", full()),
    "create-stopped": Scenario("a VM that is not to run", stopped()),
    "create-full-copy": Scenario(
        "a root disk that is a full copy in raw", graph(*small(power=Power.STOPPED)[:2],
        root(source=VolumeSource.FULL_COPY, format="raw", label="web-0-root.img"), vm(power=Power.STOPPED))),
    "create-in-existing-pool": Scenario(
        "pool and network are references", graph(EXISTING, image(), root(),
        network(label=foreign.NETWORK, mode=NetworkMode.EXISTING, subnets=()), vm(nics=(nic(addresses=()),)))),
    "create-after-another": Scenario(
        "depends_on: the second VM waits for the first to be ready",
        graph(*small(ready_timeout=60), root("web-1-root"),
              vm("web-1", disks=(DiskSpec(name="root", volume="web-1-root"),)),
              needs={"vm.web-1": (Key(Kind.VM, "web-0"),)})),
    "no-op": Scenario("nothing differs", full(), full()),
    "outputs-only": Scenario("only an output differs", msgspec.structs.replace(
        full(), outputs={"ip": Output(value="10.20.0.99")}), full()),
    "vcpus-up": Scenario("vcpus within the running maximum", full(vcpus=2), full()),
    "vcpus-down": Scenario("fewer vcpus", full(), full(vcpus=2)),
    "vcpus-beyond": Scenario("vcpus beyond the running maximum", full(vcpus=8, max_vcpus=8), full()),
    "vcpus-stopped": Scenario("a stopped VM has no live or restart", stopped(vcpus=2), stopped()),
    "memory-live": Scenario("memory by balloon", full(memory=1024 * MIB), full()),
    "memory-restart": Scenario("memory beyond the maximum", full(memory=2 * GIB, max_memory=2 * GIB), full()),
    "restart-deferred": Scenario("what needs a restart goes into the definition alone, and what does not is done",
        full(vcpus=2, memory=2 * GIB, max_memory=2 * GIB, restarts=LATER), full(restarts=LATER)),
    "restart-deferred-waits": Scenario("nothing is left to do, and the plan says what waits", BIGGER_LATER,
        full(restarts=LATER), lambda fake: converge(fake, BIGGER_LATER)),
    "restart-deferred-no-more": Scenario("a restart that was put off is made up for",
        full(memory=2 * GIB, max_memory=2 * GIB), full(restarts=LATER), lambda fake: converge(fake, BIGGER_LATER)),
    "restart-deferred-refused": Scenario("a rename cannot wait for the next start",
        full(label="web", restarts=LATER), full(restarts=LATER)),
    "restart-rolling": Scenario("one of two at a time, each ready and healthy before the next", pair(
        memory=2 * GIB, max_memory=2 * GIB), pair()),
    "memory-with-its-maximum": Scenario("a maximum that only follows is one line with its field",
        full(memory=2 * GIB, max_memory=2 * GIB, vcpus=2, max_vcpus=2),
        full(memory=GIB, max_memory=GIB, vcpus=4, max_vcpus=4)),
    "description": Scenario("only people read it", full(description="a <web> server"), full()),
    "description-removed": Scenario("what was written and is not any more is removed", full(),
                                    full(description="old")),
    "description-foreign": Scenario("what others wrote stays", full(), full(),
                                    lambda fake: fake.set_description(UUID, "by hand", live=True)),
    "autostart": Scenario("autostart", full(autostart=True), full()),
    "wait-added": Scenario("a wait that is new waits at once", full(), full(ready_timeout=None)),
    "wait-added-stopped": Scenario("and at the next start of a stopped VM", full(power=Power.STOPPED),
                                   full(power=Power.STOPPED, ready_timeout=None)),
    "cloud-init-failed": Scenario("no difference, and yet not as wanted", full(), full(), _fail),
    "channel-removed": Scenario("somebody took the readiness channel", full(), full(), _no_channel),
    "disk-before-the-first": Scenario("firmware boots from the first slot, not from the program's first disk",
        full(), full(disks=(DATA,))),
    "ignored-disks": Scenario("a new disk of a VM whose disks are ignored", full(options={
        "vm.web-0": Options(ignore_changes=("disks",))}), full(disks=(ROOT,))),
    "power-off": Scenario("wanted off", full(power=Power.STOPPED), full()),
    "power-on": Scenario("wanted on", full(), full(power=Power.STOPPED)),
    "resume": Scenario("somebody paused it", full(), full(),
                       _pause),
    "disk-added": Scenario("a disk is plugged in", full(), full(disks=(ROOT,))),
    "disk-added-sata": Scenario("a bus without hot-plug", full(disks=(ROOT, DiskSpec(
        name="data", volume="web-0-data", bus="sata"))), full(disks=(ROOT,))),
    "disk-removed": Scenario("a data disk goes, with leave",
        graph(*small()), graph(*small(data(), disks=(ROOT, DATA))), policy=PlanPolicy(allow_data_loss=True)),
    "disk-removed-refused": Scenario("a data disk goes, without leave",
        graph(*small()), graph(*small(data(), disks=(ROOT, DATA)))),
    "disk-grown": Scenario("a disk of a running guest", graph(*small(data(capacity=3 * GIB), disks=(ROOT, DATA))),
                           graph(*small(data(), disks=(ROOT, DATA)))),
    "disk-grown-stopped": Scenario("a disk of a stopped guest",
        stopped(data(capacity=3 * GIB), disks=(ROOT, DATA)), stopped(data(), disks=(ROOT, DATA))),
    "disk-shrunk": Scenario("disks never shrink", graph(*small(data(), disks=(ROOT, DATA))),
                            graph(*small(data(capacity=3 * GIB), disks=(ROOT, DATA)))),
    "nic-added": Scenario("a NIC is plugged in, its address reserved first", full(),
                          full(lan={"reservations": ()}, nics=())),
    "nic-removed": Scenario("a NIC goes", full(lan={"reservations": ()}, nics=()), full()),
    "nic-model": Scenario("another model of NIC", full(nics=(nic(model="e1000e"),)), full()),
    "machine-type": Scenario("another machine", full(machine="pc"), full()),
    "renamed-in-libvirt": Scenario("another name in libvirt", full(label="www"), full()),
    "renamed-to-a-freed-name": Scenario("the name of a VM that goes", graph(*small(label="www")),
        graph(*small(root("old-root"), vm("old", label="www", disks=(DiskSpec(name="root", volume="old-root"),))))),
    "renamed-saved": Scenario("a saved state is kept by name", stopped(label="www"), stopped(), _save),
    "renamed-uefi": Scenario("so are the variables of UEFI", full(label="www", firmware="uefi"),
                             full(firmware="uefi")),
    "seed-report": Scenario("new content, nothing runs again", full(edited()), full()),
    "seed-report-stopped": Scenario("new content for a stopped VM", full(edited(), power=Power.STOPPED),
                                    full(power=Power.STOPPED)),
    "seed-reseed": Scenario("new content, cloud-init runs again", full(edited(), seed_policy=SeedPolicy.RESEED),
                            full(seed_policy=SeedPolicy.RESEED)),
    "seed-replace": Scenario("new content, new root", full(edited(), seed_policy=SeedPolicy.REPLACE),
                             full(seed_policy=SeedPolicy.REPLACE)),
    "image-changed": Scenario("another content of the image: the root disk is made anew", full(), full(),
                              images={"debian": OTHER_IMAGE}),
    "image-renamed": Scenario("another name of the same image: nothing is lost",
        graph(pool(), image("bookworm"), root(image="bookworm"), vm()), graph(*small()),
        images={"bookworm": msgspec.structs.replace(FACTS, name="bookworm")}),
    "replace-protected": Scenario("the image changed under a protected VM", full(options=PROTECTED),
                                  full(options=PROTECTED), images={"debian": OTHER_IMAGE}),
    "reservation-changed": Scenario("another address for a MAC",
        full(lan={"reservations": (lease(ip="10.20.0.11"),)}, nics=(nic(addresses=("10.20.0.11",)),)), full()),
    "dns-added": Scenario("a DNS host", full(lan={"reservations": (lease(),), "dns_hosts": DNS}), full()),
    "dns-shared-name": Scenario("libvirt takes no second address for a name in place", full(lan={
        "reservations": (lease(),), "dns_hosts": (*DNS, DnsHost(ip="10.20.0.54", hostnames=("dns",)))}),
        full(lan={"reservations": (lease(),), "dns_hosts": DNS})),
    "reservation-foreign": Scenario("a reservation that somebody else added stays", full(), full(),
        lambda fake: fake.update_network(NET_UUID, command="add", section="ip-dhcp-host", parent_index=0, live=True,
            config=True, xml="<host mac='52:54:00:00:00:01' ip='10.20.0.77'/>")),
    "network-inactive": Scenario("an update of a network that is off", full(lan={"dns_hosts": DNS,
        "reservations": (lease(),)}, power=Power.STOPPED), full(power=Power.STOPPED),
        lambda fake: fake.stop_network(NET_UUID)),
    "network-replaced": Scenario("another domain: the machines on it restart",
                                 full(lan={"reservations": (lease(),), "domain": "lab.internal"}), full()),
    "network-replaced-under-others": Scenario("as a deletion, it takes nothing from running guests of others",
        graph(network(domain="lab.internal")), graph(network()), _guest_of_others),
    "network-to-existing": Scenario("ours goes when the program takes somebody else's instead",
        full(lan={"label": foreign.NETWORK, "mode": NetworkMode.EXISTING, "subnets": (), "reservations": ()},
             nics=(nic(addresses=()),)), full()),
    "network-to-existing-self": Scenario("ours stays while the program refers to it as existing",
        full(lan={"mode": NetworkMode.EXISTING, "reservations": ()}), full()),
    "network-live-drift": Scenario("a running network that is not as its definition says", graph(network()),
        graph(network()), _network_edited),
    "network-protected": Scenario("a protected network is not made anew",
        full(lan={"reservations": (lease(),), "domain": "x.y"}, options={"network.lan": Options(protect=True)}),
        full(options={"network.lan": Options(protect=True)})),
    "vm-removed": Scenario("its domain, root and seed go, nothing else", graph(pool(), image(), network()),
        graph(*small(network(), CLOUD, seed="web-0", nics=(nic(addresses=()),)))),
    "vm-removed-protected": Scenario("protect outlives the program", graph(pool()),
        graph(*small(), options=PROTECTED)),
    "destroy": Scenario("all of it goes", full(), full(), policy=PlanPolicy(destroy=True, allow_data_loss=True)),
    "destroy-refused": Scenario("data is not lost without leave", full(), full(), policy=PlanPolicy(destroy=True)),
    "destroy-twice": Scenario("nothing is left", full(), policy=PlanPolicy(destroy=True)),
    "empty-refused": Scenario("an empty program deletes nothing", graph(), full()),
    "empty-allowed": Scenario("an empty program that is meant so", graph(), graph(*small()),
                              policy=PlanPolicy(allow_empty=True)),
    "protect-noted": Scenario("protect is written down", graph(*small(), options=PROTECTED), graph(*small())),
    "ignored-memory": Scenario("memory is left as it is", full(memory=2 * GIB, max_memory=2 * GIB,
        options={"vm.web-0": Options(ignore_changes=("memory", "max_memory"))}), full()),
    "trigger-noted": Scenario("a trigger that comes is written down, and nothing is made anew",
        full(options=_triggers("1")), full()),
    "trigger-machine": Scenario("another trigger: the domain is made anew over its disks",
        full(options={"vm.web-0": Options(replacement_trigger="2")}),
        full(options={"vm.web-0": Options(replacement_trigger="1")})),
    "trigger-everything": Scenario("all at once", full(options=_triggers("2")), full(options=_triggers("1")),
                                   policy=PlanPolicy(allow_data_loss=True)),
    "trigger-data-refused": Scenario("data is not lost without leave", full(options=_triggers("2")),
                                     full(options=_triggers("1"))),
    "trigger-protected": Scenario("what is protected stays", full(options=_triggers("2", protect=True)),
                                  full(options=_triggers("1"))),
    "replace-on-changes": Scenario("a change that could be live, and is asked to be none",
        full(memory=1024 * MIB, lan={"dns_hosts": DNS, "reservations": (lease(),)}, options=NAMED),
        full(options=NAMED)),
    "replace-with": Scenario("a domain goes with its network, and a disk with the domain",
        full(options=_partners("2")), full(options=_partners("1")), policy=PlanPolicy(allow_data_loss=True)),
    "ignored-capacity": Scenario("a disk's size is left as it is",
        graph(*small(data(), disks=(ROOT, DATA)), options={"vm.web-0": Options(
            ignore_changes=("disks[data].capacity",))}), graph(*small(data(capacity=3 * GIB), disks=(ROOT, DATA)))),
    "drift-domain-deleted": Scenario("made again over its disks", full(), full(power=Power.STOPPED),
                                     lambda fake: fake.undefine_domain(UUID)),
    "drift-volume-deleted": Scenario("a stopped VM's root is gone", stopped(), stopped(),
                                     lambda fake: fake.delete_volume("web", "web-0-root.qcow2")),
    "drift-volume-deleted-running": Scenario("a running VM's root is gone", full(), full(),
                                             lambda fake: fake.delete_volume("web", "web-0-root.qcow2")),
    "drift-network-stopped": Scenario("somebody stopped the network", graph(network()), graph(network()),
                                      lambda fake: fake.stop_network(NET_UUID)),
    "drift-network-stopped-running": Scenario("somebody stopped the network under a guest", full(), full(),
                                              lambda fake: fake.stop_network(NET_UUID)),
    "drift-network-removed-running": Scenario("somebody removed the network under a guest", full(), full(),
                                              lambda fake: (fake.stop_network(NET_UUID),
                                                            fake.undefine_network(NET_UUID))),
    "drift-powered-off": Scenario("somebody powered it off", full(), full(),
                                  lambda fake: fake.power_off_domain(UUID)),
    "drift-vcpus": Scenario("somebody took a vcpu in the definition", full(vcpus=2), full(vcpus=2),
                            lambda fake: fake.set_vcpus(UUID, 1, live=False, config=True)),
    "drift-extra-nic": Scenario("somebody added a NIC; it is kept", full(), full(), _extra_nic),
    "drift-pool-stopped": Scenario("somebody stopped the pool", stopped(), stopped(),
                                   lambda fake: fake.stop_pool("web")),
    "drift-external-snapshot": Scenario("a backup tool put the guest on an overlay", full(), full(),
                                        lambda fake: _snapshot(fake, persistent=True)),
    "drift-snapshot-stopped": Scenario("a guest that was shut down on an overlay", full(power=Power.STOPPED), full(),
        lambda fake: (_snapshot(fake, persistent=True), fake.power_off_domain(UUID))[0]),
    "drift-block-copy": Scenario("only the running guest is on another file", full(), full(),
                                 lambda fake: _snapshot(fake, persistent=False)),
    "drift-pool-removed": Scenario("a pool that was there is defined again, and builds no directory", stopped(),
        stopped(), lambda fake: (fake.stop_pool("web"), fake.undefine_pool("web"))[0]),
    "drift-pool-removed-emptied": Scenario("what goes in a pool that nobody can read yet goes before what it is over",
        graph(pool()), stopped(), lambda fake: (fake.stop_pool("web"), fake.undefine_pool("web"))[0],
        policy=PlanPolicy(allow_data_loss=True)),
    "drift-pool-removed-moved": Scenario("a pool that is gone does not move either",
        graph(pool(path="/pools/new"), data()), graph(pool(), data()),
        lambda fake: (fake.stop_pool("web"), fake.undefine_pool("web"))[0]),
    "pool-never-started": Scenario("what was never made in a pool that never ran is forgotten", graph(),
        graph(pool(), data()), lambda fake: (ledger_edit(web=EntryState.PENDING, web_0_data=EntryState.PENDING)(fake),
                                             fake.stop_pool("web"))[0], policy=PlanPolicy(allow_empty=True)),
    "base-under-foreign-domain": Scenario("a base image that is under a disk of somebody else", graph(pool()),
        graph(*small()), _foreign_overlay),
    "base-under-foreign-volume": Scenario("a base image that a volume of somebody else is backed by", graph(pool()),
        graph(*small()), lambda fake: fake.create_volume("web", _clone_xml("theirs.qcow2"))),
    "drift-data-deleted-refused": Scenario("data that is out of sight is not made anew", graph(pool(), data()),
        graph(pool(), data()), lambda fake: fake.delete_volume("web", "web-0-data.qcow2")),
    "drift-data-deleted": Scenario("data that is gone is made anew, with leave", graph(pool(), data()),
        graph(pool(), data()), lambda fake: fake.delete_volume("web", "web-0-data.qcow2"),
        policy=PlanPolicy(allow_data_loss=True)),
    "drift-protected-deleted": Scenario("protected data is not made anew, whatever is allowed",
        graph(pool(), data(), options={"volume.web-0-data": Options(protect=True)}),
        graph(pool(), data(), options={"volume.web-0-data": Options(protect=True)}),
        lambda fake: fake.delete_volume("web", "web-0-data.qcow2"), policy=PlanPolicy(allow_data_loss=True)),
    "drift-unprotected-deleted": Scenario("unprotected data that is gone is made anew, and the plan says what that is",
        graph(pool(), data(), options={"volume.web-0-data": Options(protect=False)}),
        graph(pool(), data(), options={"volume.web-0-data": Options(protect=False)}),
        lambda fake: fake.delete_volume("web", "web-0-data.qcow2")),
    "drift-not-mounted": Scenario("everything is gone at once", stopped(), stopped(), _empty_pool),
    "drift-not-mounted-destroy": Scenario("everything is gone at once, and destroy does not forget it",
        stopped(), stopped(), _empty_pool, policy=PlanPolicy(destroy=True)),
    "drift-disk-lost": Scenario("everything is gone at once and is made anew, with leave", stopped(), stopped(),
        _empty_pool, policy=PlanPolicy(allow_data_loss=True)),
    "ledger-lost": Scenario("nothing tells which disks are ours", full(), full(), _lose_ledger),
    "ledger-lost-destroy": Scenario("nothing tells which disks are ours, and they are not left behind",
        full(), full(), _lose_ledger, policy=PlanPolicy(destroy=True, allow_data_loss=True)),
    "ledger-never-written": Scenario("a network alone needs no ledger", graph(network()), graph(network()),
                                     _lose_ledger),
    "pool-renamed": Scenario("another name for the pool in the program", graph(
        pool("store", label="web", path="/pools/web"), data(pool="store")), graph(pool(), data())),
    "pool-made-existing": Scenario("an own pool that the program calls an existing one stays",
        graph(pool(path=None, existing=True), data("other")), graph(pool(), data("other"))),
    "pool-removed-outside": Scenario("the directory of a pool that is gone and not wanted", graph(), graph(pool()),
        lambda fake: (fake.stop_pool("web"), fake.undefine_pool("web"))[0], policy=PlanPolicy(allow_empty=True)),
    "pool-elsewhere": Scenario("a volume of the name in another directory is somebody else's",
        graph(EXISTING, data()), graph(EXISTING, data()), _moved_pool),
    "pool-elsewhere-removed": Scenario("a volume of the name in another directory is not deleted",
        graph(EXISTING), graph(EXISTING, data()), _moved_pool, policy=PlanPolicy(allow_data_loss=True)),
    "replace-was-protected": Scenario("protection goes in an apply of its own",
        graph(pool(), data(format="raw"), options={"volume.web-0-data": Options(protect=False)}),
        graph(pool(), data(), options={"volume.web-0-data": Options(protect=True)}),
        policy=PlanPolicy(allow_data_loss=True)),
    "replace-was-protected-vm": Scenario("so does that of a VM", full(), full(options=PROTECTED),
        images={"debian": OTHER_IMAGE}),
    "replace-foreign-user": Scenario("somebody else has the volume that is to be made anew",
        graph(pool(), data(format="raw")), graph(pool(), data()), _foreign_user,
        policy=PlanPolicy(allow_data_loss=True)),
    "replace-managed-save": Scenario("saved memory is not resumed on another disk", stopped(), stopped(),
        _managed_save, images={"debian": OTHER_IMAGE}),
    "tuned-live": Scenario("limits of a running guest's processors are set live",
        graph(*small(compute=ComputeSpec(shares=512, quota=50000, title="a", pins=(PinSpec(vcpu=0, cpus="0-1"),)))),
        graph(*small(compute=ComputeSpec(shares=256)))),
    "tuned-away": Scenario("what libvirt cannot take from a running guest restarts it", graph(*small()),
        graph(*small(compute=ComputeSpec(shares=256, pins=(PinSpec(vcpu=0, cpus="0-1"),))))),
    "cpu-changed": Scenario("another processor", graph(*small(cpu_mode="custom", compute=ComputeSpec(
        cpu_model="EPYC", cpu_features=(CpuFeatureSpec(name="vmx", policy="disable"),), topology=TopologySpec()))),
        graph(*small())),
    "secure-boot-changed": Scenario("the variables of a UEFI stay with its firmware",
        graph(*small(firmware="uefi", compute=ComputeSpec(secure_boot=True))), graph(*small(firmware="uefi"))),
    "cpu-unknown": Scenario("a processor that the host does not know", graph(*small(
        cpu_mode="custom", compute=ComputeSpec(cpu_model="EPIC"))), None),
    "saved-changed": Scenario("a saved guest resumes as it was, and gets the change at its next boot",
        stopped(vcpus=4, max_vcpus=4, cpu_mode="host-model"), stopped(), _managed_save),
    "saved-disk-gone": Scenario("saved memory is not resumed without a disk", stopped(),
        stopped(data(), disks=(ROOT, DATA)), _managed_save, policy=PlanPolicy(allow_data_loss=True)),
    "volume-named-as-base": Scenario("a volume and a base image of one name", graph(
        *small(), data(label=base_volume_name("debian", sha256=FACTS.sha256, format="qcow2")))),
    "volume-takes-base": Scenario("a volume of the name that our base image has", graph(pool(), data(
        label=base_volume_name("debian", sha256=FACTS.sha256, format="qcow2"))), graph(*small())),
    "too-large-together": Scenario("raw volumes that fit one by one", graph(EXISTING, *(
        data(name, format="raw", capacity=1 << 39) for name in ("one", "two", "three")))),
    "too-large-with-image": Scenario("a raw image and a raw volume that fit one by one", graph(
        EXISTING, image(format="raw"), root(format="raw", source=VolumeSource.FULL_COPY, capacity=3 << 38)),
        images={"debian": msgspec.structs.replace(FACTS, format="raw", virtual_size=3 << 38)}),
    "foreign-domain": Scenario("the name is taken", graph(*small()), None, _foreign_domain),
    "foreign-forged": Scenario("a stamp alone proves nothing", graph(*small()), None, _forged_stamp),
    "foreign-pool": Scenario("the pool's name is taken", graph(*small()), None, _foreign_pool),
    "foreign-pool-path": Scenario("the pool's directory is taken", graph(pool(path=foreign.POOL_PATH)), None),
    "foreign-volume": Scenario("the volume's name is taken", graph(*small(data(), disks=(ROOT, DATA))),
                               graph(*small()), _foreign_volume),
    "foreign-network": Scenario("the network's name is taken", graph(network(label=foreign.NETWORK))),
    "foreign-bridge": Scenario("the bridge is taken", graph(network(bridge="otherbr0"))),
    "foreign-subnet": Scenario("the subnet is taken", graph(network(subnets=(msgspec.structs.replace(
        network().subnets[0], cidr="10.99.0.0/16", gateway="10.99.0.1", dhcp=None),)))),
    "foreign-mac": Scenario("the MAC is taken", graph(*small(network(), nics=(nic(
        mac="52:54:00:99:00:02", addresses=()),)))),
    "foreign-reservation": Scenario("an existing network gave the address away", graph(*small(network(
        label=foreign.NETWORK, mode=NetworkMode.EXISTING, subnets=()), nics=(nic(addresses=("10.99.0.7",)),))), None,
        _reserve),
    "slash-at-the-end": Scenario("a path is the same with a slash", graph(pool(path="/pools/web/")), graph(pool())),
    "no-such-pool": Scenario("a reference to nothing", graph(pool(label="nope", path=None, existing=True))),
    "too-large": Scenario("larger than the pool has free", graph(EXISTING, data(capacity=1 << 45))),
    "root-too-small": Scenario("smaller than its image", graph(pool(), image(), root(capacity=MIB), vm())),
    "base-of-another-stack": Scenario("the image is there already", graph(EXISTING, image(), root(), vm()), None,
                                      lambda fake: _ready_ledger(fake, state=EntryState.READY)),
    "base-busy": Scenario("another stack is uploading the image", graph(EXISTING, image(), root(), vm()), None,
                          lambda fake: _ready_ledger(fake, state=EntryState.PENDING)),
    "killed-before-marks": Scenario("what exists and is complete is settled", stopped(data(), disks=(ROOT, DATA)),
        stopped(data(), disks=(ROOT, DATA)),
        ledger_edit(web_0_root=EntryState.PENDING, web_0_data=EntryState.PENDING, debian_at_web=EntryState.PENDING,
                    web=EntryState.PENDING)),
    "killed-in-upload": Scenario("an upload that nothing proves is made again", graph(pool(), image(), root(), vm()),
        graph(pool(), image(), root()),
        lambda fake: (fake.delete_volume("web", "web-0-root.qcow2"),
                      ledger_edit(debian_at_web=EntryState.PENDING, web_0_root=EntryState.PENDING)(fake))[0]),
    "killed-and-not-wanted": Scenario("what was pending and is not wanted goes", graph(pool()),
        graph(pool(), data()), ledger_edit(web_0_data=EntryState.PENDING)),
    "killed-and-never-made": Scenario("what was pending and never made is forgotten", graph(pool()),
        graph(pool(), data()),
        lambda fake: (fake.delete_volume("web", "web-0-data.qcow2"),
                      ledger_edit(web_0_data=EntryState.PENDING)(fake))[0]),
    "reservation-v6": Scenario("IPv6 goes by name", graph(network(subnets=(msgspec.structs.replace(
        network().subnets[0], cidr="fd00:1::/64", gateway="fd00:1::1", dhcp=None),),
        reservations=(Reservation(ip="fd00:1::6", mac=None, name="six"),))),
        graph(network(subnets=(msgspec.structs.replace(
            network().subnets[0], cidr="fd00:1::/64", gateway="fd00:1::1", dhcp=None),),
            reservations=(Reservation(ip="fd00:1::5", mac=None, name="six"),)))),
}  # fmt: skip
