"""`vmstack plan`."""

from pathlib import Path

from vmstack.apply import pipeline
from vmstack.cli.adoption_view import render_adoption
from vmstack.cli.changes import tell_plan
from vmstack.cli.event_stream import EventStream, streaming
from vmstack.cli.image_cache import image_store
from vmstack.cli.judging import Judge, tell_refusals
from vmstack.cli.locks import tell_locks
from vmstack.cli.plan_file import check_destination
from vmstack.cli.program_checks import check_hosts, check_resources, takes_over
from vmstack.cli.progress import ImageProgress
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal
from vmstack.errors import EXIT_DIFFERENCES, EXIT_DONE, EXIT_ERROR, EXIT_REFUSED, InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.observed import Observed
from vmstack.model.plan import Plan
from vmstack.plan.adoption import Adoption
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.selection import wanted_part


def show_plan(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    json: bool,
    detailed_exitcode: bool,
    expect_no_changes: bool,
    limits: Limits = NO_LIMITS,
    out: Path | None = None,
    json_into: Path | None = None,
) -> int:
    """Plan over read-only connections, print the result, and save it in `out`, where that is given; events go to the
    file `json_into`.

    What policies refuse is refused here, too; what is beyond the limits only where details of the end are asked for. A
    plan that apply would refuse is not saved.
    """
    if out is not None:
        check_destination(out)
    with streaming(terminal, json=False, into=json_into, destroy=policy.destroy) as events:
        return _show_plan(
            target,
            terminal,
            policy=policy,
            json=json,
            events=events,
            detailed_exitcode=detailed_exitcode,
            expect_no_changes=expect_no_changes,
            limits=limits,
            out=out,
        )


def _show_plan(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    json: bool,
    events: EventStream | None,
    detailed_exitcode: bool,
    expect_no_changes: bool,
    limits: Limits,
    out: Path | None,
) -> int:
    judge = Judge(limits)
    code = EXIT_ERROR if expect_no_changes else EXIT_DIFFERENCES if detailed_exitcode else EXIT_DONE
    with pipeline.reading_ahead() as lookout:
        notice = None if lookout is None else lookout.send
        desired = study(target, curious=not policy.destroy, notice=notice, heed=judge.heed).desired
        check_hosts(desired)
        store = image_store()
        with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=True)) as drivers:
            adoption = None
            named = wanted_part(desired, policy=policy)
            if not policy.destroy and takes_over(named):
                from vmstack.apply.adoption import adopt_named  # loads what most runs do not need

                adoption = adopt_named(named, drivers, store=store, progress=ImageProgress(terminal))
            if adoption is not None:
                if out is not None:
                    raise InputError(
                        "what import_ of the program names is not taken over yet, and that cannot be saved as a plan",
                        resolution="take it over first, with vmstack apply; then plan what is left",
                    )
                if events is not None:
                    _stream_plan(adoption.plan, events)
                judgement = judge.judge_adoption(adoption, desired=desired)
                shown = _show_adoption(adoption, desired, target, terminal, json=json, code=code)
                tell_refusals(judgement, terminal)
                return EXIT_REFUSED if judgement.refused else shown
            planned = pipeline.plan_stack(
                desired,
                drivers,
                policy=policy,
                store=store,
                need_files=False,
                progress=ImageProgress(terminal),
                seen=lambda observed: tell_locks(observed, terminal),
                lookout=lookout,
            )
    check_resources(desired, policy=policy)
    judgement = judge.judge(planned.plan, desired=planned.desired, destroys=policy.destroy, unallowed=planned.unallowed)
    document = None
    if json:
        from vmstack.cli.plan_document import plan_document

        document = plan_document(
            judgement.told(), desired=planned.desired, observed=planned.observed, target=target, destroy=policy.destroy
        )
    tell_plan(judgement.plan, terminal, document=document, destroy=policy.destroy)
    if events is not None:
        _stream_plan(judgement.told(), events)
    tell_refusals(judgement, terminal)
    if judgement.refusals and out is not None:
        terminal.tell("The plan is not saved.")
    if judgement.refused or (judgement.beyond and (detailed_exitcode or out is not None)):
        return EXIT_REFUSED
    if out is not None:
        from vmstack.cli.saving import Wish, save_plan  # loads what most runs do not need

        wish = Wish(desired=desired, target=target, policy=policy, limits=limits)
        save_plan(out, planned, plan=judgement.plan, wish=wish, terminal=terminal)
    if planned.plan.empty and planned.plan.whole:
        return EXIT_DONE
    if expect_no_changes:
        what = "is incomplete, so that it may have changes" if planned.plan.empty else "has changes"
        terminal.tell(f"The plan {what}, and none were expected.")
    return code


def _stream_plan(plan: Plan, events: EventStream) -> None:
    events.tell_diagnostics(plan.diagnostics)
    events.tell_plan(plan)
    events.tell_planned_outputs(plan)


def _show_adoption(
    adoption: Adoption, desired: DesiredGraph, target: Target, terminal: Terminal, *, json: bool, code: int
) -> int:
    """What apply would take over first, because the program names it by `import_`; and what it would do after that."""
    if json:
        from vmstack.cli.plan_document import plan_document

        nothing = Observed(hosts={})
        document = plan_document(adoption.plan, desired=desired, observed=nothing, target=target, destroy=False)
        tell_plan(adoption.plan, terminal, document=document, destroy=False)
        return code
    for line in render_adoption(adoption, terminal, origin="import_ of the program"):
        terminal.say(line)
    return code
