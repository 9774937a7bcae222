"""What an apply did and what it did not, told at its end."""

from collections.abc import Sequence

from vmstack.apply.result import ApplyResult
from vmstack.cli.changes import render_outputs
from vmstack.cli.event_stream import EventStream
from vmstack.cli.failures import render_failure, report_failure
from vmstack.cli.terminal import Terminal
from vmstack.errors import EXIT_DONE, PartialApplyError, VmstackError
from vmstack.model.plan import Plan


def tell_result(
    result: ApplyResult,
    terminal: Terminal,
    *,
    earlier: Sequence[ApplyResult] = (),
    destroy: bool,
    json: bool,
    events: EventStream | None,
) -> int:
    """Say what was done and what was not, by the last wave and those before it; return the exit code."""
    error = result.error()
    summary = _summary((*earlier, result), destroy=destroy)
    outputs = {} if destroy else result.plan.outputs
    if events is not None:
        added, changed, destroyed = _counts((*earlier, result))
        counts = {"add": added, "change": changed, "remove": destroyed, "operation": "destroy" if destroy else "apply"}
        events.write("change_summary", summary, changes=counts)
        events.tell_outputs(outputs)
    if error is not None:
        places = {(change.host, change.key): change.place for change in result.plan.changes}
        for failure in result.failed:
            failure.error.place = failure.error.place or places.get((failure.step.host, failure.step.key))
            for line in render_failure(failure.error, terminal):
                terminal.tell(line)
        return report_failure(error, terminal)
    open_end = _open_end(result.plan)
    if open_end is not None and events is not None:
        events.tell_failure(open_end)
    if json:
        return EXIT_DONE if open_end is None else report_failure(open_end, terminal)
    if earlier or not result.plan.empty:
        terminal.say(terminal.paint(summary, "bold", "green"))
    if outputs:
        terminal.say()
        terminal.say("Outputs:")
        terminal.say()
        for line in render_outputs(outputs, terminal):
            terminal.say(line)
    return EXIT_DONE if open_end is None else report_failure(open_end, terminal)


def _open_end(plan: Plan) -> VmstackError | None:
    """What an apply that did all it could leaves undone: what hangs on something that even now is not known."""
    if plan.whole:
        return None
    return PartialApplyError(
        "what is known was applied; the program may want more, depending on what is not known yet",
        details=[gap.what for gap in plan.gaps if gap.hides],
        resolution="run it again once the hosts know that (a guest that runs, and has its address)",
    )


def _counts(results: Sequence[ApplyResult]) -> tuple[int, int, int]:
    counts = [result.counts() for result in results]
    added, changed, destroyed = (sum(column) for column in zip(*counts, strict=True))
    return added, changed, destroyed


def _summary(results: Sequence[ApplyResult], *, destroy: bool) -> str:
    added, changed, destroyed = _counts(results)
    if destroy:
        return f"Destroy complete! Resources: {destroyed} destroyed."
    end = "Apply complete!" if results[-1].plan.whole else "What is known was applied."
    return f"{end} Resources: {added} added, {changed} changed, {destroyed} destroyed."
