"""Where the classic cases run: programs are evaluated, planned and applied in this process, on any driver.

The same code as the command line's: the evaluator, the planner and the apply engine. What a plan announces is held
against what became of the host: a guest keeps its process unless the plan said otherwise, and data its file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from tests.cases.classic.casefile import Case, Expected, fill, plans_of
from tests.fake.disk_images import qcow2
from tests.fake.guests import read_seed
from vmstack.apply import pipeline
from vmstack.apply.events import Event, StepStarted
from vmstack.apply.learning import learn
from vmstack.apply.pipeline import Planned, plan_stack
from vmstack.apply.runner import apply_plan
from vmstack.apply.supply import PayloadSupply
from vmstack.errors import VmstackError, raise_all
from vmstack.evaluate.program import evaluate
from vmstack.hosts.driver import DomainRecord, Driver
from vmstack.images.store import ImageStore
from vmstack.model.effects import ShutdownDomain
from vmstack.model.facts import Facts
from vmstack.model.graph import DesiredGraph, Output
from vmstack.model.identity import Key, Kind
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Change, Disruption, Plan
from vmstack.model.specs import PoolSpec, VolumeSpec
from vmstack.plan.policy import PlanPolicy

ALLOW = PlanPolicy(allow_empty=True, allow_data_loss=True)
DESTROY = PlanPolicy(destroy=True, allow_empty=True, allow_data_loss=True)
RUN = RunRecord(run="r1", who="tester", where="here", when="2026-01-01T00:00:00+00:00")
_ENDS = {Disruption.RESTART, Disruption.STOP, Disruption.REPLACE, Disruption.DATA_LOSS}


class _Lent:
    """A connection that stays open when its borrower closes it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)

    def close(self) -> None:
        pass


@dataclass
class Bench:
    """A project folder and the host that it is for. `obey` lets a guest do what it was asked: none boots here.

    `open_host` gives the connection to a URI; `reconnect` is called between runs.
    """

    folder: Path
    open_host: Callable[[str], Driver]
    values: dict[str, str]
    obey: Callable[[str], None] = lambda uuid: None
    cache: Path | None = None
    drivers: dict[str, Driver] = field(default_factory=dict)
    graphs: dict[tuple[str, frozenset[tuple[str, str]]], DesiredGraph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text(f"name: {self.values['prefix']}\nruntime: python\n")
        for name, size in (("image", 1 << 20), ("image2", 2 << 20)):
            path = self.folder / f"{name}.qcow2"
            if not path.exists():
                path.write_bytes(qcow2(size, mark=name.encode()))
            self.values[name] = str(path)
        self.store = ImageStore(self.cache or self.folder / "cache")

    @property
    def driver(self) -> Driver:
        return self.connection(self.values["uri"])

    def connection(self, uri: str) -> Driver:
        if uri not in self.drivers:
            self.drivers[uri] = self.open_host(uri)
        return self.drivers[uri]

    def evaluate(self, program: str, *, config: Mapping[str, str] | None = None) -> DesiredGraph:
        """The graph of a program; the same one again where no host had a part in it."""
        what = program, frozenset((config or {}).items())
        if what in self.graphs:
            return self.graphs[what]
        (self.folder / "__main__.py").write_text(program)

        def run(facts: Facts) -> DesiredGraph:
            return evaluate(self.folder, stack="dev", config=config or {}, facts=facts)

        desired = learn(run, open_host=lambda spec: _Lent(self.connection(spec.uri))).desired
        if not desired.questions:
            self.graphs[what] = desired
        return desired

    def plan(self, desired: DesiredGraph, *, policy: PlanPolicy = ALLOW) -> Planned:
        planned = plan_stack(
            desired,
            self._drivers_of(desired),
            policy=policy,
            store=self.store,
            need_files=True,
            progress=lambda *_: None,
        )
        raise_all(planned.unallowed)
        return planned

    def apply(self, planned: Planned) -> None:
        """Apply, insist that all of it was done, and that it did to the guests what the plan says."""
        drivers = self._drivers_of(planned.desired)
        before = {name: _Holdings.of(driver) for name, driver in drivers.items()}
        result = apply_plan(
            planned.plan,
            drivers,
            supply=PayloadSupply(planned.plan.payload, store=self.store),
            run=RUN,
            listener=self._listen,
        )
        assert result.complete, [str(one.error) for one in result.failed] + [str(one) for one in result.troubles]
        for name, driver in drivers.items():
            before[name].compare(_Holdings.of(driver), planned.plan)

    def _listen(self, event: Event) -> None:
        if isinstance(event, StepStarted) and isinstance(event.step.effect, ShutdownDomain):
            self.obey(event.step.effect.uuid)

    def _drivers_of(self, desired: DesiredGraph) -> dict[str, Driver]:
        return {name: self.connection(spec.uri) for name, spec in pipeline.hosts_of(desired).items()}

    def fill(self, text: object) -> object:
        return fill(text, self.values) if isinstance(text, str) else text


class Round:
    """One case on one bench, with its guest running or off."""

    def __init__(self, case: Case, bench: Bench, *, running: bool) -> None:
        self._case = case
        self._bench = bench
        self._running = running
        self.now: str | None = None
        self._last: Planned | None = None

    def reach(self, state: str) -> None:
        """Bring the host to the state, and see that it is so and that nothing is left to do."""
        self._apply(self._plan(state), state)

    def refuse(self, state: str, *, text: str) -> None:
        """The state is refused with that text, and what was there before is not touched."""
        try:
            planned = self._plan(state)
        except VmstackError as error:
            expected = str(self._bench.fill(text)).strip()
            assert expected in " ".join(str(error).split()), f"refused, but otherwise: {error}"
        else:
            raise AssertionError(f"{state} is not refused: {describe(planned.plan)}")
        if self.now is not None:
            again = self._plan(self.now)
            assert again.plan.empty, describe(again.plan)

    def change(self, index: int) -> None:
        """One change: planned as said, with the effect that was planned."""
        step = self._case.changes[index]
        if self.now not in (None, step.start):
            self.leave()
        if self.now is None:
            self.reach(step.start)
        if step.refused is not None:
            self.refuse(step.to, text=step.refused)
            return
        planned = self._plan(step.to)
        expected = plans_of(step, running=self._running)
        found = {str(change.key): f"{change.operation} {change.disruption}" for change in planned.plan.changes}
        assert found == expected, describe(planned.plan)
        self._apply(planned, step.to)

    def leave(self) -> None:
        """Destroy the stack."""
        if self._last is not None:
            self._bench.apply(self._bench.plan(self._last.desired, policy=DESTROY))
        self.now = self._last = None

    def _plan(self, state: str) -> Planned:
        own = self._case.states[state]
        program = self._case.text(state, running=self._running, values=self._bench.values)
        config = {name: str(self._bench.fill(value)) for name, value in own.config.items()}
        return self._bench.plan(self._bench.evaluate(program, config=config))

    def _apply(self, planned: Planned, state: str) -> None:
        self._bench.apply(planned)
        self.now, self._last = state, planned
        again = self._plan(state)
        assert again.plan.empty, f"{state}: something is left to do:\n{describe(again.plan)}"
        own = self._case.states[state]
        if own.warns is not None:
            assert any(own.warns in warning for warning in again.desired.warnings), again.desired.warnings
        for name, value in own.outputs.items():
            assert again.desired.outputs[name] == Output(value=self._bench.fill(value)), again.desired.outputs
        look(again.desired, self._bench, own.expect)


def look(desired: DesiredGraph, bench: Bench, expected: Expected) -> None:
    """Compare what the host holds with what is expected, by address."""
    for address, wanted in expected.items():
        target, _, which = address.partition(" ")
        kind, _, name = target.partition(".")
        facts, root = _find(desired, bench, kind=Kind(kind), name=name, live=which == "live")
        for path, value in wanted.items():
            want = [str(bench.fill(item)) for item in (value if isinstance(value, list) else [value])]
            have = [str(facts.get(path[1:], ""))] if path.startswith("@") else _values(root, str(bench.fill(path)))
            assert have == ([] if value is None else want), f"{address}: {path} is {have}, not {want}"


def _values(root: etree._Element, path: str) -> list[str]:
    spaces = {
        "qemu": "http://libvirt.org/schemas/domain/qemu/1.0",
        "dnsmasq": "http://libvirt.org/schemas/network/dnsmasq/1.0",
    }
    found = root.xpath(path, namespaces=spaces)
    if isinstance(found, bool | str):
        return [str(found)]
    if isinstance(found, float):
        return [f"{found:g}"]
    return [item if isinstance(item, str) else (item.text or "").strip() for item in found]


def _find(
    desired: DesiredGraph, bench: Bench, *, kind: Kind, name: str, live: bool
) -> tuple[dict[str, object], etree._Element]:
    """The facts (`@...`) and the XML of what the program calls so."""
    specs = {(item.key.kind, item.key.name): item.spec for item in desired.resources}
    spec = specs.get((kind, name))
    assert spec is not None, f"the program has no {kind}.{name}: {[f'{one}.{two}' for one, two in specs]}"
    if isinstance(spec, VolumeSpec) or kind is Kind.SEED:
        pool = specs[Kind.POOL, spec.pool]
        assert isinstance(pool, PoolSpec)
        driver = bench.connection(_uri(desired, pool.host))
        label = spec.label if isinstance(spec, VolumeSpec) else _seed_of(desired, driver, name=name)
        root = etree.fromstring(driver.volume(pool.label, label).xml)
        facts: dict[str, object] = {"name": label}
        if kind is Kind.SEED:
            size = int(root.findtext("capacity"))
            content = b"".join(driver.download_volume(pool.label, label, length=size))
            files = read_seed(content)
            facts |= {file: text.decode() for file, text in files.items()} or {"content": content.decode()}
        return facts, root
    driver = bench.connection(_uri(desired, spec.host))
    if kind is Kind.VM:
        domain = driver.domain(spec.uuid)
        facts = {"state": domain.state, "autostart": domain.autostart, "name": domain.name, "uuid": domain.uuid}
        return facts, etree.fromstring(domain.live_xml if live else domain.xml)
    records = driver.networks() if kind is Kind.NETWORK else driver.pools()
    record = next(item for item in records if item.name == spec.label)
    facts = {"active": record.active, "autostart": record.autostart, "uuid": record.uuid}
    return facts, etree.fromstring(record.live_xml if live else record.xml)


def _seed_of(desired: DesiredGraph, driver: Driver, *, name: str) -> str:
    """The seed that the persistent definition has: a running guest may still have the one before."""
    domain = next(item.spec for item in desired.resources if item.key == Key(Kind.VM, name.partition(":")[0]))
    where = "sysinfo/entry/@file" if ":" in name else "devices/disk[serial='cidata']/source/@file"
    [path] = _values(etree.fromstring(driver.domain(domain.uuid).xml), where)
    return Path(path).name


def _uri(desired: DesiredGraph, host: str) -> str:
    return pipeline.hosts_of(desired)[host].uri


@dataclass(frozen=True)
class _Holdings:
    """What a host held at a moment, as far as a plan makes promises about it."""

    domains: dict[str, DomainRecord]

    @classmethod
    def of(cls, driver: Driver) -> "_Holdings":
        return cls({record.uuid: record for record in driver.domains()})

    def compare(self, after: "_Holdings", plan: Plan) -> None:
        """A guest that ran keeps its process unless its change says that it does not, and then it has another one."""
        changes = {str(change.key): change for change in plan.changes}
        for uuid, record in self.domains.items():
            change = _change_of(uuid, plan)
            if change is None or record.live_xml is None:
                continue
            assert change in changes.values()
            now = after.domains.get(uuid)
            kept = now is not None and now.live_xml is not None and _process(now) == _process(record)
            assert kept == (change.disruption not in _ENDS), f"{change.disruption}, and kept: {kept}"


def _process(record: DomainRecord) -> str | None:
    return etree.fromstring(record.live_xml or "<domain/>").get("id")


def _change_of(uuid: str, plan: Plan) -> Change | None:
    keys = {step.key for step in plan.steps if getattr(step.effect, "uuid", None) == uuid}
    return next((change for change in plan.changes if change.key in keys and change.key.kind is Kind.VM), None)


def describe(plan: Plan) -> str:
    """A plan in few lines, for failures."""
    lines = [f"{change.key}: {change.operation} {change.disruption} {change.reasons}" for change in plan.changes]
    lines += [f"  {one.path}: {one.before!r} -> {one.after!r}" for change in plan.changes for one in change.fields]
    lines += [f"step {step.id}: {type(step.effect).__name__}" for step in plan.steps]
    lines += [f"intent {intent}" for intent in plan.intents]
    return "\n".join([*lines, f"outputs differ: {plan.stored_outputs_differ}, releases {plan.releases}"])
