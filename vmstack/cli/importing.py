"""`vmstack import`: take over what another tool made."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmstack.apply import pipeline
from vmstack.apply.adoption import adopt, named_object
from vmstack.apply.interruption import Interruption, obey_signals
from vmstack.apply.runner import apply_plan
from vmstack.apply.supply import PayloadSupply
from vmstack.cli.applying import ask, describe_run
from vmstack.cli.changes import render_diagnostics, render_plan
from vmstack.cli.event_stream import EventStream, streaming
from vmstack.cli.failures import render_failure, report_failure
from vmstack.cli.planning import check_hosts, image_store
from vmstack.cli.progress import ImageProgress, following
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal, escape
from vmstack.errors import EXIT_DONE, EXIT_ERROR, InputError
from vmstack.evaluate.adoption.pulumi_export import read_pulumi_export
from vmstack.evaluate.adoption.tfstate import read_tfstate
from vmstack.model.claims import ForeignState
from vmstack.model.identity import Kind
from vmstack.plan.adoption import Adoption
from vmstack.plan.codec import encode_plan

# More than any state that a person would write by hand or a fleet would need.
_MAX_BYTES: Final = 256 * 1024 * 1024


_KINDS: Final = ("vm", "network", "pool", "volume")


@dataclass(frozen=True, kw_only=True)
class Single:
    """One object for one resource of the program. `id` is its name in libvirt or UUID, or a volume's path or place."""

    kind: Kind
    name: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is taken over: exactly one of the three. `pulumi` and `tfstate` are the files of states."""

    pulumi: Path | None = None
    tfstate: Path | None = None
    single: Single | None = None


def read_arguments(arguments: list[str] | None) -> tuple[Path | None, Single | None]:
    """Tell the folder and the object in what stands on the command line: `[FOLDER]`, or `KIND NAME ID`."""
    match arguments or []:
        case []:
            return None, None
        case [folder]:
            return Path(folder), None
        case [kind, name, id] if kind in _KINDS:
            return None, Single(kind=Kind(kind), name=name, id=id)
    raise InputError(
        f"{' '.join(arguments or [])!r} is neither a folder nor KIND NAME ID",
        resolution="write such as: vmstack import vm web web-1 (kinds are vm, network, pool, volume)",
    )


def import_objects(
    target: Target,
    terminal: Terminal,
    *,
    source: Source,
    names: dict[str, str],
    preview: bool,
    yes: bool,
    json: bool,
    lock_timeout: float,
) -> int:
    """Show what would be taken over, ask, and take it over. With `json`, the plan or the progress, in lines."""
    with streaming(terminal, json=json and not preview) as events:
        return _import(
            target,
            terminal,
            source=source,
            names=names,
            preview=preview,
            yes=yes,
            json=json,
            events=events,
            lock_timeout=lock_timeout,
        )


def _import(
    target: Target,
    terminal: Terminal,
    *,
    source: Source,
    names: dict[str, str],
    preview: bool,
    yes: bool,
    json: bool,
    events: EventStream | None,
    lock_timeout: float,
) -> int:
    state = _read(source)
    desired = study(target, curious=False).desired
    check_hosts(desired)
    if source.single is not None:
        if names:
            raise InputError("--map is for states of other tools", resolution="leave it out")
        single = source.single
        state = named_object(desired, kind=single.kind, name=single.name, id=single.id)
        names = {single.id: single.name}
    store = image_store()
    with pipeline.connected(desired, open_host=pipeline.connect_to_host(readonly=False)) as drivers:
        adoption = adopt(
            desired,
            state,
            drivers,
            names=names,
            store=store,
            progress=ImageProgress(terminal),
            alone=source.single is not None,
        )
        if source.single is not None:
            _check_single(adoption, single=source.single)
        plan = adoption.plan
        if not json:
            for line in render_adoption(adoption, terminal, origin=state.origin, alone=source.single is not None):
                terminal.say(line)
        elif preview:
            terminal.say(encode_plan(plan).decode().rstrip("\n"))
        if adoption.trouble is not None and adoption.blocked and not preview:
            raise adoption.trouble
        if preview or not adoption.takings:
            return EXIT_DONE
        if not yes and (json or not terminal.interactive):
            raise InputError("there is no terminal to ask at", resolution="add --yes to take it over unasked")
        if not yes and not ask(terminal, question="Do you want to take over all of this?"):
            terminal.tell("Cancelled; nothing was changed.")
            return EXIT_ERROR
        interruption = Interruption()
        with obey_signals(interruption), following(terminal, quiet=json, events=events) as listener:
            result = apply_plan(
                plan,
                drivers,
                supply=PayloadSupply(plan.payload, store=store),
                run=describe_run(),
                operation="import",
                lock_timeout=lock_timeout,
                listener=listener,
                interruption=interruption,
            )
    error = result.error()
    if error is not None:
        for failure in result.failed:
            for line in render_failure(failure.error, terminal):
                terminal.tell(line)
        return report_failure(error, terminal)
    summary = f"Import complete! Resources: {len(adoption.takings)} taken over."
    if events is not None:
        counts = {"import": len(adoption.takings), "operation": "import"}
        events.write("change_summary", summary, changes=counts)
        return EXIT_DONE
    terminal.say(terminal.paint(summary, "bold", "green"))
    return EXIT_DONE


def _check_single(adoption: Adoption, *, single: Single) -> None:
    """Raise `InputError` when there is no such object: one that is named must be there."""
    for key, claim in adoption.absent:
        raise InputError(
            f"{key}: its host has no {single.kind.value} {claim.id!r}",
            resolution="look it up: vmstack discover",
        )


def _read(source: Source) -> ForeignState:
    given = [item for item in (source.pulumi, source.tfstate, source.single) if item is not None]
    if len(given) != 1:
        raise InputError(
            "say what to import from",
            resolution="give KIND NAME ID for one object, or either --from-pulumi FILE or --from-tfstate FILE",
        )
    path = source.pulumi or source.tfstate
    if path is None:
        return ForeignState(origin="")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: it is larger than {_MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: it is not UTF-8", resolution="give the file as the tool wrote it") from error
    return read_pulumi_export(text, where=str(path)) if source.pulumi else read_tfstate(text, where=str(path))


def render_adoption(adoption: Adoption, terminal: Terminal, *, origin: str, alone: bool = False) -> Iterator[str]:
    """The lines of a preview: what is taken over, what is not and why, and what a plan after it would do.

    `alone`: one object is taken over, and nothing is said of the rest of the program.
    """
    if adoption.takings:
        yield f"vmstack will take over what {escape(origin)} holds. It notes on the hosts that these objects are the"
        yield "stack's, and changes nothing else of them; no guest is touched."
        yield ""
        for taking in adoption.takings:
            what = f"{taking.key}  {taking.thing.name!r} on {taking.host}"
            yield f"{terminal.paint('  =', 'cyan')} {escape(what)}  ({escape(taking.claim.address)})"
        yield ""
    yield from _listed("The stack's already:", (str(key) for key in adoption.held))
    absent = (f"{key}  {claim.id}  ({claim.address})" for key, claim in adoption.absent)
    yield from _listed("Not found on its host; the next apply makes it:", absent)
    missing = (str(key) for key in adoption.missing if key not in set(adoption.held) and not alone)
    yield from _listed("In the program and not in the state; the next apply makes it:", missing)
    strangers = (f"{claim.address}  {claim.label or claim.id}" for claim in adoption.strangers)
    yield from _listed("In the state and not in the program; left as it is:", strangers)
    unclaimed = (f"{item.address}  {item.why}" for item in adoption.unclaimed)
    yield from _listed("Not taken over; left as it is:", unclaimed)
    yield from _render_after(adoption, terminal)
    yield (
        f"{terminal.paint('Import:', 'bold')} {len(adoption.takings)} to take over, {len(adoption.held)} held already, "
        f"{len(adoption.absent)} not found, {len(adoption.strangers) + len(adoption.unclaimed)} left as they are."
    )


def _listed(title: str, items: Iterable[str]) -> Iterator[str]:
    lines = [f"      {escape(item)}" for item in items]
    if lines:
        yield title
        yield from lines
        yield ""


def _render_after(adoption: Adoption, terminal: Terminal) -> Iterator[str]:
    if adoption.trouble is not None:
        what = "Nothing can be taken over" if adoption.blocked else "A plan after it is refused"
        yield terminal.paint(f"{what} until this is mended:", "bold", "yellow")
        yield from (f"      {line}" for line in render_failure(adoption.trouble, terminal))
        yield ""
    elif adoption.after is not None and adoption.after.empty:
        yield "A plan after it is empty: the program says what is there."
        yield ""
    elif adoption.after is not None:
        yield terminal.paint("A plan after it, which import does not carry out:", "bold", "yellow")
        for line in render_diagnostics(adoption.after.diagnostics, terminal):
            yield f"      {line}"
        yield from (f"      {line}".rstrip() for line in render_plan(adoption.after, terminal))
        yield ""
