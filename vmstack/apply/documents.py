"""Documents that a program patches are checked when they are planned: before any guest is asked to shut down."""

from collections.abc import Iterator

from vmstack.errors import InputError, VmstackError, raise_all
from vmstack.hosts.schemas import complaints
from vmstack.model.effects import DefineChecked, DefineNetwork
from vmstack.model.graph import DesiredGraph, Resource
from vmstack.model.observed import Observed
from vmstack.model.plan import Plan
from vmstack.model.specs import NetworkSpec, VmSpec
from vmstack.xmlio.patches import Patch, decode_sheet


def check_documents(plan: Plan, desired: DesiredGraph, observed: Observed) -> None:
    """Raise what libvirt's schema has against XML that a patch made, at the place in the program."""
    raise_all(list(_errors(plan, desired, observed)))


def _errors(plan: Plan, desired: DesiredGraph, observed: Observed) -> Iterator[VmstackError]:
    resources = {resource.key: resource for resource in desired.resources}
    for step in plan.steps:
        resource = resources.get(step.key)
        effect = step.effect
        if resource is None or not isinstance(effect, DefineChecked | DefineNetwork):
            continue
        if not _patches(resource):
            continue
        found = complaints(effect.xml, version=observed.hosts[step.host].facts.libvirt_version)
        if found:
            yield InputError(
                f"{step.key}: libvirt's schema does not know what the program makes of its XML",
                details=(*found, *(f"patched: {patch.path}" for patch in _patches(resource))),
                resolution="mend the patch (xml=[Patch(...)]) in the program",
                place=resource.place,
            )


def _patches(resource: Resource) -> tuple[Patch, ...]:
    match resource.spec:
        case VmSpec(hardware=hardware):
            sheet = hardware.stylesheet
        case NetworkSpec(xslt=sheet):
            pass
        case _:
            sheet = None
    return () if sheet is None else decode_sheet(sheet).patches
