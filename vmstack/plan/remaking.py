"""What is made anew though it need not be: the options `replace_on_changes`, `replacement_trigger`, `replace_with`, and
`--replace` of the command line."""

from collections.abc import Iterable, Mapping
from typing import Final

from vmstack.errors import InputError, RefusedError, raise_all
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.identity import Key, Kind
from vmstack.model.specs import NetworkMode, NetworkSpec, VolumeSource, VolumeSpec
from vmstack.plan.context import Context
from vmstack.plan.ignore import ignored_fields, is_ignored
from vmstack.plan.patterns import match_keys
from vmstack.plan.policy import PlanPolicy

FieldTriple = tuple[str, object, object]
# The fields that stand for the program's wish to have something made anew, whatever it is like.
ASKED: Final = frozenset({"replacement_trigger", "replace_with", "--replace"})
_REMADE: Final = (Kind.VOLUME, Kind.NETWORK, Kind.VM)

# How a resource runs is no part of what it is; making it anew would change nothing about that.
_RUNNING: Final = frozenset({"power", "autostart"})


def asked_anew(key: Key, *, before: str | None, context: Context) -> tuple[FieldTriple, ...]:
    """The fields, as (path, before, after), for which an existing resource is made anew whatever it is like.

    `before` is the trigger as last applied. One that comes or goes changes nothing, as nothing says what it was.
    """
    fields: list[FieldTriple] = []
    after = context.catalog.options(key.kind, key.name).replacement_trigger
    if before is not None and after is not None and before != after:
        fields.append(("replacement_trigger", "as last applied", "another value"))
    if key in context.remade:
        fields.append(("--replace", "as it is", "made anew"))
    partners = context.followers.get(key, ())
    if partners:
        fields.append(("replace_with", "as it is", f"{', '.join(map(str, partners))} made anew"))
    return tuple(fields)


def named_changes(key: Key, paths: Iterable[str], *, context: Context) -> tuple[str, ...]:
    """Those of the changing fields whose change makes the resource anew (`replace_on_changes`)."""
    named = ignored_fields(context.catalog.options(key.kind, key.name).replace_on_changes)
    return tuple(path for path in paths if path not in _RUNNING and is_ignored(path, ignored=named))


def why_named(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The reason for that, if there are any."""
    return (f"replace_on_changes asks for it: {', '.join(paths)}.",) if paths else ()


def find_followers(replaced: frozenset[Key], *, context: Context) -> Mapping[Key, tuple[Key, ...]]:
    """What must be made anew because something else is, with what that is."""
    found = {
        key: tuple(sorted(replaced & set(resource.options.replace_with)))
        for key, resource in context.catalog.resources.items()
        if resource.options.replace_with
    }
    return {key: partners for key, partners in found.items() if partners}


def find_remade(desired: DesiredGraph, *, policy: PlanPolicy, selected: frozenset[Key] | None) -> frozenset[Key]:
    """What the command line wants made anew: the volumes, networks and VMs of the program that its patterns name.

    Raises `InputError` for a pattern that names nothing, or nothing that can be made anew, and where what it names is
    left out of the plan.
    """
    resources = {resource.key: resource for resource in desired.resources}
    found: set[Key] = set()
    for pattern in policy.replace:
        named = match_keys([pattern], resources, option="--replace")
        fit = {key for key in named if _can_be_remade(resources[key])}
        if not fit:
            first = min(named)
            raise RefusedError(
                f"--replace {pattern!r}: {first} is nothing that vmstack makes anew",
                resolution="name volumes, networks and VMs that the stack makes itself",
                place=resources[first].place,
            )
        found |= fit
    spared = () if selected is None else sorted(found - selected)
    raise_all(
        InputError(
            f"--replace names {key}, which --target or --exclude leaves out",
            resolution=f"add --target {key}, or make it anew in a plan of its own",
            place=resources[key].place,
        )
        for key in spared
    )
    return frozenset(found)


def _can_be_remade(resource: Resource) -> bool:
    spec = resource.spec
    refers = (isinstance(spec, NetworkSpec) and spec.mode is NetworkMode.EXISTING) or (
        isinstance(spec, VolumeSpec) and spec.source is VolumeSource.EXISTING
    )
    return resource.key.kind in _REMADE and not refers
