"""Apply a plan: locks, fences, journals, effects, and the truth about how far it went."""

from collections.abc import Callable, Mapping
from time import monotonic

import msgspec

from vmstack.apply.events import Finished, Listener, PlanStarted, ignore_events
from vmstack.apply.execution import Execution
from vmstack.apply.frontier import Limits
from vmstack.apply.interruption import Interruption
from vmstack.apply.journal import Journal
from vmstack.apply.locking import clear_stale_locks, hold_locks
from vmstack.apply.result import ApplyResult
from vmstack.errors import InternalError, VmstackError
from vmstack.hosts.driver import Driver
from vmstack.hosts.execute import Supply
from vmstack.hosts.expectations import Guards, check_expectations
from vmstack.hosts.ledger import HostLedger, LedgerStore
from vmstack.model.identity import StackId
from vmstack.model.ownership import RunRecord
from vmstack.model.plan import Plan
from vmstack.plan.outputs import stored_outputs


def apply_plan(
    plan: Plan,
    drivers: Mapping[str, Driver],
    *,
    supply: Supply,
    run: RunRecord,
    operation: str = "apply",
    lock_timeout: float = 0.0,
    listener: Listener = ignore_events,
    interruption: Interruption | None = None,
    limits: Limits | None = None,
    open_ledger: Callable[[Driver, StackId], LedgerStore] = HostLedger,
) -> ApplyResult:
    """Make the hosts what the plan says, and tell exactly how far that went.

    Raises before the first effect only: `LockedError`, `StalePlanError`, or what reading the hosts raises. From the
    first effect on every failure is in the result: it stops the steps that need the failed one and nothing else.
    What the listener raises is raised once nothing runs any more and the ledgers say what was done.
    An empty plan takes no lock; where a run died, its lock goes.
    """
    began = monotonic()
    interruption = interruption or Interruption()
    hosts = _hosts(plan)
    missing = [host for host in hosts if host not in drivers]
    if missing:
        raise InternalError("the plan touches hosts that are not connected", details=missing)
    # Where this run takes no lock itself, that of a run that died would stay for ever.
    idle = [driver for host, driver in drivers.items() if plan.empty or host not in hosts]
    clear_stale_locks(idle, stack=plan.stack)
    if plan.empty:
        return ApplyResult(plan=plan)
    with hold_locks(
        {host: drivers[host] for host in hosts},
        stack=plan.stack,
        operation=operation,
        timeout=lock_timeout,
        interruption=interruption,
    ) as locks:
        check_expectations(drivers, plan.expectations, stack=plan.stack)
        journals = {host: Journal(open_ledger(drivers[host], plan.stack), stack=plan.stack) for host in hosts}
        if interruption.reason is None:
            for intent in plan.intents:
                journals[intent.host].intend(intent.entries, forget=intent.forget)
        listener(PlanStarted(plan=plan))
        execution = Execution(
            plan.steps,
            drivers,
            rolls=plan.rolls,
            journals=journals,
            guards=Guards(drivers, stack=plan.stack),
            supply=supply,
            listener=listener,
            interruption=interruption,
            limits=limits or Limits(),
        )
        try:
            execution.run()
            result = ApplyResult(
                plan=plan,
                done=tuple(execution.done),
                failed=tuple(execution.failed),
                abandoned=tuple(execution.abandoned),
                left=execution.left,
                guests=execution.guests,
                notes=tuple(execution.notes),
            )
            troubles = _settle(result, journals, run=run)
        finally:
            for journal in journals.values():
                journal.stop()
    if execution.trouble is not None:
        raise execution.trouble
    elapsed = monotonic() - began
    finished = Finished(
        done=len(result.done), failed=len(result.failed), left=len(result.left + result.abandoned), elapsed=elapsed
    )
    listener(finished)
    return msgspec.structs.replace(
        result,
        troubles=(*troubles, *locks.losses),
        interrupted=None if locks.losses else interruption.reason,
        seconds=elapsed,
    )


def _settle(result: ApplyResult, journals: Mapping[str, Journal], *, run: RunRecord) -> list[VmstackError]:
    """Bring the ledgers up to date with what was done, each host for itself. Returns the failures."""
    plan = result.plan
    troubles: list[VmstackError] = []
    outputs = stored_outputs(plan.outputs)
    for host, journal in journals.items():
        try:
            journal.close()
            if host in plan.releases and result.converged:
                journal.release()
            elif host in plan.ledgers and result.converged:
                journal.conclude(outputs=outputs, run=run, made=plan.made.get(host, {}))
        except VmstackError as error:
            troubles.append(error)
    return troubles


def _hosts(plan: Plan) -> tuple[str, ...]:
    """Every host that the plan touches, sorted: the one order in which everybody takes the locks."""
    touched = {step.host for step in plan.steps} | {intent.host for intent in plan.intents}
    return tuple(sorted(touched | set(plan.ledgers) | set(plan.releases)))
