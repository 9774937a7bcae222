"""Rows of a VM's devices."""

from typing import Final

from vmstack.plan.changes.row import (
    LIVE,
    LIVE_UNLESS_SAVED,
    NEXT_BOOT_UNLESS_SAVED,
    REFUSED,
    RESTART,
    RESTART_UNLESS_SAVED,
    Case,
    Row,
)

_SAVED: Final = "Its saved state needs its disks as they were when it was saved."
_COLD: Final = "on a bus that cannot hot-plug, or without a free PCIe port"


def _disk(owner: str) -> tuple[Row, ...]:
    """A disk of the program, or the seed of cloud-init, which is a disk of its own name."""
    return (
        Row(owner, Case.HOT_PLUG, LIVE, "It is plugged in.", when="added, on virtio with a free PCIe port"),
        Row(owner, Case.COLD_PLUG, RESTART, "It is plugged in while the guest is off.", when=f"added, {_COLD}"),
        Row(
            owner,
            Case.HOT_UNPLUG,
            LIVE_UNLESS_SAVED,
            "The guest is asked to let go of it.",
            when="removed, on virtio",
            refusal=_SAVED,
        ),
        Row(
            owner,
            Case.COLD_UNPLUG,
            RESTART_UNLESS_SAVED,
            "It is taken out while the guest is off.",
            when="removed, the boot disk or on a bus that cannot hot-plug",
            refusal=_SAVED,
        ),
        Row(
            f"{owner}.volume",
            Case.DEFINITION,
            RESTART_UNLESS_SAVED,
            "QEMU opens another file for it at its start.",
            refusal=_SAVED,
        ),
        Row(f"{owner}.url", Case.DEFINITION, RESTART, "QEMU opens another image for it at its start."),
        Row(f"{owner}.kind", Case.DEFINITION, RESTART, "How QEMU opens it is fixed when it starts."),
        Row(f"{owner}.format", Case.DEFINITION, RESTART, "QEMU is told the format when it opens the file."),
        Row(f"{owner}.bus", Case.DEFINITION, RESTART, "On another bus it is another device."),
        Row(f"{owner}.cache", Case.DEFINITION, RESTART, "How QEMU caches a file is fixed when it opens it."),
        Row(
            f"{owner}.discard",
            Case.DEFINITION,
            RESTART,
            "What QEMU does with discards is fixed when it opens the file.",
        ),
        Row(
            f"{owner}.readonly",
            Case.DEFINITION,
            RESTART,
            "QEMU opens it for reading, or for writing too, at its start.",
        ),
        Row(f"{owner}.wwn", Case.DEFINITION, RESTART, "The device tells its name when the guest finds it."),
        Row(f"{owner}.backing", Case.DEFINITION, RESTART, "QEMU opens what is below an overlay at its start."),
    )


_DEFINITION: Final = "It is part of the machine that QEMU is started with."

ROWS: Final = (
    *_disk("disks[]"),
    Row(
        "disks[].capacity",
        Case.DISK_GROW,
        LIVE,
        "The volume grows, and the guest is told that its disk did.",
        when="more",
    ),
    Row("disks[].capacity", Case.REFUSED, REFUSED, "What a file system put at the end would be cut off.", when="less"),
    Row(
        "disks[].content",
        Case.VOLUME_UNDER,
        RESTART_UNLESS_SAVED,
        "A volume it has as a disk is made anew, with the guest off.",
        refusal=_SAVED,
    ),
    *_disk("cloud_init"),
    Row(
        "cloud_init",
        Case.SEED,
        NEXT_BOOT_UNLESS_SAVED,
        "The new content is there at the next start; on_seed_change says whether cloud-init runs again.",
        when="other content",
        refusal=_SAVED,
    ),
    Row("nics[]", Case.HOT_PLUG, LIVE, "It is plugged in.", when="added, a virtio or e1000e one with a free PCIe port"),
    Row(
        "nics[]",
        Case.COLD_PLUG,
        RESTART,
        "It is plugged in while the guest is off.",
        when="added, without a free PCIe port",
    ),
    Row("nics[]", Case.HOT_UNPLUG, LIVE, "The guest is asked to let go of it.", when="removed"),
    Row("nics[].network", Case.DEFINITION, RESTART, "It is given another place while the guest is off."),
    Row("nics[].bridge", Case.DEFINITION, RESTART, "It is given another place while the guest is off."),
    Row("nics[].interface", Case.DEFINITION, RESTART, "It is given another place while the guest is off."),
    Row("nics[].mode", Case.DEFINITION, RESTART, "It is given another place while the guest is off."),
    Row("nics[].model", Case.DEFINITION, RESTART, "Another model is another device."),
    Row("nics[].mtu", Case.DEFINITION, RESTART, "The device tells its MTU when the guest finds it."),
    Row("graphics", Case.DEFINITION, RESTART, "The display is part of the machine that QEMU is started with."),
    Row("video", Case.DEFINITION, RESTART, "The video card is part of the machine that QEMU is started with."),
    Row("serial_log", Case.DEFINITION, RESTART, "The file of the serial port is opened when QEMU starts."),
    Row("virtio_console", Case.DEFINITION, RESTART, _DEFINITION),
    Row("consoles[]", Case.DEFINITION, RESTART, _DEFINITION),
    Row("channels[]", Case.DEFINITION, RESTART, _DEFINITION),
    Row("filesystems[]", Case.DEFINITION, RESTART, _DEFINITION),
    Row("tpm", Case.DEFINITION, RESTART, "The TPM is part of the machine that QEMU is started with."),
)
