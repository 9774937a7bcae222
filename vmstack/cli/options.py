"""The options that commands share, declared once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmstack.cli.target import Target
from vmstack.errors import InputError

if TYPE_CHECKING:
    from vmstack.plan.limits import Limits
    from vmstack.plan.policy import Selection

Folder = Annotated[Path | None, typer.Argument(help="The stack's folder, with Pulumi.yaml and __main__.py.")]
FolderOrPlan = Annotated[
    Path | None, typer.Argument(metavar="[FOLDER|FILE]", help="The stack's folder, or a file that plan -o wrote.")
]
FolderOption = Annotated[Path | None, typer.Option("--folder", "-C", help="The stack's folder.")]
StackName = Annotated[
    str | None, typer.Option("--stack", "-s", envvar="VMSTACK_STACK", help="Which stack (Pulumi.<stack>.yaml).")
]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", metavar="KEY=VALUE", help="Set a configuration value; repeatable.")
]
ConnectTo = Annotated[
    str | None, typer.Option("--connect", metavar="URI", help="Use this libvirt URI for the program's only host.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
JsonInto = Annotated[
    Path | None,
    typer.Option("--json-into", metavar="FILE", help="Write events to this file, as JSON lines, besides all else."),
]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours, whatever the terminal can do.")]
Yes = Annotated[bool, typer.Option("--yes", "--auto-approve", "-y", help="Do not ask.")]
AllowDataLoss = Annotated[
    bool, typer.Option("--allow-data-loss", help="Allow changes that delete or overwrite guest data.")
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Allow a program without resources to delete all that the stack holds.")
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="PATTERN",
        help="Plan only these resources and what they need: vm.web-0, 'vm.web-*' or 'web-*'; repeatable.",
    ),
]
Excludes = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Leave these out, and what needs them; repeatable."),
]
Dependents = Annotated[bool, typer.Option("--target-dependents", help="Plan what needs the targets, too.")]
Replacements = Annotated[
    list[str] | None,
    typer.Option("--replace", metavar="PATTERN", help="Make these volumes, networks or VMs anew; repeatable."),
]
MaxDisruption = Annotated[
    str | None,
    typer.Option(
        "--max-disruption",
        metavar="CLASS",
        help="Refuse a plan that does worse: none, live, next-boot, restart, stop, replace or data-loss.",
    ),
]
MaxDeletes = Annotated[
    str | None, typer.Option("--max-deletes", metavar="N", help="Refuse a plan that destroys more resources.")
]
Parallelism = Annotated[int, typer.Option("--parallelism", min=1, max=64, help="Steps at once on each host.")]
LockTimeout = Annotated[
    float, typer.Option("--lock-timeout", min=0, metavar="SECONDS", help="How long to wait for the stack's lock.")
]


def parse_config(pairs: list[str] | None) -> dict[str, str]:
    """Turn `key=value` arguments into a mapping; the last of a key counts."""
    config: dict[str, str] = {}
    for pair in pairs or ():
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise InputError(f"--config {pair!r} is not KEY=VALUE", resolution="write it as -c key=value")
        config[key] = value
    return config


def parse_names(pairs: list[str] | None) -> dict[str, str]:
    """Turn `address=name` arguments into a mapping. Addresses may hold `=`, names never do."""
    names: dict[str, str] = {}
    for pair in pairs or ():
        address, separator, name = pair.rpartition("=")
        if not separator or not address or not name:
            raise InputError(
                f"--map {pair!r} is not ADDRESS=NAME", resolution="write it as --map libvirt_domain.vm=web"
            )
        names[address] = name
    return names


def is_plan_file(path: Path) -> bool:
    """Whether an argument that may be a stack's folder names a file. Pipes and devices are neither."""
    try:
        return path.is_file()
    except OSError:  # whoever reads it says what is wrong with it
        return False


def folder_of(argument: Path | None, option: Path | None) -> Path:
    """The stack's folder, which may be said in either way; the one where the user stands, if it is not said."""
    if argument is not None and option is not None:
        raise InputError(
            f"the folder is given twice: {argument}, and --folder {option}", resolution="leave one of them out"
        )
    return argument or option or Path()


def selection_of(targets: list[str] | None, excludes: list[str] | None, *, dependents: bool = False) -> "Selection":
    """Gather what says which part of a stack a command is about."""
    from vmstack.plan.policy import Selection

    if dependents and not targets:
        raise InputError("--target-dependents goes with --target", resolution="name a target, or leave it out")
    return Selection(targets=tuple(targets or ()), excludes=tuple(excludes or ()), dependents=dependents)


def limits_of(max_disruption: str | None, max_deletes: str | None) -> "Limits":
    """Gather what limits a plan."""
    from vmstack.plan.limits import read_limits

    return read_limits(max_disruption, max_deletes, what=("--max-disruption", "--max-deletes"))


def target_of(folder: Path, stack: str | None, config: list[str] | None, connect: str | None) -> Target:
    """Gather what says which stack a command is about."""
    return Target(folder=folder, stack=stack, config=parse_config(config), connect=connect)
