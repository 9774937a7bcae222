"""`vmstack import`: take over what another tool made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmstack.apply import pipeline
from vmstack.apply.adoption import adopt, named_object
from vmstack.apply.interruption import Interruption, obey_signals
from vmstack.apply.runner import apply_plan
from vmstack.apply.supply import PayloadSupply
from vmstack.cli.adoption_view import render_adoption
from vmstack.cli.consent import ask
from vmstack.cli.event_stream import EventStream, streaming
from vmstack.cli.failures import render_failure, report_failure
from vmstack.cli.following import following
from vmstack.cli.image_cache import image_store
from vmstack.cli.program_checks import check_hosts
from vmstack.cli.progress import ImageProgress
from vmstack.cli.run_record import describe_run
from vmstack.cli.target import Target, study
from vmstack.cli.terminal import Terminal
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
