"""The commands beside planning, as they can be typed: log in to a guest, break a lock, tell the version."""

from pathlib import Path
from typing import Annotated

import typer

from vmstack import __version__
from vmstack.cli.options import (
    Config,
    ConnectTo,
    Folder,
    FolderOption,
    NoColor,
    StackName,
    Yes,
    folder_of,
    target_of,
)
from vmstack.cli.terminal import open_terminal
from vmstack.errors import EXIT_DONE


def add_side_commands(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(context_settings={"ignore_unknown_options": True})(ssh)
    app.command()(unlock)
    app.command()(version)


def ssh(
    vm: Annotated[str, typer.Argument(metavar="[FOLDER] VM", help="The VM, such as web-0, after the stack's folder.")],
    command: Annotated[list[str] | None, typer.Argument(help="A command to run there (after --).")] = None,
    user: Annotated[str | None, typer.Option("--user", "-l", help="The user to log in as.")] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", metavar="FILE", help="The private key to log in with.")
    ] = None,
    elsewhere: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    connect: ConnectTo = None,
) -> int:
    """Log in to a VM of the stack."""
    from vmstack.cli.ssh import open_ssh, split_folder

    folder, vm, rest = split_folder(vm, command or [], folder=elsewhere)
    return open_ssh(
        target_of(folder, stack, config, connect),
        open_terminal(),
        vm=vm,
        command=rest,
        user=user,
        identity=identity,
    )


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


def version() -> int:
    """Show the version."""
    open_terminal().say(f"vmstack {__version__}")
    return EXIT_DONE
