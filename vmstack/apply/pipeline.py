"""From a desired graph to a plan: connect, observe, place, find images, plan. Each step stands alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import msgspec

from vmstack.apply.documents import check_documents
from vmstack.errors import UnallowedLossError, VmstackError, flatten, raise_all
from vmstack.hosts.connection import connect
from vmstack.hosts.driver import Driver
from vmstack.hosts.ledger import HostLedger
from vmstack.hosts.lock import break_lock, read_lock
from vmstack.hosts.lookout import Lookout
from vmstack.hosts.observe import observe
from vmstack.images.store import ImageStore
from vmstack.model.base import Data
from vmstack.model.drift import DriftReport
from vmstack.model.graph import DesiredGraph, Output
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.ownership import LockInfo
from vmstack.model.plan import Plan
from vmstack.model.specs import HostSpec, ImageSpec
from vmstack.plan.drift import find_drift
from vmstack.plan.image_needs import image_needs
from vmstack.plan.placement import place
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.renames import find_renames, rename
from vmstack.plan.scope import scope_of
from vmstack.plan.selection import choose
from vmstack.plan.settling import settle

Connect = Callable[[HostSpec], Driver]
ImageProgress = Callable[[str, int, int | None], None]
# Downloads share one uplink and verification shares the CPU: more at once only makes each slower.
_IMAGES_AT_ONCE = 4


class Planned(Data, frozen=True, kw_only=True):
    """A plan and what it was made from. `desired` is placed. `unallowed` names the data that the plan would lose and
    that nobody allowed it to lose: such a plan is there to be looked at, and must not be applied.
    """

    desired: DesiredGraph
    observed: Observed
    plan: Plan
    unallowed: tuple[UnallowedLossError, ...] = ()


def hosts_of(desired: DesiredGraph) -> dict[str, HostSpec]:
    """The hosts of the graph by name."""
    return {resource.spec.name: resource.spec for resource in desired.resources if isinstance(resource.spec, HostSpec)}


def connect_to_host(*, readonly: bool) -> Connect:
    """The connector that real commands use."""

    def open_one(spec: HostSpec) -> Driver:
        return connect(spec, readonly=readonly)

    return open_one


@contextmanager
def connected(desired: DesiredGraph, *, open_host: Connect) -> Iterator[dict[str, Driver]]:
    """Connect to every host of the graph, all at once, and close the connections at the end.

    One host that cannot be reached fails the whole, and all such hosts are named: unknown is never empty.
    """
    specs = hosts_of(desired)
    drivers: dict[str, Driver] = {}
    errors: list[VmstackError] = []
    try:
        if specs:
            with ThreadPoolExecutor(max_workers=min(len(specs), 32), thread_name_prefix="connect") as pool:
                futures = {name: pool.submit(open_host, spec) for name, spec in sorted(specs.items())}
            for name, future in futures.items():
                try:
                    drivers[name] = future.result()
                except VmstackError as error:
                    errors.append(_placed(error, desired, key=Key(Kind.HOST, name)))
        raise_all(errors)
        yield drivers
    finally:
        for driver in drivers.values():
            driver.close()


@contextmanager
def reading_ahead() -> Iterator[Lookout | None]:
    """Have the hosts read by another process while the program is evaluated, for a plan alone; `None` where it cannot.

    What is to be changed must be read under the stack's lock, and so not before it.
    """

    def open_one(spec: HostSpec) -> Driver:
        return connect(spec, readonly=True, at_once=1)

    lookout = Lookout.post(open_one)
    try:
        yield lookout
    finally:
        if lookout is not None:
            lookout.dismiss()


def observe_stack(desired: DesiredGraph, drivers: Mapping[str, Driver], *, lookout: Lookout | None = None) -> Observed:
    """Read from every host what concerns the stack, unless the lookout has. Changes nothing."""
    scopes = scope_of(desired)
    hosts = hosts_of(desired)
    seen = {} if lookout is None else lookout.snapshots(hosts, scopes=scopes)
    rest = {host: driver for host, driver in drivers.items() if host not in seen}
    observed = observe(rest, stack=desired.stack, scopes=scopes) if rest else Observed(hosts={})
    return Observed(hosts={host: seen.get(host) or observed.hosts[host] for host in sorted(drivers)})


def resolve_images(
    desired: DesiredGraph,
    observed: Observed,
    *,
    store: ImageStore,
    need_files: bool,
    progress: ImageProgress,
) -> dict[str, ImageFacts]:
    """The facts of every image that the plan is made from, with local files where `need_files`.

    What a host's ledger knows of a base image is not fetched again.
    """
    needs = image_needs(desired, observed)
    specs = {
        resource.spec.name: resource.spec for resource in desired.resources if isinstance(resource.spec, ImageSpec)
    }
    facts = dict(needs.known)
    errors: list[VmstackError] = []
    if needs.missing:
        with ThreadPoolExecutor(max_workers=_IMAGES_AT_ONCE, thread_name_prefix="image") as pool:
            futures = {
                name: pool.submit(store.resolve, specs[name], need_file=need_files, progress=progress)
                for name in needs.missing
            }
        for name, future in futures.items():
            try:
                facts[name] = future.result()
            except VmstackError as error:
                errors.append(_placed(error, desired, key=Key(Kind.IMAGE, name)))
    raise_all(errors)
    return facts


def _placed(error: VmstackError, desired: DesiredGraph, *, key: Key) -> VmstackError:
    """Say where the program asks for what failed."""
    error.place = error.place or next((resource.place for resource in desired.resources if resource.key == key), None)
    return error


def plan_stack(
    desired: DesiredGraph,
    drivers: Mapping[str, Driver],
    *,
    policy: PlanPolicy,
    store: ImageStore,
    need_files: bool,
    progress: ImageProgress,
    seen: Callable[[Observed], None] | None = None,
    lookout: Lookout | None = None,
) -> Planned:
    """Observe, place, find images and plan. Destroying needs no image. `seen` is told what was observed, before a plan
    is made from it or fails. What the `lookout` has seen is not read again."""
    observed = observe_stack(desired, drivers, lookout=lookout)
    if seen is not None:
        seen(observed)
    placed = place(desired, observed)
    named = rename(observed, find_renames(placed, observed), desired=placed)
    placed = settle(placed, named)
    chosen = choose(placed, named, policy=policy)
    used = placed if chosen is None else chosen.reduce(placed)
    images = (
        {} if policy.destroy else resolve_images(used, named, store=store, need_files=need_files, progress=progress)
    )
    make = partial(make_plan, placed, observed, images=images)
    plan, unallowed = _make_plan(make, policy=policy)
    check_documents(plan, placed, observed)
    return Planned(desired=placed, observed=observed, plan=plan, unallowed=unallowed)


def _make_plan(make: Callable[..., Plan], *, policy: PlanPolicy) -> tuple[Plan, tuple[UnallowedLossError, ...]]:
    """The plan; where nothing else speaks against it than a loss of data that was not allowed, that comes with it."""
    try:
        return make(policy=policy), ()
    except VmstackError as error:
        found = flatten(error)
        losses = tuple(one for one in found if isinstance(one, UnallowedLossError))
        if len(losses) < len(found):
            raise
    try:
        return make(policy=msgspec.structs.replace(policy, allow_data_loss=True)), losses
    except VmstackError as error:
        raise_all((*losses, *flatten(error)))
        raise


def find_stack_drift(
    desired: DesiredGraph,
    drivers: Mapping[str, Driver],
    *,
    store: ImageStore,
    progress: ImageProgress,
    seen: Callable[[Observed], None] | None = None,
    lookout: Lookout | None = None,
) -> DriftReport:
    """Observe, place, and find what others changed since the last apply. The arguments are those of `plan_stack`."""
    observed = observe_stack(desired, drivers, lookout=lookout)
    if seen is not None:
        seen(observed)
    placed = place(desired, observed)
    named = rename(observed, find_renames(placed, observed), desired=placed)
    placed = settle(placed, named)
    images = resolve_images(placed, named, store=store, need_files=False, progress=progress)
    return find_drift(placed, observed, images=images)


def read_outputs(drivers: Mapping[str, Driver], *, stack: StackId) -> dict[str, Output] | None:
    """The outputs as they were last applied, secret ones without value; `None` when nothing was applied yet."""
    ledgers = [HostLedger(drivers[host], stack).read() for host in sorted(drivers)]
    applied = [ledger for ledger in ledgers if ledger is not None and ledger.last_run is not None]
    if not applied:
        return None
    latest = max(applied, key=lambda ledger: ledger.last_run.when if ledger.last_run else "")
    return {name: Output(value=one.value, secret=one.secret) for name, one in latest.outputs.items()}


def read_locks(drivers: Mapping[str, Driver], *, stack: StackId) -> dict[str, LockInfo]:
    """Who holds the stack's lock, by host."""
    found = {host: read_lock(driver, stack) for host, driver in drivers.items()}
    return {host: lock for host, lock in found.items() if lock is not None}


def break_locks(drivers: Mapping[str, Driver], *, stack: StackId, hosts: Iterable[str]) -> None:
    """Remove the stack's lock on these hosts, whoever holds it."""
    for host in hosts:
        break_lock(drivers[host], stack)
