"""The validity check finds what a planner's slip would do. Each case breaks a good plan in one way."""

from collections.abc import Callable

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, graph, look, small
from tests.unit.plan.scenarios import converge
from vmstack.errors import InternalError
from vmstack.model.effects import PowerOffDomain, UndefineDomain, UploadImage
from vmstack.model.identity import Key, Kind
from vmstack.model.plan import Disruption, FieldChange, Operation, Payload, Plan, Step
from vmstack.plan.check import check_plan
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy

VM = Key(Kind.VM, "web-0")
ROOT = Key(Kind.VOLUME, "web-0-root")


def created() -> Plan:
    desired = graph(*small())
    return make_plan(desired, look(FakeHost(), desired), policy=PlanPolicy(), images=IMAGES)


def destroyed() -> Plan:
    fake, desired = FakeHost(), graph(*small())
    converge(fake, desired)
    return make_plan(desired, look(fake, desired), policy=PlanPolicy(destroy=True), images={})


def with_step(plan: Plan, step: Step) -> Plan:
    return msgspec.structs.replace(plan, steps=(*plan.steps, step))


def changed(plan: Plan, key: Key, **values: object) -> Plan:
    changes = tuple(
        msgspec.structs.replace(change, **values) if change.key == key else change for change in plan.changes
    )
    return msgspec.structs.replace(plan, changes=changes)


def step(key: Key, effect: object, *, id: str = "extra", needs: tuple[str, ...] = ()) -> Step:
    return Step(id=id, host="kvm1", key=key, effect=effect, needs=needs)


BROKEN: dict[str, tuple[Callable[[], Plan], str]] = {
    "one id twice": (lambda: with_step(created(), created().steps[0]), "is there twice"),
    "need of nothing": (
        lambda: with_step(created(), step(VM, created().steps[-1].effect, needs=("nothing",))),
        "needs nothing, which does not come before it",
    ),
    "need of a later one": (
        lambda: msgspec.structs.replace(created(), steps=tuple(reversed(created().steps))),
        "does not come before it",
    ),
    "no change": (lambda: msgspec.structs.replace(created(), changes=()), "no change says that pool.web is touched"),
    "a silent delete": (
        lambda: changed(destroyed(), ROOT, disruption=Disruption.NONE, fields=()),
        "no change of class data-loss says so",
    ),
    "an upload over data": (
        lambda: with_step(created(), step(ROOT, UploadImage(pool="web", volume="x", image="debian"))),
        "writes over a volume that is no base image",
    ),
    "an upload of nothing": (
        lambda: msgspec.structs.replace(created(), payload=Payload()),
        "uploads image debian, of which the plan has nothing",
    ),
    "a volume that no ledger expects": (
        lambda: msgspec.structs.replace(created(), intents=()),
        "which no ledger expects",
    ),
    "a removal that no change says": (
        lambda: changed(destroyed(), VM, operation=Operation.UPDATE),
        "and its change says update",
    ),
    "a hard power-off": (
        lambda: with_step(created(), step(VM, PowerOffDomain(uuid="u", name="web-0"))),
        "powers a guest off, and its change says none",
    ),
    "an undefine": (
        lambda: with_step(created(), step(VM, UndefineDomain(uuid="u", name="web-0"))),
        "removes vm.web-0",
    ),
    "a change milder than its fields": (
        lambda: changed(
            created(), VM, fields=(FieldChange(path="x", before=1, after=2, disruption=Disruption.RESTART),)
        ),
        "a field is more disruptive",
    ),
    "a change of nothing": (lambda: changed(created(), VM, operation=Operation.NOOP), "changes nothing"),
    "a ledger kept and removed": (
        lambda: msgspec.structs.replace(created(), releases=("kvm1",)),
        "is both kept and removed",
    ),
    "one change twice": (
        lambda: msgspec.structs.replace(created(), changes=created().changes * 2),
        "two changes speak of one resource",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plan(name: str) -> None:
    build, words = BROKEN[name]
    with pytest.raises(InternalError) as caught:
        check_plan(build())
    assert words in str(caught.value)


@pytest.mark.parametrize("build", [created, destroyed])
def test_good_plan(build: Callable[[], Plan]) -> None:
    check_plan(build())
