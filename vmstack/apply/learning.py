"""Evaluating a program with what hosts know: ask them what it asks, and evaluate again with the answers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Final

from vmstack.apply.pipeline import Connect, hosts_of
from vmstack.apply.result import ApplyResult
from vmstack.errors import InputError, PermissionDeniedError, Place, ProgramError
from vmstack.evaluate.failures import FactsWantedError
from vmstack.hosts.answers import Answers, answer, stack_outputs
from vmstack.hosts.driver import Driver
from vmstack.model.base import Data
from vmstack.model.facts import Facts, Question
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import StackId
from vmstack.model.plan import Disruption, Operation, Plan
from vmstack.model.specs import HostSpec, NetworkSpec

Evaluate = Callable[[Facts], DesiredGraph]
# A program may ask because of an answer. One that goes on like this for long asks something else each time.
_ROUNDS: Final = 32
_NO_FACTS: Final = Facts()


class Learnt(Data, frozen=True, kw_only=True):
    """A program's graph, and the facts that it was evaluated with."""

    desired: DesiredGraph
    facts: Facts


def learn(
    evaluate: Evaluate,
    *,
    open_host: Connect,
    open_agent: Connect | None = None,
    facts: Facts = _NO_FACTS,
    curious: bool = True,
) -> Learnt:
    """Evaluate until hosts can tell nothing more of what the program uses. Changes nothing on a host.

    Most programs use nothing that only a host knows: they are evaluated once, and no host is asked. `facts` stay as
    they are. Unless `curious`, only questions are asked that the program cannot go on without. `open_agent` opens the
    connections that guest agents are asked over, which libvirt refuses on read-only ones.
    """
    asked: set[Question] = set()
    for _ in range(_ROUNDS):
        found: DesiredGraph | None = None
        try:
            found = evaluate(facts)
        except FactsWantedError as error:
            questions, hosts, failure = error.questions, error.hosts, error
        else:
            questions, hosts = found.questions if curious else (), tuple(hosts_of(found).values())
        fresh = [question for question in questions if question not in asked]
        if found is None and not fresh:
            raise failure
        asked.update(fresh)
        answers = _ask(fresh, hosts=hosts, open_host=open_host, open_agent=open_agent)
        before, facts = facts, facts.refined(answers)
        if found is not None and all(facts.get(question) == before.get(question) for question in fresh):
            return Learnt(desired=found, facts=facts)
    raise ProgramError(
        f"the stack program asks for something else after each of {_ROUNDS} answers of its hosts",
        resolution="let it ask for less, or take what it asks for from its configuration",
    )


def follows(desired: DesiredGraph, result: ApplyResult) -> bool:
    """Whether another wave may follow an apply: it did all that it should, and the program used what was not known."""
    return bool(desired.gaps) and result.complete and not result.plan.empty


def surprises(plan: Plan) -> bool:
    """Whether a later wave does more than add what hung on unknown values, as the first plan announced."""
    return any(
        change.operation in (Operation.DELETE, Operation.REPLACE) or change.disruption.rank > Disruption.LIVE.rank
        for change in plan.changes
    )


def check_refinement(later: DesiredGraph, *, earlier: DesiredGraph) -> None:
    """Raise `ProgramError` unless all that was known before is as it was: only what was open may be new."""
    now = {resource.key: resource for resource in later.resources}
    for old in earlier.resources:
        new = now.get(old.key)
        where = None if new is None else new.place
        if new is None:
            raise _changed(f"{old.key} is not wanted any more", place=old.place)
        before, after = old.spec, new.spec
        if isinstance(before, NetworkSpec) and isinstance(after, NetworkSpec):
            # Guests that are planned later bring their reservations with them.
            if not set(before.reservations) <= set(after.reservations):
                raise _changed(f"{old.key} has lost reservations", place=where)
            before = after
        if before != after or old.options != new.options:
            raise _changed(f"{old.key} is another one", place=where)
    for name, output in earlier.outputs.items():
        if output.known and later.outputs.get(name) != output:
            raise _changed(f"the output {name!r} has another value", place=None)


def _changed(what: str, *, place: Place | None) -> ProgramError:
    return ProgramError(
        f"evaluated again after the apply, the program wants something else than was approved: {what}",
        resolution="what a program wants must follow from its configuration and its resources, not from chance or "
        "time; plan again to see what it wants now",
        place=place,
    )


def _ask(
    questions: Iterable[Question], *, hosts: tuple[HostSpec, ...], open_host: Connect, open_agent: Connect | None
) -> Answers:
    by_host: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        by_host[question.uri].append(question)
    specs = {host.uri: host for host in hosts}
    answers: Answers = {}
    with ExitStack() as stack:
        for uri, wanted in sorted(by_host.items()):
            if not uri:
                answers |= _ask_everywhere(wanted, hosts=hosts, open_host=open_host, stack=stack)
                continue
            spec = specs.get(uri) or HostSpec(name=uri, uri=uri)
            agents = any(question.agent for question in wanted)
            driver = _open(spec, open_host=open_host, open_agent=open_agent if agents else None)
            stack.callback(driver.close)
            answers |= answer(driver, wanted)
    return answers


def _open(spec: HostSpec, *, open_host: Connect, open_agent: Connect | None) -> Driver:
    if open_agent is not None:
        try:
            return open_agent(spec)
        except PermissionDeniedError:  # then agents stay silent, and all else is told
            pass
    return open_host(spec)


def _ask_everywhere(
    questions: list[Question], *, hosts: tuple[HostSpec, ...], open_host: Connect, stack: ExitStack
) -> Mapping[Question, Mapping[str, object] | None]:
    """Outputs of other stacks: whichever host was applied to last knows them best."""
    if not hosts:
        raise InputError(
            f"no host is known to ask about {questions[0]}",
            resolution="set libvirt:uri in the stack's configuration",
        )
    drivers = []
    for spec in hosts:
        drivers.append(open_host(spec))
        stack.callback(drivers[-1].close)
    return {question: stack_outputs(drivers, stack=StackId(*question.id.split("/", 1))) for question in questions}
