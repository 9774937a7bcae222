"""How failures look: a sentence, what is known about it and what to do; never a traceback."""

import os
import tempfile
import traceback
from typing import Any

from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_ERROR, InternalError, VmstackError, flatten


def render_failure(error: VmstackError, terminal: Terminal) -> list[str]:
    """The lines that tell people of one failure."""
    head = terminal.paint_err("Error:", "bold", "red")
    lines = [f"{head} {terminal.paint_err(escape(error.brief), 'bold')}"]
    if error.place:
        lines.append(f"  at {escape(error.place.file)}:{error.place.line}")
    lines += [f"  {escape(line)}" for detail in error.details for line in detail.split("\n")]
    if error.resolution:
        lines.append(f"  To go on: {escape(error.resolution)}")
    return lines


def describe_failure(error: VmstackError, *, severity: str = "error") -> dict[str, Any]:
    """One failure as Terraform's JSON diagnostics describe it."""
    detail = list(error.details)
    if error.resolution:
        detail.append(f"To go on: {error.resolution}")
    described: dict[str, Any] = {"severity": severity, "summary": error.brief, "detail": "\n".join(detail)}
    if error.place:
        start = {"line": error.place.line, "column": 1, "byte": 0}
        described["range"] = {"filename": error.place.file, "start": start, "end": start}
    return described


def report_failure(error: VmstackError, terminal: Terminal) -> int:
    """Tell people of a failure and return the exit code that it means."""
    for single in flatten(error):
        for line in render_failure(single, terminal):
            terminal.tell(line)
        if isinstance(single, InternalError):
            _point_to_traceback(single, terminal)
    return error.exit_code


def report_bug(error: BaseException, terminal: Terminal) -> int:
    """Tell of an exception that should not have come this far."""
    head = terminal.paint_err("Error:", "bold", "red")
    terminal.tell(f"{head} this is a bug in vmstack: {escape(type(error).__name__)}: {escape(str(error))}")
    _point_to_traceback(error, terminal)
    return EXIT_ERROR


def _point_to_traceback(error: BaseException, terminal: Terminal) -> None:
    text = "".join(traceback.format_exception(error))
    if os.environ.get("VMSTACK_DEBUG"):
        terminal.tell(text)
        return
    try:
        # A private file: exceptions may quote values.
        with tempfile.NamedTemporaryFile("w", prefix="vmstack-", suffix=".log", delete=False) as file:
            file.write(text)
    except OSError:
        terminal.tell("  To go on: run it again with VMSTACK_DEBUG=1 and report what it prints")
        return
    terminal.tell(f"  To go on: report it with {file.name}, or run it again with VMSTACK_DEBUG=1")
