"""What all native resources have in common."""

import difflib
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ClassVar, Final, ParamSpec, TypeVar, cast

from vmstack.errors import InputError, Place, VmstackError
from vmstack.evaluate.engine.inputs import NotKnownError, settle, settle_arguments
from vmstack.evaluate.places import find_place, locate
from vmstack.evaluate.recorder import Entry, Recorder, Wishes
from vmstack.evaluate.session import SESSION, current
from vmstack.model.identity import Key, Kind, derive_uuid
from vmstack.model.specs import Spec
from vmstack.model.text import check_name

# What a resource that waits can tell nevertheless.
_KNOWN: Final = frozenset({"key", "kind", "name", "recorder", "urn"})
P = ParamSpec("P")
R = TypeVar("R")


class Native:
    """A native resource: recorded when it is made, with attributes that are known at once.

    One that is given a value which is not known yet waits: it is not recorded, and its attributes are outputs.
    """

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
    error carries the place of the call in the stack program and the resource's address. What is given a value that is
    not known yet waits for it.

    Every error is noted, too: a program that catches it has not said all that it wants."""
    owner = function.__qualname__.removesuffix(".__init__")
    secrets_welcome = owner.startswith(("CloudInit", "Graphics"))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if "pulumi" not in sys.modules:
                return function(*args, **kwargs)
            try:
                known, named = settle_arguments(args, kwargs, secrets_welcome=secrets_welcome)
                return function(*known, **named)
            except NotKnownError as error:
                return cast(R, _wait(function, args, kwargs, error=error))
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


def _wait(function: Callable[..., Any], args: Any, kwargs: Any, *, error: NotKnownError) -> Any:
    """Leave for later what was called, and return what stands for it. Raises the error where that cannot be."""
    recorder = SESSION.get()
    if recorder is None:
        raise error
    if recorder.waits(args[0]) or function.__name__ != "__init__":
        return make_unknown(f"what {function.__name__}() returns")
    thing, name = args[0], args[1] if len(args) > 1 else kwargs.get("name")
    if not isinstance(thing, Native):
        recorder.defer(thing)
        return None
    if thing.kind is Kind.HOST:
        recorder.need_all(find_place())
        raise error
    Native.__init__(thing, settle(name, field="name"))
    recorder.check_free(thing.key)
    recorder.defer(thing, key=thing.key, what=error.path, parent=getattr(kwargs.get("opts"), "parent", None))
    # `Native` hides `__class__`, which is assigned to here as `thing.__class__ = ...` would.
    vars(object)["__class__"].__set__(thing, _waiting(type(thing)))  # type: ignore[arg-type]
    return None


@functools.cache
def _waiting(kind: type[Native]) -> type[Native]:
    """The class of resources of a kind that wait: what their constructor would have set is not known."""

    def get(self: Native, name: str) -> Any:
        known = name in _KNOWN or name.startswith("_") or inspect.isroutine(getattr(kind, name, get))
        return object.__getattribute__(self, name) if known else make_unknown(f"{self.key}: its {name}")

    return type(kind.__name__, (kind,), {"__slots__": (), "__getattribute__": get})


def make_unknown(what: str) -> Any:
    """An output that is not known yet."""
    from vmstack.evaluate.engine.unknown import Unknown

    return Unknown(what)


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
    parameters = [item for item in inspect.signature(function).parameters.values() if item.name not in ("self", "cls")]
    known = [item.name for item in parameters]
    for name in kwargs:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            return InputError(
                f"{owner}: there is no argument {name!r}", resolution=f"{hint}arguments are {', '.join(known)}"
            )
    placed = [item.name for item in parameters if item.kind is not item.KEYWORD_ONLY]
    how = f"all but {' and '.join(placed)} are given by name" if placed else f"all are given by name: {known[0]}=..."
    if placed and len(placed) == len(known):
        how = "each may be given by name"
    text = str(error).replace(".__init__()", "()")
    if "positional argument" in text and "were given" in text:
        text = f"{owner}: too many arguments without a name"
    return InputError(text, resolution=f"arguments are {', '.join(known)}; {how}")
