"""`vmstack config`, `config get`, `config set` and `config rm`."""

import getpass
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from vmstack.cli.terminal import Terminal, escape, escape_lines
from vmstack.errors import EXIT_DONE, InputError
from vmstack.evaluate.config import paths
from vmstack.evaluate.config.declared import Declaration
from vmstack.evaluate.config.redaction import MASK
from vmstack.evaluate.config.secrets import Ask, StackSecrets
from vmstack.evaluate.config.stack_file import StackFile
from vmstack.evaluate.config.values import (
    Tree,
    as_text,
    holds_ciphertext,
    is_structured,
    qualify,
    replace_ciphertexts,
    short_key,
)
from vmstack.evaluate.project import Manifest, choose_stack, read_manifest

# Names that speak of a secret (https://www.pulumi.com/docs/iac/cli/commands/pulumi_config_set/ refuses such values).
_TELLING: Final = re.compile(r"pass(word|wd|phrase)|secret|token|private_?key|api_?key", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How a value is to be kept."""

    secret: bool
    plaintext: bool


@dataclass(frozen=True)
class _Opened:
    """The files of one stack."""

    manifest: Manifest
    file: StackFile
    secrets: StackSecrets

    def default_of(self, name: str) -> Declaration | None:
        """What the project says of a key that has a default."""
        declared = (one for one in self.manifest.declarations if one.name == name and one.value is not None)
        return next(declared, None)


def ask_hidden(terminal: Terminal) -> Ask | None:
    """How somebody at the terminal is asked for a passphrase; `None` when nobody is there."""
    return getpass.getpass if terminal.interactive else None


def list_config(folder: Path, terminal: Terminal, *, stack: str | None, json: bool, show_secrets: bool) -> int:
    """Print all values of the stack, defaults of the project included; secrets only when asked for."""
    opened = _open(folder, terminal, stack=stack)
    values = {one.name: one.value for one in opened.manifest.declarations if one.value is not None}
    values.update(opened.file.values)
    marked = {one.name for one in opened.manifest.declarations if one.secret}
    shown = {
        name: _describe(opened, name, values[name], secret=name in marked, reveal=show_secrets)
        for name in sorted(values)
    }
    if json:
        terminal.say(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return EXIT_DONE
    if not shown:
        terminal.tell(f"Stack {escape(opened.file.stack)} has no configuration.")
        return EXIT_DONE
    names = {name: escape(short_key(name, project=opened.manifest.name)) for name in shown}
    width = max(3, *map(len, names.values()))
    terminal.say(terminal.paint(f"{'KEY':<{width}}  VALUE", "bold"))
    for name, one in shown.items():
        terminal.say(f"{names[name]:<{width}}  {escape(one.get('value', MASK))}")
    return EXIT_DONE


def get_config(folder: Path, terminal: Terminal, *, stack: str | None, key: str, path: bool, json: bool) -> int:
    """Print one value as it is, for scripts; somebody who asks for a secret by its name gets it, as in Pulumi."""
    opened = _open(folder, terminal, stack=stack)
    name, inner = _locate(key, path=path, project=opened.manifest.name)
    default = opened.default_of(name)
    tree = opened.file.values.get(name, default.value if default else None)
    found, value = paths.get_at(tree, inner)
    if tree is None or not found:
        raise InputError(
            f"stack {opened.file.stack!r} has no value for {key!r}", resolution="'vmstack config' shows what there is"
        )
    described = _describe(opened, name, value, secret=False, reveal=True)
    if json:
        terminal.say(msgspec.json.format(msgspec.json.encode(described), indent=2).decode())
        return EXIT_DONE
    text = described["value"]
    terminal.say(escape_lines(text) if terminal.out.isatty() else text)
    return EXIT_DONE


def set_config(
    folder: Path,
    terminal: Terminal,
    *,
    stack: str | None,
    key: str,
    value: str | None,
    storage: Storage,
    path: bool,
) -> int:
    """Set one value in the stack's file, which is made where there is none."""
    if storage.secret and storage.plaintext:
        raise InputError("--secret and --plaintext contradict each other")
    opened = _open(folder, terminal, stack=stack)
    name, inner = _locate(key, path=path, project=opened.manifest.name)
    _guard_secret(opened, name, inner, key=key, storage=storage)
    text = _read_value(key, terminal, hidden=storage.secret) if value is None else value
    tree: Tree = paths.coerce(text) if inner else text
    if storage.secret:
        tree = opened.secrets.encrypt(text)
    elif not storage.plaintext and _TELLING.search(key):
        terminal.tell(
            f"{terminal.paint_err('Warning:', 'bold', 'yellow')} {escape(key)} stands in "
            f"{escape(opened.file.path.name)} in clear; --secret encrypts it, --plaintext ends this warning."
        )
    opened.file.put(name, inner, tree, salt=opened.secrets.salt if storage.secret else "")
    return EXIT_DONE


def remove_config(folder: Path, terminal: Terminal, *, stack: str | None, key: str, path: bool) -> int:
    """Remove one value from the stack's file; one that is not there is no error, as in Pulumi."""
    opened = _open(folder, terminal, stack=stack)
    name, inner = _locate(key, path=path, project=opened.manifest.name)
    if not opened.file.remove(name, inner):
        terminal.tell(f"{escape(opened.file.path.name)} has no value for {escape(key)}; nothing was changed.")
    return EXIT_DONE


def _open(folder: Path, terminal: Terminal, *, stack: str | None) -> _Opened:
    manifest = read_manifest(folder)
    file = StackFile(manifest.settings, stack=choose_stack(manifest.settings, wanted=stack), project=manifest.name)
    return _Opened(manifest, file, file.secrets(ask=ask_hidden(terminal)))


def _locate(key: str, *, path: bool, project: str) -> tuple[str, paths.Path]:
    """Split a key into its qualified name and the path inside of its value."""
    if not path:
        return qualify(key, project=project, what="KEY"), ()
    # A colon inside of a bracket belongs to the path.
    namespace = re.match(r"([^.\[\]\":]+):", key)
    steps = paths.parse_path(key[namespace.end() :] if namespace else key)
    return qualify(f"{namespace[1] if namespace else project}:{steps[0]}", project=project, what="KEY"), steps[1:]


def _describe(opened: _Opened, name: str, value: Tree, *, secret: bool, reveal: bool) -> dict[str, Any]:
    """One value in the shape of `pulumi config --json`."""
    secret = secret or holds_ciphertext(value)
    described: dict[str, Any] = {"secret": secret}
    if not secret or reveal:
        clear = opened.secrets.reveal(value, key=name)
        described = {"value": as_text(clear), "secret": secret}
        if is_structured(clear):
            described["objectValue"] = clear
    elif is_structured(value) and holds_ciphertext(value):
        # What is not encrypted in it may be seen.
        described["value"] = as_text(replace_ciphertexts(value, lambda _: MASK))
    return described


def _guard_secret(opened: _Opened, name: str, inner: paths.Path, *, key: str, storage: Storage) -> None:
    """A value that was encrypted, or must be, does not get into a file in clear by oversight."""
    found, before = paths.get_at(opened.file.values.get(name), inner)
    declared = any(one.secret and one.name == name for one in opened.manifest.declarations)
    if not storage.secret and not storage.plaintext and ((found and holds_ciphertext(before)) or declared):
        raise InputError(
            f"{key} is a secret", resolution="add --secret, or --plaintext to keep it in clear from now on"
        )


def _read_value(key: str, terminal: Terminal, *, hidden: bool) -> str:
    """The value from a pipe, without its last line end, or from somebody at the terminal."""
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if hidden:
        return getpass.getpass(f"Value of {key}: ")
    terminal.err.write(f"Value of {escape(key)}: ")
    terminal.err.flush()
    return sys.stdin.readline().removesuffix("\n")
