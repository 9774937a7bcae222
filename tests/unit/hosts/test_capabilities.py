"""The choice between kvm and qemu."""

import pytest
from lxml import etree
from lxml.builder import E

from vmstack.hosts.capabilities import Offers, choose_domain_type, read_machines, read_offers


def capabilities(
    *features: str, model: str = "Skylake-Client", types: tuple[str, ...] = ("qemu", "kvm")
) -> etree._Element:
    return E.capabilities(
        E.host(E.cpu(E.arch("x86_64"), E.model(model), *(E.feature(name=name) for name in features))),
        E.guest(E.arch(*(E.domain(type=kind) for kind in types), name="x86_64")),
        E.guest(E.arch(E.domain(type="kvm"), name="aarch64")),
        E.guest(E.arch(E.domain(type="kvm"), name="i686")),
    )


@pytest.mark.parametrize(
    ("root", "arch", "flags", "expected"),
    [
        (capabilities(), "x86_64", frozenset({"vmx", "fpu"}), "kvm"),
        (capabilities(), "x86_64", frozenset({"svm"}), "kvm"),
        (capabilities(), "x86_64", frozenset({"fpu"}), "qemu"),
        (capabilities("vmx"), "x86_64", frozenset({"fpu"}), "qemu"),
        (capabilities(types=("qemu",)), "x86_64", frozenset({"vmx"}), "qemu"),
        (capabilities(types=("qemu",)), "x86_64", None, "qemu"),
        (capabilities(), "x86_64", None, "kvm"),
        (capabilities("hypervisor"), "x86_64", None, "kvm"),
        (capabilities("hypervisor", model="kvm64"), "x86_64", None, "qemu"),
        (capabilities("hypervisor", "svm", model="kvm64"), "x86_64", None, "kvm"),
        (capabilities(model="kvm64"), "x86_64", None, "kvm"),
        (capabilities(), "aarch64", frozenset(), "kvm"),
        (capabilities(), "riscv64", None, "qemu"),
    ],
)
def test_domain_type(root: etree._Element, arch: str, flags: frozenset[str] | None, expected: str) -> None:
    assert choose_domain_type(root, arch=arch, flags=flags) == expected


def test_machine_types_and_the_vcpus_that_they_take() -> None:
    root = E.capabilities(
        E.guest(
            E.arch(
                E.machine("pc-q35-7.2", maxCpus="288"),
                E.machine("q35", canonical="pc-q35-7.2", maxCpus="288"),
                E.domain(E.machine("microvm", maxCpus="64"), type="kvm"),
                E.machine("odd"),
                name="x86_64",
            )
        )
    )
    assert read_machines(root) == {"x86_64": {"pc-q35-7.2": 288, "q35": 288, "microvm": 64}}


def test_firmware_and_tpm() -> None:
    def values(name: str, *texts: str) -> etree._Element:
        return E.enum(*(E.value(text) for text in texts), name=name)

    system = E.os(values("firmware", "efi"), E.loader(values("secure", "yes", "no")))
    root = E.domainCapabilities(system, E.devices(E.tpm(values("backendModel", "emulator"))))
    assert read_offers(root, legacy=("bios",)) == Offers(("bios", "uefi"), emulates_tpm=True, secure_boot=True)
    bare = E.domainCapabilities(E.os(), E.devices())
    assert read_offers(bare, legacy=()) == Offers((), emulates_tpm=None, secure_boot=False)
