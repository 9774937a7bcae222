"""The engine's side of the Pulumi SDK, as a plain object: what the SDK would send to a server is a call.

It knows the stack, components, transforms, stack references and options; the resources of a package are the business
of that package (`engine.registration.Package`). Everything else is refused by name, with its place in the program.
"""

import dataclasses
from typing import Any, Final

from google.protobuf import empty_pb2
from pulumi.runtime.proto import resource_pb2

from vmstack.errors import ConflictError, InputError
from vmstack.evaluate.engine.packages import Packages
from vmstack.evaluate.engine.references import check_kept, read_stack
from vmstack.evaluate.engine.registration import Answer, Package, place_of, read_lookup, read_request
from vmstack.evaluate.engine.transforms import apply_invoke_transforms, apply_transforms, find_callback
from vmstack.evaluate.engine.values import Secret, decode_outputs, decode_struct, encode_into, holds_asset, is_unknown
from vmstack.evaluate.hooks import Subject
from vmstack.evaluate.places import find_caller
from vmstack.evaluate.recorder import Recorder
from vmstack.model.graph import Output

STACK_TYPE: Final = "pulumi:pulumi:Stack"
_REFERENCE_TYPE: Final = "pulumi:pulumi:StackReference"
_PROVIDER_TYPE: Final = "pulumi:providers:"
# What of the SDK this engine can answer. Hooks on errors are listed so that they are refused in our own words.
_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A registered component or resource: its name, and the URN of what it is part of (empty for the stack itself)."""

    name: str
    parent: str
    custom: bool = False


class Monitor:
    """Implements the calls of `ResourceMonitor` that stack programs make (the SDK's Python names of them).

    Called on the event loop's own thread (the runtime's executor is inline), one call at a time.
    """

    def __init__(self, recorder: Recorder, *, packages: Packages) -> None:
        self._recorder = recorder
        self._stack = recorder.stack
        self._packages = packages
        self._transforms: dict[str, list[Any]] = {}
        self._stack_transforms: list[Any] = []
        self._invoke_transforms: list[Any] = []
        self.nodes: dict[str, Node] = {}
        self.outputs: dict[str, Output] = {}
        self.finished = False

    def GetDeploymentInfo(self, request: Any) -> Any:
        return resource_pb2.DeploymentInfo(supportedFeatures=list(_FEATURES))

    def SupportsFeature(self, request: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def RegisterResource(self, request: Any) -> Any:
        request = apply_transforms(request, self._transforms_of(request))
        if request.remote:
            raise _refuse(request, what=f"{request.type} {request.name!r}, a component that a plugin would make,")
        self._check_hooks(request)
        if request.importId and (not request.custom or request.type.startswith(_PROVIDER_TYPE)):
            raise InputError(
                f"{request.type.rpartition(':')[2]} {request.name!r}: the option import_ is not supported: "
                "nothing on a host stands for it",
                place=place_of(request),
            )
        urn = self._add(request)
        if request.transforms and not request.custom:
            self._transforms[urn] = list(request.transforms)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        package = self._package(request)
        registration = read_request(request, urn=urn)
        for name, value in registration.inputs.items():
            check_kept(value, place=registration.place, what=f"{registration.title}: {name}")
            if holds_asset(value):
                raise InputError(
                    f"{registration.title}: {name}: assets and archives are not supported", place=registration.place
                )
        provides = request.type.startswith(_PROVIDER_TYPE)
        answer = package.configure(registration) if provides else package.register(registration)
        response = self._respond(request, urn=urn, answer=answer)
        if registration.hooks:
            self._recorder.hooks.bind(
                Subject(
                    urn=urn,
                    id=answer.id,
                    name=request.name,
                    type=request.type,
                    inputs=request.object,
                    outputs=response.object,
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if f"::{STACK_TYPE}::" in request.urn:
            self.outputs = decode_outputs(request.outputs)
            for name, output in self.outputs.items():
                check_kept(output.value, place=None, what=f"the output {name!r}")
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        urn = self._add(request)
        if request.type == _REFERENCE_TYPE:
            found = read_stack(request.id, recorder=self._recorder, place=place_of(request))
            response = resource_pb2.ReadResourceResponse(urn=urn, id=request.id, unknown=found is None)
            for name, value in (found or {}).items():
                encode_into(response.properties.fields[name], value)
            return response
        if is_unknown(request.id):
            return resource_pb2.ReadResourceResponse(urn=urn, unknown=True)
        answer = self._package(request).read(read_lookup(request, urn=urn), id=request.id)
        # Where it is not whole, what is left out is not known.
        response = resource_pb2.ReadResourceResponse(urn=urn, id=answer.id, unknown=not answer.whole)
        response.properties.CopyFrom(request.properties)
        for name, value in answer.outputs.items():
            encode_into(response.properties.fields[name], value)
        return response

    def ExistsResource(self, request: Any) -> Any:
        raise _refuse(request, what=f"looking for {request.type}")

    def Invoke(self, request: Any) -> Any:
        request = apply_invoke_transforms(request, self._invoke_transforms)
        package = self._packages.find(request.tok.partition(":")[0])
        if package is None:
            raise _refuse(request, what=f"the function {request.tok}")
        arguments = decode_struct(request.args)
        check_kept(arguments, place=find_caller(), what=request.tok.rpartition(":")[2])
        provider = request.provider.rpartition("::")[0]
        result = package.invoke(request.tok, arguments, provider=provider, place=find_caller())
        response = resource_pb2.ResourceInvokeResponse(unknown=result is None)
        for name, value in (result or {}).items():
            encode_into(getattr(response, "return").fields[name], value)
        return response

    def Call(self, request: Any) -> Any:
        raise _refuse(request, what=f"the method {request.tok}")

    def RegisterPackage(self, request: Any) -> Any:
        raise _refuse(request, what=f"the package {request.name}")

    def RegisterStackTransform(self, request: Any) -> Any:
        self._stack_transforms.append(request)
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(self, request: Any) -> Any:
        self._invoke_transforms.append(request)
        return empty_pb2.Empty()

    def RegisterResourceHook(self, request: Any) -> Any:
        self._recorder.hooks.offer(request.name, find_callback(request.callback), tolerant=request.ignore_errors)
        return empty_pb2.Empty()

    def RegisterErrorHook(self, request: Any) -> Any:
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        self.finished = True
        return empty_pb2.Empty()

    def lineage(self, urn: str) -> list[str]:
        """The URNs of a node and of what it is part of, outermost first, without the stack."""
        path: list[str] = []
        while urn in self.nodes and self.nodes[urn].parent:
            path.insert(0, urn)
            urn = self.nodes[urn].parent
        return path

    def _check_hooks(self, request: Any) -> None:
        """Raise `InputError` for a hook that would never run."""
        title = f"{request.type.rpartition(':')[2]} {request.name!r}"
        for field, names in request.hooks.ListFields():
            why = ""
            if field.name == "on_error":
                why = "a step that failed is run again by the next apply, and not before"
            elif not request.custom or request.type.startswith(_PROVIDER_TYPE):
                why = "nothing on a host is done for it"
            elif not self._recorder.hooks.knows(names[0]):
                why = "it was not registered"
            if why:
                raise InputError(
                    f"{title}: the hook {names[0]!r} ({field.name}) is not supported: {why}",
                    resolution="leave it out, or bind it to a Domain, Volume, Network or Pool",
                    place=place_of(request),
                )

    def _transforms_of(self, request: Any) -> list[Any]:
        """A resource's own transforms, then those of the components around it, then the stack's."""
        if request.type == STACK_TYPE or (not self._transforms and not self._stack_transforms):
            return list(request.transforms)
        around = [
            callback for urn in reversed(self.lineage(request.parent)) for callback in self._transforms.get(urn, ())
        ]
        return [*request.transforms, *around, *self._stack_transforms]

    def _package(self, request: Any) -> Package:
        name = request.type.removeprefix(_PROVIDER_TYPE).partition(":")[0]
        package = self._packages.find(name)
        if package is None:
            raise _refuse(request, what=f"{request.type} {request.name!r}")
        return package

    def _respond(self, request: Any, *, urn: str, answer: Answer) -> Any:
        # Inputs that an answer left out would be taken for known by the SDK, so they are all repeated.
        response = resource_pb2.RegisterResourceResponse(urn=urn, id=answer.id, unknown=not answer.whole)
        response.object.CopyFrom(request.object)
        hidden = frozenset(request.additionalSecretOutputs)
        for name, value in answer.outputs.items():
            if value is None:
                continue
            place = response.object.fields[name]
            place.Clear()
            encode_into(place, value)
        for name in hidden & frozenset(response.object.fields):
            plain = decode_struct(response.object)[name]
            response.object.fields[name].Clear()
            encode_into(response.object.fields[name], plain if isinstance(plain, Secret) else Secret(plain))
        return response

    def _add(self, request: Any) -> str:
        """Note a node and return its URN.

        `urn:pulumi:<stack>::<project>::<parent type>$<type>::<name>`, without the parent type below the stack.
        """
        above = request.parent.split("::")[2] if request.parent.count("::") >= 3 else ""
        kind = request.type if above in ("", STACK_TYPE) else f"{above}${request.type}"
        urn = f"urn:pulumi:{self._stack.stack}::{self._stack.project}::{kind}::{request.name}"
        if urn in self.nodes and request.type != _REFERENCE_TYPE:
            raise ConflictError(
                f"{request.type.rpartition(':')[2]} {request.name!r} is defined twice",
                resolution="give one of them another name",
                place=place_of(request),
            )
        parent = request.parent if request.type != STACK_TYPE else ""
        custom = getattr(request, "custom", True)
        self.nodes[urn] = Node(name=request.name, parent=parent, custom=custom)
        return urn


def _refuse(request: Any, *, what: str) -> InputError:
    return InputError(
        f"{what} is not supported: stack programs are made of native resources, components and pulumi_libvirt",
        resolution="use pulumi_libvirt, or the resources of 'from vmstack import ...'",
        place=place_of(request) or find_caller(),
    )
