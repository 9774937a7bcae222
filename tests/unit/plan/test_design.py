"""Policy of defaults: what a program leaves open, or says in a way that has consequences elsewhere."""

import msgspec
import pytest

from tests.unit.plan.builders import vm
from vmstack.model.observed import HostFacts
from vmstack.plan.design import SPARE_PORTS, design_domain

FACTS = HostFacts(
    uri="qemu:///system",
    hostname="kvm1",
    arch="x86_64",
    domain_type="qemu",
    libvirt_version=9000000,
    hypervisor_version=7002000,
    cpus=2,
    memory=1 << 30,
)


@pytest.mark.parametrize(
    ("machine", "arch", "made", "ports"),
    [
        (None, "x86_64", "q35", SPARE_PORTS),
        ("pc-q35-7.2", "x86_64", "pc-q35-7.2", SPARE_PORTS),
        ("pc", "x86_64", "pc", None),
        ("pc-i440fx-7.2", "x86_64", "pc-i440fx-7.2", None),
        (None, "aarch64", "virt", SPARE_PORTS),
        (None, "s390x", None, None),
    ],
)
def test_ports_are_asked_for_where_the_machine_has_pcie(
    machine: str | None, arch: str, made: str | None, ports: int | None
) -> None:
    facts = msgspec.structs.replace(FACTS, arch=arch)
    spec = vm(machine=machine, disks=(), nics=())
    config = design_domain(spec, facts=facts, disks=lambda disk: None, seed_path=None, network_label=str)
    assert (config.machine, config.pcie_ports) == (made, ports)
