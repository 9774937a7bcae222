"""What a run of the planner is allowed to do."""

import msgspec

from vmstack.model.base import Data


class Selection(Data, frozen=True, kw_only=True):
    """Which resources a plan is about: shell patterns of addresses (`vm.web-*`) or names (`web-*`).

    No `targets`: all. `dependents`: what needs the targets, too. Unless `strict`, a pattern may name nothing.
    """

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    dependents: bool = False
    strict: bool = True

    @property
    def partial(self) -> bool:
        return bool(self.targets or self.excludes)


class PlanPolicy(Data, frozen=True, kw_only=True):
    """`destroy`: everything of the stack goes. `allow_empty`: an empty program may delete what the stack holds.
    `allow_data_loss`: deleting or overwriting data volumes that are not protected is allowed.
    `selection`: all else stays as it is. `replace`: shell patterns of resources that are made anew, as they are.
    """

    destroy: bool = False
    allow_empty: bool = False
    allow_data_loss: bool = False
    selection: Selection = Selection()
    replace: tuple[str, ...] = ()


def later_policy(policy: PlanPolicy) -> PlanPolicy:
    """The policy for what follows on an apply of the same run: nothing is made anew twice, and what a pattern named may
    be gone."""
    selection = msgspec.structs.replace(policy.selection, strict=False)
    return msgspec.structs.replace(policy, selection=selection, replace=())
