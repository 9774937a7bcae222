"""The command `vmstack`: what can be typed. What each command does lives beside, and is loaded only when it runs."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from vmstack.cli.collector import leave_to_the_end, relax_collector
from vmstack.cli.config_commands import config_app
from vmstack.cli.failures import report_bug, report_failure
from vmstack.cli.found_commands import discover, import_
from vmstack.cli.options import (
    AllowDataLoss,
    AllowEmpty,
    AsJson,
    Config,
    ConnectTo,
    Dependents,
    Excludes,
    Folder,
    FolderOption,
    FolderOrPlan,
    JsonInto,
    LockTimeout,
    MaxDeletes,
    MaxDisruption,
    NoColor,
    Parallelism,
    Replacements,
    StackName,
    Targets,
    Yes,
    folder_of,
    is_plan_file,
    limits_of,
    selection_of,
    target_of,
)
from vmstack.cli.side_commands import add_side_commands
from vmstack.cli.terminal import open_terminal, separate_output
from vmstack.errors import EXIT_DONE, EXIT_ERROR, EXIT_INTERRUPTED, VmstackError

app = typer.Typer(
    name="vmstack",
    help="Declarative infrastructure for libvirt/KVM: stack programs in Python, no state file.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config_app, name="config")


@app.command()
def plan(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    json_into: JsonInto = None,
    no_color: NoColor = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are differences.")
    ] = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit 1 when there are differences.")
    ] = False,
    destroy: Annotated[bool, typer.Option("--destroy", help="Plan to destroy all that the stack holds.")] = False,
    allow_data_loss: AllowDataLoss = False,
    allow_empty: AllowEmpty = False,
    target: Targets = None,
    exclude: Excludes = None,
    target_dependents: Dependents = False,
    replace: Replacements = None,
    max_disruption: MaxDisruption = None,
    max_deletes: MaxDeletes = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Save the plan, for: vmstack apply FILE.")
    ] = None,
) -> int:
    """Show what apply would do; changes nothing."""
    from vmstack.cli.planning import show_plan
    from vmstack.plan.policy import PlanPolicy

    return show_plan(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=PlanPolicy(
            destroy=destroy,
            allow_empty=allow_empty,
            allow_data_loss=allow_data_loss,
            selection=selection_of(target, exclude, dependents=target_dependents),
            replace=tuple(replace or ()),
        ),
        limits=limits_of(max_disruption, max_deletes),
        json=json,
        json_into=json_into,
        detailed_exitcode=detailed_exitcode,
        expect_no_changes=expect_no_changes,
        out=out,
    )


@app.command()
def apply(
    folder: FolderOrPlan = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    json_into: JsonInto = None,
    no_color: NoColor = False,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    allow_empty: AllowEmpty = False,
    target: Targets = None,
    exclude: Excludes = None,
    target_dependents: Dependents = False,
    replace: Replacements = None,
    max_disruption: MaxDisruption = None,
    max_deletes: MaxDeletes = None,
    parallelism: Parallelism = 8,
    lock_timeout: LockTimeout = 0.0,
) -> int:
    """Make the hosts what the stack program says, or do exactly what a saved plan says."""
    from vmstack.cli.applying import apply_stack
    from vmstack.cli.consent import Consent
    from vmstack.plan.policy import PlanPolicy

    policy = PlanPolicy(
        allow_empty=allow_empty,
        allow_data_loss=allow_data_loss,
        selection=selection_of(target, exclude, dependents=target_dependents),
        replace=tuple(replace or ()),
    )
    limits = limits_of(max_disruption, max_deletes)
    if folder is not None and is_plan_file(folder):
        from vmstack.cli.applying import apply_saved
        from vmstack.cli.approving import open_approval

        where = target_of(elsewhere or Path(), stack, config, connect)
        return apply_saved(
            open_approval(folder, target=where, policy=policy, limits=limits),
            open_terminal(no_color=no_color),
            json=json,
            json_into=json_into,
            parallelism=parallelism,
            lock_timeout=lock_timeout,
        )
    return apply_stack(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=policy,
        limits=limits,
        consent=Consent(yes=yes, data_loss=allow_data_loss),
        json=json,
        json_into=json_into,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )


@app.command()
def destroy(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    json_into: JsonInto = None,
    no_color: NoColor = False,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    target: Targets = None,
    exclude: Excludes = None,
    max_disruption: MaxDisruption = None,
    max_deletes: MaxDeletes = None,
    parallelism: Parallelism = 8,
    lock_timeout: LockTimeout = 0.0,
) -> int:
    """Remove all that the stack holds on its hosts."""
    from vmstack.cli.applying import apply_stack
    from vmstack.cli.consent import Consent
    from vmstack.plan.policy import PlanPolicy

    return apply_stack(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=PlanPolicy(destroy=True, allow_data_loss=allow_data_loss, selection=selection_of(target, exclude)),
        limits=limits_of(max_disruption, max_deletes),
        consent=Consent(yes=yes, data_loss=allow_data_loss),
        json=json,
        json_into=json_into,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )


app.command(name="import")(import_)
app.command()(discover)


@app.command()
def drift(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Show what others changed since the last apply; exit 2 when there is something."""
    from vmstack.cli.drifting import show_drift

    return show_drift(
        target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(no_color=no_color), json=json
    )


@app.command()
def show(
    folder: FolderOrPlan = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Show what the hosts hold of the stack, or what a saved plan says."""
    if folder is not None and is_plan_file(folder):
        from vmstack.cli.saving import show_saved

        return show_saved(folder, open_terminal(no_color=no_color), json=json)
    from vmstack.cli.showing import show_holdings

    return show_holdings(
        target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(no_color=no_color), json=json
    )


@app.command()
def output(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[FOLDER] [NAME]", help="The stack's folder, and only this output.")
    ] = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="The plain text of one output, for scripts.")] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not hide secret values.")] = False,
    no_color: NoColor = False,
) -> int:
    """Show the outputs as they were last applied."""
    from vmstack.cli.outputs import read_words, show_outputs

    folder, name = read_words(words or [], folder=elsewhere)
    return show_outputs(
        target_of(folder, stack, config, connect),
        open_terminal(no_color=no_color),
        name=name,
        json=json,
        raw=raw,
        show_secrets=show_secrets,
    )


@app.command()
def validate(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Check the stack program without touching a host."""
    from vmstack.cli.validation import validate_stack

    return validate_stack(
        target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(no_color=no_color), json=json
    )


@app.command()
def stack(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """List the project's stacks, and which one is chosen."""
    from vmstack.cli.stacks import list_project_stacks

    return list_project_stacks(folder_of(folder, elsewhere), open_terminal(no_color=no_color), stack=stack, json=json)


@app.command()
def graph(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it into this file.")] = None,
) -> int:
    """Show the stack's resources and their dependencies as a DOT graph."""
    from vmstack.cli.drawing import draw_graph

    return draw_graph(target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(), svg=svg)


@app.command()
def doctor(
    connect: Annotated[
        str, typer.Option("--connect", metavar="URI", help="The libvirt to look at.")
    ] = "qemu:///system",
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Check whether this machine can run stacks, and say what to do."""
    from vmstack.cli.doctor import examine

    return examine(connect, open_terminal(no_color=no_color), json=json)


@app.command()
def explain(
    field: Annotated[str | None, typer.Argument(help="A field, such as vcpus or disks.cache.")] = None,
    json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the whole table as the page of the documentation.")
    ] = False,
    no_color: NoColor = False,
) -> int:
    """Say what a change of a field does to a guest, by the guest's state; without one, list the fields."""
    from vmstack.cli.explaining import explain as print_rows

    return print_rows(field, open_terminal(no_color=no_color), json=json, markdown=markdown)


add_side_commands(app)

# typer brings its own click or uses the installed one; either way this is the root of the errors of usage.
_UsageError = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


@cache
def _command() -> Callable[..., object]:
    """The commands as click knows them: many signatures are read for it, once for all calls in a process."""
    return get_command(app)


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; every failure is told on stderr."""
    try:
        code = _command()(args=arguments, prog_name="vmstack", standalone_mode=False)
    except VmstackError as error:
        return report_failure(error, open_terminal())
    except (KeyboardInterrupt, typer.Abort):
        open_terminal().tell("Interrupted; nothing was changed.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _forget_output()
    except Exception as error:  # noqa: BLE001 - the last place where a bug can be told apart from a failure
        if isinstance(error, _UsageError):
            error.show()  # type: ignore[attr-defined] # click's own rendering of a usage error
            return EXIT_ERROR
        return report_bug(error, open_terminal())
    return code if isinstance(code, int) else EXIT_DONE


def _forget_output() -> int:
    """Nobody reads on (`vmstack plan | head`): end quietly, and keep the interpreter's last flush quiet too."""
    import os

    with Path(os.devnull).open("w") as sink:
        os.dup2(sink.fileno(), sys.stdout.fileno())
    return EXIT_ERROR


def run() -> None:
    """The entry point of the installed command."""
    relax_collector()
    separate_output()
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _forget_output()
    leave_to_the_end()
    sys.exit(code)
