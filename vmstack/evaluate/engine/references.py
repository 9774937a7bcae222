"""`StackReference`: the outputs of other stacks, as hosts keep them."""

from collections.abc import Mapping
from typing import Any, Final

from vmstack.errors import InputError, Place
from vmstack.evaluate.engine.values import Secret
from vmstack.evaluate.recorder import Recorder
from vmstack.model.facts import Question

# Stands for the value of an output that is not kept (a secret's, or one that was not known): whoever uses it is told.
LOST: Final = "vmstack-not-kept://"


def read_stack(name: str, *, recorder: Recorder, place: Place | None) -> dict[str, Any] | None:
    """Return the properties of a `StackReference`; `None` while nobody has asked the hosts.

    `name` is `stack` (of this project), `project/stack` or `organization/project/stack`: there are no organisations
    here. Raises `InputError` when there is nothing to refer to.
    """
    parts = name.split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise InputError(
            f"StackReference {name!r}: it is not the name of a stack",
            resolution="write it as stack, project/stack or organization/project/stack",
            place=place,
        )
    project, stack = parts[-2] if len(parts) > 1 else recorder.stack.project, parts[-1]
    answer = recorder.need(Question(uri="", subject="stack", id=f"{project}/{stack}"), place=place)
    if answer is None:
        return None
    if not answer:
        raise InputError(
            f"StackReference {name!r}: there is no stack {project}/{stack} on the hosts of this one, "
            "or it was not applied yet",
            resolution="apply that stack first; it is looked for on the hosts of this stack, and of libvirt:uri",
            place=place,
        )
    secrets: list[str] = []
    outputs: dict[str, Any] = {}
    kept = answer["outputs"]
    for key, output in sorted(kept.items()) if isinstance(kept, Mapping) else ():
        if output["secret"]:
            secrets.append(key)
            outputs[key] = Secret(f"{LOST}{project}/{stack}/{key}")
        else:
            outputs[key] = output["value"] if output["known"] else f"{LOST}{project}/{stack}/{key}"
    return {"name": name, "outputs": outputs, "secretOutputNames": secrets}


def check_kept(value: Any, *, place: Place | None, what: str) -> None:
    """Raise `InputError` if an output that is not kept is anywhere in the value; `what` uses it."""
    lost = find_text(value, LOST)
    if lost is not None:
        raise InputError(
            f"{what}: the value of {lost.partition(LOST)[2]} is not kept: it is a secret, or it was not known",
            resolution="vmstack stores no secret values: pass it as configuration (secure:) of this stack",
            place=place,
        )


def find_text(value: Any, part: str) -> str | None:
    """The first text in the value that holds the part."""
    if isinstance(value, str):
        return value if part in value else None
    if isinstance(value, Secret):
        return find_text(value.value, part)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return next((found for item in members if (found := find_text(item, part)) is not None), None)
