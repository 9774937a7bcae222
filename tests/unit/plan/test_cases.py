"""Every file in tests/cases/plan: what is wanted and what is there, and the plan that follows.

With `UPDATE=1` in the environment the files are written anew from `scenarios`, with `UPDATE=no-op,create` only those;
read the difference before keeping it.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.plan.builders import IMAGES, look
from tests.unit.plan.scenarios import SCENARIOS, play
from tests.unit.plan.terraform_format import check_document
from vmstack.errors import VmstackError
from vmstack.model.graph import DesiredGraph, Options, Output, Resource
from vmstack.model.identity import Key, Kind, StackId
from vmstack.model.observed import ImageFacts, Observed
from vmstack.model.plan import Plan
from vmstack.model.specs import HostSpec, ImageSpec, NetworkSpec, PoolSpec, SeedSpec, Spec, VmSpec, VolumeSpec
from vmstack.plan.check import check_plan
from vmstack.plan.codec import encode_plan
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.terraform import Circumstances

CASES = Path(__file__).resolve().parents[2] / "cases" / "plan"
_SPECS: dict[Kind, type[Spec]] = {
    Kind.HOST: HostSpec,
    Kind.POOL: PoolSpec,
    Kind.IMAGE: ImageSpec,
    Kind.VOLUME: VolumeSpec,
    Kind.SEED: SeedSpec,
    Kind.NETWORK: NetworkSpec,
    Kind.VM: VmSpec,
}


def _read_desired(raw: dict[str, Any]) -> DesiredGraph:
    """Specs carry no tag: a resource's key says what its spec is."""
    resources = []
    for item in raw["resources"]:
        key = msgspec.convert(item["key"], Key)
        resources.append(
            Resource(
                key=key,
                spec=msgspec.convert(item["spec"], _SPECS[key.kind]),
                needs=msgspec.convert(item["needs"], tuple[Key, ...]),
                options=msgspec.convert(item["options"], Options),
            )
        )
    return DesiredGraph(
        stack=msgspec.convert(raw["stack"], StackId),
        resources=tuple(resources),
        outputs=msgspec.convert(raw["outputs"], dict[str, Output]),
    )


def _expected(plan: Plan) -> dict[str, Any]:
    """What a case pins: everything but documents and digests."""
    encoded = json.loads(encode_plan(plan))
    for step in encoded["steps"]:
        step["marks"] = []
    for shown, step in zip(encoded["steps"], plan.steps, strict=True):
        shown["marks"] = [f"{mark.action} {'/'.join(mark.entry.slot)}" for mark in step.marks]
        shown["arguments"].pop("uuid", None)
        shown["arguments"].pop("name", None)
        del shown["address"], shown["host"]
        if step.flush:
            shown["flush"] = True
        if step.guards:
            shown["guards"] = [f"{guard.object} {guard.name}" for guard in step.guards]
    for change in encoded["changes"]:
        del change["place"], change["kind"], change["name"]
    return {
        "summary": encoded["summary"],
        "changes": encoded["changes"],
        "steps": encoded["steps"],
        "diagnostics": [found["text"] for found in encoded["diagnostics"]],
        "intents": [
            *(f"{entry.state.value} {'/'.join(entry.slot)}" for intent in plan.intents for entry in intent.entries),
            *(f"forget {'/'.join(entry.slot)}" for intent in plan.intents for entry in intent.forget),
        ],
        "expects": [
            f"{'no ' if found.fingerprint is None and found.object != 'unused' else ''}{found.object} {found.name}"
            for found in plan.expectations
        ],
        "empty": plan.empty,
        "outputs_differ": plan.stored_outputs_differ,
        "ledgers": list(plan.ledgers),
        "releases": list(plan.releases),
    }


def plan_of(case: dict[str, Any]) -> Plan:
    """The plan of a case; raises what planning it raises."""
    desired = _read_desired(case["desired"])
    observed = msgspec.convert(case["observed"], Observed)
    policy = msgspec.convert(case["policy"], PlanPolicy)
    return make_plan(desired, observed, policy=policy, images=msgspec.convert(case["images"], dict[str, ImageFacts]))


def _circumstances_of(case: dict[str, Any]) -> Circumstances:
    return Circumstances(
        desired=_read_desired(case["desired"]),
        observed=msgspec.convert(case["observed"], Observed),
        destroy=msgspec.convert(case["policy"], PlanPolicy).destroy,
    )


def _judge(case: dict[str, Any]) -> dict[str, Any]:
    try:
        plan = plan_of(case)
    except VmstackError as error:
        return {"error": type(error).__name__, "exit_code": error.exit_code, "text": str(error).splitlines()}
    check_plan(plan)
    check_document(plan, _circumstances_of(case))
    assert encode_plan(plan_of(case)) == encode_plan(plan)
    return _expected(plan)


def _write(name: str) -> None:
    scenario = SCENARIOS[name]
    observed = look(play(scenario), scenario.after)
    desired = msgspec.to_builtins(scenario.after)
    for resource in desired["resources"]:
        resource["place"] = None
    case = {
        "about": scenario.about,
        "desired": desired,
        "policy": msgspec.to_builtins(scenario.policy),
        "images": msgspec.to_builtins(IMAGES if scenario.images is None else scenario.images),
        "observed": msgspec.to_builtins(observed),
    }
    case = json.loads(json.dumps(case))
    case["expected"] = _judge(case)
    CASES.mkdir(parents=True, exist_ok=True)
    (CASES / f"{name}.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")


if _chosen := os.environ.get("UPDATE"):
    for _name in SCENARIOS if _chosen == "1" else _chosen.split(","):
        _write(_name)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    assert json.loads(json.dumps(_judge(case))) == case["expected"]


def test_every_scenario_has_its_file() -> None:
    assert sorted(SCENARIOS) == sorted(path.stem for path in CASES.glob("*.json"))
