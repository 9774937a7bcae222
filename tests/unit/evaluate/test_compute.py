"""`Cpu`, `NumaCell`, `Clock`, `Tpm`, `Boot` and their like: what they take, refuse and come to."""

import pytest

from vmstack.errors import InputError
from vmstack.evaluate.native.compute import Boot, Clock, Cpu, NumaCell, Tpm, boot_fields, compute_spec
from vmstack.model.compute import (
    CellSpec,
    ComputeSpec,
    CpuFeatureSpec,
    PinSpec,
    TimerSpec,
    TopologySpec,
    format_cpus,
    parse_cpus,
)
from vmstack.model.hardware import HardwareSpec

NOTHING = {
    "cpu": None, "clock": None, "numa": (), "hugepages": False, "hyperv": (), "secure_boot": False, "title": None,
    "on_reboot": None, "on_crash": None, "max_vcpus": 4, "max_memory": 1 << 30,
}  # fmt: skip


def spec(**arguments: object) -> ComputeSpec:
    return compute_spec(**(NOTHING | arguments))


def test_nothing_said_is_nothing_written() -> None:
    assert spec() == ComputeSpec()
    assert spec(cpu=Cpu(), clock=Clock()) == ComputeSpec()


def test_all_that_can_be_said() -> None:
    found = spec(
        cpu=Cpu(
            model="EPYC", features={"vmx": "disable", "aes": "require"}, sockets=2, cores=2, shares=512, quota=50000,
            period=100000, pins={1: "3, 0-1", 0: "0-3,^2"},
        ),
        clock=Clock(offset="localtime", timers={"rtc": "catchup", "hpet": False}),
        numa=[NumaCell("0-1", memory="512MiB"), NumaCell("2,3", memory="512MiB")],
        hugepages="2MiB",
        hyperv=["vapic", "relaxed"],
        secure_boot=True,
        title="A title",
        on_reboot="destroy",
        on_crash="preserve",
    )  # fmt: skip
    assert found == ComputeSpec(
        title="A title",
        cpu_model="EPYC",
        cpu_features=(CpuFeatureSpec(name="aes"), CpuFeatureSpec(name="vmx", policy="disable")),
        topology=TopologySpec(sockets=2, cores=2),
        shares=512,
        quota=50000,
        period=100000,
        pins=(PinSpec(vcpu=0, cpus="0-1,3"), PinSpec(vcpu=1, cpus="0-1,3")),
        hugepages=2048,
        numa=(CellSpec(id=0, cpus="0-1", memory_kib=524288), CellSpec(id=1, cpus="2-3", memory_kib=524288)),
        clock="localtime",
        timers=(TimerSpec(name="hpet", present=False), TimerSpec(name="rtc", tickpolicy="catchup")),
        hyperv=("relaxed", "vapic"),
        on_reboot="destroy",
        on_crash="preserve",
        secure_boot=True,
    )
    assert spec(hugepages=True).hugepages == 0


def test_what_is_booted_and_the_tpm() -> None:
    found = HardwareSpec(
        **boot_fields(
            boot=Boot(devices=["network", "hd"], kernel="/k", initrd="/i", cmdline="quiet"), tpm=Tpm(model="tpm-crb")
        )
    )
    assert (found.boot, found.kernel, found.initrd, found.cmdline) == (("network", "hd"), "/k", "/i", "quiet")
    assert found.tpm is not None
    assert (found.tpm.model, found.tpm.version) == ("tpm-crb", "2.0")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Cpu(mode="maximum", model="EPYC"), "mode: a model is named"),
        (lambda: Cpu(mode="fast"), "mode: 'fast' is not one of"),
        (lambda: Cpu(shares=1), "shares: 1 is not between"),
        (lambda: Cpu(quota=10), "quota: 10 is not between"),
        (lambda: Cpu(pins={0: "all"}), "pins[0]: 'all' is no set of CPUs"),
        (lambda: Cpu(pins=["0"]), "pins: ['0'] is not a mapping"),
        (lambda: Cpu(features={"vmx": "off"}), "features['vmx']: 'off' is not one of"),
        (lambda: NumaCell("3-1", memory="1GiB"), "cpus: '3-1' is no set of CPUs"),
        (lambda: Clock(timers={"sundial": True}), "timers: 'sundial' is not one of"),
        (lambda: Clock(timers={"rtc": "late"}), "timers['rtc']: 'late' is not one of"),
        (lambda: Boot(devices=["hd", "hd"]), "devices: one is named twice"),
        (lambda: Boot(cmdline="quiet"), "cmdline: it is passed to a kernel"),
        (lambda: Boot(kernel="vmlinuz"), "kernel"),
        (lambda: Tpm(version="3"), "version: '3' is not one of"),
        (lambda: spec(cpu=Cpu(sockets=2)), "make 2 vcpus, and the VM has a maximum of 4"),
        (lambda: spec(cpu=Cpu(pins={4: "0"})), "pins the vcpu 4, and the last one is 3"),
        (lambda: spec(numa=[NumaCell("0-2", memory="1GiB")]), "hold the vcpus 0-2, and the VM has 0-3"),
        (lambda: spec(numa=[NumaCell("0-3", memory="2GiB")]), "its cells have 2097152 KiB"),
        (lambda: spec(hyperv=["fast"]), "hyperv: 'fast' is not one of"),
        (lambda: spec(hugepages="2"), "hugepages"),
        (lambda: spec(on_crash="ignore"), "on_crash: 'ignore' is not one of"),
    ],
)
def test_what_is_refused(make: object, text: str) -> None:
    with pytest.raises(InputError) as raised:
        make()
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("text", "canonical"), [("0", "0"), ("0-3,^2", "0-1,3"), ("3,2,1", "1-3"), (" 5 , 7-8 ", "5,7-8")]
)
def test_sets_of_cpus(text: str, canonical: str) -> None:
    assert format_cpus(parse_cpus(text)) == canonical


@pytest.mark.parametrize("text", ["", "x", "-1", "2-1", "0,^0", "0-", "99999"])
def test_no_sets_of_cpus(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cpus(text)
