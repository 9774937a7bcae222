"""What all native resources have in common."""

import difflib
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from vmstack.errors import InputError, Place, VmstackError
from vmstack.evaluate.engine.inputs import settle_arguments
from vmstack.evaluate.places import find_place, locate
from vmstack.evaluate.recorder import Entry, Recorder, Wishes
from vmstack.evaluate.session import SESSION, current
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.specs import Spec
from vmstack.model.text import check_name

P = ParamSpec("P")
R = TypeVar("R")


class Native:
    """A native resource: recorded when it is made, with attributes that are known at once."""

    __slots__ = ("key", "recorder")

    kind: ClassVar[Kind]
    key: Key

    def __init__(self, name: object) -> None:
        self.recorder: Recorder = current(f"{type(self).__name__}({name!r})")
        self.key = Key(self.kind, check_name(name, field="name"))

    # `ResourceOptions` accepts only what `isinstance` takes for a `pulumi.Resource` in `depends_on`; natives are
    # resources to it without the price of importing Pulumi where a program does not.
    @property  # type: ignore[misc]  # typeshed declares `__class__` as settable
    def __class__(self) -> type[Any]:
        pulumi = sys.modules.get("pulumi")
        resource: type[Any] | None = getattr(pulumi, "Resource", None)
        return type(self) if resource is None else resource

    def __repr__(self) -> str:
        return f"<{self.key}>"

    @property
    def name(self) -> str:
        """The logical name."""
        return self.key.name

    @property
    def urn(self) -> Any:
        """The resource's name for Pulumi's own bookkeeping (an Output)."""
        from vmstack.evaluate.engine.inputs import make_output

        return make_output(f"urn:vmstack:{self.recorder.stack.path(self.key)}")

    def _uuid(self) -> str:
        return derive_uuid(self.recorder.stack, self.key)

    def record(
        self,
        spec: Spec,
        *,
        needs: tuple[Key, ...],
        wishes: Wishes,
        finish: Callable[[Spec], Spec] | None = None,
    ) -> Place | None:
        place = find_place()
        self.recorder.add(Entry(self.key, spec, needs, wishes, place, finish))
        return place


def validated(function: Callable[P, R]) -> Callable[P, R]:
    """Make a constructor or method of the vocabulary: Pulumi outputs among its arguments are resolved, and every
    error carries the place of the call in the stack program and the resource's address.

    Every error is noted, too: a program that catches it has not said all that it wants."""
    owner = function.__qualname__.removesuffix(".__init__")
    secrets_welcome = owner.startswith(("CloudInit", "Graphics"))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if "pulumi" in sys.modules:
                known, named = settle_arguments(args, kwargs, secrets_welcome=secrets_welcome)
                return function(*known, **named)
            return function(*args, **kwargs)
        except VmstackError as error:
            locate(error, subject=_subject(owner, args))
            _note(error)
            raise
        except TypeError as error:
            # Raised by the call itself, not by anything inside it.
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                wrong = _explain_call(function, owner=owner, kwargs=kwargs, error=error)
                locate(wrong)
                _note(wrong)
                raise wrong from None
            raise

    return call


def _note(error: VmstackError) -> None:
    recorder = SESSION.get()
    if recorder is not None:
        recorder.note_error(error)


def _subject(owner: str, args: tuple[object, ...]) -> str:
    subject = args[0] if args else None
    kind = getattr(type(subject), "kind", None)
    if isinstance(kind, Kind):
        key = getattr(subject, "key", None)
        name = key.name if key is not None else args[1] if len(args) > 1 else None
        if isinstance(name, str) and name.isprintable():
            return f"{kind.value}.{name}"
    return owner


def _explain_call(
    function: Callable[..., object], *, owner: str, kwargs: dict[str, Any], error: TypeError
) -> InputError:
    known = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    for name in kwargs:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            return InputError(
                f"{owner}: there is no argument {name!r}", resolution=f"{hint}arguments are {', '.join(known)}"
            )
    text = str(error).replace(".__init__()", "()")
    return InputError(text, resolution=f"arguments are {', '.join(known)}; all but the first are given by name")
