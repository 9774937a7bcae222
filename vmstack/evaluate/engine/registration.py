"""What a stack program said about one resource, decoded; and what somebody must answer to it."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, get_args
from urllib.parse import unquote, urlsplit

from vmstack.errors import InputError, Place
from vmstack.evaluate.engine.values import decode_struct, decode_value
from vmstack.evaluate.places import show_path
from vmstack.model.hooks import HookEvent

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|m|s))+")
_EVENTS: Final[tuple[HookEvent, ...]] = get_args(HookEvent)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclasses.dataclass(frozen=True, slots=True)
class Registration:
    """One custom resource. `aliases` are former logical names.

    `parent`, `provider`, `dependencies` and `replace_with` are URNs.

    `provider` is empty for the package's default provider. `timeouts` are seconds by operation (create, delete, ...).
    `hooks` are events and the names of functions.
    """

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    protect: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    hide_diffs: tuple[str, ...] = ()
    retain: bool = False
    import_id: str = ""
    replace_on_changes: tuple[str, ...] = ()
    replacement_trigger: Any = None
    replace_with: tuple[str, ...] = ()
    timeouts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    hooks: tuple[tuple[HookEvent, str], ...] = ()
    place: Place | None = None

    @property
    def title(self) -> str:
        """How errors call it."""
        return f"{self.type.rpartition(':')[2]} {self.name!r}"


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A resource's id and outputs (`None` ones are left out; unknown and secret ones are wrapped).

    Unless it is `whole`, outputs that are neither said here nor inputs are not known, nor is an empty id.
    """

    id: str
    outputs: Mapping[str, Any]
    whole: bool = True


class Package(Protocol):
    """Who knows the resources of a package. Everything raises `InputError` for what it cannot do."""

    def configure(self, registration: Registration) -> Answer:
        """An explicit provider."""

    def register(self, registration: Registration) -> Answer:
        """A resource to have."""

    def read(self, registration: Registration, *, id: str) -> Answer:
        """A resource that is there already."""

    def invoke(
        self, token: str, arguments: Mapping[str, Any], *, provider: str, place: Place | None
    ) -> Mapping[str, Any] | None:
        """A function; `None` where its result is not known."""


def read_request(request: Any, *, urn: str) -> Registration:
    """Decode a `RegisterResourceRequest`. Raises `InputError` for options that would have no effect."""
    place = place_of(request)
    title = f"{request.type.rpartition(':')[2]} {request.name!r}"
    for option, why in _refused_options(request):
        raise InputError(f"{title}: the option {option} is not supported: {why}", place=place)
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        inputs=decode_struct(request.object),
        parent=request.parent,
        provider=request.provider.rpartition("::")[0],
        dependencies=tuple(sorted(set(request.dependencies))),
        protect=request.protect if request.HasField("protect") else None,
        ignore_changes=tuple(request.ignoreChanges),
        aliases=tuple(sorted(set(_former_names(request)))),
        hide_diffs=tuple(request.hideDiffs),
        retain=request.HasField("retainOnDelete") and request.retainOnDelete,
        import_id=request.importId,
        replace_on_changes=tuple(request.replaceOnChanges),
        replacement_trigger=decode_value(request.replacement_trigger),
        replace_with=tuple(sorted(set(request.replace_with))),
        timeouts=_timeouts(request, title=title, place=place),
        hooks=tuple((event, name) for event in _EVENTS for name in getattr(request.hooks, event)),
        place=place,
    )


def read_lookup(request: Any, *, urn: str) -> Registration:
    """Decode a `ReadResourceRequest`."""
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        inputs=decode_struct(request.properties),
        parent=request.parent,
        provider=request.provider.rpartition("::")[0],
        dependencies=tuple(sorted(set(request.dependencies))),
        place=place_of(request),
    )


def place_of(request: Any) -> Place | None:
    """Where the program made the resource, as the SDK found it."""
    position = getattr(request, "sourcePosition", None)
    if position is None or not position.uri:
        return None
    return Place(show_path(unquote(urlsplit(position.uri).path)), position.line)


def _refused_options(request: Any) -> Iterable[tuple[str, str]]:
    """Options that ask for something which would not happen.

    delete_before_replace, deleted_with and version are taken: replacing deletes first where it must, and all that goes
    is deleted by itself.
    """
    if request.state_migrations:
        yield "state_migrations", "there is no state"
    if request.envVarMappings:
        yield "env_var_mappings", "there is no provider process"


def _timeouts(request: Any, *, title: str, place: Place | None) -> dict[str, int]:
    """Go's durations (`1h30m`, `90s`) in whole seconds, rounded up."""
    found: dict[str, int] = {}
    for name in ("create", "update", "delete"):
        text = getattr(request.customTimeouts, name)
        if not text:
            continue
        if not _DURATION.fullmatch(text):
            raise InputError(
                f"{title}: custom_timeouts.{name}: {text!r} is not a duration",
                resolution='write it as "5m", "90s" or "1h30m"',
                place=place,
            )
        seconds = sum(float(part[1]) * _UNITS[part[2]] for part in _PART.finditer(text))
        found[name] = math.ceil(seconds)
    return found


def _former_names(request: Any) -> Iterable[str]:
    """The logical names in aliases of every form; parents and types play no role in identity here."""
    urns = [*request.aliasURNs]
    for alias in request.aliases:
        if alias.WhichOneof("alias") == "urn":
            urns.append(alias.urn)
        elif alias.spec.name:
            yield alias.spec.name
    yield from (urn.rpartition("::")[2] for urn in urns if urn)
