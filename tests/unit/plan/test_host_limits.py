"""What hosts cannot give is refused before anything is done."""

import msgspec
import pytest

from tests.fake.machine import DEFAULT_FACTS
from vmstack.model.configs import DomainConfig
from vmstack.model.hardware import TpmSpec
from vmstack.model.observed import HostFacts
from vmstack.plan.host_limits import lacks

CONFIG = DomainConfig(
    name="a", uuid="u", type="qemu", vcpus=1, max_vcpus=1, memory_kib=1, max_memory_kib=1, arch="x86_64", machine="q35"
)


def facts(**changes: object) -> HostFacts:
    return msgspec.structs.replace(DEFAULT_FACTS, **changes)


@pytest.mark.parametrize(
    ("changes", "host", "field", "text"),
    [
        ({"machine": "pc-q35-99"}, {}, "machine", "no machine type 'pc-q35-99'"),
        ({"max_vcpus": 289}, {}, "max_vcpus", "more than the 288"),
        ({"machine": "pc", "max_vcpus": 256}, {}, "max_vcpus", "more than the 255"),
        ({"cpu_mode": "host-passthrough"}, {}, "cpu_mode", "only KVM passes a processor on"),
        ({"firmware": "efi"}, {"firmwares": ("bios",)}, "firmware", "no UEFI"),
        ({"tpm": TpmSpec(model="tpm-crb")}, {"emulates_tpm": False}, "tpm", "no TPM emulator"),
        ({"cpu_model": "EPIC"}, {}, "cpu_model", "knows no CPU model 'EPIC'"),
        ({"hyperv": ("relaxed",)}, {}, "hyperv", "need KVM"),
        ({"secure_boot": True}, {"secure_boot": False}, "secure_boot", "no UEFI that enforces"),
    ],
)
def test_what_is_lacking(changes: dict, host: dict, field: str, text: str) -> None:
    (lack,) = lacks(msgspec.structs.replace(CONFIG, **changes), facts=facts(**host))
    assert lack.field == field
    assert text in lack.text
    assert lack.resolution


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"max_vcpus": 288}, {}),
        ({"machine": "moon", "max_vcpus": 4096}, {"machines": {}}),
        ({"cpu_model": "moon"}, {"cpu_models": ()}),
        ({"cpu_model": "EPYC", "secure_boot": True}, {"secure_boot": None}),
        ({"machine": "virt", "arch": "aarch64"}, {}),
        ({"cpu_mode": "host-passthrough", "type": "kvm"}, {}),
        ({"firmware": "efi", "loader": "/fw.fd"}, {"firmwares": ("bios",)}),
        ({"tpm": TpmSpec(model="tpm-crb")}, {"emulates_tpm": None}),
        ({"tpm": TpmSpec(model="tpm-crb", backend="passthrough")}, {"emulates_tpm": False}),
    ],
)
def test_what_is_there_or_not_known_is_let_through(changes: dict, host: dict) -> None:
    assert not list(lacks(msgspec.structs.replace(CONFIG, **changes), facts=facts(**host)))
