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
from typing import Final, TextIO

from vmstack.errors import InputError

# Working directory, sys.path and sys.modules belong to the process: one program at a time.
_TURN: Final = threading.RLock()
_STDOUT: Final = 1
_STDERR: Final = 2


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


class Habitat:
    """The process as one program sees it, which is entered to run it, and again for what it leaves behind to be run.

    It imports from the folder of `main` first and of `libraries` last, stands in that folder, and has its own copies
    of its modules. Entered again, it finds modules, search path and environment as it left them.
    """

    def __init__(self, main: Path, *, libraries: Sequence[Path] = ()) -> None:
        self._main = main
        self._libraries = libraries
        self._modules: dict[str, types.ModuleType] = {}
        self._path: list[str] | None = None
        self._environment: dict[str, str] | None = None

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make the process look so, and put everything back afterwards. Others wait for their turn meanwhile.

        What is printed goes to stderr, that of child processes too: stdout belongs to vmstack's own answer.
        """
        folder = self._main.parent
        with _TURN, contextlib.ExitStack() as stack:
            try:
                stack.enter_context(contextlib.chdir(folder))
            except OSError as error:
                raise InputError(f"{folder} cannot be entered: {error.strerror}") from None
            stack.enter_context(_silenced())
            stack.callback(_restore_list, sys.path, list(sys.path))
            stack.callback(_restore_list, sys.argv, list(sys.argv))
            stack.callback(_restore_environment, dict(os.environ))
            stack.callback(setattr, sys, "dont_write_bytecode", sys.dont_write_bytecode)
            own = _own_names(folder) | set(self._modules)
            hidden = {name: module for name, module in list(sys.modules.items()) if name.partition(".")[0] in own}
            stack.callback(self._leave, hidden, known=set(sys.modules))
            for name in hidden:
                del sys.modules[name]
            # Libraries import `__main__`; without one they would find, and run, the program's file.
            sys.modules["__main__"] = types.ModuleType("__main__")
            sys.modules.update(self._modules)
            # An edit within the same second would otherwise find the stale compiled file.
            sys.dont_write_bytecode = True
            importlib.invalidate_caches()
            sys.path[:] = self._path or [str(folder), *sys.path, *map(str, self._libraries)]
            if self._environment is not None:
                _restore_environment(self._environment)
            sys.argv[:] = [str(self._main)]
            yield

    def forget_modules(self) -> None:
        """Let go of all that the program's modules hold: nothing of it is going to be run again."""
        self._modules.clear()

    def _leave(self, hidden: dict[str, types.ModuleType], *, known: set[str]) -> None:
        """Take the program's modules out of the process, and keep them with its search path and environment."""
        self._path, self._environment = list(sys.path), dict(os.environ)
        prefix = str(self._main.parent) + os.sep
        for name in set(sys.modules) - known | set(hidden) | set(self._modules):
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None) or ""
            # A namespace package has no file, only places.
            places = [file] if file else [str(place) for place in getattr(module, "__path__", ())]
            inside = any(place.startswith(prefix) and "site-packages" not in place for place in places)
            if module is not None and (inside or name in hidden or name in self._modules):
                self._modules[name] = sys.modules.pop(name)
        sys.modules.update(hidden)


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
    """Change only what differs: other threads look at the rest meanwhile."""
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Have what is printed go to stderr, here and in the child processes that are begun meanwhile.

    Thread-safe as long as others write by a descriptor of their own (`cli/terminal.py`).
    """
    printed = sys.__stdout__  # some print past `sys.stdout`
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # which is closed: there is nothing to keep clean
            own = os.dup(_STDOUT)
            stack.callback(os.close, own)
            _flush(printed)
            _divert(_STDOUT)
            stack.callback(os.dup2, own, _STDOUT)
            stack.callback(_flush, printed)
        yield


def _divert(descriptor: int) -> None:
    """Have a descriptor write to stderr, or nowhere where that is closed."""
    try:
        os.dup2(_STDERR, descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _flush(stream: TextIO | None) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed, or a pipe that nobody reads any more
        if stream is not None:
            stream.flush()
