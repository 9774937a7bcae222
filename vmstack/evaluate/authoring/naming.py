"""Names for what has another tool's: of resources and variables, each once."""

import re
from collections.abc import Iterable
from typing import Final

from vmstack.evaluate.authoring.source import is_name
from vmstack.model.identity import Kind
from vmstack.model.text import MAX_NAME

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_EDGES: Final = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$")


class Names:
    """Gives out names; the same questions in the same order get the same answers. `taken` are the program's own."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._variables = set(taken)
        self._resources: set[tuple[Kind, str]] = set()

    def resource(self, kind: Kind, label: str) -> str:
        """The name of a resource, as near to what libvirt calls it as the rules for names allow."""
        stem = _EDGES.sub("", _UNFIT.sub("-", label))[:MAX_NAME] or kind.value
        name, number = _EDGES.sub("", stem) or kind.value, 2
        while (kind, name) in self._resources:
            tail = f"-{number}"
            name, number = f"{stem[: MAX_NAME - len(tail)]}{tail}", number + 1
        self._resources.add((kind, name))
        return name

    def variable(self, name: str, *, kind: Kind) -> str:
        """The variable for a resource of that name."""
        stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or kind.value
        if not is_name(stem):
            stem = f"{kind.value}_{stem}"
        choices = [stem, f"{stem}_{kind.value}"]
        variable = next((choice for choice in choices if choice not in self._variables), None)
        number = 2
        while variable is None:
            choice = f"{stem}_{kind.value}_{number}"
            variable, number = (None if choice in self._variables else choice), number + 1
        self._variables.add(variable)
        return variable
