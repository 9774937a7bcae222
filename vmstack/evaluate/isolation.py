"""Running a program inside of this process as if it had one of its own."""

import builtins
import contextlib
import importlib
import os
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

from vmstack.errors import InputError

# Working directory, sys.path and sys.modules belong to the process: one program at a time.
_TURN: Final = threading.RLock()


class PulumiWantedError(BaseException):
    """The program imports Pulumi, and the runtime is not set up. No `Exception`: programs must not catch it."""


class _Tripwire(MetaPathFinder):
    """Notices the first import of Pulumi."""

    def __init__(self) -> None:
        self.touched = False

    def find_spec(
        self, fullname: str, path: object = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pulumi":
            self.touched = True
            raise PulumiWantedError
        return None


@contextlib.contextmanager
def isolated(folder: Path, *, main: Path, libraries: Sequence[Path] = ()) -> Iterator[None]:
    """Make the process look like one that runs `main`, and put everything back afterwards.

    The program stands in `folder` and imports from there first; what it imports from there is forgotten, so that the
    next evaluation runs it again. `libraries` are searched last. What it prints goes to stderr: stdout belongs to
    vmstack's own answer.
    """
    with _TURN, contextlib.ExitStack() as stack:
        try:
            stack.enter_context(contextlib.chdir(folder))
        except OSError as error:
            raise InputError(f"{folder} cannot be entered: {error.strerror}") from None
        stack.callback(_restore_list, sys.path, list(sys.path))
        stack.callback(_restore_list, sys.argv, list(sys.argv))
        stack.callback(_restore_environment, dict(os.environ))
        stack.callback(setattr, sys, "dont_write_bytecode", sys.dont_write_bytecode)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        own = _own_names(main.parent)
        hidden = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in own}
        known = set(sys.modules)
        stack.callback(_restore_modules, hidden, known=known, folder=folder)
        for name in hidden:
            del sys.modules[name]
        # Libraries import `__main__`; without one they would find, and run, the program's file.
        sys.modules["__main__"] = types.ModuleType("__main__")
        # An edit within the same second would otherwise find the stale compiled file.
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        sys.path.insert(0, str(main.parent))
        sys.path.extend(map(str, libraries))
        sys.argv[:] = [str(main)]
        yield


def execute(main: Path) -> types.ModuleType:
    """Run a file as `__main__` and return the module; the caller keeps it for as long as callbacks may run."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=str(main), __builtins__=builtins)
    sys.modules["__main__"] = module
    code = compile(main.read_bytes(), str(main), "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - the stack program is trusted code, as any Pulumi program
    return module


@contextlib.contextmanager
def tripwire() -> Iterator[None]:
    """Raise `PulumiWantedError` as soon as the code inside imports Pulumi (or has tried to and hid the failure)."""
    wire = _Tripwire()
    sys.meta_path.insert(0, wire)
    try:
        yield
    finally:
        sys.meta_path.remove(wire)
        if wire.touched:
            raise PulumiWantedError


def _own_names(folder: Path) -> frozenset[str]:
    """The modules of a project, of which others of the same names that are loaded already must not be taken."""
    files = {path.stem for path in folder.glob("*.py")}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return frozenset((files | packages | {"__main__"}) - sys.stdlib_module_names - {"vmstack", "pulumi"})


def _restore_list(place: list[str], before: list[str]) -> None:
    place[:] = before


def _restore_environment(before: dict[str, str]) -> None:
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def _restore_modules(hidden: dict[str, types.ModuleType], *, known: set[str], folder: Path) -> None:
    prefix = str(folder) + os.sep
    for name in set(sys.modules) - known | set(hidden):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None) or ""
        # A namespace package has no file, only places.
        places = [file] if file else [str(place) for place in getattr(module, "__path__", ())]
        if name in hidden or any(place.startswith(prefix) and "site-packages" not in place for place in places):
            sys.modules.pop(name, None)
    sys.modules.update(hidden)
