"""Changes of everything but devices, networks and storage."""

from typing import Final

from tests.live.changes.change import Change, live, note, restart

RUN: Final = {"running": "restart", "stopped": "none"}
NUMA: Final = "numa=[NumaCell('0', memory='24MiB'), NumaCell('1', memory='24MiB')]"

CHANGES: Final = (
    Change(field="vcpus", before="vcpus=1, max_vcpus=2", after="vcpus=2, max_vcpus=2", expect=live()),
    Change(field="vcpus", before="vcpus=2, max_vcpus=2", after="vcpus=1, max_vcpus=2", expect=restart()),
    Change(field="vcpus", before="vcpus=1", after="vcpus=2", expect=restart() | {"paused": "restart"}),
    Change(field="max_vcpus", before="vcpus=1, max_vcpus=2", after="vcpus=1, max_vcpus=3", expect=restart()),
    Change(
        field="memory",
        before='memory="48MiB", max_memory="64MiB"',
        after='memory="64MiB", max_memory="64MiB"',
        expect={"stopped": "none", "saved": "next-boot"},
    ),
    Change(field="memory", before='memory="48MiB"', after='memory="64MiB"', expect=restart()),
    Change(field="memory", before='memory="64MiB"', after='memory="48MiB"', expect=restart()),
    Change(
        field="max_memory",
        before='memory="48MiB", max_memory="64MiB"',
        after='memory="48MiB", max_memory="80MiB"',
        expect=restart(),
    ),
    Change(field="cpu_mode", before='cpu_mode="maximum"', after='cpu_mode="host-model"', expect=restart()),
    Change(field="machine", before='machine="pc-q35-7.1"', after='machine="pc-q35-7.2"', expect=restart()),
    Change(field="machine", before='machine="q35"', after='machine="pc"', expect=RUN),
    Change(
        field="firmware",
        before='firmware="bios"',
        after='firmware="uefi"',
        expect=RUN,
    ),
    Change(field="cpu_mode", before="cpu=Cpu(mode='maximum')", after="cpu=Cpu(model='qemu64')", expect=RUN),
    Change(field="cpu_model", before="cpu=Cpu(model='qemu64')", after="cpu=Cpu(model='Opteron_G1')", expect=RUN),
    Change(
        field="cpu_features[]",
        before="cpu=Cpu(model='qemu64', features={{'svm': 'disable'}})",
        after="cpu=Cpu(model='qemu64', features={{'svm': 'disable', 'lm': 'require'}})",
        expect=RUN,
    ),
    Change(
        field="topology",
        before="vcpus=2, cpu=Cpu(sockets=2)",
        after="vcpus=2, cpu=Cpu(sockets=1, cores=2)",
        expect=restart(),
    ),
    Change(field="cpu_shares", before="", after="cpu=Cpu(shares=512)", expect=live()),
    Change(field="cpu_shares", before="cpu=Cpu(shares=512)", after="cpu=Cpu(shares=256)", expect={"running": "live"}),
    Change(field="cpu_shares", before="cpu=Cpu(shares=512)", after="", expect=RUN),
    Change(field="cpu_quota", before="", after="cpu=Cpu(quota=50000)", expect={"running": "live", "stopped": "none"}),
    Change(
        field="cpu_period",
        before="cpu=Cpu(quota=50000, period=100000)",
        after="cpu=Cpu(quota=50000, period=50000)",
        expect={"running": "live", "stopped": "none"},
    ),
    Change(field="pins[]", before="", after="cpu=Cpu(pins={{0: '0'}})", expect=live()),
    Change(
        field="pins[]",
        before="cpu=Cpu(pins={{0: '0'}})",
        after="cpu=Cpu(pins={{0: '0-1'}})",
        expect={"running": "live", "stopped": "none"},
    ),
    Change(field="pins[]", before="cpu=Cpu(pins={{0: '0'}})", after="", expect=RUN),
    Change(field="numa[]", before="vcpus=2", after=f"vcpus=2, {NUMA}", expect=RUN),
    Change(field="hugepages", before="", after="hugepages=True", expect={"stopped": "none"}),
    Change(field="clock", before="", after="clock=Clock(offset='localtime')", expect=RUN),
    Change(
        field="timers[]",
        before="clock=Clock(timers={{'hpet': False}})",
        after="clock=Clock(timers={{'hpet': True}})",
        expect=RUN,
    ),
    Change(field="on_crash", before="", after="on_crash='preserve'", expect=RUN),
    Change(field="on_reboot", before="on_reboot='restart'", after="on_reboot='destroy'", expect=RUN),
    Change(field="boot", before="", after="boot=Boot(devices=['network', 'hd'])", expect=RUN),
    Change(
        field="cmdline",
        before="boot=Boot(kernel='/vmlinuz', cmdline='a')",
        after="boot=Boot(kernel='/vmlinuz', cmdline='b')",
        expect={"stopped": "none"},
    ),
    Change(
        field="vcpus",
        before="vcpus=1, max_vcpus=2, firmware='uefi', secure_boot=True",
        after="vcpus=2, max_vcpus=2, firmware='uefi', secure_boot=True",
        expect={"running": "live", "stopped": "none"},
    ),
    Change(field="tpm", before="", after="tpm=Tpm(model='tpm-crb')", expect=RUN),
    Change(field="title", before="", after="title='one'", expect=note()),
    Change(field="title", before="title='one'", after="", expect=note()),
    Change(field="description", before='description="one"', after='description="two"', expect=note()),
    Change(field="description", before='description="one"', after="", expect=note()),
    Change(field="autostart", before="autostart=False", after="autostart=True", expect=note()),
    Change(
        field="label",
        before='label="$prefix-{name}-old"',
        after='label="$prefix-{name}"',
        expect=RUN,
    ),
)
