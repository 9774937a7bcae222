"""What a program has declared so far: the resources of `pulumi_libvirt`, and how they find each other."""

import dataclasses
import hashlib
from typing import Any, Final

from vmstack.evaluate.engine.registration import Registration
from vmstack.model.identity import Key, Kind, StackId

_DIGITS: Final = 7


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """One resource. `values` are its inputs, `label` is its name in libvirt, `uri` its host's."""

    registration: Registration
    key: Key
    uri: str
    label: str
    id: str
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return self.key.name


def label_of(registration: Registration, *, stack: StackId, kind: Kind, values: dict[str, Any]) -> str:
    """The name given, or the logical name with seven hex digits, as Pulumi's bridge makes it.

    The digits follow from the resource's identity, so that a fresh checkout names it the same.
    """
    given = values.get("name")
    if given:
        return str(given)
    digest = hashlib.sha256(stack.path(Key(kind, registration.name)).encode()).hexdigest()
    return f"{registration.name}-{digest[:_DIGITS]}"
