"""Plan and apply a stack on a FakeHost as the command line does, and judge what became of the host."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from lxml import etree

from tests.fake import foreign
from tests.fake.faults import Faults
from tests.fake.host import FakeHost
from tests.property import stacks
from tests.property.stacks import HOST, StackWish
from vmstack.apply.events import Event, StepDone, StepStarted
from vmstack.apply.frontier import Limits
from vmstack.apply.result import ApplyResult
from vmstack.apply.runner import apply_plan
from vmstack.errors import InternalError, NotFoundError
from vmstack.hosts.ledger import HostLedger, ledger_usage
from vmstack.hosts.lock import lock_usage
from vmstack.hosts.observe import observe
from vmstack.images.seed import build_seed
from vmstack.model.effects import CopyVolume, CreateVolume, DeleteVolume
from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import Observed
from vmstack.model.ownership import EntryState, RunRecord
from vmstack.model.plan import Disruption, Payload, Plan
from vmstack.plan.placement import place
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.scope import scope_of

FOREIGN = {foreign.RUNNING_UUID, foreign.STOPPED_UUID}
ALLOW = PlanPolicy(allow_empty=True, allow_data_loss=True)
DESTROY = PlanPolicy(destroy=True, allow_empty=True, allow_data_loss=True)
RUN = RunRecord(run="r1", who="tester", where="here", when="2026-01-01T00:00:00+00:00")
ONE_AT_A_TIME = Limits(host=1, pool=1, waiting=1)


class TestSupply:
    """Serves images and seeds out of a plan's payload, without files."""

    __test__ = False

    def __init__(self, payload: Payload, wish: StackWish) -> None:
        self._payload = payload
        self._wish = wish

    def open_image(self, name: str) -> tuple[list[bytes | int], int]:
        if name not in self._payload.images or self._payload.images[name].path is None:
            raise InternalError(f"image {name} is not in the payload")
        content = stacks.image_bytes(self._wish.image if name == "debian" else 90)
        half = len(content) // 2
        return [content[:half], content[half:]], len(content)

    def seed(self, digest: str) -> bytes:
        return build_seed(self._payload.seeds[digest])

    def password(self, name: str) -> str:
        return self._payload.passwords[name]


@dataclass
class World:
    """A host with foreign objects on it, and the stack's own connection to it."""

    host: FakeHost = field(default_factory=FakeHost)
    foreign: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.foreign = self.foreign or foreign.build(self.host)

    def reconnect(self, faults: Faults | None = None) -> FakeHost:
        """A new process opens its own connection, some time later: guests have done what they were asked."""
        settle(self.host)
        self.host = self.host.connect(faults=faults)
        return self.host

    def observe(self, desired: DesiredGraph) -> Observed:
        return observe({HOST: self.host}, stack=desired.stack, scopes=scope_of(desired))

    def plan(self, wish: StackWish, *, policy: PlanPolicy = ALLOW) -> Plan:
        """Observe, place and plan."""
        desired = stacks.graph(wish)
        observed = self.observe(desired)
        placed = place(desired, observed)
        images = {} if policy.destroy else _wanted(stacks.images_of(wish), placed)
        return make_plan(placed, observed, policy=policy, images=images)

    def apply(
        self,
        plan: Plan,
        wish: StackWish,
        *,
        listener: Callable[[Event], None] | None = None,
        limits: Limits | None = None,
    ) -> ApplyResult:
        return apply_plan(
            plan,
            {HOST: self.host},
            supply=TestSupply(plan.payload, wish),
            run=RUN,
            listener=listener or (lambda event: None),
            limits=limits,
        )

    def converge(self, wish: StackWish, *, policy: PlanPolicy = ALLOW) -> Plan:
        """Plan, apply, and check everything that must hold after any apply that ended well."""
        plan = self.plan(wish, policy=policy)
        before, files = self.data(), frozenset(self.host.machine.files)
        order = _Order()
        first = len(self.host.changes)
        result = self.apply(plan, wish, listener=order)
        assert result.complete, [str(failure.error) for failure in result.failed] + [str(t) for t in result.troubles]
        order.check(plan)
        check_calls(plan, calls=self.host.changes[first:], files=files)
        self.check(wish, policy=policy)
        self.check_data(before, plan)
        return plan

    def check(self, wish: StackWish, *, policy: PlanPolicy = ALLOW) -> None:
        """What must hold whenever a run ended well: converged, idempotent, nothing foreign touched, nothing left."""
        again = self.plan(wish, policy=policy)
        assert again.empty, describe(again)
        calls = len(self.host.changes)
        self.apply(again, wish)
        assert self.host.changes[calls:] == []
        self.check_tidy(wish)

    def check_tidy(self, wish: StackWish) -> None:
        """No lock, no pending entry, no file that nobody lists, no foreign object touched."""
        stack = stacks.stack_id(wish)
        assert foreign.foreign_part(self.host) == self.foreign
        usages = {secret.usage for secret in self.host.machine.secrets.values()}
        assert lock_usage(stack) not in usages
        ledger = HostLedger(self.host, stack).read()
        entries = ledger.entries if ledger else ()
        assert [str(entry.slot) for entry in entries if entry.state is EntryState.PENDING] == []
        listed = {entry.path for entry in entries if entry.role != "pool"}
        root = f"/var/lib/libvirt/{wish.name}-pool/"
        own = {path for path in self.host.machine.files if path.startswith(root)} - foreign_files(self)
        assert own == {path for path in listed if path}, "files and ledger differ"
        broken = [path for path in own if not self.host.machine.files[path].content.complete]
        assert broken == []
        if not entries and ledger is None:
            assert ledger_usage(stack) not in usages

    def data(self) -> dict[str, tuple[object, ...]]:
        """The identity of every file that a guest has written to."""
        return {path: file.identity for path, file in self.host.machine.files.items() if file.writes}

    def check_data(self, before: dict[str, tuple[object, ...]], plan: Plan) -> None:
        """Nothing that a guest wrote is gone, unless the plan says so of that very volume."""
        now = self.data()
        lost = {path for path, identity in before.items() if now.get(path) != identity}
        deleted = {
            f"/var/lib/libvirt/{step.effect.pool}/{step.effect.volume}"
            for step in plan.steps
            if isinstance(step.effect, DeleteVolume | CopyVolume)
        }
        assert lost <= deleted
        if lost:
            assert any(change.disruption is Disruption.DATA_LOSS for change in plan.changes), describe(plan)

    def guests_write(self) -> None:
        """Every running guest writes to its disks, and people to volumes that no VM has: none of it may be lost."""
        paths = self._ready_loose()
        for domain in self.host.machine.domains.values():
            if domain.live_xml is not None and domain.uuid not in FOREIGN:
                disks = etree.fromstring(domain.live_xml.encode()).iterfind("devices/disk")
                paths |= {disk.find("source").get("file") for disk in disks if disk.find("readonly") is None}
        for path in sorted(paths):
            if path in self.host.machine.files:
                self.host.machine.guest_writes(path)

    def _ready_loose(self) -> set[str]:
        """Volumes that no VM has, once their making is on record: before that nobody was told of them."""
        found = set()
        for name in ("main", "side"):
            ledger = HostLedger(self.host, stacks.stack_id(StackWish(name=name))).read()
            found |= {
                entry.path
                for entry in (ledger.entries if ledger else ())
                if entry.label.startswith("loose") and entry.state is EntryState.READY and entry.path
            }
        return found

    def kill_holder(self, wish: StackWish) -> None:
        """The process that holds the lock is dead: in these tests it would be this one, which lives."""
        for secret in self.host.machine.secrets.values():
            if secret.usage == lock_usage(stacks.stack_id(wish)):
                document = json.loads(secret.description)
                document["pid_start"] = "1"
                secret.description = json.dumps(document)


def settle(host: FakeHost) -> None:
    """Let time pass until no guest is shutting down any more."""
    looker = host.connect()
    for uuid, domain in list(host.machine.domains.items()):
        while domain.stopping is not None:
            with suppress(NotFoundError):
                looker.domain(uuid)


def foreign_files(world: World) -> set[str]:
    """Files that somebody else put into the stack's pool."""
    return {path for path in world.host.machine.files if "/alien" in path}


def _wanted(images: dict[str, object], placed: DesiredGraph) -> dict[str, object]:
    names = {resource.spec.name for resource in placed.resources if resource.key.kind.value == "image"}
    return {name: facts for name, facts in images.items() if name in names}


def describe(plan: Plan) -> str:
    """A plan in few lines, for failures."""
    lines = [
        f"{change.operation} {change.key} {change.disruption} {change.fields} {change.reasons}"
        for change in plan.changes
    ]
    lines += [f"step {step.id}: {type(step.effect).__name__}" for step in plan.steps]
    lines += [f"intent {intent}" for intent in plan.intents]
    lines += [f"outputs differ: {plan.stored_outputs_differ}", f"releases {plan.releases}"]
    return "\n".join(lines)


class _Order:
    """Hears the events of an apply: nothing may start before what it needs is done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.early: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self.early += [f"{event.step.id} before {need}" for need in event.step.needs if need not in self.done]
        elif isinstance(event, StepDone):
            self.done.append(event.step.id)

    def check(self, plan: Plan) -> None:
        assert self.early == []
        assert sorted(self.done) == sorted(step.id for step in plan.steps)


# The driver calls that an effect may make; the first one it must make, unless what it wants is so already.
CALLS: dict[str, tuple[str, ...]] = {
    "DefinePool": ("define_pool",),
    "StartPool": ("start_pool", "build_pool"),
    "SetPoolAutostart": ("set_pool_autostart",),
    "RemovePool": ("undefine_pool", "stop_pool", "delete_pool_directory"),
    "CreateVolume": ("create_volume",),
    "CopyVolume": ("copy_volume", "resize_volume", "delete_volume"),
    "UploadImage": ("upload_volume",),
    "UploadSeed": ("upload_volume",),
    "ResizeVolume": ("resize_volume",),
    "DeleteVolume": ("delete_volume",),
    "DefineNetwork": ("define_network",),
    "StartNetwork": ("start_network",),
    "SetNetworkAutostart": ("set_network_autostart",),
    "UpdateNetwork": ("update_network",),
    "StopNetwork": ("stop_network",),
    "UndefineNetwork": ("undefine_network",),
    "StampNetwork": ("set_network_metadata",),
    "DefineDomain": ("define_domain",),
    "RenameDomain": ("rename_domain",),
    "StartDomain": ("start_domain",),
    "ResumeDomain": ("resume_domain",),
    "ShutdownDomain": ("shutdown_domain", "power_off_domain"),
    "PowerOffDomain": ("power_off_domain",),
    "SetDomainAutostart": ("set_domain_autostart",),
    "SetVcpus": ("set_vcpus",),
    "SetMemory": ("set_memory",),
    "SetDescription": ("set_description",),
    "AttachDevice": ("attach_device",),
    "DetachDevice": ("detach_device",),
    "PlugNics": ("update_device",),
    "RebuildPool": ("stop_pool", "define_pool", "build_pool", "start_pool"),
    "ResizeDisk": ("resize_disk",),
    "StampDomain": ("set_domain_metadata",),
    "UndefineDomain": ("undefine_domain",),
    "AwaitReady": ("set_domain_metadata",),
    "AwaitHealthy": ("set_domain_metadata",),
}
_OWN_SECRETS = {"define_secret", "undefine_secret"}
_GOES_BY_ITSELF = {"DeleteVolume", "UndefineNetwork", "UndefineDomain"}


def check_calls(plan: Plan, *, calls: list[object], files: frozenset[str]) -> None:
    """Plan = effect: every change made at the host belongs to a step, and every step was made.

    `files` were there before: a volume that a dead run made already is not made again.
    """
    allowed: set[tuple[str, str]] = set()
    for step in plan.steps:
        effect = step.effect
        for method in CALLS[type(effect).__name__]:
            target = getattr(effect, "uuid", None) or getattr(effect, "volume", None) or effect.pool
            allowed.add((method, target))
        if isinstance(effect, CreateVolume):
            allowed.add(("refresh_pool", effect.pool))
    made = set()
    for call in calls:
        if call.method in _OWN_SECRETS:
            continue
        made.add((call.method, _target(call)))
    assert made <= allowed, f"calls that no step explains: {made - allowed}"
    for step in plan.steps:
        effect = step.effect
        name = type(effect).__name__
        # A guest may be off already, a volume in a pool that could not be looked into may never have been there, and a
        # network or domain without a persistent definition goes when it stops.
        if name in {"AwaitReady", "AwaitHealthy", "ShutdownDomain"} or name in _GOES_BY_ITSELF:
            continue
        if isinstance(effect, CreateVolume) and f"/var/lib/libvirt/{effect.pool}/{effect.volume}" in files:
            continue
        target = getattr(effect, "uuid", None) or getattr(effect, "volume", None) or effect.pool
        assert (CALLS[name][0], target) in made, f"step {step.id} ({name}) made no call"


def _target(call: object) -> str:
    arguments = call.arguments
    if "uuid" in arguments:
        return arguments["uuid"]
    if call.method in {"upload_volume", "resize_volume", "delete_volume"}:
        return arguments["name"]
    if "xml" in arguments:
        root = etree.fromstring(arguments["xml"].encode())
        return root.findtext("uuid") if call.method in {"define_domain", "define_network"} else root.findtext("name")
    return arguments.get("pool") or arguments["name"]
