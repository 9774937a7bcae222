"""What is made anew though it need not be: the options `replace_on_changes`, `replacement_trigger`, `replace_with`."""

from collections.abc import Iterable, Mapping
from typing import Final

from vmstack.model.identity import Key
from vmstack.plan.context import Context
from vmstack.plan.ignore import ignored_fields, is_ignored

FieldTriple = tuple[str, object, object]
# The fields that stand for the program's wish to have something made anew, whatever it is like.
ASKED: Final = frozenset({"replacement_trigger", "replace_with"})

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
