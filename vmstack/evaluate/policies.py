"""Policies: functions of a stack program that see the plan, and may warn of it or refuse it.

They are trusted code, like the program. What they see is masked all the same, since what they say is printed: fields as
in every plan, and specs without seeds, passwords and documents.
"""

import contextvars
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from vmstack.errors import InputError, Place, ProgramError, RefusedError, VmstackError
from vmstack.evaluate.config.redaction import Redactor
from vmstack.evaluate.failures import explain_failure, place_failure
from vmstack.evaluate.isolation import Habitat
from vmstack.evaluate.places import show_path
from vmstack.evaluate.project import Project
from vmstack.evaluate.session import SESSION
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Key
from vmstack.model.plan import Change, Diagnostic, Disruption, Operation, Plan
from vmstack.model.specs import Spec

Rule = Callable[["PlanView"], None]
RuleT = TypeVar("RuleT", bound=Rule)

_MASK: Final = "(sensitive value)"
# Documents and passwords: whoever writes them may have put a secret in.
_MASKED: Final = frozenset(
    {"user_data", "vendor_data", "network_config", "meta_data", "raw", "xslt", "stylesheet", "metadata", "password"}
)


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field of a change. `None` is absent."""

    path: str
    before: object
    after: object
    disruption: Disruption


@dataclass(frozen=True, slots=True)
class ResourceView:
    """A resource that the program wants or the plan deletes. `spec` is what the program says of it, by field, sizes in
    bytes; `None` of what the program does not name. An `operation` of `no-op` leaves it as it is."""

    kind: str
    name: str
    host: str | None
    operation: Operation
    disruption: Disruption
    fields: Mapping[str, FieldView]
    reasons: tuple[str, ...]
    spec: Mapping[str, Any] | None

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def changes(self) -> bool:
        return self.operation is not Operation.NOOP

    def exceeds(self, disruption: str) -> bool:
        """Whether its change does worse to the guest than this class."""
        return self.disruption.rank > Disruption(disruption).rank


@dataclass(slots=True)
class PlanView:
    """A plan as policies see it. What they say of it is kept for whoever asked them."""

    stack: str
    resources: tuple[ResourceView, ...]
    destroys: bool
    partial: bool
    said: list[tuple[str, str, ResourceView | None]] = field(default_factory=list, repr=False)

    @property
    def changes(self) -> tuple[ResourceView, ...]:
        """The resources that do not stay as they are."""
        return tuple(resource for resource in self.resources if resource.changes)

    def of(self, kind: str) -> tuple[ResourceView, ...]:
        """The resources of a kind, such as `vm` or `volume`."""
        return tuple(resource for resource in self.resources if resource.kind == kind)

    def warn(self, text: str, resource: ResourceView | None = None) -> None:
        """Tell the user something about the plan, or about one resource in it."""
        self._say("warning", text, resource)

    def refuse(self, text: str, resource: ResourceView | None = None) -> None:
        """Refuse the plan: it is not applied, and vmstack exits with 5. The policy may go on and find more."""
        self._say("refusal", text, resource)

    def _say(self, severity: str, text: str, resource: ResourceView | None) -> None:
        if not isinstance(text, str) or not text.strip():
            raise TypeError("what a policy says is a text")
        if resource is not None and not isinstance(resource, ResourceView):
            raise TypeError("what a policy speaks of is one of plan.resources")
        self.said.append((severity, text.strip(), resource))


@dataclass(frozen=True, slots=True)
class Policy:
    """A function of the program, and where it is."""

    name: str
    rule: Rule
    place: Place


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policies say of a plan."""

    warnings: tuple[Diagnostic, ...] = ()
    refusals: tuple[RefusedError, ...] = ()


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of an evaluated program, and what it takes to run them as a part of it."""

    rules: Sequence[Policy] = ()
    project: Project | None = None
    context: contextvars.Context | None = None
    habitat: Habitat | None = None

    def judge(self, plan: Plan, *, desired: DesiredGraph, destroys: bool) -> Verdict:
        """Run all policies on a plan. Raises `ProgramError` where one fails: that is never a pass."""
        if self.project is None or self.context is None or self.habitat is None or not self.rules:
            return Verdict()
        seen = PlanView(
            stack=str(plan.stack),
            resources=tuple(_resources(plan, desired=desired)),
            destroys=destroys,
            partial=plan.partial,
        )
        redactor = Redactor(self.project.hidden)
        warnings: list[Diagnostic] = []
        refusals: list[RefusedError] = []
        for policy in self.rules:
            seen.said.clear()
            failure = self.context.run(_run, policy, seen, project=self.project, habitat=self.habitat)
            if failure is not None:
                redactor.clean_error(failure)
                raise failure
            for severity, said, resource in seen.said:
                text, key = redactor.clean(said), None if resource is None else resource.address
                if severity == "warning":
                    told = f"{f'{key}: ' if key else ''}{text} (policy {policy.name})"
                    warnings.append(Diagnostic(severity="warning", text=told, place=policy.place))
                else:
                    brief = f"policy {policy.name} refuses {key or 'the plan'}: {text}"
                    resolution = "change the program so that it holds, or change the policy"
                    refusals.append(RefusedError(brief, resolution=resolution, place=policy.place))
        return Verdict(warnings=tuple(dict.fromkeys(warnings)), refusals=tuple(refusals))


NO_POLICIES: Final = Policies()


def policy(rule: RuleT) -> RuleT:
    """Make a function of the stack program a policy: it is called with each plan (`PlanView`) before it is applied."""
    title = f"policy {getattr(rule, '__name__', repr(rule))}"
    if not inspect.isroutine(rule):
        raise InputError(f"{title}: only a function can be a policy", resolution="write @policy above a def")
    if inspect.iscoroutinefunction(rule) or inspect.isgeneratorfunction(rule) or inspect.isasyncgenfunction(rule):
        raise InputError(
            f"{title}: it would never run, because it is async or yields",
            resolution="write a plain function that calls plan.warn(...) or plan.refuse(...)",
        )
    try:
        inspect.signature(rule).bind(None)
    except TypeError:
        raise InputError(
            f"{title}: it takes other arguments than the plan", resolution=f"write def {rule.__name__}(plan):"
        ) from None
    recorder = SESSION.get()
    if recorder is not None:  # outside of a stack program, such as in its tests, it is a function like any other
        code = getattr(inspect.unwrap(rule), "__code__", None)
        place = Place("?", 0) if code is None else Place(show_path(code.co_filename), code.co_firstlineno)
        recorder.policies.append(Policy(rule.__name__, rule, place))
    return rule


def forget_modules(policies: Sequence[Policy]) -> None:
    """Have the modules of policies run again by the next evaluation: Python runs those outside of the project once."""
    for name in {policy.rule.__module__ for policy in policies} - {"__main__"}:
        sys.modules.pop(name, None)
        above, _, own = name.rpartition(".")
        if above in sys.modules:
            vars(sys.modules[above]).pop(own, None)


def _run(policy: Policy, seen: PlanView, *, project: Project, habitat: Habitat) -> VmstackError | None:
    """Run one policy as a part of its program; return how it failed, if it did."""
    folder = project.main.parent
    try:
        with habitat.entered():
            answer: object = policy.rule(seen)  # type: ignore[func-returns-value] # what it must not, and still may
    except KeyboardInterrupt:
        raise
    except VmstackError as error:
        error.place = None  # which was found while the process stood in the project's folder
        place_failure(error, folder=folder)
        return error
    except BaseException as error:  # noqa: BLE001 - whatever ends a policy, it has not passed the plan
        return explain_failure(error, folder=folder, project=project.stack.project, what=f"policy {policy.name}")
    if answer is None:
        return None
    return ProgramError(
        f"policy {policy.name} returned {answer!r}, which says nothing",
        resolution="call plan.refuse(...) or plan.warn(...), and return nothing",
        place=policy.place,
    )


def _resources(plan: Plan, *, desired: DesiredGraph) -> Iterator[ResourceView]:
    """All that the program wants or the plan touches, sorted; on each host where there is a change of it."""
    specs: dict[Key, Spec] = {resource.key: resource.spec for resource in desired.resources}
    changes: dict[Key, list[Change]] = {key: [] for key in specs}
    for change in plan.changes:
        changes.setdefault(change.key, []).append(change)
    for key in sorted(changes):
        spec = specs.get(key)
        said = None if spec is None else _frozen(msgspec.to_builtins(spec))
        for change in changes[key]:
            yield _view(key, change, spec=said)
        if not changes[key]:
            yield _view(key, None, spec=said)


def _view(key: Key, change: Change | None, *, spec: Mapping[str, Any] | None) -> ResourceView:
    fields = {
        one.path: FieldView(one.path, _frozen(one.before), _frozen(one.after), one.disruption)
        for one in (() if change is None else change.fields)
    }
    host = None if spec is None else spec.get("host")
    return ResourceView(
        kind=key.kind.value,
        name=key.name,
        host=host if change is None else change.host,
        operation=Operation.NOOP if change is None else change.operation,
        disruption=Disruption.NONE if change is None else change.disruption,
        fields=MappingProxyType(
            {
                path: FieldView(path, _frozen(one.before), _frozen(one.after), one.disruption)
                for path, one in fields.items()
            }
        ),
        reasons=() if change is None else change.reasons,
        spec=spec,
    )


def _frozen(value: Any) -> Any:
    """A value that no policy can change for the next one, without what may hold a secret."""
    if isinstance(value, Mapping):
        return MappingProxyType(
            {name: _MASK if name in _MASKED and item else _frozen(item) for name, item in value.items()}
        )
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
