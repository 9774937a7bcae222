"""What went wrong inside of a stack program, told by places in the program."""

import difflib
import re
import traceback
from pathlib import Path
from typing import Final

import vmstack
from vmstack.errors import ErrorGroup, InputError, Place, ProgramError, VmstackError
from vmstack.evaluate.places import is_library, is_ours, show_path
from vmstack.evaluate.recorder import Recorder
from vmstack.model.facts import Question
from vmstack.model.specs import HostSpec
from vmstack.model.text import with_article

_CONFIG_ERRORS: Final = ("ConfigMissingError", "ConfigTypeError")


class FactsWantedError(InputError):
    """The program cannot go on before a host has answered: evaluate it again with the answers to `questions`.

    `hosts` are those that the program has named so far.
    """

    def __init__(self, questions: tuple[Question, ...], *, hosts: tuple[HostSpec, ...], place: Place | None) -> None:
        super().__init__(
            f"the program asks a host about {questions[0]}, and no host is asked here",
            details=[f"it also asks about {question}" for question in questions[1:]],
            resolution="use a command that connects to the hosts, such as 'vmstack plan'",
            place=place,
        )
        self.questions = questions
        self.hosts = hosts


def check_wanted(recorder: Recorder) -> None:
    """Raise `FactsWantedError` if the program went on without something that it needs."""
    if not recorder.wanted:
        return
    specs = {entry.spec.uri: entry.spec for entry in recorder.entries.values() if isinstance(entry.spec, HostSpec)}
    for uri in sorted({recorder.connect} if recorder.connect else recorder.uris):
        if uri is not None:
            specs.setdefault(uri, HostSpec(name=uri, uri=uri))
    raise FactsWantedError(
        tuple(sorted(recorder.wanted)),
        hosts=tuple(specs[uri] for uri in sorted(specs)),
        place=next(iter(recorder.wanted.values())),
    )


def explain_failure(
    error: BaseException, *, folder: Path, project: str, what: str = "the stack program"
) -> VmstackError:
    """Turn what a program (or `what` of it) raised into an error with its own frames, without those of libraries."""
    kind = type(error).__name__
    if kind in _CONFIG_ERRORS and type(error).__module__ == "pulumi.config":
        return _explain_config(error, folder=folder, project=project)
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
        brief = f"{what} ended itself with sys.exit({code!r})"
        resolution = "let it run to its end: a program that stops half-way has not said what it wants"
    elif isinstance(error, SyntaxError):
        brief = f"{what} is not valid Python: {error.msg}"
        resolution = None
    else:
        text = str(error).strip()
        resolution = _way_on(error)
        brief = f"{what} failed: {kind}: {text}" if text else f"{what} failed: {kind}"
    frames = _own_frames(error, folder=folder)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place: Place | None = Place(show_path(error.filename), error.lineno)
        details = [f"imported at {frame}" for frame, _ in reversed(frames)]
    else:
        place = frames[-1][0] if frames else None
        callers = [caller for caller, _ in frames[:-1]]
        names = [name for _, name in frames[1:]]
        details = [f"in {name}, called at {caller}" for caller, name in zip(callers, names, strict=True)][::-1]
    if error.__cause__ is not None and not isinstance(error, SystemExit):
        details.append(f"because of {type(error.__cause__).__name__}: {str(error.__cause__).strip()}")
    return ProgramError(brief, details=details, resolution=resolution, place=place)


def _way_on(error: BaseException) -> str | None:
    """What to do about what commonly goes wrong."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return (
            f"install what has it where vmstack is installed (often: pip install {package}), "
            "or name a virtualenv that has it in Pulumi.yaml (runtime: options: virtualenv)"
        )
    if isinstance(error, ImportError) and error.name == vmstack.__name__:
        missing = re.search(r"cannot import name '(\w+)'", str(error))
        return _vocabulary(missing[1] if missing else "")
    if isinstance(error, AttributeError) and error.obj is vmstack:
        return _vocabulary(error.name)
    return None


def _vocabulary(missing: str | None) -> str:
    close = difflib.get_close_matches(missing or "", vmstack.__all__, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}vmstack has {', '.join(vmstack.__all__)}"


def _explain_config(error: BaseException, *, folder: Path, project: str) -> InputError:
    """A value of the configuration that is not there, or not of the type that the program asks for.

    The SDK's own texts name commands of Pulumi, and quote the value, which may be a secret.
    """
    key = str(getattr(error, "key", ""))
    name = key.removeprefix(f"{project}:")
    frames = _own_frames(error, folder=folder)
    place = frames[-1][0] if frames else None
    wanted = getattr(error, "expect_type", None)
    if wanted is not None:
        return InputError(
            f"the configuration value {key} is not {with_article(str(wanted))}",
            resolution=f"see what it is with: vmstack config get {name}; set another: vmstack config set {name} VALUE",
            place=place,
        )
    secret = " --secret" if getattr(error, "secret", False) else ""
    return InputError(
        f"the configuration value {key} is missing",
        resolution=f"set it: vmstack config set{secret} {name} VALUE",
        place=place,
    )


def place_failure(error: VmstackError, *, folder: Path) -> None:
    """Give an error that reached the end of the program without a place the program's own last line."""
    frames = _own_frames(error, folder=folder)
    if error.place is None and frames and not isinstance(error, ErrorGroup):
        error.place = frames[-1][0]


def _own_frames(error: BaseException, *, folder: Path) -> list[tuple[Place, str]]:
    """The program's frames and what each is in; not their lines of code, which may hold a password."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__, limit=None):
        own = frame.filename.startswith(str(folder)) and "site-packages" not in frame.filename
        if not own and (is_ours(frame.filename) or is_library(frame.filename)):
            continue
        where = "the program" if frame.name == "<module>" else f"{frame.name}()"
        found.append((Place(show_path(frame.filename), frame.lineno or 1), where))
    return found
