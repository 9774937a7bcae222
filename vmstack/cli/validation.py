"""`vmstack validate`."""

from typing import Any

import msgspec

from vmstack.cli.failures import describe_failure, report_failure
from vmstack.cli.target import Target, load
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, EXIT_ERROR, VmstackError, flatten

# The shape of `terraform validate -json`.
_FORMAT_VERSION = "1.0"


def validate_stack(target: Target, terminal: Terminal, *, json: bool) -> int:
    """Evaluate and check the program. No host is touched."""
    if json:
        return _validate_as_json(target, terminal)
    try:
        desired = load(target)
    except VmstackError as error:
        report_failure(error, terminal)
        return EXIT_ERROR
    for warning in desired.warnings:
        terminal.tell(f"{terminal.paint_err('Warning:', 'bold', 'yellow')} {escape(warning)}")
    count = len(desired.resources)
    terminal.say(f"{terminal.paint('Success!', 'bold', 'green')} The program is valid: {count} resources.")
    return EXIT_DONE


def _validate_as_json(target: Target, terminal: Terminal) -> int:
    diagnostics: list[dict[str, Any]] = []
    errors = 0
    try:
        desired = load(target)
        diagnostics += [{"severity": "warning", "summary": text, "detail": ""} for text in desired.warnings]
    except VmstackError as error:
        found = [describe_failure(single) for single in flatten(error)]
        errors = len(found)
        diagnostics += found
    document = {
        "format_version": _FORMAT_VERSION,
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": len(diagnostics) - errors,
        "diagnostics": diagnostics,
    }
    terminal.say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    return EXIT_ERROR if errors else EXIT_DONE
