"""Changes of everything but devices, networks and storage."""

from typing import Final

from tests.live.changes.change import Change, live, note, restart

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
    Change(
        field="machine", before='machine="q35"', after='machine="pc"', expect={"running": "restart", "stopped": "none"}
    ),
    Change(
        field="firmware",
        before='firmware="bios"',
        after='firmware="uefi"',
        expect={"running": "restart", "stopped": "none"},
    ),
    Change(field="description", before='description="one"', after='description="two"', expect=note()),
    Change(field="description", before='description="one"', after="", expect=note()),
    Change(field="autostart", before="autostart=False", after="autostart=True", expect=note()),
    Change(
        field="label",
        before='label="$prefix-{name}-old"',
        after='label="$prefix-{name}"',
        expect={"running": "restart", "stopped": "none"},
    ),
)
