"""What speaks against a plan: the limits of the command line and the stack, and the policies of its program."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from vmstack.cli.failures import render_failure
from vmstack.cli.terminal import Terminal
from vmstack.errors import RefusedError
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Diagnostic, Plan
from vmstack.plan.limits import NO_LIMITS, Limits, check_limits

if TYPE_CHECKING:
    from vmstack.evaluate.program import Rules
    from vmstack.plan.adoption import Adoption


@dataclass(frozen=True, slots=True)
class Judgement:
    """A plan with the warnings of policies, and why it must not be applied: by policies, and by limits."""

    plan: Plan
    refused: tuple[RefusedError, ...]
    beyond: tuple[RefusedError, ...]

    @property
    def refusals(self) -> tuple[RefusedError, ...]:
        return (*self.refused, *self.beyond)

    def told(self) -> Plan:
        """The plan with its refusals as diagnostics, for who reads it as JSON."""
        errors = tuple(
            Diagnostic(severity="error", text="\n".join((one.brief, *one.details)), place=one.place)
            for one in self.refusals
        )
        return msgspec.structs.replace(self.plan, diagnostics=(*self.plan.diagnostics, *errors))


@dataclass(slots=True)
class Judge:
    """Who knows what the command line allows, and learns from the evaluation (`heed`) what the stack says."""

    limits: Limits = NO_LIMITS
    _rules: "Rules | None" = field(default=None, init=False)

    def heed(self, rules: "Rules") -> None:
        """Take in what an evaluation says. What an earlier one of the same command said counts on."""
        if self._rules is not None:
            rules = rules.joined(self._rules)
        self._rules = rules

    def judge(
        self, plan: Plan, *, desired: DesiredGraph, destroys: bool, unallowed: tuple[RefusedError, ...] = ()
    ) -> Judgement:
        """Run the policies, and compare with the limits. Raises `ProgramError` where a policy fails.

        `unallowed` is why the plan is refused already.
        """
        limits, rules = self.limits, self._rules
        refused = unallowed
        if rules is not None:
            limits = limits.over(rules.limits)
            verdict = rules.policies.judge(plan, desired=desired, destroys=destroys)
            plan = msgspec.structs.replace(plan, diagnostics=(*plan.diagnostics, *verdict.warnings))
            refused = (*unallowed, *verdict.refusals)
        return Judgement(plan=plan, refused=refused, beyond=check_limits(plan, limits=limits))

    def judge_adoption(self, adoption: "Adoption", *, desired: DesiredGraph) -> Judgement:
        """Judge a take-over, and the plan that would follow it: what is taken over is the stack's from then on."""
        taking = self.judge(adoption.plan, desired=desired, destroys=False)
        if adoption.after is None:
            return taking
        after = self.judge(adoption.after, desired=desired, destroys=False)
        return Judgement(plan=taking.plan, refused=(*taking.refused, *after.refused), beyond=taking.beyond)


def tell_refusals(judgement: Judgement, terminal: Terminal) -> None:
    """Say what apply would refuse."""
    if judgement.refusals:
        terminal.tell("apply would refuse this plan:")
    for refusal in judgement.refusals:
        for line in render_failure(refusal, terminal):
            terminal.tell(line)
