"""`vmstack import` and `vmstack discover`: what can be typed about what others made."""

from pathlib import Path
from typing import Annotated

import typer

from vmstack.cli.options import (
    AsJson,
    Config,
    ConnectTo,
    FolderOption,
    LockTimeout,
    NoColor,
    StackName,
    Yes,
    folder_of,
    parse_names,
    target_of,
)
from vmstack.cli.terminal import open_terminal
from vmstack.errors import InputError


def import_(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND NAME ID",
            help="A vm, network, pool or volume: its name in the program, and its name, UUID or path in libvirt.",
        ),
    ] = None,
    folder: FolderOption = None,
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
    json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    no_color: NoColor = False,
) -> int:
    """Take over what another tool made, without touching a guest: one object, or all of a state.

    With --from-pulumi and --from-tfstate, the one argument may be the stack's folder.
    """
    from vmstack.cli.importing import Source, import_objects, read_arguments

    argument, single = read_arguments(what)
    return import_objects(
        target_of(folder_of(argument, folder), stack, config, connect),
        open_terminal(no_color=no_color),
        source=Source(pulumi=from_pulumi, tfstate=from_tfstate, single=single),
        names=parse_names(map),
        preview=preview,
        yes=yes,
        json=json,
        lock_timeout=lock_timeout,
    )


def discover(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="With --generate: where to write the project.")
    ] = None,
    folder: FolderOption = None,
    stack: StackName = None,
    config: Config = None,
    host: Annotated[str | None, typer.Option("--host", metavar="URI", help="The libvirt to look at.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow transports and options of the URI that are refused otherwise.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--generate", help="Write a stack program that takes over what is nobody's.")
    ] = False,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="GLOB", help="With --generate: only what is called so; repeatable."),
    ] = None,
    json: AsJson = False,
    no_color: NoColor = False,
) -> int:
    """List what is on a host and whose it is; with --generate, write a stack program for what is nobody's."""
    from vmstack.cli import discovering

    terminal = open_terminal(no_color=no_color)
    if not write:
        if directory is not None or select:
            raise InputError("DIR and --select belong to --generate", resolution="add --generate, or leave them out")
        return discovering.discover(
            target_of(folder or Path(), stack, config, None),
            terminal,
            named=folder is not None,
            uri=host,
            insecure=insecure,
            json=json,
        )
    return discovering.generate(
        folder_of(directory, folder),
        terminal,
        stack=stack,
        uri=host,
        insecure=insecure,
        select=tuple(select or ()),
        json=json,
    )
