"""`vmstack apply` and `vmstack destroy`."""

import getpass
import socket
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vmstack.apply import pipeline
from vmstack.apply.frontier import Limits
from vmstack.apply.interruption import Interruption, obey_signals
from vmstack.apply.result import ApplyResult
from vmstack.apply.runner import apply_plan
from vmstack.apply.supply import PayloadSupply
from vmstack.cli.changes import render_outputs
from vmstack.cli.failures import render_failure, report_failure
from vmstack.cli.known_hosts import remember_guests
from vmstack.cli.planning import check_hosts, check_resources, image_store, tell_plan
from vmstack.cli.progress import ImageProgress, JsonProgress, following, tell_failure
from vmstack.cli.target import Target, load
from vmstack.cli.terminal import Terminal
from vmstack.errors import EXIT_DONE, EXIT_ERROR, EXIT_INTERRUPTED, InputError, RefusedError, VmstackError
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Disruption, Plan
from vmstack.plan.policy import PlanPolicy

_CONSENT: Final = "yes"


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the user agreed to on the command line."""

    yes: bool
    data_loss: bool


def apply_stack(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    consent: Consent,
    json: bool,
    parallelism: int,
    lock_timeout: float,
) -> int:
    """Plan, ask, apply, and tell how it ended. With `json`, failures are told on `out` as well, as a line each."""
    try:
        return _apply(
            target,
            terminal,
            policy=policy,
            consent=consent,
            json=json,
            limits=Limits(host=parallelism, pool=parallelism),
            lock_timeout=lock_timeout,
        )
    except VmstackError as error:
        if json:
            tell_failure(error, JsonProgress(terminal))
        raise


def _apply(
    target: Target,
    terminal: Terminal,
    *,
    policy: PlanPolicy,
    consent: Consent,
    json: bool,
    limits: Limits,
    lock_timeout: float,
) -> int:
    desired = load(target)
    check_hosts(desired)
    store = image_store()
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=False)) as drivers:
        planned = pipeline.plan_stack(
            desired, drivers, policy=policy, store=store, need_files=True, progress=ImageProgress(terminal)
        )
        check_resources(desired, policy=policy)
        plan = planned.plan
        if not json:
            tell_plan(plan, terminal, json=False)
        if not plan.empty:
            check_consent(plan, terminal, consent=consent, json=json)
            question = (
                "Do you want to destroy all of this?" if policy.destroy else "Do you want to perform these actions?"
            )
            if not consent.yes and not ask(terminal, question=question):
                terminal.tell("Cancelled; nothing was changed.")
                return EXIT_ERROR
        interruption = Interruption()
        run = describe_run()
        with obey_signals(interruption), following(terminal, json=json) as listener:
            result = apply_plan(
                plan,
                drivers,
                supply=PayloadSupply(plan.payload, store=store),
                run=run,
                operation="destroy" if policy.destroy else "apply",
                lock_timeout=lock_timeout,
                listener=listener,
                interruption=interruption,
                limits=limits,
            )
    return _conclude(result, terminal, destroy=policy.destroy, json=json)


def _conclude(result: ApplyResult, terminal: Terminal, *, destroy: bool, json: bool) -> int:
    """After the apply: an interruption here takes nothing back, and must not say so."""
    try:
        remember_guests(result)
        return tell_result(result, terminal, destroy=destroy, json=json)
    except KeyboardInterrupt:
        terminal.tell("Interrupted after the apply had ended; `vmstack plan` says whether anything is left to do.")
        return EXIT_INTERRUPTED


def check_consent(plan: Plan, terminal: Terminal, *, consent: Consent, json: bool) -> None:
    """Refuse what nobody can be asked about: data loss first, then any change."""
    nobody = json or not terminal.interactive
    lost = [change for change in plan.changes if change.disruption is Disruption.DATA_LOSS]
    if lost and nobody and not consent.data_loss:
        raise RefusedError(
            "the plan deletes or overwrites guest data, and there is no terminal to ask at",
            details=[str(change.key) for change in lost],
            resolution="add --allow-data-loss if that is what you want",
        )
    if nobody and not consent.yes:
        raise InputError("there is no terminal to ask at", resolution="add --yes to apply without being asked")


def describe_run() -> RunRecord:
    """Who applies, from where, and when."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        who = "unknown"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return RunRecord(run=str(uuid.uuid4()), who=who, where=socket.gethostname(), when=when)


def tell_result(result: ApplyResult, terminal: Terminal, *, destroy: bool, json: bool) -> int:
    """Say what was done and what was not; return the exit code."""
    error = result.error()
    outputs = {} if destroy else result.plan.outputs
    if json:
        events = JsonProgress(terminal)
        added, changed, destroyed = result.counts()
        counts = {"add": added, "change": changed, "remove": destroyed, "operation": "destroy" if destroy else "apply"}
        events.write("change_summary", _summary(result, destroy=destroy), changes=counts)
        shown = {
            name: {"sensitive": output.secret, **({} if output.secret else {"value": output.value})}
            for name, output in sorted(outputs.items())
        }
        events.write("outputs", f"Outputs: {len(shown)}", outputs=shown)
    if error is not None:
        for failure in result.failed:
            for line in render_failure(failure.error, terminal):
                terminal.tell(line)
        return report_failure(error, terminal)
    if json:
        return EXIT_DONE
    if not result.plan.empty:
        terminal.say(terminal.paint(_summary(result, destroy=destroy), "bold", "green"))
    if outputs:
        terminal.say()
        terminal.say("Outputs:")
        terminal.say()
        for line in render_outputs(outputs, terminal):
            terminal.say(line)
    return EXIT_DONE


def _summary(result: ApplyResult, *, destroy: bool) -> str:
    added, changed, destroyed = result.counts()
    if destroy:
        return f"Destroy complete! Resources: {destroyed} destroyed."
    return f"Apply complete! Resources: {added} added, {changed} changed, {destroyed} destroyed."


def ask(terminal: Terminal, *, question: str) -> bool:
    """Ask at the terminal; only the whole word is consent."""
    terminal.out.flush()
    terminal.tell(f"\n{terminal.paint_err(question, 'bold')} Only '{_CONSENT}' is accepted.")
    terminal.err.write("  Enter a value: ")
    terminal.err.flush()
    return sys.stdin.readline().strip() == _CONSENT
