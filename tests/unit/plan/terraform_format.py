"""What holds of every plan's JSON for Terraform's tools."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from vmstack.model.plan import Operation, Plan
from vmstack.plan.terraform import Circumstances, encode_document, terraform_plan

SCHEMA = json.loads(Path(__file__).with_name("terraform-plan-1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
# What the programs of the scenarios keep secret: an output, and the content of seeds.
_SECRETS = ("s3cret", "packages: [", "writes to org.vmstack.ready.0")


def check_document(plan: Plan, circumstances: Circumstances) -> dict[str, Any]:
    """Insist that the plan's document is in the format, says what the plan says, and holds no secret; return it."""
    document = json.loads(encode_document(terraform_plan(plan, circumstances)))
    VALIDATOR.validate(document)
    text = json.dumps(document)
    assert not [secret for secret in _SECRETS if secret in text]

    rows = {(one["vmstack"]["host"], one["vmstack"]["address"]): one for one in document["resource_changes"]}
    assert len(rows) == len(document["resource_changes"])
    assert len({(one["address"], one.get("deposed")) for one in document["resource_changes"]}) == len(rows)
    for change in plan.changes:
        row = rows.pop((change.host, str(change.key)))
        assert (row["change"]["actions"] == ["no-op"]) == (change.operation in (Operation.ADOPT, Operation.NOOP))
        assert row["vmstack"]["disruption"] == change.disruption.value
    assert all(row["change"]["actions"] == ["no-op"] for row in rows.values())
    for row in document["resource_changes"]:
        before, after, actions = (row["change"][part] for part in ("before", "after", "actions"))
        assert actions != ["no-op"] or before == after
        assert ("action_reason" in row) <= ("delete" in actions)
    after = {one["address"] for one in document["planned_values"]["root_module"]["resources"]}
    assert after == {one["address"] for one in document["resource_changes"] if one["change"]["after"] is not None}
    assert document["applyable"] is not plan.empty
    return document
