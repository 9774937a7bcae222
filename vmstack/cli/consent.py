"""What the user agreed to, on the command line or at the terminal."""

import sys
from dataclasses import dataclass
from typing import Final

from vmstack.cli.terminal import Terminal
from vmstack.errors import InputError, RefusedError
from vmstack.model.plan import Disruption, Plan

_WORD: Final = "yes"


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the user agreed to on the command line."""

    yes: bool
    data_loss: bool


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


def ask(terminal: Terminal, *, question: str) -> bool:
    """Ask at the terminal; only the whole word is consent."""
    terminal.out.flush()
    terminal.tell(f"\n{terminal.paint_err(question, 'bold')} Only '{_WORD}' is accepted.")
    terminal.err.write("  Enter a value: ")
    terminal.err.flush()
    return sys.stdin.readline().strip() == _WORD
