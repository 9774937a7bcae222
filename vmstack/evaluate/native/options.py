"""`opts=pulumi.ResourceOptions(...)` of native resources: what is honoured, and what is refused by name."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from vmstack.errors import InputError
from vmstack.evaluate.engine.inputs import is_output, settle
from vmstack.evaluate.native.base import Native
from vmstack.evaluate.native.fields import check_choice, check_type
from vmstack.evaluate.recorder import Wishes
from vmstack.model.graph import Options
from vmstack.model.text import with_article

HONOURED: Final = frozenset({"parent", "depends_on", "protect", "ignore_changes"})
# Set by the SDK itself, not by users.
_INTERNAL: Final = frozenset({"merge"})
# Arguments of the vocabulary that the model calls otherwise.
_ARGUMENTS: Final = {"running": "power", "size": "capacity", "full_copy": "source"}
NOTHING: Final = Wishes()
Policy = Literal["repair", "report", "ignore"]
OnDrift = str | Mapping[str, str] | None
_POLICIES: Final[tuple[Policy, ...]] = ("repair", "report", "ignore")


def read_options(opts: Any, *, reference: str | None = None, on_drift: OnDrift = None) -> Wishes:
    """Read resource options, and the resource's own argument on what others change.

    `reference` names what a resource is that vmstack only refers to, and so neither changes nor deletes ("an image").
    Raises `InputError` for an option that would have no effect: nothing is ignored silently.
    """
    policies = read_policies(on_drift)
    if opts is None:
        return Wishes(options=Options(on_drift=policies)) if policies else NOTHING
    if type(opts).__name__ != "ResourceOptions":
        raise InputError(f"opts: {with_article(type(opts).__name__)} is not a pulumi.ResourceOptions")
    unknown = sorted(
        name
        for name, value in vars(opts).items()
        if name not in HONOURED and name not in _INTERNAL and not name.startswith("_") and value not in (None, [], {})
    )
    if unknown:
        raise InputError(
            f"opts: {', '.join(unknown)} has no effect on a native resource",
            resolution=f"native resources know {', '.join(sorted(HONOURED))}",
        )
    if reference is not None:
        _refuse_idle(opts, reference=reference)
    parent = opts.parent
    protect = opts.protect if opts.protect is not None else _inherited(parent)
    if protect is not None and not isinstance(protect, bool):
        raise InputError(f"opts: protect: {protect!r} is neither True nor False")
    return Wishes(
        options=Options(protect=protect, ignore_changes=_ignored(opts.ignore_changes), on_drift=policies),
        parent=parent.key if isinstance(parent, Native) else parent,
        after=_after(opts.depends_on),
    )


def _refuse_idle(opts: Any, *, reference: str) -> None:
    """What is never changed or deleted needs no protection from it. (Protection from a parent is not refused.)"""
    for name, value in (("protect", opts.protect), ("ignore_changes", opts.ignore_changes)):
        if value:
            raise InputError(
                f"opts: {name} has no effect on {reference}, which vmstack neither changes nor deletes",
                resolution=f"leave {name} out",
            )


def _inherited(parent: Any) -> bool | None:
    """A child without `protect` of its own has its parent's, as in Pulumi (`Resource.__init__` of the SDK)."""
    return None if parent is None or isinstance(parent, Native) else getattr(parent, "_protect", None)


def read_policies(value: OnDrift) -> dict[str, Policy]:
    """What is done about what others change, by field path; one word stands for all fields. Raises `InputError`."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"*": _policy(value, field="on_drift")}
    return {
        _path(path, field="on_drift"): _policy(word, field=f"on_drift: {path}")
        for path, word in check_type(value, dict, field="on_drift").items()
    }


def _policy(word: object, *, field: str) -> Policy:
    return check_choice(word, field=field, allowed=_POLICIES)


def _ignored(paths: Any) -> tuple[str, ...]:
    """The paths as the model spells them; whether there is such a field is checked with the whole graph."""
    field = "opts: ignore_changes"
    return tuple(_path(path, field=field) for path in settle(paths or (), field=field))


def _path(path: object, *, field: str) -> str:
    if not isinstance(path, str) or not path or not path.isprintable():
        raise InputError(f"{field}: {path!r} is not a field path")
    first = re.split(r"[.\[]", path, maxsplit=1)[0]
    # Pulumi programs write camelCase or snake_case; the model is snake_case.
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), first)
    return _ARGUMENTS.get(snake, snake) + path[len(first) :]


def _after(depends_on: Any) -> tuple[object, ...]:
    value = settle(depends_on, field="opts: depends_on") if depends_on is not None else []
    items = list(value) if isinstance(value, list | tuple | set) else [value]
    found: list[object] = []
    for item in items:
        known = settle(item, field="opts: depends_on") if is_output(item) else item
        found.append(known.key if isinstance(known, Native) else known)
    return tuple(found)
