"""Plans as Terraform's tools read them: every scenario by the format's schema, and a policy as conftest runs it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from tests.fake.host import FakeHost, fleet
from tests.unit.plan.builders import IMAGES, data, graph, host, image, look, network, pool, root, seed, small, vm
from tests.unit.plan.scenarios import CLOUD, converge, full
from tests.unit.plan.terraform_format import SCHEMA, VALIDATOR, check_document
from vmstack.apply.runner import apply_plan
from vmstack.hosts.observe import observe
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.identity import Key, Kind
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Change, Disruption, FieldChange, Operation, Plan
from vmstack.model.specs import VolumeSource
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.scope import scope_of
from vmstack.plan.terraform import Circumstances, terraform_plan, type_of
from vmstack.plan.terraform_address import address_of

RUN = RunRecord(run="r1", who="tester", where="here", when="2026-01-01T00:00:00+00:00")
POLICY = Path(__file__).resolve().parents[3] / "docs" / "policies" / "plan.rego"


def document_of(fake: FakeHost, desired: DesiredGraph, *, policy: PlanPolicy | None = None) -> dict[str, Any]:
    observed = look(fake, desired)
    plan = make_plan(desired, observed, policy=policy or PlanPolicy(allow_data_loss=True), images=IMAGES)
    circumstances = Circumstances(desired=desired, observed=observed, made="2026-01-01T00:00:00Z")
    return check_document(plan, circumstances)


def changes_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {change["address"]: change for change in document["resource_changes"]}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_change_has_both_sides_in_full_and_sizes_in_bytes() -> None:
    fake = FakeHost()
    converge(fake, full())
    document = document_of(fake, full(memory=2 << 30, max_memory=2 << 30))
    change = changes_of(document)["libvirt_domain.web-0"]["change"]
    assert change["actions"] == ["update"]
    assert (change["before"]["memory"], change["after"]["memory"]) == (512 << 20, 2 << 30)
    assert change["before"]["vcpus"] == change["after"]["vcpus"] == 1
    assert change["after"]["disks"][0]["volume"] == "web-0-root"
    assert change["after"]["nics"][0]["addresses"] == ["10.20.0.10"]
    prior = {one["address"]: one["values"] for one in document["prior_state"]["values"]["root_module"]["resources"]}
    assert prior["libvirt_domain.web-0"]["memory"] == 512 << 20


def test_what_goes_is_shown_as_the_host_has_it() -> None:
    fake = FakeHost()
    converge(fake, full())
    document = document_of(fake, graph(pool()))
    gone = changes_of(document)
    domain = gone["libvirt_domain.web-0"]
    assert domain["change"]["actions"] == ["delete"]
    assert domain["action_reason"] == "delete_because_no_resource_config"
    assert domain["change"]["before"]["memory"] == 512 << 20
    assert domain["change"]["before"]["power"] == "running"
    assert gone["libvirt_volume.web-0-data"]["change"]["before"]["data"] is True
    assert gone["libvirt_volume.web-0-data"]["change"]["before"]["path"] == "/pools/web/web-0-data.qcow2"
    assert gone["libvirt_network.lan"]["change"]["before"]["mode"] == "nat"
    assert gone["libvirt_pool.web"]["change"]["actions"] == ["no-op"]


def test_base_images_and_volumes_of_one_name_have_two_addresses() -> None:
    specs = (pool(), image(), root("debian"), vm(disks=()))
    addresses = changes_of(document_of(FakeHost(), graph(*specs))).keys()
    assert {"libvirt_volume.debian", 'libvirt_volume.debian["web"]'} <= addresses


def test_what_moves_to_another_host_is_there_twice() -> None:
    hosts = fleet("kvm1", "kvm2")
    both = (host("kvm1"), host("kvm2"))
    before = graph(*both, network(host="kvm1"))
    result = apply_plan(_plan_on(hosts, before)[0], hosts, supply=NoSupply(), run=RUN)
    assert result.complete
    plan, circumstances = _plan_on(hosts, graph(*both, network(host="kvm2")))
    document = check_document(plan, circumstances)
    rows = {row.get("deposed"): row for row in document["resource_changes"]}
    assert rows[None]["change"]["actions"] == ["create"]
    assert rows["kvm1"]["change"]["actions"] == ["delete"]
    assert rows[None]["address"] == rows["kvm1"]["address"] == "libvirt_network.lan"
    assert document["prior_state"]["values"]["root_module"]["resources"] == []


def _plan_on(hosts: dict[str, FakeHost], desired: DesiredGraph) -> tuple[Plan, Circumstances]:
    observed = observe(hosts, stack=desired.stack, scopes=scope_of(desired))
    plan = make_plan(desired, observed, policy=PlanPolicy(), images={})
    return plan, Circumstances(desired=desired, observed=observed)


class NoSupply:
    """For plans that upload nothing."""

    def open_image(self, name: str) -> tuple[list[bytes | int], int]:
        raise AssertionError(name)

    def seed(self, digest: str) -> bytes:
        raise AssertionError(digest)


def test_outputs_change_and_secret_ones_have_no_value() -> None:
    document = document_of(FakeHost(), full())
    assert document["output_changes"]["ip"]["actions"] == ["create"]
    assert document["output_changes"]["ip"]["after"] == "10.20.0.10"
    assert document["output_changes"]["token"]["after"] is None
    assert document["output_changes"]["token"]["after_sensitive"] is True
    assert document["planned_values"]["outputs"]["token"] == {"sensitive": True}
    assert document["planned_values"]["outputs"]["ip"] == {"sensitive": False, "type": "string", "value": "10.20.0.10"}
    assert document["timestamp"] == "2026-01-01T00:00:00Z"


def test_the_content_of_seeds_and_hidden_fields_are_sensitive() -> None:
    options = {"vm.web-0": Options(hide_diffs=("memory", "disks[data].cache"))}
    fake = FakeHost()
    converge(fake, full())
    desired = full(seed(user_data="#cloud-config\npassword: hunter2\n"), options=options, memory=1 << 30)
    document = document_of(fake, desired)
    assert "hunter2" not in json.dumps(document)
    change = changes_of(document)["libvirt_domain.web-0"]["change"]
    assert change["before"]["memory"] is change["after"]["memory"] is None
    assert change["after"]["disks"] is None
    assert change["after_sensitive"] == {"memory": True, "disks": True}
    seeds = changes_of(document)["libvirt_cloudinit_disk.web-0"]["change"]
    assert seeds["after_sensitive"]["user_data"] is True


def test_replacements_name_their_reason_and_paths() -> None:
    fake = FakeHost()
    converge(fake, full(options={"vm.web-0": Options(replacement_trigger="1")}))
    asked = changes_of(document_of(fake, full(options={"vm.web-0": Options(replacement_trigger="2")})))
    row = asked["libvirt_domain.web-0"]
    assert row["change"]["actions"] == ["delete", "create"]
    assert row["action_reason"] == "replace_by_triggers"
    policy = PlanPolicy(allow_data_loss=True, replace=("web-0",))
    wanted = full(options={"vm.web-0": Options(replacement_trigger="1")})
    row = changes_of(document_of(fake, wanted, policy=policy))["libvirt_domain.web-0"]
    assert row["action_reason"] == "replace_by_request"
    specs = [pool(), image(), root(source=VolumeSource.FULL_COPY), vm()]
    fake = FakeHost()
    converge(fake, graph(pool(), image(), root(), vm()))
    row = changes_of(document_of(fake, graph(*specs)))["libvirt_volume.web-0-root"]
    assert row["change"]["actions"] == ["delete", "create"]
    assert row["action_reason"] == "replace_because_cannot_update"
    assert row["change"]["replace_paths"] == [["source"]]


def test_what_is_taken_over_is_an_import() -> None:
    desired = graph(*small())
    key = Key(Kind.VM, "web-0")
    fields = (FieldChange(path="name", before=None, after="web-0", disruption=Disruption.NONE),)
    change = Change(key=key, host="kvm1", operation=Operation.ADOPT, fields=fields)
    plan = Plan(stack=desired.stack, changes=(change,))
    document = terraform_plan(plan, Circumstances(desired=desired, observed=look(FakeHost(), desired)))
    document = json.loads(msgspec.json.encode(document))
    VALIDATOR.validate(document)
    row = changes_of(document)["libvirt_domain.web-0"]["change"]
    assert row["actions"] == ["no-op"]
    assert row["importing"]["id"] == row["after"]["uuid"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "string"),
        (1, "number"),
        (1.5, "number"),
        (True, "bool"),
        (None, "dynamic"),
        (["a", 1], ["tuple", ["string", "number"]]),
        ({"b": 1, "a": "x"}, ["object", {"a": "string", "b": "number"}]),
    ],
)
def test_types_are_terraforms(value: object, expected: object) -> None:
    assert type_of(value) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Key(Kind.VM, "web-0"), "libvirt_domain.web-0"),
        (Key(Kind.POOL, "web"), "libvirt_pool.web"),
        (Key(Kind.NETWORK, "lan"), "libvirt_network.lan"),
        (Key(Kind.SEED, "web-0"), "libvirt_cloudinit_disk.web-0"),
        (Key(Kind.SEED, "web-0:ignition"), "libvirt_ignition.web-0"),
        (Key(Kind.IMAGE, "debian@web"), 'libvirt_volume.debian["web"]'),
    ],
)
def test_addresses(key: Key, expected: str) -> None:
    assert str(address_of(key)) == expected


def judge(document: dict[str, Any]) -> dict[str, list[str]]:
    """What the policy of the docs says of a plan, by the two rules that conftest asks for."""
    from regopy import Interpreter

    rego = Interpreter()
    rego.add_module("plan", POLICY.read_text())
    rego.set_input(document)
    found = json.loads(str(rego.query("denied = data.main.deny; warned = data.main.warn")))["bindings"]
    return {"deny": sorted(found["denied"]), "warn": sorted(found["warned"])}


def test_a_policy_in_rego_judges_plans() -> None:
    fake = FakeHost()
    assert judge(document_of(fake, full())) == {"deny": [], "warn": []}
    converge(fake, full())
    restart = document_of(fake, full(memory=2 << 30, max_memory=2 << 30))
    assert judge(restart) == {
        "deny": [],
        "warn": ["libvirt_domain.web-0: the guest would be restarted or stopped"],
    }
    huge = judge(document_of(fake, full(memory=80 << 30, max_memory=80 << 30)))
    assert huge["deny"] == ["libvirt_domain.web-0: more than 64 GiB of memory"]
    gone = judge(document_of(fake, graph(pool(), image(), root(), CLOUD, data("other"))))
    assert "libvirt_volume.web-0-data: a volume with data would be deleted" in gone["deny"]
    assert not any("web-0-root: a volume with data" in line for line in gone["deny"])
