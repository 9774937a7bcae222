"""The one error tree: what went wrong, where, and what to do about it.

Every failure that a user can meet is a `VmstackError`. `brief` is one sentence; `details` are further facts, a line
each; `resolution` says what to do; `place` is the file and line of the stack program where there is one.
Two moods: a `PermanentError` will fail again unchanged, a `TemporaryError` may succeed when tried again.
"""

from collections.abc import Iterable
from typing import NamedTuple

EXIT_DONE = 0
EXIT_ERROR = 1
EXIT_DIFFERENCES = 2
EXIT_PARTIAL = 3
EXIT_LOCKED = 4
EXIT_REFUSED = 5
EXIT_STALE = 6
EXIT_INTERRUPTED = 130


class Place(NamedTuple):
    """A position in a stack program: file path as the user knows it, line from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class VmstackError(Exception):
    """The root of all failures that vmstack reports; never shown as a traceback."""

    exit_code: int = EXIT_ERROR

    def __init__(
        self,
        brief: str,
        *,
        details: Iterable[str] = (),
        resolution: str | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(brief)
        self.brief = brief
        self.details = tuple(details)
        self.resolution = resolution
        self.place = place

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.brief}" if self.place else self.brief]
        lines += [f"  {line}" for line in self.details]
        if self.resolution:
            lines.append(f"  To go on: {self.resolution}")
        return "\n".join(lines)


class PermanentError(VmstackError):
    """Trying again without a change is useless."""


class TemporaryError(VmstackError):
    """The same call may succeed later."""


class InputError(PermanentError):
    """A value in the stack program, its configuration or the command line is wrong."""


class ProgramError(PermanentError):
    """The stack program raised, exited or defined nothing; nothing may be planned from it."""


class ConflictError(PermanentError):
    """Two wishes contradict each other, or a wanted name belongs to a foreign object."""


class ImageError(PermanentError):
    """An image is missing, has the wrong digest or format, or is not safe to open."""


class DocumentError(PermanentError):
    """XML, YAML or JSON from outside is malformed, hostile or not what it must be."""


class HostError(PermanentError):
    """libvirt refused a call for a reason that will not go away by itself."""


class NotFoundError(HostError):
    """The named object does not exist on the host."""


class ExistsError(HostError):
    """An object of that name or UUID exists on the host already."""


class PermissionDeniedError(HostError):
    """libvirt is there and does not let us."""


class HostUnreachableError(TemporaryError):
    """No connection to libvirt; what the host holds is unknown, not empty."""


class HostBusyError(TemporaryError):
    """libvirt is busy with the object (for example a pool with asynchronous jobs)."""


class LockedError(TemporaryError):
    """Another apply holds the stack's lock."""

    exit_code = EXIT_LOCKED


class RefusedError(PermanentError):
    """A policy refuses the plan: protect, the disruption gate, or data loss that was not allowed."""

    exit_code = EXIT_REFUSED


class UnallowedLossError(RefusedError):
    """The plan would lose data, and nobody allowed it: the plan is whole otherwise, and can be shown."""


class StalePlanError(PermanentError):
    """A touched object moved since it was observed."""

    exit_code = EXIT_STALE


class GuestError(PermanentError):
    """A guest did not become ready: a timeout, or cloud-init reported errors."""


class PartialApplyError(PermanentError):
    """Apply did some of the plan and not all of it."""

    exit_code = EXIT_PARTIAL


class InterruptedApplyError(PermanentError):
    """The user interrupted apply."""

    exit_code = EXIT_INTERRUPTED


class InternalError(PermanentError):
    """vmstack broke a promise to itself, for example a plan that fails its own validity check."""


class ErrorGroup(PermanentError):
    """Several failures found together, so that a user can mend all of them at once."""

    def __init__(self, errors: Iterable[VmstackError]) -> None:
        self.errors = tuple(errors)
        self.exit_code = self.errors[0].exit_code
        super().__init__(f"{len(self.errors)} problems were found")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def flatten(error: VmstackError) -> list[VmstackError]:
    """The single failures in an error, groups taken apart."""
    if isinstance(error, ErrorGroup):
        return [single for part in error.errors for single in flatten(part)]
    return [error]


def raise_all(errors: Iterable[VmstackError]) -> None:
    """Raise nothing for no errors, the error itself for one, and an `ErrorGroup` for more."""
    found = tuple(errors)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ErrorGroup(found)
