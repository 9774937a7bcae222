"""What a run of the planner is allowed to do."""

from vmstack.model.base import Data


class PlanPolicy(Data, frozen=True, kw_only=True):
    """`destroy`: everything of the stack goes. `allow_empty`: an empty program may delete what the stack holds.
    `allow_data_loss`: deleting or overwriting data volumes that are not protected is allowed.
    """

    destroy: bool = False
    allow_empty: bool = False
    allow_data_loss: bool = False
