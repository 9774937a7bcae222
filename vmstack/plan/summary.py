"""How many things a plan adds, changes and destroys."""

from vmstack.model.base import Data
from vmstack.model.plan import Operation, Plan


class Summary(Data, frozen=True, kw_only=True):
    """Counts as Terraform's users know them: a replacement counts as one to add and one to destroy."""

    add: int
    change: int
    destroy: int
    replace: int

    def __str__(self) -> str:
        return f"{self.add} to add, {self.change} to change, {self.destroy} to destroy"


def summarise(plan: Plan) -> Summary:
    """Count the plan's changes."""
    operations = [change.operation for change in plan.changes]
    replace = operations.count(Operation.REPLACE)
    return Summary(
        add=operations.count(Operation.CREATE) + replace,
        change=operations.count(Operation.UPDATE),
        destroy=operations.count(Operation.DELETE) + replace,
        replace=replace,
    )
