"""`vmstack drift`."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vmstack.apply import pipeline
from vmstack.cli.changes import CLASSES, class_style
from vmstack.cli.image_cache import image_store
from vmstack.cli.locks import tell_locks
from vmstack.cli.program_checks import check_hosts
from vmstack.cli.progress import ImageProgress
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.cli.values import show_value
from vmstack.errors import EXIT_DIFFERENCES, EXIT_DONE
from vmstack.model.drift import Drift, DriftKind, DriftReport, Remedy
from vmstack.model.ownership import RunRecord

NO_DRIFT: Final = "No drift. The hosts hold what was applied."
_NOT_KNOWN: Final = (
    "the program was changed since an early vmstack applied it, and nothing tells whether others changed it too"
)
_WORDS: Final = {
    DriftKind.EXTRA: ("+", "green"),
    DriftKind.MISSING: ("-", "red"),
    DriftKind.DEFINITION: ("-", "red"),
    DriftKind.LEDGER: ("-", "red"),
}
_REMEDIES: Final = {
    Remedy.REPAIR: "apply puts it right",
    Remedy.REPORT: "apply leaves it",
    Remedy.REFUSED: "apply refuses to go on",
}


def show_drift(target: Target, terminal: Terminal, *, json: bool) -> int:
    """Find drift over read-only connections and print it. The exit code says whether there is any."""
    with pipeline.reading_ahead() as lookout:
        desired = study(target, notice=None if lookout is None else lookout.send).desired
        check_hosts(desired)
        with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=True)) as drivers:
            report = pipeline.find_stack_drift(
                desired,
                drivers,
                store=image_store(),
                progress=ImageProgress(terminal),
                seen=lambda observed: tell_locks(observed, terminal),
                lookout=lookout,
            )
    if json:
        terminal.say(encode_drift(report).decode().rstrip("\n"))
    else:
        for line in render_drift(report, terminal):
            terminal.say(line)
    return EXIT_DIFFERENCES if report.items else EXIT_DONE


def encode_drift(report: DriftReport) -> bytes:
    """Return UTF-8 JSON (docs/reference.md), ended by a newline; equal reports give equal bytes."""
    document = {
        "format": report.format,
        "stack": {"project": report.stack.project, "stack": report.stack.stack},
        "drift": [_encode(item, report.runs.get(item.host)) for item in report.items],
        "refusals": report.refusals,
        "unknown": [str(key) for key in report.unknown],
        "last_runs": {host: _encode_run(run) for host, run in report.runs.items()},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def render_drift(report: DriftReport, terminal: Terminal) -> Iterator[str]:
    """The lines of a report, object by object, and the summary."""
    for key in report.unknown:
        head = terminal.paint("Note:", "bold", "cyan")
        yield f"{head} {escape(str(key))}: {_NOT_KNOWN}"
    if not report.items:
        yield terminal.paint(NO_DRIFT, "bold", "green")
        return
    yield "Changed outside vmstack since the last apply:"
    yield ""
    groups: dict[tuple[str, str], list[Drift]] = {}
    for item in report.items:
        groups.setdefault((str(item.key), item.host), []).append(item)
    for (address, host), items in groups.items():
        yield from _render_object(address, items, report.runs.get(host), terminal)
    for refusal in report.refusals:
        yield f"{terminal.paint('apply refuses:', 'bold', 'red')} {escape(refusal)}"
    yield _summarise(report.items, terminal)


def _render_object(address: str, items: list[Drift], run: RunRecord | None, terminal: Terminal) -> Iterator[str]:
    first = items[0]
    yield terminal.paint(f"  # {escape(address)} on {escape(first.host)}", "bold")
    if run is not None:
        yield terminal.paint(f"  # applied {escape(run.when)} by {escape(run.who)} on {escape(run.where)}", "dim")
    if first.place is not None:
        yield terminal.paint(f"  # {escape(first.place.file)}:{first.place.line}", "dim")
    for item in items:
        yield _render_item(item, terminal)
    yield ""


def _render_item(item: Drift, terminal: Terminal) -> str:
    symbol, colour = _WORDS.get(item.kind, ("~", "yellow"))
    was, now = (show_value(value, path=item.path) for value in (item.was, item.now))
    if item.kind is DriftKind.EXTRA and item.was is None:
        value = f"{now} was added"
    elif item.kind is DriftKind.PENDING and item.was is None and item.now is None:
        value = "waits for a restart"
    elif item.kind in (DriftKind.MISSING, DriftKind.LEDGER) and item.now is None:
        value = f"{was} is gone"
    else:
        value = f"{was} -> {now}"
    line = f"      {terminal.paint(symbol, colour)} {escape(item.path)}: {value}"
    waits = item.kind is DriftKind.PENDING and item.remedy is Remedy.REPORT
    remedy = "waits for a restart" if waits else _REMEDIES[item.remedy]
    consequence = CLASSES[item.disruption] if item.remedy is Remedy.REPAIR else ""
    shown = f"({remedy}{f'; {consequence}' if consequence else ''})"
    line += "   " + terminal.paint(shown, *class_style(item.disruption))
    return f"{line}   # {escape(item.note)}" if item.note else line


def _summarise(items: Iterable[Drift], terminal: Terminal) -> str:
    counts = dict.fromkeys(Remedy, 0)
    for item in items:
        counts[item.remedy] += 1
    total = sum(counts.values())
    return (
        f"{terminal.paint('Drift:', 'bold')} {total} found, {counts[Remedy.REPAIR]} to repair, "
        f"{counts[Remedy.REPORT]} to report, {counts[Remedy.REFUSED]} that apply refuses."
    )


def _encode(item: Drift, run: RunRecord | None) -> dict[str, Any]:
    return {
        "address": str(item.key),
        "host": item.host,
        "kind": item.kind.value,
        "path": item.path,
        "was": item.was,
        "now": item.now,
        "remedy": item.remedy.value,
        "disruption": item.disruption.value,
        "note": item.note,
        "place": None if item.place is None else {"file": item.place.file, "line": item.place.line},
        "applied": _encode_run(run),
    }


def _encode_run(run: RunRecord | None) -> dict[str, str] | None:
    return None if run is None else {"who": run.who, "where": run.where, "when": run.when, "run": run.run}
