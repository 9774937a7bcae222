"""`StackReference`: the outputs of other stacks. Where they are kept is not the engine's business."""

from collections.abc import Callable, Mapping
from typing import Any

from vmstack.errors import InputError, Place
from vmstack.evaluate.engine.values import Secret
from vmstack.model.graph import Output

# From a stack's name as the program wrote it (`stack`, `project/stack` or `organization/project/stack`) to its
# outputs; `None` where there is no such stack.
StackOutputs = Callable[[str], Mapping[str, Output] | None]


def read_stack(name: str, *, resolver: StackOutputs | None, place: Place | None) -> dict[str, Any]:
    """Return the properties of a `StackReference`. Raises `InputError` when there is nothing to refer to."""
    if resolver is None:
        raise InputError(
            f"StackReference {name!r}: the outputs of other stacks are not to be had here",
            resolution="pass the value as configuration of this stack",
            place=place,
        )
    found = resolver(name)
    if found is None:
        raise InputError(
            f"StackReference {name!r}: there is no such stack, or it was not applied yet",
            resolution="apply that stack first",
            place=place,
        )
    secrets = sorted(key for key, output in found.items() if output.secret)
    lost = [key for key in secrets if found[key].value is None]
    lost += sorted(key for key, output in found.items() if not output.known)
    if lost:
        raise InputError(
            f"StackReference {name!r}: it has outputs whose values are not kept: {', '.join(lost)}",
            resolution="vmstack stores no secret values; pass them as configuration (secure:) of this stack",
            place=place,
        )
    outputs = {key: Secret(output.value) if output.secret else output.value for key, output in sorted(found.items())}
    return {"name": name, "outputs": outputs, "secretOutputNames": secrets}
