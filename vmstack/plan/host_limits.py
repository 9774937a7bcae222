"""What hosts cannot give: machine types, processors, firmware and TPMs that are not there, and too many vcpus.

All of it is refused before anything is done, so that no guest is shut down for a definition that cannot start. A
connection that may not ask for something leaves it open: the `None` of `HostFacts`. Applying has one that may.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from vmstack.errors import InputError
from vmstack.model.configs import DomainConfig
from vmstack.model.identity import Kind
from vmstack.model.observed import HostFacts
from vmstack.plan.context import Context
from vmstack.plan.machine_decision import MachineDecision, Mode

_FIELDS: Final = frozenset({
    "vcpus", "max_vcpus", "machine", "arch", "domain_type", "cpu_mode", "cpu_model", "hyperv", "firmware",
    "secure_boot", "tpm",
})  # fmt: skip


class Lack(NamedTuple):
    """What a host lacks: the field that asks for it, the rest of the sentence, and the way on."""

    field: str
    text: str
    resolution: str


def check_limits(machines: Iterable[MachineDecision], *, context: Context) -> None:
    """Report what the hosts of VMs that are made or changed do not offer; one that only goes on is left alone."""
    for machine in machines:
        changed = _changed(machine)
        if not changed:
            continue
        host = context.indexes[machine.host]
        for lack in lacks(machine.target, facts=host.facts):
            if lack.field in changed:
                context.draft.errors.append(
                    InputError(
                        f"{machine.key}: {lack.text.format(host=host.host)}",
                        resolution=lack.resolution,
                        place=context.catalog.place(Kind.VM, machine.spec.name),
                    )
                )


def lacks(config: DomainConfig, *, facts: HostFacts) -> Iterator[Lack]:
    """What of a config the host cannot give, as far as it is known."""
    machines = facts.machines.get(config.arch or facts.arch, {})
    if machines and config.machine is not None:
        if config.machine not in machines:
            near = difflib.get_close_matches(config.machine, sorted(machines), n=3)
            hint = f"one of {', '.join(near)}, or " if near else ""
            yield Lack(
                "machine",
                f"host {{host}} has no machine type {config.machine!r} for {config.arch}",
                f"ask for {hint}none, which takes the host's default (`virsh capabilities` lists them)",
            )
        elif config.max_vcpus > machines[config.machine]:
            most = machines[config.machine]
            yield Lack(
                "max_vcpus",
                f"{config.max_vcpus} vcpus are more than the {most} that the machine type {config.machine} takes on "
                "host {host}",
                f"ask for at most {most} (vcpus, max_vcpus)",
            )
    if config.cpu_mode == "host-passthrough" and config.type == "qemu":
        yield Lack(
            "cpu_mode",
            "cpu_mode is 'host-passthrough', and the guest is emulated on host {host}: only KVM passes a processor on",
            'leave it out, or say "maximum"',
        )
    known = facts.cpu_models if (config.arch or facts.arch) == facts.arch else ()
    if known and config.cpu_model is not None and config.cpu_model not in known:
        near = difflib.get_close_matches(config.cpu_model, known, n=3)
        yield Lack(
            "cpu_model",
            f"host {{host}} knows no CPU model {config.cpu_model!r}",
            (f"ask for one of {', '.join(near)}; " if near else "") + "`virsh cpu-models` lists them all",
        )
    if config.hyperv and config.type == "qemu":
        yield Lack(
            "hyperv",
            "its enlightenments (hyperv) need KVM, and the guest is emulated on host {host}",
            "leave hyperv out",
        )
    if config.secure_boot and facts.secure_boot is False:
        yield Lack(
            "secure_boot",
            "host {host} has no UEFI that enforces secure boot",
            "install OVMF with secure boot there (package ovmf or edk2-ovmf), or leave secure_boot out",
        )
    if config.firmware == "efi" and config.loader is None and "uefi" not in facts.firmwares:
        yield Lack(
            "firmware",
            "host {host} has no UEFI that libvirt could choose",
            "install OVMF there (package ovmf or edk2-ovmf), or leave firmware out",
        )
    if config.tpm is not None and config.tpm.backend == "emulator" and facts.emulates_tpm is False:
        yield Lack("tpm", "host {host} has no TPM emulator", "install swtpm there, or leave the TPM out")


def _changed(machine: MachineDecision) -> frozenset[str]:
    """The fields that are given to the host anew; a maximum of vcpus with whatever it depends on."""
    if machine.mode is Mode.CREATE:
        return _FIELDS
    changed = {item.path for item in machine.differences if item.after is not None} & _FIELDS
    if changed & {"vcpus", "machine", "arch"}:
        changed.add("max_vcpus")
    if changed & {"domain_type"}:
        changed |= {"cpu_mode", "hyperv"}
    return frozenset(changed)
