"""Where in the stack program something happened."""

import functools
import os
import sys
import sysconfig
import types
from pathlib import Path
from typing import Final

import vmstack
from vmstack.errors import Place, VmstackError
from vmstack.evaluate.session import SESSION

_PACKAGE: Final = str(Path(vmstack.__file__).parent) + os.sep
_LIBRARIES: Final = tuple(
    folder + os.sep
    for folder in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    if folder
)


@functools.cache
def is_ours(filename: str) -> bool:
    """Tell whether a code file belongs to vmstack, Pulumi or the interpreter's own machinery."""
    pulumi = sys.modules.get("pulumi")
    if pulumi is not None and filename.startswith(str(Path(str(pulumi.__file__)).parent) + os.sep):
        return True
    return filename.startswith((_PACKAGE, "<"))


def is_library(filename: str) -> bool:
    """Tell whether a code file is installed: the standard library or a package, and so not the user's own."""
    return filename.startswith((*_LIBRARIES, _PACKAGE, "<"))


def show_path(filename: str) -> str:
    """Return a path as the user knows it: relative to where they stand, when it is below."""
    session = SESSION.get()
    origin = str(session.origin) if session else str(Path.cwd())
    return filename[len(origin) :].lstrip(os.sep) if filename.startswith(origin.rstrip(os.sep) + os.sep) else filename


def find_place() -> Place | None:
    """Return the position of the nearest caller that is neither vmstack nor Pulumi."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` would import much more
    while frame is not None:
        if not is_ours(frame.f_code.co_filename):
            return Place(show_path(frame.f_code.co_filename), frame.f_lineno)
        frame = frame.f_back
    return None


def find_caller() -> Place | None:
    """Return the position of the nearest caller in the user's own code, wherever the call went through since."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - as above
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_ours(name) and not is_library(name):
            own = name.startswith(str(Path.cwd()) + os.sep)  # what runs vmstack itself is not the program
            return Place(show_path(name), frame.f_lineno) if own else None
        frame = frame.f_back
    return None


def locate(error: VmstackError, *, subject: str | None = None) -> None:
    """Give an error that has no place yet the caller's, and say which resource it is about."""
    if error.place is not None:
        return
    error.place = find_place()
    if subject and not error.brief.startswith(f"{subject} "):
        error.brief = f"{subject}: {error.brief}"
