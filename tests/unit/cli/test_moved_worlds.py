"""Between plan and apply: whatever happens at the host or to the file, it is the very same plan or nothing is done.

All here is what `vmstack apply FILE` does between reading the file and the first effect, on a host that is not real.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fake import foreign
from tests.fake.host import FakeHost
from tests.property.drift import _edited
from tests.unit.plan.builders import GIB, IMAGES, STACK, data, graph, image, lease, look, network, nic, pool, root, vm
from tests.unit.plan.scenarios import CLOUD, converge
from vmstack.apply.pipeline import Planned
from vmstack.apply.seal import Seal, new_salt
from vmstack.cli.approving import open_approval
from vmstack.cli.plan_file import write_plan_file
from vmstack.cli.saving import Wish, record
from vmstack.cli.target import Target
from vmstack.errors import InputError, RefusedError, StalePlanError, VmstackError
from vmstack.hosts.ledger import HostLedger
from vmstack.model.graph import DesiredGraph, Output
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.ownership import EntryState, Ledger, RunRecord, StoredOutput
from vmstack.model.specs import DiskSpec
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.stamp import NAMESPACE

Act = Callable[[FakeHost], object]
ALLOWED = PlanPolicy(allow_data_loss=True)
LAN = derive_uuid(STACK, Key(Kind.NETWORK, "lan"))


def uuid(name: str) -> str:
    return derive_uuid(STACK, Key(Kind.VM, name))


def stack(*, after: bool) -> DesiredGraph:
    """Before: `changed`, `same` and `gone`. After: `changed` has more memory, `gone` is not wanted, `new` comes."""
    disk = (DiskSpec(name="root", volume="gone-root"), DiskSpec(name="data", volume="gone-data"))
    leases = [lease("changed")] + ([lease("new", "10.20.0.11")] if after else [])
    memory = 2 * GIB if after else GIB // 2
    vms = [
        vm("changed", nics=(nic("changed"),), memory=memory, max_memory=memory, seed="web-0", autostart=True),
        vm("same"),
    ]
    volumes = [root("changed-root"), root("same-root")]
    if after:
        vms.append(vm("new", nics=(nic("new", addresses=("10.20.0.11",)),)))
        volumes.append(root("new-root"))
    else:
        vms.append(vm("gone", disks=disk))
        volumes += [root("gone-root"), data("gone-data")]
    outputs = {"count": Output(value=len(vms)), "token": Output(value="s3cret", secret=True)}
    return graph(pool(), image(), *volumes, CLOUD, network(reservations=tuple(leases)), *vms, outputs=outputs)


BEFORE, AFTER = stack(after=False), stack(after=True)


def plan_now(fake: FakeHost, policy: PlanPolicy = ALLOWED) -> Planned:
    observed = look(fake, AFTER)
    return Planned(desired=AFTER, observed=observed, plan=make_plan(AFTER, observed, policy=policy, images=IMAGES))


@pytest.fixture(scope="module")
def world() -> FakeHost:
    """The host when the plan is made."""
    fake = FakeHost()
    foreign.build(fake)
    converge(fake, BEFORE)
    return fake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("shop")
    (found / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    return found


@pytest.fixture(scope="module")
def saved(world: FakeHost, folder: Path) -> bytes:
    """A plan file of that host."""
    return save(world, folder, policy=ALLOWED)


def save(world: FakeHost, folder: Path, *, policy: PlanPolicy) -> bytes:
    file, seal = folder / "made.vmp", Seal(salt=new_salt(), passphrase=None)
    planned = plan_now(world, policy)
    wish = Wish(desired=AFTER, target=Target(folder=folder), policy=policy)
    plan = record(planned, plan=planned.plan, wish=wish, seal=seal, made="2026-01-01T00:00:00Z")
    write_plan_file(file, plan, seal=seal)
    return file.read_bytes()


@pytest.fixture(autouse=True)
def _no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)


def approve(content: bytes, host: FakeHost, folder: Path) -> Planned:
    """All that apply does before the first effect."""
    file = folder / "plan.vmp"
    file.write_bytes(content)
    approval = open_approval(file, target=Target(folder=folder), policy=PlanPolicy())
    approval.check_program(AFTER)
    return approval.plan(AFTER, {"kvm1": host}, lambda: plan_now(host, approval.saved.policy))


def edit_domain(name: str, path: str, value: str) -> Act:
    def act(host: FakeHost) -> None:
        def change(element: Any) -> None:
            element.find(path).text = value

        host.define_domain(_edited(host.domain(uuid(name)).xml, change))

    return act


def edit_network(path: str, attribute: str, value: str) -> Act:
    def act(host: FakeHost) -> None:
        def change(element: Any) -> None:
            element.find(path).set(attribute, value)

        host.define_network(_edited(host.network(LAN).xml, change))

    return act


def save_memory(host: FakeHost) -> None:
    domain = host.machine.domains[uuid("changed")]
    domain.managed_save, domain.state, domain.live_xml = True, "shutoff", None


def suspend(host: FakeHost) -> None:
    host.machine.domains[uuid("changed")].state = "paused"


def undefine(name: str) -> Act:
    return lambda host: (host.power_off_domain(uuid(name)), host.undefine_domain(uuid(name)))


def stranger(name: str, *, disk: str = "/srv/other/loose.img", mac: str | None = None) -> Act:
    """Somebody defines a domain of that name, over that disk."""

    def act(host: FakeHost) -> None:
        xml = foreign.domain("0b5c1b4e-0000-4000-8000-0000000000aa", name, disk=disk, mac_end="aa")
        host.define_domain(xml if mac is None else xml.replace("52:54:00:99:00:aa", mac))

    return act


def volume(name: str, *, backing: str | None = None) -> Act:
    """Somebody makes a volume."""
    over = f"<backingStore><path>{backing}</path><format type='qcow2'/></backingStore>" if backing else ""
    return lambda host: host.create_volume(
        "web",
        f"<volume><name>{name}</name><capacity>{GIB}</capacity><target><format type='qcow2'/></target>{over}</volume>",
    )


def ledger(change: Callable[[Ledger], Ledger]) -> Act:
    def act(host: FakeHost) -> None:
        store = HostLedger(host, STACK)
        held = store.read()
        assert held is not None
        store.write(change(held))

    return act


def lose_ledger(host: FakeHost) -> None:
    (secret,) = host.secrets(usage_prefix="vmstack:shop/")
    host.undefine_secret(secret.uuid)


def claim(host: FakeHost) -> None:
    """Another stack lists the volume that is to be deleted."""
    held = HostLedger(host, STACK).read()
    assert held is not None
    entry = next(entry for entry in held.entries if entry.name == "gone-data")
    HostLedger(host, StackId("other", "dev")).write(Ledger(stack=StackId("other", "dev"), entries=(entry,)))


def forget_entry(held: Ledger) -> Ledger:
    return msgspec.structs.replace(held, entries=held.entries[1:])


def pend(held: Ledger) -> Ledger:
    first, *rest = held.entries
    return msgspec.structs.replace(held, entries=(msgspec.structs.replace(first, state=EntryState.PENDING), *rest))


def other_outputs(held: Ledger) -> Ledger:
    run = RunRecord(run="r2", who="somebody", where="there", when="2027-01-01T00:00:00+00:00")
    return msgspec.structs.replace(held, outputs={"count": StoredOutput(value=7)}, last_run=run)


def reserve(host: FakeHost) -> None:
    xml = "<host mac='52:54:00:dd:dd:dd' ip='10.20.0.77'/>"
    host.update_network(LAN, command="add", section="ip-dhcp-host", xml=xml, parent_index=-1, live=True, config=True)


ALIEN_CARD = "<interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='other-net'/></interface>"
ALIEN_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/other/loose.img'/>"
    "<target dev='vdz' bus='virtio'/></disk>"
)
# What happened, and what the refusal must name.
MOVES: dict[str, tuple[Act, str]] = {
    "powered off": (lambda host: host.power_off_domain(uuid("changed")), "domain changed has changed"),
    "suspended": (suspend, "domain changed has changed"),
    "saved": (save_memory, "domain changed has changed"),
    "undefined": (undefine("changed"), "domain changed is gone"),
    "undefined while it runs": (lambda host: host.undefine_domain(uuid("changed")), "domain changed has changed"),
    "other autostart": (lambda host: host.set_domain_autostart(uuid("changed"), enabled=False), "domain changed"),
    "memory set": (lambda host: host.set_memory(uuid("changed"), 131072, live=False, config=True), "domain changed"),
    "vcpus set": (lambda host: host.set_vcpus(uuid("changed"), 3, live=True, config=True), "domain changed"),
    "maximum edited": (edit_domain("changed", "memory", str(3 << 20)), "domain changed has changed"),
    "described": (lambda host: host.set_description(uuid("changed"), "by hand", live=False), "domain changed"),
    "disk attached": (
        lambda host: host.attach_device(uuid("changed"), ALIEN_DISK, live=False, config=True), "domain changed"),
    "card attached": (
        lambda host: host.attach_device(uuid("changed"), ALIEN_CARD, live=True, config=True), "domain changed"),
    "stamp lost": (
        lambda host: host.set_domain_metadata(uuid("changed"), xml=None, namespace=NAMESPACE, live=True), "changed"),
    "renamed": (
        lambda host: (host.power_off_domain(uuid("changed")), host.rename_domain(uuid("changed"), name="x")), "domain"),
    "what goes was stopped": (lambda host: host.power_off_domain(uuid("gone")), "domain gone has changed"),
    "what goes is gone": (undefine("gone"), "domain gone is gone"),
    "what goes was edited": (edit_domain("gone", "vcpu", "3"), "domain gone has changed"),
    "bystander stopped": (lambda host: host.power_off_domain(uuid("same")), "vm.same"),
    "bystander edited": (lambda host: host.set_memory(uuid("same"), 131072, live=False, config=True), "vm.same"),
    "bystander undefined": (undefine("same"), "vm.same"),
    "name taken": (stranger("new"), "'new'"),
    "address of a card taken": (stranger("x", mac=nic("new").mac), "vm.new"),
    "data taken as a disk": (stranger("x", disk="/pools/web/gone-data.qcow2"), "gone-data.qcow2 is in use"),
    "root taken as a disk": (stranger("x", disk="/pools/web/gone-root.qcow2"), "gone-root.qcow2 is in use"),
    "data under an overlay": (
        volume("overlay.qcow2", backing="/pools/web/gone-data.qcow2"), "gone-data.qcow2 is in use"),
    "data claimed by another stack": (claim, "gone-data.qcow2 is in use"),
    "volume there already": (volume("new-root.qcow2"), "volume new-root.qcow2 has appeared"),
    "data grown": (lambda host: host.resize_volume("web", "gone-data.qcow2", capacity=3 * GIB), "gone-data.qcow2 has"),
    "data deleted": (
        lambda host: (undefine("gone")(host), host.delete_volume("web", "gone-data.qcow2")), "gone-data.qcow2 is gone"),
    "bystander's disk deleted": (
        lambda host: (host.power_off_domain(uuid("same")), host.delete_volume("web", "same-root.qcow2")), "same-root"),
    "pool stopped": (lambda host: host.stop_pool("web"), "gone-data.qcow2 is gone"),
    "pool undefined": (lambda host: (host.stop_pool("web"), host.undefine_pool("web")), "gone-data.qcow2 is gone"),
    "pool's other autostart": (lambda host: host.set_pool_autostart("web", enabled=False), "pool.web"),
    "network stopped": (lambda host: host.stop_network(LAN), "network lan has changed"),
    "network undefined": (lambda host: (host.stop_network(LAN), host.undefine_network(LAN)), "network lan is gone"),
    "network's other autostart": (lambda host: host.set_network_autostart(LAN, enabled=False), "network lan"),
    "lease added": (reserve, "network lan has changed"),
    "range edited": (edit_network("ip/dhcp/range", "end", "10.20.0.150"), "network lan has changed"),
    "network's stamp lost": (
        lambda host: host.set_network_metadata(LAN, xml=None, namespace=NAMESPACE, live=True), "network lan"),
    "ledger lost": (lose_ledger, "the ledger of stack shop/dev has changed"),
    "ledger lists less": (ledger(forget_entry), "the ledger of stack shop/dev has changed"),
    "ledger says pending": (ledger(pend), "the ledger of stack shop/dev has changed"),
    "outputs stored by another run": (ledger(other_outputs), "how it would be done, or what it was decided by"),
    "applied by somebody else": (lambda host: converge(host, AFTER), "domain new has appeared"),
    "destroyed by somebody else": (lambda host: converge(host, graph()), "domain changed is gone"),
    "applied in part by somebody else": (
        lambda host: converge(host, graph(*(one.spec for one in BEFORE.resources if one.key.name != "gone"))), "gone"),
}  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_a_world_that_moved_is_refused(move: str, world: FakeHost, saved: bytes, folder: Path) -> None:
    act, named = MOVES[move]
    host = world.fork()
    act(host.connect())
    before = host.machine.dump()
    with pytest.raises(StalePlanError) as caught:
        approve(saved, host, folder)
    assert caught.value.exit_code == 6
    assert named in str(caught.value)
    assert "make a new plan" in str(caught.value)
    assert host.machine.dump() == before


def test_there_are_many_ways() -> None:
    assert len(MOVES) >= 40


def stay(host: FakeHost) -> None:
    """Nothing happened."""


STILL: dict[str, Act] = {
    "nothing": stay,
    "a stranger came": stranger("stranger"),
    "a stranger's volume came": volume("strange.qcow2"),
    "a stranger went": lambda host: host.undefine_domain(foreign.STOPPED_UUID),
    "a stranger stopped": lambda host: host.power_off_domain(foreign.RUNNING_UUID),
    "a balloon moved": lambda host: host.set_memory(uuid("changed"), 131072, live=True, config=False),
    "guests wrote": lambda host: host.machine.guest_writes("/pools/web/changed-root.qcow2"),
}


@pytest.mark.parametrize("act", STILL.values(), ids=STILL)
def test_what_is_no_matter_of_the_plan_may_move(act: Act, world: FakeHost, saved: bytes, folder: Path) -> None:
    host = world.fork()
    act(host.connect())
    planned = approve(saved, host, folder)
    assert planned.plan == plan_now(world).plan


def test_another_machine_at_the_same_address_is_refused(world: FakeHost, saved: bytes, folder: Path) -> None:
    host = world.fork()
    host.machine.facts = msgspec.structs.replace(host.machine.facts, uuid="4c4c4544-0042-4e10-8054-b4c04f4d3733")
    with pytest.raises(InputError, match="host kvm1 is another machine") as caught:
        approve(saved, host, folder)
    assert caught.value.exit_code == 1


def test_data_is_not_lost_without_leave_in_the_file(folder: Path) -> None:
    """A root disk can be made again, so that it may be planned to go; applying that needs the word."""
    fake = FakeHost()
    kept = [one.spec for one in BEFORE.resources if one.key.name not in ("gone", "gone-data")]
    converge(fake, graph(*kept))
    content = save(fake, folder, policy=PlanPolicy())
    with pytest.raises(RefusedError, match="deletes or overwrites guest data") as caught:
        approve(content, fake, folder)
    assert caught.value.exit_code == 5
    assert "volume.gone-root" in str(caught.value)


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        found: Any = document
        for step in path[:-1]:
            found = found[step]
        found[path[-1]] = to

    return change


def _hide(document: dict[str, Any]) -> None:
    del document["view"]["changes"][0]


def _expect_elsewhere(document: dict[str, Any]) -> None:
    for expectation in document["view"]["expectations"]:
        expectation["host"] = "other"


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], None], type[VmstackError]]] = {
    "another version": (_set("version", to="99.0.0"), InputError),
    "another stack": (_set("stack", to=["shop", "prod"]), InputError),
    "another project": (_set("stack", to=["store", "dev"]), InputError),
    "another address of a host": (_set("hosts", "kvm1", "uri", to="qemu+ssh://evil/system"), InputError),
    "another machine": (_set("hosts", "kvm1", "uuid", to="4c4c4544-0000-0000-0000-000000000000"), InputError),
    "no host": (_set("hosts", to={}), InputError),
    "data loss not allowed": (_set("policy", "allow_data_loss", to=False), StalePlanError),
    "an empty program allowed": (_set("policy", "allow_empty", to=True), StalePlanError),
    "a destruction": (_set("policy", "destroy", to=True), StalePlanError),
    "other limits": (_set("limits", to={"disruption": None, "deletes": 99}), StalePlanError),
    "another program": (_set("program", to="0" * 64), InputError),
    "other work": (_set("work", to="0" * 64), StalePlanError),
    "other salt": (_set("salt", to="00" * 16), InputError),
    "a change hidden": (_hide, StalePlanError),
    "nothing expected": (_set("view", "expectations", to=[]), StalePlanError),
    "expected elsewhere": (_expect_elsewhere, InputError),
    "another output": (_set("view", "outputs", "count", "value", to=7), StalePlanError),
    "another document": (_set("document", "resource_changes", to=[]), StalePlanError),
    "a summary that lies": (_set("document", "summary", "add", to=0), StalePlanError),
    "a member too many": (_set("more", to=1), InputError),
    "a member too many in the document": (_set("document", "more", to=1), StalePlanError),
    "a wrong type": (_set("config", to="none"), InputError),
    "no view": (_set("view", to=None), InputError),
    "options that were not given": (_set("config", to=["count"]), InputError),
    "a connection that was not chosen": (_set("connect", to=True), InputError),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files_are_refused(name: str, world: FakeHost, saved: bytes, folder: Path) -> None:
    """Whoever may write the file can make its digest right, and gains nothing by it."""
    forgery, error = FORGERIES[name]
    document = json.loads(saved.partition(b"\n")[2])
    forgery(document)
    body = json.dumps(document).encode() + b"\n"
    forged = b"vmstack-plan 1 %s -\n%s" % (hashlib.sha256(b"-\n" + body).hexdigest().encode(), body)
    host = world.fork()
    before = host.machine.dump()
    with pytest.raises(VmstackError) as caught:
        approve(forged, host, folder)
    assert type(caught.value) is error, caught.value
    assert caught.value.resolution
    assert host.machine.dump() == before
