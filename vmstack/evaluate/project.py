"""The project folder: `Pulumi.yaml`, the chosen stack's `Pulumi.<stack>.yaml`, and configuration."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.config.declared import Declaration, check_values, complete, read_declarations
from vmstack.evaluate.config.loader import SUFFIXES, find_file, load_document
from vmstack.evaluate.config.redaction import gather_texts
from vmstack.evaluate.config.runtime import Runtime, read_runtime
from vmstack.evaluate.config.secrets import Ask
from vmstack.evaluate.config.stack_file import StackFile
from vmstack.evaluate.config.values import as_text, holds_ciphertext, qualify, short_key
from vmstack.model.base import Data
from vmstack.model.identity import StackId
from vmstack.model.text import check_name

VARIABLE: Final = "VMSTACK_STACK"
_DEFAULT_STACK: Final = "dev"


class Project(Data, frozen=True, kw_only=True):
    """A project and one of its stacks. `config` maps `namespace:key` to text (JSON where it is structured)."""

    stack: StackId
    folder: Path
    main: Path
    config: dict[str, str]
    secret_keys: frozenset[str] = frozenset()
    """The keys whose values the program gets as secrets."""
    hidden: frozenset[str] = frozenset()
    """Decrypted texts that no message may show."""
    libraries: tuple[Path, ...] = ()
    """Further folders that the program imports from, after vmstack's own."""
    notes: tuple[str, ...] = ()
    """Warnings about the project files."""

    def __repr__(self) -> str:
        return f"Project({self.stack})"


class Manifest(Data, frozen=True, kw_only=True):
    """`Pulumi.yaml`. `settings` is the folder of the stacks' files."""

    name: str
    path: Path
    folder: Path
    settings: Path
    main: object = None
    declarations: tuple[Declaration, ...] = ()
    runtime: Runtime = Runtime()


def read_manifest(folder: Path) -> Manifest:
    """Read a project folder's `Pulumi.yaml`. Raises `InputError` for anything in it that is wrong or not supported.

    Keys that Pulumi does not know are tolerated, as it does. `backend` and `options.refresh` have no effect: the
    hypervisor is the state, and it is always read.
    """
    path = find_file(folder, stem="Pulumi")
    if path is None:
        where = "holds no Pulumi.yaml" if folder.is_dir() else "is no folder" if folder.exists() else "is not there"
        raise InputError(
            f"{folder} {where}", resolution="name a project folder: one with Pulumi.yaml and __main__.py in it"
        )
    document = load_document(path)
    if "name" not in document:
        raise InputError(f"{path} has no name", resolution="add 'name: my-project'")
    name = check_name(document["name"], field=f"{path}: name")
    runtime = read_runtime(document.get("runtime"), folder=folder, path=path)
    _refuse_plugins(document.get("plugins"), path=path)
    config, settings = document.get("config"), document.get("stackConfigDir")
    if isinstance(config, str):  # what stackConfigDir was called once
        if settings is not None:
            raise InputError(f"{path} names the folder of the stacks' files twice", resolution="leave 'config' out")
        config, settings = None, config
    if settings is not None and not isinstance(settings, str):
        raise InputError(f"{path}: stackConfigDir is not a path")
    return Manifest(
        name=name,
        path=path,
        folder=folder,
        settings=folder / (settings or "."),
        main=document.get("main"),
        declarations=read_declarations(config, project=name, path=path),
        runtime=runtime,
    )


def read_project(folder: Path, *, stack: str | None, overrides: Mapping[str, str], ask: Ask | None = None) -> Project:
    """Read a project folder. Raises `InputError` for anything in it that is wrong or not supported.

    `ask` is for the passphrase, where the environment has none and the stack has encrypted values.
    """
    manifest = read_manifest(folder)
    chosen = choose_stack(manifest.settings, wanted=stack)
    file = StackFile(manifest.settings, stack=chosen, project=manifest.name)
    given = {qualify(key, project=manifest.name, what="-c"): value for key, value in overrides.items()}
    # What the command line replaces need not be decrypted.
    kept = {name: value for name, value in file.values.items() if name not in given}
    encrypted = frozenset(name for name, value in kept.items() if holds_ciphertext(value))
    secrets = file.secrets(ask=ask)
    opened: dict[str, Any] = {
        name: secrets.reveal(value, key=name) if name in encrypted else value for name, value in kept.items()
    }
    values = complete({**opened, **given}, manifest.declarations, stack=chosen, path=manifest.path)
    check_values(values, manifest.declarations, encrypted=encrypted, given=frozenset(given), stack=chosen)
    secret_keys = encrypted.union(
        (name for name in given if holds_ciphertext(file.values.get(name))),
        (one.name for one in manifest.declarations if one.secret and one.name in values),
    )
    return Project(
        stack=StackId(manifest.name, chosen),
        folder=folder.resolve(),
        main=_find_main(folder, wanted=manifest.main, path=manifest.path).resolve(),
        config={name: as_text(value) for name, value in values.items()},
        secret_keys=secret_keys,
        hidden=frozenset().union(*(gather_texts(values[name]) for name in secret_keys)),
        libraries=manifest.runtime.libraries,
        notes=manifest.runtime.notes,
    )


def public_config(folder: Path, *, stack: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """The values that stand in the stack's file in clear and are not declared to be secrets, by short key.

    Values of the command line (`overrides`) are in no file, and so are not told to anybody.
    """
    manifest = read_manifest(folder)
    file = StackFile(manifest.settings, stack=stack, project=manifest.name)
    closed = {one.name for one in manifest.declarations if one.secret}
    closed |= {qualify(key, project=manifest.name, what="-c") for key in overrides}
    return {
        short_key(name, project=manifest.name): as_text(value)
        for name, value in sorted(file.values.items())
        if name not in closed and not holds_ciphertext(value)
    }


def list_stacks(folder: Path) -> tuple[str, ...]:
    """The names of the stacks that have a file in the folder, sorted."""
    files = [path for suffix in SUFFIXES for path in folder.glob(f"Pulumi.?*{suffix}") if path.is_file()]
    return tuple(sorted({path.name.split(".", 1)[1].rsplit(".", 1)[0] for path in files}))


def choose_stack(folder: Path, *, wanted: str | None) -> str:
    """Return the stack's name: the one wanted, else `VMSTACK_STACK`, else the only one, else `dev` when none is there.

    A name without a file is refused where other stacks have files: a slip of the keyboard would be a new stack.
    """
    known = list_stacks(folder)
    name = wanted or os.environ.get(VARIABLE) or None
    if name is None:
        if len(known) > 1:
            raise InputError(
                f"{folder} has several stacks: {', '.join(known)}",
                resolution=f"choose one with -s, or with the environment variable {VARIABLE}",
            )
        return known[0] if known else _DEFAULT_STACK
    check_name(name, field="stack")
    if known and name not in known:
        raise InputError(
            f"{folder} has no stack {name!r}; it has {', '.join(known)}",
            resolution=f"choose one of them, or create Pulumi.{name}.yaml for a new one",
        )
    return name


def _refuse_plugins(plugins: object, *, path: Path) -> None:
    """Other provider or policy plugins than usual would change what the program means."""
    if isinstance(plugins, dict) and any(plugins.values()):
        kinds = ", ".join(sorted(str(kind) for kind, wanted in plugins.items() if wanted))
        raise InputError(
            f"{path}: plugins: {kinds} cannot be replaced here",
            resolution="leave 'plugins' out: vmstack runs no plugins, it knows the libvirt resources itself",
        )


def _find_main(folder: Path, *, wanted: object, path: Path) -> Path:
    if wanted is not None and not isinstance(wanted, str):
        raise InputError(f"{path}: main is not a path")
    main = folder / (wanted or ".")
    if main.is_dir():
        main /= "__main__.py"
    if not main.is_file():
        raise InputError(f"{main} does not exist", resolution="write the stack program there")
    return main
