"""What a program must define before there is anything to plan."""

from vmstack.errors import InputError
from vmstack.model.graph import DesiredGraph
from vmstack.model.identity import Kind
from vmstack.plan.policy import PlanPolicy


def check_hosts(desired: DesiredGraph) -> None:
    """Raise `InputError` when the program names no host: there is nothing to look at, and nothing to say of it."""
    if not any(resource.key.kind is Kind.HOST for resource in desired.resources):
        raise InputError(
            "__main__.py defines no Host, so there is nothing to plan, apply or destroy",
            resolution='define one there: kvm = Host("kvm", uri="qemu:///system")',
        )


def check_resources(desired: DesiredGraph, *, policy: PlanPolicy) -> None:
    """Raise `InputError` when the program defines hosts and nothing else, unless that is what the user wants."""
    if policy.destroy or policy.allow_empty:
        return
    if all(resource.key.kind is Kind.HOST for resource in desired.resources):
        raise InputError(
            "__main__.py defines no resources besides its hosts",
            resolution="define some there, or add --allow-empty if an empty stack is what you want",
        )


def takes_over(desired: DesiredGraph) -> bool:
    """Whether the program names objects to take over (`import_`)."""
    return any(resource.options.import_id is not None for resource in desired.resources)
