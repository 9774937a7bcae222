"""The engine's side of the Pulumi SDK, as a plain object: what the SDK would send to a server is a call.

Only the stack itself and local components are accepted; every other resource type is refused by name.
"""

import dataclasses
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from google.protobuf import empty_pb2
from pulumi.runtime.proto import resource_pb2

from vmstack.errors import InputError, Place
from vmstack.evaluate.engine.values import decode_outputs
from vmstack.evaluate.places import show_path
from vmstack.model.graph import Output
from vmstack.model.identity import StackId

STACK_TYPE: Final = "pulumi:pulumi:Stack"
# What of the SDK this engine can answer.
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Component:
    """A registered component: its name, and the URN of what it is part of (empty for the stack itself)."""

    name: str
    parent: str


class Monitor:
    """Implements the calls of `ResourceMonitor` that stack programs make (the SDK's Python names of them).

    Called from the threads of the SDK's executor, but each method does one atomic thing.
    """

    def __init__(self, stack: StackId) -> None:
        self._stack = stack
        self.components: dict[str, Component] = {}
        self.outputs: dict[str, Output] = {}
        self.finished = False

    def GetDeploymentInfo(self, request: Any) -> Any:
        return resource_pb2.DeploymentInfo(supportedFeatures=list(_FEATURES))

    def SupportsFeature(self, request: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def RegisterResource(self, request: Any) -> Any:
        if request.custom or request.remote:
            raise _refuse(request, what=f"{request.type} {request.name!r}")
        urn = self._name(request)
        parent = request.parent if request.type != STACK_TYPE else ""
        self.components[urn] = Component(name=request.name, parent=parent)
        return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if f"::{STACK_TYPE}::" in request.urn:
            self.outputs = decode_outputs(request.outputs)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        raise _refuse(request, what=f"reading {request.type} {request.name!r}")

    def ExistsResource(self, request: Any) -> Any:
        raise _refuse(request, what=f"looking for {request.type}")

    def Invoke(self, request: Any) -> Any:
        raise _refuse(request, what=f"the function {request.tok}")

    def Call(self, request: Any) -> Any:
        raise _refuse(request, what=f"the method {request.tok}")

    def RegisterPackage(self, request: Any) -> Any:
        raise _refuse(request, what=f"the package {request.name}")

    def RegisterStackTransform(self, request: Any) -> Any:
        raise _refuse(request, what="a stack transform")

    def RegisterStackInvokeTransform(self, request: Any) -> Any:
        raise _refuse(request, what="a stack transform of functions")

    def RegisterResourceHook(self, request: Any) -> Any:
        raise _refuse(request, what="a resource hook")

    def RegisterErrorHook(self, request: Any) -> Any:
        raise _refuse(request, what="an error hook")

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        self.finished = True
        return empty_pb2.Empty()

    def _name(self, request: Any) -> str:
        """`urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`, without the parent type below the stack."""
        above = request.parent.split("::")[2] if request.parent.count("::") >= 3 else ""
        kind = request.type if above in ("", STACK_TYPE) else f"{above}${request.type}"
        return f"urn:pulumi:{self._stack.stack}::{self._stack.project}::{kind}::{request.name}"


def _refuse(request: Any, *, what: str) -> InputError:
    return InputError(
        f"{what} is not supported: stack programs are made of native resources and components so far",
        resolution="use the resources of 'from vmstack import ...'",
        place=_place_of(request),
    )


def _place_of(request: Any) -> Place | None:
    """Where the program made the resource, as the SDK found it."""
    position = getattr(request, "sourcePosition", None)
    if position is None or not position.uri:
        return None
    return Place(show_path(unquote(urlsplit(position.uri).path)), position.line)
