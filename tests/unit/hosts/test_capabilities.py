"""The choice between kvm and qemu."""

import pytest
from lxml import etree
from lxml.builder import E

from vmstack.hosts.capabilities import choose_domain_type


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
