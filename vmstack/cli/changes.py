"""A plan as people read it, in the shape that users of Terraform know."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vmstack.apply.result import count_changes
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.values import show_value
from vmstack.model.facts import Gap
from vmstack.model.graph import Output
from vmstack.model.identity import Kind
from vmstack.model.ownership import StoredOutput
from vmstack.model.plan import Change, Diagnostic, Disruption, FieldChange, Operation, Plan
from vmstack.plan.outputs import stored_outputs
from vmstack.plan.terraform import encode_document

NO_CHANGES: Final = "No changes. Your infrastructure matches the program."
# Where something that is not known hides what else the program wants.
_NO_KNOWN_CHANGES: Final = "No changes to what is known of the program."
# Beyond this many changes, what is created or destroyed gets one line each, so that the rest can be found.
_MANY: Final = 60

_SYMBOLS: Final = {
    Operation.CREATE: ("  +", "green", "create", "will be created"),
    Operation.UPDATE: ("  ~", "yellow", "update in-place", "will be updated in-place"),
    Operation.REPLACE: ("-/+", "red", "destroy and then create replacement", "must be replaced"),
    Operation.DELETE: ("  -", "red", "destroy", "will be destroyed"),
    Operation.ADOPT: ("  =", "cyan", "take over as it is", "will be taken over as it is"),
    Operation.NOOP: ("   ", "dim", "no change", "does not change"),
}
CLASSES: Final = {
    Disruption.NONE: "",
    Disruption.LIVE: "live",
    Disruption.NEXT_BOOT: "takes effect at the next boot",
    Disruption.RESTART: "restarts the guest",
    Disruption.STOP: "stops the guest",
    Disruption.REPLACE: "replaces it, data kept",
    Disruption.DATA_LOSS: "DATA LOSS",
}


def render_plan(plan: Plan, terminal: Terminal, *, destroy: bool = False) -> Iterator[str]:
    """The lines of a plan: legend, changes, output changes, what guests and data will feel, and the summary."""
    if plan.empty:
        nothing = f"Nothing to destroy: the hosts hold nothing of stack {escape(str(plan.stack))}."
        if plan.whole:
            yield terminal.paint(nothing if destroy else NO_CHANGES, "bold", "green")
        else:
            yield terminal.paint(_NO_KNOWN_CHANGES, "bold", "yellow")
        yield from _render_gaps(plan.gaps, terminal, empty=True)
        return
    if not plan.changes and not plan.stored_outputs_differ:
        yield from _render_settling(plan)
        return
    operations = [op for op in _SYMBOLS if any(change.operation is op for change in plan.changes)]
    if operations:
        yield "vmstack will perform the following actions. They are indicated with these symbols:"
        for operation in operations:
            symbol, colour, meaning, _ = _SYMBOLS[operation]
            yield f"{terminal.paint(symbol, colour)} {meaning}"
        yield ""
    brief = len(plan.changes) > _MANY
    for change in plan.changes:
        yield from _render_change(change, terminal, brief=brief)
    if plan.stored_outputs_differ:
        yield from _render_output_changes(plan, terminal)
    yield from _render_gaps(plan.gaps, terminal, empty=False)
    yield from _render_consequences(plan.changes, terminal)
    for roll in plan.rolls:
        head = terminal.paint(f"Rolling over group {escape(roll.group)}:", "bold", "yellow")
        yield f"{head} {len(roll.keys)} guests, at most {roll.limit} of them down at once; the first failure stops it"
    yield summarise(plan, terminal)


def _render_settling(plan: Plan) -> Iterator[str]:
    """What is left to do where no resource changes: the ledgers are brought up to date."""
    count = sum(len(intent.entries) + len(intent.forget) for intent in plan.intents)
    if count:
        yield f"No resource changes; {count} entries of an interrupted run are settled."
    for host in plan.releases:
        yield f"No resource of the stack is left on {escape(host)}; its ledger there is removed."


def summarise(plan: Plan, terminal: Terminal) -> str:
    """The line that scripts look for."""
    added, changed, destroyed = count_changes(plan.changes)
    return f"{terminal.paint('Plan:', 'bold')} {added} to add, {changed} to change, {destroyed} to destroy."


def render_diagnostics(diagnostics: Iterable[Diagnostic], terminal: Terminal) -> Iterator[str]:
    """The warnings and notes of a plan, for `err`."""
    for diagnostic in diagnostics:
        colour = {"error": "red", "warning": "yellow"}.get(diagnostic.severity, "cyan")
        head = terminal.paint_err(f"{diagnostic.severity.capitalize()}:", "bold", colour)
        subject = f"{escape(str(diagnostic.key))}: " if diagnostic.key else ""
        yield f"{head} {subject}{escape(diagnostic.text)}"
        if diagnostic.place:
            yield f"  at {escape(diagnostic.place.file)}:{diagnostic.place.line}"


def _render_change(change: Change, terminal: Terminal, *, brief: bool) -> Iterator[str]:
    symbol, colour, _, words = _SYMBOLS[change.operation]
    address = escape(str(change.key))
    consequence = CLASSES[change.disruption]
    suffix = f" ({consequence})" if consequence else ""
    if brief and change.operation in (Operation.CREATE, Operation.DELETE):
        yield f"{terminal.paint(symbol, colour)} {address}{terminal.paint(suffix, *class_style(change.disruption))}"
        return
    yield terminal.paint(f"  # {address} {words}", "bold") + terminal.paint(suffix, *class_style(change.disruption))
    for reason in change.reasons:
        yield terminal.paint(f"  # {escape(reason)}", "dim")
    subject = f"{change.key.kind.value} {show_value(change.key.name)} on {escape(change.host)}"
    yield f"{terminal.paint(symbol, colour)} {subject}"
    for field in change.fields:
        yield _render_field(field, change, terminal)
    yield ""


def _render_field(field: FieldChange, change: Change, terminal: Terminal) -> str:
    path = escape(field.path)
    before, after = (show_value(value, path=field.path) for value in (field.before, field.after))
    if field.before is None:
        symbol, colour, value = "+", "green", after
    elif field.after is None:
        symbol, colour = "-", "red"
        value = before if change.operation is Operation.DELETE else f"{before} -> (none)"
    else:
        symbol, colour, value = "~", "yellow", f"{before} -> {after}"
    line = f"      {terminal.paint(symbol, colour)} {path}: {value}"
    if change.operation in (Operation.UPDATE, Operation.REPLACE) and CLASSES[field.disruption]:
        consequence = f"({CLASSES[field.disruption]})"
        line += "   " + terminal.paint(consequence, *class_style(field.disruption))
    return f"{line}   # {escape(field.note)}" if field.note else line


def _render_output_changes(plan: Plan, terminal: Terminal) -> Iterator[str]:
    """What changes in the stored outputs. Of a secret one no value is stored, so that only its coming is seen."""
    before, after = plan.outputs_before, stored_outputs(plan.outputs)
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        label = terminal.paint(escape(name), "bold")
        if old is None and new is not None:
            lines.append(f"      {terminal.paint('+', 'green')} {label} = {_show_output(new)}")
        elif old is not None and new is None:
            lines.append(f"      {terminal.paint('-', 'red')} {label} = {_show_output(old)}")
        elif old is not None and new is not None:
            shown = _show_output(msgspec.structs.replace(old, secret=old.secret or new.secret))
            lines.append(f"      {terminal.paint('~', 'yellow')} {label} = {shown} -> {_show_output(new)}")
    if lines:
        yield "Changes to outputs:"
        yield from lines
        yield ""
    elif after or not plan.changes:
        yield "The outputs do not change, and are stored again: not every host holds them as they are."
        yield ""


def _show_output(output: Output | StoredOutput) -> str:
    return "(sensitive value)" if output.secret else show_value(output.value) if output.known else "(not known)"


def render_outputs(outputs: dict[str, Output], terminal: Terminal, *, show_secrets: bool = False) -> Iterator[str]:
    """One line per output, secret values hidden unless asked for."""
    for name, output in sorted(outputs.items()):
        hidden = output.secret and not show_secrets
        value = _show_output(msgspec.structs.replace(output, secret=hidden))
        yield f"{terminal.paint(escape(name), 'bold')} = {value}"


def _render_gaps(gaps: tuple[Gap, ...], terminal: Terminal, *, empty: bool) -> Iterator[str]:
    """What is not known: before the apply, or (`empty`) as long as the hosts know no more."""
    if not gaps:
        return
    if any(gap.hides for gap in gaps):
        head = "The plan is incomplete: the program may want more, depending on what is not known yet:"
    else:
        head = "Not known yet:" if empty else "Known after apply:"
    yield terminal.paint(head, "bold", "cyan")
    for gap in gaps:
        yield f"      {escape(gap.what)}" + (f"   # {escape(str(gap.place))}" if gap.place else "")
    yield ""


def _render_consequences(changes: tuple[Change, ...], terminal: Terminal) -> Iterator[str]:
    for disruption, words, colour in (
        (Disruption.RESTART, "Guests that restart", "yellow"),
        (Disruption.STOP, "Guests that stop", "yellow"),
        (Disruption.REPLACE, "Replaced with their data kept", "yellow"),
        (Disruption.DATA_LOSS, "DATA WILL BE LOST in", "red"),
    ):
        guests = disruption in (Disruption.RESTART, Disruption.STOP)  # which a network or volume under one is not
        touched = [
            str(change.key)
            for change in changes
            if change.disruption is disruption and (change.key.kind is Kind.VM or not guests)
        ]
        if touched:
            yield terminal.paint(f"{words}:", "bold", colour) + " " + _enumerate(touched)


def _enumerate(names: list[str]) -> str:
    shown = ", ".join(escape(name) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"


def class_style(disruption: Disruption) -> tuple[str, ...]:
    """How the words of a class are painted."""
    if disruption is Disruption.DATA_LOSS:
        return ("bold", "red")
    return ("yellow",) if disruption.rank >= Disruption.RESTART.rank else ("dim",)


def tell_plan(plan: Plan, terminal: Terminal, *, destroy: bool, document: dict[str, Any] | None = None) -> None:
    """Print a plan for people, or the `document` for tools in its place."""
    for line in render_diagnostics((one for one in plan.diagnostics if one.severity != "error"), terminal):
        terminal.tell(line)
    if document is not None:
        terminal.say(encode_document(document).decode().rstrip("\n"))
        return
    for line in render_plan(plan, terminal, destroy=destroy):
        terminal.say(line)
