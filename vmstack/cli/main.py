"""The command `vmstack`: what can be typed. What each command does lives beside, and is loaded only when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vmstack import __version__
from vmstack.cli.collector import relax_collector
from vmstack.cli.config_commands import config_app
from vmstack.cli.failures import report_bug, report_failure
from vmstack.cli.options import (
    AllowDataLoss,
    AllowEmpty,
    AsJson,
    Config,
    ConnectTo,
    Folder,
    FolderOption,
    LockTimeout,
    NoColor,
    Parallelism,
    StackName,
    Yes,
    folder_of,
    parse_names,
    target_of,
)
from vmstack.cli.terminal import open_terminal
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
) -> int:
    """Show what apply would do; changes nothing."""
    from vmstack.cli.planning import show_plan
    from vmstack.plan.policy import PlanPolicy

    return show_plan(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=PlanPolicy(destroy=destroy, allow_empty=allow_empty, allow_data_loss=allow_data_loss),
        json=json,
        detailed_exitcode=detailed_exitcode,
        expect_no_changes=expect_no_changes,
    )


@app.command()
def apply(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    no_color: NoColor = False,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    allow_empty: AllowEmpty = False,
    parallelism: Parallelism = 8,
    lock_timeout: LockTimeout = 0.0,
) -> int:
    """Make the hosts what the stack program says."""
    from vmstack.cli.applying import Consent, apply_stack
    from vmstack.plan.policy import PlanPolicy

    return apply_stack(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=PlanPolicy(allow_empty=allow_empty, allow_data_loss=allow_data_loss),
        consent=Consent(yes=yes, data_loss=allow_data_loss),
        json=json,
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
    no_color: NoColor = False,
    yes: Yes = False,
    allow_data_loss: AllowDataLoss = False,
    parallelism: Parallelism = 8,
    lock_timeout: LockTimeout = 0.0,
) -> int:
    """Remove all that the stack holds on its hosts."""
    from vmstack.cli.applying import Consent, apply_stack
    from vmstack.plan.policy import PlanPolicy

    return apply_stack(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        policy=PlanPolicy(destroy=True, allow_data_loss=allow_data_loss),
        consent=Consent(yes=yes, data_loss=allow_data_loss),
        json=json,
        parallelism=parallelism,
        lock_timeout=lock_timeout,
    )


@app.command(name="import")
def import_(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    from_pulumi: Annotated[
        Path | None, typer.Option("--from-pulumi", metavar="FILE", help="What `pulumi stack export` wrote.")
    ] = None,
    from_tfstate: Annotated[
        Path | None, typer.Option("--from-tfstate", metavar="FILE", help="What `terraform state pull` wrote.")
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="ADDRESS=NAME", help="Which resource of the program one of the state is."),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be taken over.")] = False,
    yes: Yes = False,
    lock_timeout: LockTimeout = 0.0,
    no_color: NoColor = False,
) -> int:
    """Take over what another tool made, without touching a guest."""
    from vmstack.cli.importing import Source, import_objects

    return import_objects(
        target_of(folder_of(folder, elsewhere), stack, config, connect),
        open_terminal(no_color=no_color),
        source=Source(pulumi=from_pulumi, tfstate=from_tfstate),
        names=parse_names(map),
        preview=preview,
        yes=yes,
        lock_timeout=lock_timeout,
    )


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
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """Show what the hosts hold of the stack."""
    from vmstack.cli.showing import show_holdings

    return show_holdings(
        target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(no_color=no_color), json=json
    )


@app.command()
def output(
    name: Annotated[str | None, typer.Argument(help="Only this output.")] = None,
    folder: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    json: AsJson = False,
    raw: Annotated[bool, typer.Option("--raw", help="The plain text of one output, for scripts.")] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not hide secret values.")] = False,
    no_color: NoColor = False,
) -> int:
    """Show the outputs as they were last applied."""
    from vmstack.cli.outputs import check_name, show_outputs

    check_name(name, folder=folder or Path())
    return show_outputs(
        target_of(folder or Path(), stack, config, connect),
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


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    vm: Annotated[str, typer.Argument(help="The VM, such as web-0.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command to run there (after --).")] = None,
    user: Annotated[str | None, typer.Option("--user", "-l", help="The user to log in as.")] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", metavar="FILE", help="The private key to log in with.")
    ] = None,
    folder: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
) -> int:
    """Log in to a VM of the stack."""
    from vmstack.cli.ssh import open_ssh

    return open_ssh(
        target_of(folder or Path(), stack, config, connect),
        open_terminal(),
        vm=vm,
        command=tuple(command or ()),
        user=user,
        identity=identity,
    )


@app.command()
def unlock(
    folder: Folder = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
    yes: Yes = False,
    no_color: NoColor = False,
) -> int:
    """Break the stack's lock; only when its holder is gone."""
    from vmstack.cli.unlocking import break_locks

    return break_locks(
        target_of(folder_of(folder, elsewhere), stack, config, connect), open_terminal(no_color=no_color), yes=yes
    )


@app.command()
def version() -> int:
    """Show the version."""
    open_terminal().say(f"vmstack {__version__}")
    return EXIT_DONE


# typer brings its own click or uses the installed one; either way this is the root of the errors of usage.
_UsageError = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; every failure is told on stderr."""
    try:
        code = app(args=arguments, prog_name="vmstack", standalone_mode=False)
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
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _forget_output()
    sys.exit(code)
