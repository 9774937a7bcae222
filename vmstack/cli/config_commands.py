"""`vmstack config` and its commands: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vmstack.cli.options import AsJson, FolderOption, NoColor, StackName
from vmstack.cli.terminal import open_terminal

config_app = typer.Typer(
    help="Show and change the stack's configuration, in the files that Pulumi reads.",
    rich_markup_mode=None,
    invoke_without_command=True,
)

Key = Annotated[str, typer.Argument(help="The key: 'name', or 'namespace:name'.")]
AsPath = Annotated[
    bool, typer.Option("--path", help="KEY leads into a mapping or list, as in 'names[0]' or 'parent.nested'.")
]


@dataclass(frozen=True)
class _Group:
    """The options before the command's name, which count where the command has none of its own."""

    folder: Path | None
    stack: str | None


def _choose(context: typer.Context, folder: Path | None, stack: str | None) -> tuple[Path, str | None]:
    group = context.obj
    return folder or group.folder or Path(), stack or group.stack


@config_app.callback()
def config(
    context: typer.Context,
    folder: FolderOption = None,
    stack: StackName = None,
    json: AsJson = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not hide secret values.")] = False,
    no_color: NoColor = False,
) -> int:
    """Show the stack's configuration; with a command, read or change one value."""
    context.obj = _Group(folder, stack)
    if context.invoked_subcommand is not None:
        return 0
    from vmstack.cli.configuring import list_config

    return list_config(
        folder or Path(), open_terminal(no_color=no_color), stack=stack, json=json, show_secrets=show_secrets
    )


@config_app.command()
def get(
    context: typer.Context,
    key: Key,
    folder: FolderOption = None,
    stack: StackName = None,
    json: AsJson = False,
    path: AsPath = False,
) -> int:
    """Show one value, also an encrypted one."""
    from vmstack.cli.configuring import get_config

    place, name = _choose(context, folder, stack)
    return get_config(place, open_terminal(), stack=name, key=key, path=path, json=json)


@config_app.command("set")
def set_(
    context: typer.Context,
    key: Key,
    value: Annotated[
        str | None, typer.Argument(help="The value; without one it is read from stdin, or asked for.")
    ] = None,
    folder: FolderOption = None,
    stack: StackName = None,
    secret: Annotated[bool, typer.Option("--secret", help="Encrypt the value.")] = False,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", help="Keep the value in clear, also where it was encrypted.")
    ] = False,
    path: AsPath = False,
) -> int:
    """Set one value."""
    from vmstack.cli.configuring import Storage, set_config

    place, name = _choose(context, folder, stack)
    return set_config(
        place,
        open_terminal(),
        stack=name,
        key=key,
        value=value,
        storage=Storage(secret=secret, plaintext=plaintext),
        path=path,
    )


@config_app.command()
def rm(
    context: typer.Context, key: Key, folder: FolderOption = None, stack: StackName = None, path: AsPath = False
) -> int:
    """Remove one value."""
    from vmstack.cli.configuring import remove_config

    place, name = _choose(context, folder, stack)
    return remove_config(place, open_terminal(), stack=name, key=key, path=path)
