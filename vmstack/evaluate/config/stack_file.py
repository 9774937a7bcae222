"""`Pulumi.<stack>.yaml`: what a stack's file says, and writing it as Pulumi would read it."""

import contextlib
import copy
import itertools
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

from vmstack.errors import InputError
from vmstack.evaluate.config import paths
from vmstack.evaluate.config.editing import edit_text
from vmstack.evaluate.config.loader import find_file, parse_document, read_text
from vmstack.evaluate.config.secrets import SALT, Ask, StackSecrets
from vmstack.evaluate.config.values import Tree, qualify, qualify_all, read_tree, short_key, write_tree

_CONFIG: Final = "config"
_NEW_MODE: Final = 0o666


class StackFile:
    """The settings file of one stack; one that does not exist yet is empty."""

    def __init__(self, folder: Path, *, stack: str, project: str) -> None:
        """Read the file. Raises `InputError` for anything in it that is wrong or not supported."""
        self.stack = stack
        found = find_file(folder, stem=f"Pulumi.{stack}")
        self.path = found or folder / f"Pulumi.{stack}.yaml"
        self.exists = found is not None
        self._project = project
        self._text = read_text(self.path) if found else ""
        self._document = parse_document(self._text, path=self.path)
        if self._document.get("environment"):
            raise InputError(
                f"{self.path}: environments of Pulumi ESC are not supported",
                resolution="put the values under 'config:'",
            )
        config = self._document.get(_CONFIG)
        if not isinstance(config, dict | None):
            raise InputError(f"{self.path}: config is not a mapping of keys to values")
        raw = qualify_all(config or {}, project=project, what=f"{self.path}: config")
        self.values: dict[str, Tree] = {
            name: read_tree(value, what=f"{self.path}: {short_key(name, project=project)}")
            for name, value in raw.items()
        }
        for name, value in self.values.items():
            if value is None:
                raise InputError(f"{self.path}: {short_key(name, project=project)} has no value")

    def secrets(self, *, ask: Ask | None = None) -> StackSecrets:
        """What opens and makes the file's encrypted values."""
        return StackSecrets(self._document, path=self.path, ask=ask)

    def put(self, name: str, inner: paths.Path, value: Tree, *, salt: str = "") -> None:
        """Set a key, or what is at `inner` in its value, and `encryptionsalt` where one is given; then write the file.

        Raises `InputError`, and then the file is as it was.
        """
        wanted = copy.deepcopy(self._document)
        text = self._text
        if salt and salt != self._document.get(SALT):
            wanted[SALT] = salt
            text = self._edit(text, wanted=wanted, changed=[SALT])
        tree = paths.set_at(
            self.values.get(name), inner, value, what=f"{self.path}: {short_key(name, project=self._project)}"
        )
        key = self._spelling(name)
        config = dict(wanted.get(_CONFIG) or {})
        config[key] = write_tree(tree)
        wanted[_CONFIG] = config
        self._write(self._edit(text, wanted=wanted, changed=[_CONFIG, key, *_names(inner)]))

    def remove(self, name: str, inner: paths.Path) -> bool:
        """Remove a key, or what is at `inner` in its value, and write the file; tell whether it was there."""
        if name not in self.values or not paths.get_at(self.values[name], inner)[0]:
            return False
        wanted = copy.deepcopy(self._document)
        key = self._spelling(name)
        if inner:
            tree = paths.remove_at(self.values[name], inner)
            if read_tree(write_tree(tree), what=key) != tree:
                raise InputError(f"{self.path}: {key}: what is left would be taken for an encrypted value")
            wanted[_CONFIG][key] = write_tree(tree)
        else:
            del wanted[_CONFIG][key]
        self._write(self._edit(self._text, wanted=wanted, changed=[_CONFIG, key, *_names(inner)]))
        return True

    def _what(self, name: str) -> str:
        return f"{self.path}: {short_key(name, project=self._project)}"

    def _spelling(self, name: str) -> str:
        """The key as the file has it, with or without its namespace; with it where it is new, as Pulumi writes it."""
        config = self._document.get(_CONFIG) or {}
        return next((key for key in config if qualify(key, project=self._project, what="config") == name), name)

    def _edit(self, text: str, *, wanted: dict[str, Any], changed: list[str]) -> str:
        if self.path.suffix == ".json":
            return json.dumps(wanted, indent=4, ensure_ascii=False) + "\n"
        return edit_text(text, wanted=wanted, changed=changed, path=self.path)

    def _write(self, text: str) -> None:
        """Put a new file in the old one's place at once, with the same mode and owner; a link stays one."""
        target = self.path.resolve()
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        try:
            before = target.stat() if target.exists() else None
            mode = _NEW_MODE if before is None else stat.S_IMODE(before.st_mode)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    if before is not None:
                        with contextlib.suppress(PermissionError):
                            os.fchown(descriptor, before.st_uid, before.st_gid)
                        os.fchmod(descriptor, mode)  # the umask took some of it away
                    file.write(text.encode())
                    file.flush()
                    os.fsync(descriptor)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from None


def _names(inner: paths.Path) -> list[str]:
    """The leading steps of a path that are keys: only mappings are changed in place, lists are written anew."""
    return list(itertools.takewhile(lambda step: isinstance(step, str), inner))  # type: ignore[arg-type]
