"""Which stack a command is about, and how its program becomes a graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmstack.cli.terminal import open_terminal

if TYPE_CHECKING:
    from vmstack.model.graph import DesiredGraph


@dataclass(frozen=True, kw_only=True)
class Target:
    """The arguments that name a stack."""

    folder: Path
    stack: str | None = None
    config: dict[str, str] = field(default_factory=dict)
    connect: str | None = None


def load(target: Target) -> "DesiredGraph":
    """Evaluate the stack program. Touches no host; its warnings are in the graph, and in every plan made from it."""
    from vmstack.cli.configuring import ask_hidden
    from vmstack.evaluate.program import evaluate

    ask = ask_hidden(open_terminal())
    return evaluate(target.folder, stack=target.stack, config=target.config, connect=target.connect, ask=ask)
