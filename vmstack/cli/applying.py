"""`vmstack apply` and `vmstack destroy`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vmstack.apply import pipeline
from vmstack.apply.frontier import Limits as Pace
from vmstack.apply.interruption import Interruption, obey_signals
from vmstack.apply.learning import check_refinement, follows, surprises
from vmstack.apply.result import ApplyResult
from vmstack.apply.runner import apply_plan
from vmstack.apply.supply import PayloadSupply
from vmstack.cli.adoption_view import render_adoption
from vmstack.cli.changes import tell_plan
from vmstack.cli.consent import Consent, ask, check_consent
from vmstack.cli.event_stream import EventStream, streaming
from vmstack.cli.following import following
from vmstack.cli.image_cache import image_store
from vmstack.cli.judging import Judge
from vmstack.cli.known_hosts import remember_guests
from vmstack.cli.program_checks import check_hosts, check_resources, takes_over
from vmstack.cli.progress import ImageProgress
from vmstack.cli.results import tell_result
from vmstack.cli.run_record import describe_run
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal
from vmstack.errors import (
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    EXIT_PARTIAL,
    PartialApplyError,
    VmstackError,
    raise_all,
)
from vmstack.evaluate.hooks import Hooks
from vmstack.hosts.driver import Driver
from vmstack.images.store import ImageStore
from vmstack.model.graph import DesiredGraph
from vmstack.model.plan import Plan
from vmstack.plan.adoption import Adoption
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.policy import PlanPolicy, later_policy
from vmstack.plan.selection import wanted_part

if TYPE_CHECKING:
    from vmstack.cli.approving import Approval

# A value that is known in one wave may be needed for the next. Programs have chains of two or three.
_WAVES: Final = 16


def apply_stack(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    consent: Consent,
    json: bool,
    parallelism: int,
    lock_timeout: float,
    limits: Limits = NO_LIMITS,
    json_into: Path | None = None,
    approval: "Approval | None" = None,
) -> int:
    """Plan, ask, apply, and tell how it ended. With `json`, all is told on `out` as events, and failures as well;
    with `json_into` events go to that file.

    With an `approval` nothing is asked, and no other plan is applied than the approved one.
    """
    with streaming(terminal, json=json, into=json_into, destroy=policy.destroy) as events:
        return _apply(
            target,
            terminal,
            policy=policy,
            consent=consent,
            json=json,
            events=events,
            pace=Pace(host=parallelism, pool=parallelism),
            lock_timeout=lock_timeout,
            judge=Judge(limits),
            approval=approval,
        )


def apply_saved(
    approval: "Approval",
    terminal: Terminal,
    *,
    json: bool,
    json_into: Path | None,
    parallelism: int,
    lock_timeout: float,
) -> int:
    """Do what the approved plan says, and nothing else; its approval is the only one that is needed."""
    policy = approval.saved.policy
    return apply_stack(
        approval.target,
        terminal,
        policy=policy,
        consent=Consent(yes=True, data_loss=policy.allow_data_loss),
        json=json,
        json_into=json_into,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
        limits=approval.saved.limits,
        approval=approval,
    )


def _apply(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    consent: Consent,
    json: bool,
    events: EventStream | None,
    pace: Pace,
    lock_timeout: float,
    judge: Judge,
    approval: "Approval | None",
) -> int:
    hooks = Hooks()
    wave = _Wave(
        policy=policy,
        consent=consent,
        json=json,
        events=events,
        pace=pace,
        lock_timeout=lock_timeout,
        judge=judge,
        hooks=hooks,
        approval=approval,
    )
    learnt = study(target, curious=not policy.destroy, heed=judge.heed, hooks=hooks)
    if approval is not None:
        approval.check_program(learnt.desired)
    result = wave.run(learnt.desired, terminal, first=True)
    if result is None:
        terminal.tell("Cancelled; nothing was changed.")
        return EXIT_ERROR
    results = [result]
    try:
        while not policy.destroy and follows(learnt.desired, results[-1]) and len(results) < _WAVES:
            later = study(target, facts=learnt.facts, heed=judge.heed, hooks=hooks)
            check_refinement(later.desired, earlier=learnt.desired)
            if later.desired == learnt.desired:
                break  # the hosts know no more than before
            learnt = later
            if not json:
                terminal.say("\nWhat was not known before is known now.\n")
            result = wave.run(learnt.desired, terminal, first=False)
            if result is None:
                terminal.tell("Stopped here: what was known before was applied, and nothing after it.")
                return EXIT_PARTIAL
            results.append(result)
        return _conclude(results, terminal, destroy=policy.destroy, json=json, events=events)
    except VmstackError as error:
        raise _after_waves(error) from error
    except KeyboardInterrupt:
        # An interruption here takes nothing back, and must not say so.
        terminal.tell("Interrupted after the apply had ended; `vmstack plan` says whether anything is left to do.")
        return EXIT_INTERRUPTED


@dataclass(frozen=True, kw_only=True)
class _Wave:
    """Observe, place, plan, ask and apply: all that follows an evaluation."""

    policy: PlanPolicy
    consent: Consent
    json: bool
    events: EventStream | None
    pace: Pace
    lock_timeout: float
    judge: Judge
    hooks: Hooks
    approval: "Approval | None"

    def run(self, desired: DesiredGraph, terminal: Terminal, *, first: bool) -> ApplyResult | None:
        """Return what was done; `None` when the user said no. A later wave only asks about what no one could expect."""
        check_hosts(desired)
        store = image_store()
        with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=False)) as drivers:
            named = wanted_part(desired, policy=self.policy)
            if self.approval is None and not self.policy.destroy and takes_over(named):
                from vmstack.apply.adoption import adopt_named  # loads what most runs do not need

                adoption = adopt_named(named, drivers, store=store, progress=ImageProgress(terminal))
                if adoption is not None:
                    raise_all(self.judge.judge_adoption(adoption, desired=desired).refusals)
                    taken = self._take_over(adoption, drivers, terminal, store=store)
                    if taken is None or not taken.complete:
                        return taken
            make = partial(
                pipeline.plan_stack,
                desired,
                drivers,
                policy=self.policy if first else later_policy(self.policy),
                store=store,
                need_files=True,
                progress=ImageProgress(terminal),
            )
            planned = self.approval.plan(desired, drivers, make) if self.approval is not None and first else make()
            check_resources(desired, policy=self.policy)
            judgement = self.judge.judge(
                planned.plan, desired=planned.desired, destroys=self.policy.destroy, unallowed=planned.unallowed
            )
            plan = judgement.plan
            if not self.json:
                tell_plan(plan, terminal, destroy=self.policy.destroy)
            raise_all(judgement.refusals)
            if self.approval is not None and not first:
                self.approval.check_later(plan)
            if not plan.empty and self.approval is None:
                check_consent(plan, terminal, consent=self.consent, json=self.json)
                asks = not self.consent.yes and (first or surprises(plan))
                question = "destroy all of this" if self.policy.destroy else "perform these actions"
                if asks and not ask(terminal, question=f"Do you want to {question}?"):
                    return None
            operation = "destroy" if self.policy.destroy else "apply"
            return self._apply(plan, drivers, terminal, store=store, operation=operation)

    def _take_over(
        self, adoption: Adoption, drivers: Mapping[str, Driver], terminal: Terminal, *, store: ImageStore
    ) -> ApplyResult | None:
        """Take over what the program names by `import_`: stamps and ledgers only. `None` when the user said no."""
        if not self.json:
            for line in render_adoption(adoption, terminal, origin="import_ of the program"):
                terminal.say(line)
        check_consent(adoption.plan, terminal, consent=self.consent, json=self.json)
        if not self.consent.yes and not ask(terminal, question="Do you want to take over all of this?"):
            return None
        return self._apply(adoption.plan, drivers, terminal, store=store, operation="import")

    def _apply(
        self, plan: Plan, drivers: Mapping[str, Driver], terminal: Terminal, *, store: ImageStore, operation: str
    ) -> ApplyResult:
        interruption = Interruption()
        showing = following(terminal, quiet=self.json, events=self.events)
        with obey_signals(interruption), showing as listener:
            return apply_plan(
                plan,
                drivers,
                supply=PayloadSupply(plan.payload, store=store, hooks=self.hooks),
                run=describe_run(),
                operation=operation,
                lock_timeout=self.lock_timeout,
                listener=listener,
                interruption=interruption,
                limits=self.pace,
            )


def _after_waves(error: VmstackError) -> VmstackError:
    """What goes wrong after a first apply: that one was done, and stays."""
    return PartialApplyError(
        f"what was known before was applied; what depends on it was not: {error.brief}",
        details=error.details,
        resolution=error.resolution or "mend the cause and run it again: it goes on from here",
        place=error.place,
    )


def _conclude(
    results: Sequence[ApplyResult], terminal: Terminal, *, destroy: bool, json: bool, events: EventStream | None
) -> int:
    for result in results:
        remember_guests(result)
    return tell_result(results[-1], terminal, earlier=results[:-1], destroy=destroy, json=json, events=events)
