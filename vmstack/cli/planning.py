"""`vmstack plan`."""

import os
from pathlib import Path
from typing import Any

from vmstack.apply import pipeline
from vmstack.cli.changes import render_diagnostics, render_plan
from vmstack.cli.event_stream import EventStream, streaming
from vmstack.cli.judging import Judge, tell_refusals
from vmstack.cli.locks import tell_locks
from vmstack.cli.plan_file import check_destination
from vmstack.cli.progress import ImageProgress
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal
from vmstack.errors import EXIT_DIFFERENCES, EXIT_DONE, EXIT_ERROR, EXIT_REFUSED, InputError
from vmstack.images.store import ImageStore
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Kind
from vmstack.model.observed import Observed
from vmstack.model.plan import Plan
from vmstack.plan.adoption import Adoption
from vmstack.plan.limits import NO_LIMITS, Limits
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.selection import wanted_part
from vmstack.plan.terraform import encode_document


def image_cache() -> Path:
    """Where images are kept on this machine (https://specifications.freedesktop.org/basedir-spec)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vmstack" / "images"


def image_store() -> ImageStore:
    """This machine's images."""
    return ImageStore(image_cache())


def check_hosts(desired: DesiredGraph) -> None:
    """Raise `InputError` when the program names no host: there is nothing to look at, and nothing to say of it."""
    if not any(resource.key.kind is Kind.HOST for resource in desired.resources):
        raise InputError(
            "__main__.py defines no Host, so there is nothing to plan, apply or destroy",
            resolution='define one there: kvm = Host("kvm", uri="qemu:///system")',
        )


def check_resources(desired: DesiredGraph, *, policy: PlanPolicy) -> None:
    """Raise `InputError` when the program defines hosts and nothing else, unless that is what the user wants."""
    if policy.destroy or policy.allow_empty:
        return
    if all(resource.key.kind is Kind.HOST for resource in desired.resources):
        raise InputError(
            "__main__.py defines no resources besides its hosts",
            resolution="define some there, or add --allow-empty if an empty stack is what you want",
        )


def takes_over(desired: DesiredGraph) -> bool:
    """Whether the program names objects to take over (`import_`)."""
    return any(resource.options.import_id is not None for resource in desired.resources)


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
    judgement = judge.judge(planned.plan, desired=planned.desired, destroys=policy.destroy)
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
    from vmstack.cli.importing import render_adoption

    if json:
        from vmstack.cli.plan_document import plan_document

        nothing = Observed(hosts={})
        document = plan_document(adoption.plan, desired=desired, observed=nothing, target=target, destroy=False)
        tell_plan(adoption.plan, terminal, document=document, destroy=False)
        return code
    for line in render_adoption(adoption, terminal, origin="import_ of the program"):
        terminal.say(line)
    return code


def tell_plan(plan: Plan, terminal: Terminal, *, destroy: bool, document: dict[str, Any] | None = None) -> None:
    """Print a plan for people, or the `document` for tools in its place."""
    for line in render_diagnostics((one for one in plan.diagnostics if one.severity != "error"), terminal):
        terminal.tell(line)
    if document is not None:
        terminal.say(encode_document(document).decode().rstrip("\n"))
        return
    for line in render_plan(plan, terminal, destroy=destroy):
        terminal.say(line)
