"""Equal inputs give equal plans, byte for byte, whatever the order of things and the seed of hashes."""

import hashlib
import random
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property import stacks, strategies
from tests.property.stacks import StackWish, without
from tests.property.test_convergence import FULL
from tests.property.world import ALLOW, World
from vmstack.errors import VmstackError
from vmstack.model.observed import Observed
from vmstack.model.plan import Plan
from vmstack.plan.codec import encode_plan
from vmstack.plan.placement import place
from vmstack.plan.planner import make_plan

pytestmark = pytest.mark.timeout(600)


def _shuffled(observed: Observed, order: random.Random) -> Observed:
    """The same snapshot in another order."""

    def mix(items: tuple[object, ...]) -> tuple[object, ...]:
        mixed = list(items)
        order.shuffle(mixed)
        return tuple(mixed)

    hosts = {}
    for name, snapshot in observed.hosts.items():
        pools = tuple(
            msgspec.structs.replace(pool, volumes=mix(pool.volumes) if pool.volumes is not None else None)
            for pool in snapshot.pools
        )
        hosts[name] = msgspec.structs.replace(
            snapshot, domains=mix(snapshot.domains), networks=mix(snapshot.networks), pools=mix(pools)
        )
    return Observed(hosts=hosts)


@given(first=strategies.stacks(), second=strategies.stacks(), order=st.randoms(use_true_random=False))
def test_order_does_not_matter(first: StackWish, second: StackWish, order: random.Random) -> None:
    world = World()
    world.converge(first)
    desired = stacks.graph(second)
    observed = world.observe(desired)
    images = {name: facts for name, facts in stacks.images_of(second).items() if _uses(desired, name)}
    plans = []
    for seen in (observed, _shuffled(observed, order)):
        try:
            plans.append(encode_plan(make_plan(place(desired, seen), seen, policy=ALLOW, images=images)))
        except VmstackError as error:
            plans.append(str(error).encode())
    assert plans[0] == plans[1]


def _uses(desired: object, image: str) -> bool:
    return any(str(resource.key) == f"image.{image}" for resource in desired.resources)


def plan_of_an_edit() -> Plan:
    """A plan with a bit of everything."""
    world = World()
    world.converge(FULL)
    return world.plan(without(FULL, vms=FULL.vms[1:], image=2))


def test_hash_seed_does_not_matter() -> None:
    code = (
        "import hashlib; from tests.property.test_determinism import plan_of_an_edit;"
        "from vmstack.plan.codec import encode_plan;"
        "print(hashlib.sha256(encode_plan(plan_of_an_edit())).hexdigest())"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            text=True,
        )
        for seed in ("0", "1", "42")
    ]
    digests = {run.communicate(timeout=120)[0].strip() for run in runs}
    assert digests == {hashlib.sha256(encode_plan(plan_of_an_edit())).hexdigest()}
