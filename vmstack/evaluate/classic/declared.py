"""What a program has declared so far: the resources of `pulumi_libvirt`, and how they find each other."""

import dataclasses
from typing import Any

from vmstack.evaluate.engine.registration import Registration
from vmstack.model.identity import Key, Kind, StackId, derive_label


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
    """The name given, or one that is derived."""
    given = values.get("name")
    return str(given) if given else derive_label(stack, Key(kind, registration.name))
