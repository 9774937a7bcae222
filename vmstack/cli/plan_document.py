"""A plan as JSON for tools: Terraform's plan representation, and vmstack's own members beside it."""

from typing import Any

import msgspec

from vmstack.cli.target import Target
from vmstack.evaluate.project import public_config
from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import Observed
from vmstack.model.plan import Plan
from vmstack.plan.codec import encode_plan
from vmstack.plan.terraform import Circumstances, terraform_plan


def plan_document(
    plan: Plan,
    *,
    desired: DesiredGraph,
    observed: Observed,
    target: Target,
    destroy: bool,
    made: str | None = None,
) -> dict[str, Any]:
    """The document of a plan. Both formats have one version, Terraform's; no other member has the same name in both."""
    variables = public_config(target.folder, stack=desired.stack.stack, overrides=target.config)
    circumstances = Circumstances(desired=desired, observed=observed, made=made, variables=variables, destroy=destroy)
    own = msgspec.json.decode(encode_plan(plan))
    del own["format_version"]
    return {**terraform_plan(plan, circumstances), **own}
