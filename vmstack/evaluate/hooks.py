"""The functions that a program has bound to what is done to its resources.

They outlive the evaluation that made them: `apply` calls them between its steps, in the order of the plan.
"""

import asyncio
import contextvars
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from vmstack.errors import InputError, InternalError, ProgramError
from vmstack.evaluate.config.redaction import Redactor
from vmstack.evaluate.isolation import Habitat
from vmstack.evaluate.session import SESSION
from vmstack.model.hooks import Hook

# A function as the SDK wraps it: a serialised `ResourceHookRequest` in, a `ResourceHookResponse` out.
Function = Callable[[bytes], Awaitable[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """What a hook is told of its resource. `inputs` and `outputs` are protobuf structs, as the program has them."""

    urn: str
    id: str
    name: str
    type: str
    inputs: Any
    outputs: Any


class Hooks:
    """The hooks of the last evaluation. `run` may be called from any thread; the functions run one at a time, each as a
    part of the program that it is from."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Function, contextvars.Context]] = {}
        self._tolerant: set[str] = set()
        self._subjects: dict[str, Subject] = {}
        self._habitat: Habitat | None = None
        self._redactor = Redactor(())

    @property
    def empty(self) -> bool:
        return not self._functions

    def clear(self) -> None:
        """Forget everything: the program is evaluated anew."""
        self._functions.clear()
        self._tolerant.clear()
        self._subjects.clear()
        self._habitat = None

    def belong(self, habitat: Habitat, *, redactor: Redactor) -> None:
        """The functions run in this habitat, and what they say goes through the redactor."""
        self._habitat, self._redactor = habitat, redactor

    def offer(self, name: str, function: Function, *, tolerant: bool) -> None:
        """Note a function of the program; a `tolerant` one may fail."""
        self._functions[name] = function, contextvars.copy_context()
        if tolerant:
            self._tolerant.add(name)

    def tolerates(self, name: str) -> bool:
        return name in self._tolerant

    def knows(self, name: str) -> bool:
        return name in self._functions

    def bind(self, subject: Subject) -> None:
        """Note a resource that has hooks."""
        self._subjects[subject.urn] = subject

    def run(self, hook: Hook) -> tuple[str, ...]:
        """Call the function and wait for it. Returns notes; raises `ProgramError` when it fails and may not."""
        function, subject = self._functions.get(hook.name), self._subjects.get(hook.urn)
        if function is None or subject is None or self._habitat is None:
            raise InternalError(f"the plan runs the hook {hook.name!r}, and the program that has it was not evaluated")
        call, context = function
        with self._habitat.entered():
            response = context.copy().run(_wait_for, call, _request(hook, subject))
        if not response.error:
            return ()
        said = self._redactor.clean(response.error)
        if hook.tolerant:
            return (f"the hook {hook.name!r} ({hook.event}) failed: {said}",)
        raise ProgramError(
            f"the hook {hook.name!r} ({hook.event}) of {subject.name!r} failed: {said}",
            resolution="mend the function in the program, then run it again; hooks that ran are not run again unless "
            "something is done to their resource",
        )


def _request(hook: Hook, subject: Subject) -> bytes:
    """What the SDK's wrapper decodes. There is no state, so of an update only the new side is known."""
    from pulumi.runtime.proto import resource_pb2

    request = resource_pb2.ResourceHookRequest(urn=subject.urn, id=subject.id, name=subject.name, type=subject.type)
    side = "old" if hook.event.endswith("_delete") else "new"
    getattr(request, f"{side}_inputs").CopyFrom(subject.inputs)
    if side == "old" or hook.event.startswith("after_"):
        getattr(request, f"{side}_outputs").CopyFrom(subject.outputs)
    message: bytes = request.SerializeToString()
    return message


def _wait_for(call: Function, request: bytes) -> Any:
    async def wait() -> Any:
        return await call(request)

    _end_evaluation()
    return asyncio.run(wait())


def _end_evaluation() -> None:
    """Have resources refused where the running code makes them: nobody would see them any more."""
    from pulumi.runtime import rpc_manager, settings

    class Ended(rpc_manager.RPCManager):
        def do_rpc(self, name: str, rpc_function: Any) -> Any:
            if "resource" in name:
                raise InputError(
                    "a resource was made outside a stack program: in a hook, which runs after it",
                    resolution="make it in the program; a hook may only look at what was made",
                )
            return super().do_rpc(name, rpc_function)

    SESSION.set(None)
    settings.SETTINGS.rpc_manager = Ended()  # type: ignore[no-untyped-call] # the SDK's own
