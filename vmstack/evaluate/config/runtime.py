"""`runtime` of `Pulumi.yaml`: the options of Pulumi's Python host, as far as they mean something here."""

import sys
from pathlib import Path
from typing import Final

from vmstack.errors import InputError
from vmstack.model.base import Data

_TOOLCHAINS: Final = ("pip", "poetry", "uv")
_CHECKERS: Final = ("mypy", "pyright")


class Runtime(Data, frozen=True, kw_only=True):
    """What a program's runtime options lead to. `libraries` are further folders to import from."""

    libraries: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def read_runtime(runtime: object, *, folder: Path, path: Path) -> Runtime:
    """Read `runtime`, a name or a mapping with `name` and `options`. Raises `InputError`.

    vmstack is the interpreter of the program, so `virtualenv` only adds what is installed there; a type checker is not
    run. Unknown options have no effect, as in Pulumi.
    """
    name = runtime.get("name") if isinstance(runtime, dict) else runtime
    if name != "python":
        raise InputError(
            f"{path}: the runtime is {name!r}", resolution="vmstack runs Python programs: 'runtime: python'"
        )
    options = runtime.get("options") if isinstance(runtime, dict) else None
    if options is None:
        return Runtime()
    if not isinstance(options, dict):
        raise InputError(f"{path}: the options of the runtime are not a mapping")
    toolchain = _choose(options, "toolchain", _TOOLCHAINS, path=path)
    checker = _choose(options, "typechecker", _CHECKERS, path=path)
    notes = [f"{path}: typechecker: vmstack does not run {checker}; run it on its own"] if checker else []
    wanted = options.get("virtualenv")
    if wanted is not None and not isinstance(wanted, str):
        raise InputError(f"{path}: virtualenv is not a path")
    environment = folder / (wanted or ".venv") if wanted or toolchain == "uv" else None
    if environment is None or not environment.is_dir() or environment.resolve() == Path(sys.prefix).resolve():
        return Runtime(notes=tuple(notes))
    libraries = environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if libraries.is_dir():
        return Runtime(libraries=(libraries.resolve(),), notes=tuple(notes))
    notes.append(
        f"{path}: the virtual environment {wanted or '.venv'} is not for Python "
        f"{sys.version_info.major}.{sys.version_info.minor}, which vmstack runs on; it is not used"
    )
    return Runtime(notes=tuple(notes))


def _choose(options: dict[object, object], name: str, known: tuple[str, ...], *, path: Path) -> str | None:
    value = options.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{path}: {name} {value!r} is not known", resolution=f"one of {', '.join(known)}")
    return value
