"""Which stack a command is about, and how its program becomes a graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmstack.cli.terminal import Terminal, escape

if TYPE_CHECKING:
    from vmstack.model.graph import DesiredGraph


@dataclass(frozen=True, kw_only=True)
class Target:
    """The arguments that name a stack."""

    folder: Path
    stack: str | None = None
    config: dict[str, str] = field(default_factory=dict)
    connect: str | None = None


def load(target: Target, terminal: Terminal) -> "DesiredGraph":
    """Evaluate the stack program and show its warnings. Touches no host."""
    from vmstack.apply.pipeline import evaluate_program

    desired = evaluate_program(target.folder, stack=target.stack, config=target.config, connect_to=target.connect)
    for warning in desired.warnings:
        terminal.tell(f"{terminal.paint_err('Warning:', 'bold', 'yellow')} {escape(warning)}")
    return desired
