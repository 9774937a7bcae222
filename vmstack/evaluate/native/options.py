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
from vmstack.model.text import check_name, check_text, with_article

HONOURED: Final = frozenset(
    {"aliases", "parent", "depends_on", "protect", "ignore_changes", "retain_on_delete", "import_"}
)
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
        options=Options(
            protect=protect,
            ignore_changes=_ignored(opts.ignore_changes),
            on_drift=policies,
            aliases=_former_names(opts.aliases),
            retain=_flag(opts.retain_on_delete, name="retain_on_delete"),
            import_id=_import_id(opts.import_),
        ),
        parent=parent.key if isinstance(parent, Native) else parent,
        after=_after(opts.depends_on),
    )


def _refuse_idle(opts: Any, *, reference: str) -> None:
    """What is never changed or deleted needs no protection from it. (Protection from a parent is not refused.)"""
    for name in ("protect", "ignore_changes", "aliases", "retain_on_delete", "import_"):
        value = getattr(opts, name)
        if value:
            raise InputError(
                f"opts: {name} has no effect on {reference}, which vmstack neither changes nor deletes",
                resolution=f"leave {name} out",
            )


def _import_id(value: object) -> str | None:
    """The id or name of an object that is there already."""
    if value is None:
        return None
    text = check_text(settle(value, field="opts: import_"), field="opts: import_")
    if not text:
        raise InputError(
            "opts: import_: it is empty", resolution="give the UUID or the name in libvirt, or pool/volume of a volume"
        )
    return text


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
    if isinstance(paths, str):
        raise InputError(
            f"{field}: {paths!r} is no list", resolution=f'put it into brackets: ignore_changes=["{paths}"]'
        )
    return tuple(_path(path, field=field) for path in settle(paths or (), field=field))


def _path(path: object, *, field: str) -> str:
    if not isinstance(path, str) or not path or not path.isprintable():
        raise InputError(f"{field}: {path!r} is not a field path")
    first = re.split(r"[.\[]", path, maxsplit=1)[0]
    # Pulumi programs write camelCase or snake_case; the model is snake_case.
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), first)
    return _ARGUMENTS.get(snake, snake) + path[len(first) :]


def _former_names(aliases: Any) -> tuple[str, ...]:
    """The names that the resource had before: texts, URNs, or `pulumi.Alias(name=...)`."""
    found = []
    for alias in settle(aliases or (), field="opts: aliases"):
        name = alias
        if type(alias).__name__ == "Alias":
            name = alias.name
            others = {key: value for key, value in vars(alias).items() if key != "name"}
            if any(value not in (..., None) for value in others.values()):
                raise InputError(
                    "opts: aliases: of an alias only the name counts", resolution="write aliases=['old-name']"
                )
        if not isinstance(name, str):
            raise InputError(f"opts: aliases: {name!r} is no name", resolution="write aliases=['old-name']")
        found.append(check_name(re.split(r"::|/", name)[-1], field="opts: aliases"))
    return tuple(found)


def _flag(value: Any, *, name: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InputError(f"opts: {name}: {value!r} is neither True nor False")
    return value is True


def _after(depends_on: Any) -> tuple[object, ...]:
    value = settle(depends_on, field="opts: depends_on") if depends_on is not None else []
    items = list(value) if isinstance(value, list | tuple | set) else [value]
    found: list[object] = []
    for item in items:
        known = settle(item, field="opts: depends_on") if is_output(item) else item
        found.append(known.key if isinstance(known, Native) else known)
    return tuple(found)
