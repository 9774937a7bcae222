"""What VMs ask of their host's hardware, compared with what the host has."""

from collections.abc import Iterable

from vmstack.errors import InputError
from vmstack.model.identity import Kind
from vmstack.model.sizes import KIB, format_size
from vmstack.plan.context import Context
from vmstack.plan.machine_decision import MachineDecision, Mode


def check_capacity(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report VMs that are to run under KVM where it does not work, and warn of those larger than their host.

    Only what is made, started or changed is looked at. The sum of all VMs may be more than the host has: guests seldom
    use all that they are given at the same time.
    """
    for machine in machines:
        if machine.mode is Mode.KEEP and not machine.starts:
            continue
        _check_kvm(machine, context=context)
        _compare_size(machine, context=context)


def _check_kvm(machine: MachineDecision, *, context: Context) -> None:
    spec, host = machine.spec, context.indexes[machine.host]
    wanted = spec.domain_type == machine.target.type == "kvm"
    defines = machine.mode is Mode.CREATE or any(item.path == "domain_type" for item in machine.differences)
    if not wanted or host.facts.domain_type == "kvm" or not (defines or machine.starts):
        return
    context.draft.errors.append(
        InputError(
            f"{machine.key}: domain_type (`type` of pulumi_libvirt) is 'kvm', and KVM is not usable on host "
            f"{host.host}",
            resolution="leave it out, and the guest is emulated as long as KVM is not usable there; or mend KVM: "
            f"`vmstack doctor --connect {host.facts.uri}` says what is missing",
            place=context.catalog.place(Kind.VM, spec.name),
        )
    )


def _compare_size(machine: MachineDecision, *, context: Context) -> None:
    host, target = context.indexes[machine.host], machine.target
    place = context.catalog.place(Kind.VM, machine.spec.name)
    if target.memory_kib * KIB > host.facts.memory > 0:
        context.draft.warn(
            f"its memory of {format_size(target.memory_kib * KIB)} is more than host {host.host} has "
            f"({format_size(host.facts.memory)}): it may not start, or be killed when it uses it",
            key=machine.key,
            place=place,
        )
    if target.vcpus > host.facts.cpus > 0:
        context.draft.warn(
            f"its {target.vcpus} vcpus are more than the {host.facts.cpus} CPUs of host {host.host}: "
            "they wait for each other, and it runs slower than with fewer",
            key=machine.key,
            place=place,
        )
