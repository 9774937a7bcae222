"""Which evaluation the running code belongs to.

A context variable, so that callbacks of Pulumi outputs belong to the evaluation that made them.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from vmstack.errors import InputError

if TYPE_CHECKING:
    from vmstack.evaluate.recorder import Recorder

SESSION: ContextVar["Recorder | None"] = ContextVar("vmstack_session", default=None)


def current(what: str) -> "Recorder":
    """Return the recorder of the running evaluation; `what` is being made, for the error outside of one."""
    recorder = SESSION.get()
    if recorder is None:
        raise InputError(
            f"{what} was made outside a stack program",
            resolution="resources exist only while vmstack evaluates the program: put it into __main__.py of a "
            "project folder and run 'vmstack plan' there (threads need contextvars.copy_context())",
        )
    return recorder
