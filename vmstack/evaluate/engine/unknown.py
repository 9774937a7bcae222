"""Outputs that are not known yet."""

import asyncio
from typing import Any

import pulumi

from vmstack.errors import InputError
from vmstack.evaluate.places import find_place


class Unknown(pulumi.Output[Any]):
    """An output that is not known yet; `what` names it. Only while a program runs.

    It has no text, unlike other outputs, whose text is a warning that goes unnoticed: raises `InputError` there.
    """

    def __init__(self, what: str) -> None:
        super().__init__(_settled(set()), _settled(None), _settled(value=False))
        self._what = what

    def __getitem__(self, key: Any) -> "Unknown":
        return Unknown(f"{self._what}[{key!r}]")

    def __getattr__(self, name: str) -> "Unknown":
        if name.startswith("_"):
            raise AttributeError(name)
        return Unknown(f"{self._what}.{name}")

    def __str__(self) -> str:
        raise InputError(
            f"{self._what} is not known before apply, so there is no text of it",
            resolution='write pulumi.Output.concat("http://", value) or value.apply(function), which wait for it',
            place=find_place(),
        )

    __repr__ = object.__repr__

    def __format__(self, form: str) -> str:
        return str(self)


def _settled(value: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
