"""Which stack a command is about, and how its program becomes a graph."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmstack.cli.terminal import open_terminal
from vmstack.errors import VmstackError

if TYPE_CHECKING:
    from vmstack.apply.learning import Evaluate, Learnt
    from vmstack.evaluate.hooks import Hooks
    from vmstack.evaluate.program import Heed
    from vmstack.evaluate.recorder import Notice
    from vmstack.model.facts import Facts
    from vmstack.model.graph import DesiredGraph


@dataclass(frozen=True, kw_only=True)
class Target:
    """The arguments that name a stack."""

    folder: Path
    stack: str | None = None
    config: dict[str, str] = field(default_factory=dict)
    connect: str | None = None


def is_stack(word: str) -> bool:
    """Whether a word of the command line is a stack's folder."""
    from vmstack.evaluate.config.loader import find_file

    return find_file(Path(word), stem="Pulumi") is not None


def evaluator(
    target: Target, *, notice: "Notice | None" = None, heed: "Heed | None" = None, hooks: "Hooks | None" = None
) -> "Evaluate":
    """What evaluates the stack program with the facts that it is given.

    `notice` is told of the hosts that it uses, `heed` what the stack says of its plans, `hooks` get its functions for
    apply.
    """
    from vmstack.cli.configuring import ask_hidden
    from vmstack.evaluate.program import evaluate

    if target.connect is not None:
        _check_connection(target.connect)
    hidden = ask_hidden(open_terminal())
    ask = None if hidden is None else functools.cache(hidden)  # evaluated again, it must not ask again

    def run(facts: "Facts") -> "DesiredGraph":
        return evaluate(
            target.folder,
            stack=target.stack,
            config=target.config,
            connect=target.connect,
            ask=ask,
            facts=facts,
            notice=notice,
            heed=heed,
            hooks=hooks,
        )

    return run


def _check_connection(uri: str) -> None:
    """Raise `InputError` for what cannot be a URI, before it is taken for the program's."""
    from vmstack.hosts.uris import check_uri

    try:
        check_uri(uri, insecure=True)  # the program's host says whether it accepts the risk
    except VmstackError as error:
        error.brief = f"--connect: {error.brief}"
        raise


def load(target: Target) -> "DesiredGraph":
    """Evaluate the stack program. Touches no host; its warnings are in the graph, and in every plan made from it."""
    from vmstack.model.facts import Facts

    return evaluator(target)(Facts())


def study(
    target: Target,
    *,
    facts: "Facts | None" = None,
    curious: bool = True,
    notice: "Notice | None" = None,
    heed: "Heed | None" = None,
    hooks: "Hooks | None" = None,
) -> "Learnt":
    """Evaluate the stack program with what the hosts know of what it asks for. Changes nothing on them.

    Unless `curious`, they are asked only what the program cannot go on without. `notice` is told early which hosts the
    program uses, `heed`, with each evaluation, what the stack says of its plans, `hooks` get its functions for apply.
    """
    from vmstack.apply.learning import learn
    from vmstack.apply.pipeline import connect_to_host
    from vmstack.model.facts import Facts

    return learn(
        evaluator(target, notice=notice, heed=heed, hooks=hooks),
        open_host=connect_to_host(readonly=True),
        open_agent=connect_to_host(readonly=False),
        facts=facts or Facts(),
        curious=curious,
    )
