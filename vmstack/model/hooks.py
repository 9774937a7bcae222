"""Functions of the program that run around what is done to a resource, as far as they are data."""

from typing import Literal

from vmstack.model.base import Data

HookEvent = Literal[
    "before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete"
]  # fmt: skip


class Hook(Data, frozen=True, kw_only=True):
    """The program's function of that `name`, to be run at an event of the resource with that URN.

    A `tolerant` one that fails is only a note; any other fails what it was before, or the apply.
    """

    event: HookEvent
    name: str
    urn: str
    tolerant: bool = False
