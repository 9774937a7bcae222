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
_REPLUG: Final = "The guest is asked to let go of it, and gets the other one in its place."


def _medium(field: str, why: str) -> tuple[Row, ...]:
    """What says what is in a disk."""
    return (
        Row(field, Case.DEFINITION, RESTART, why),
        Row(field, Case.MEDIUM, LIVE, "The medium is taken out, and another put in.", when="a CD-ROM drive"),
    )


def _pluggable(field: str, *, added: str, cold: str, replug: bool = True) -> tuple[Row, ...]:
    """A device that a running guest can get and let go of."""
    rows = (
        Row(field, Case.HOT_PLUG, LIVE, "It is plugged in.", when=added),
        Row(field, Case.COLD_PLUG, RESTART, "It is plugged in while the guest is off.", when=cold),
        Row(field, Case.HOT_UNPLUG, LIVE, "The guest is asked to let go of it.", when="removed"),
    )
    again = Row(field, Case.REPLUG, LIVE, _REPLUG, when="changed")
    return (*rows, again) if replug else rows


def _disk(owner: str) -> tuple[Row, ...]:
    """A disk of the program, or the seed of cloud-init, which is a disk of its own name."""
    return (
        Row(
            owner,
            Case.HOT_PLUG,
            LIVE,
            "It is plugged in.",
            when="added, on virtio with a free PCIe port, or on SCSI beside another SCSI disk",
        ),
        Row(owner, Case.COLD_PLUG, RESTART, "It is plugged in while the guest is off.", when=f"added, {_COLD}"),
        Row(
            owner,
            Case.HOT_UNPLUG,
            LIVE_UNLESS_SAVED,
            "The guest is asked to let go of it.",
            when="removed, on virtio or SCSI",
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
        _medium(f"{owner}.volume", "")[1],
        *_medium(f"{owner}.url", "QEMU opens another image for it at its start."),
        *_medium(f"{owner}.kind", "How QEMU opens it is fixed when it starts."),
        *_medium(f"{owner}.format", "QEMU is told the format when it opens the file."),
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
        *_medium(f"{owner}.backing", "QEMU opens what is below an overlay at its start."),
        Row(f"{owner}.iothread", Case.DEFINITION, RESTART, "Which thread serves a disk is fixed when QEMU starts."),
        Row(f"{owner}.iotune", Case.IO_LIMITS, LIVE, "QEMU counts by the new limits from then on."),
    )


_CABLE: Final = "The host moves the other end of the cable; the guest keeps its addresses until it asks for new ones."
_CONVENTIONAL: Final = "an e1000 one, which has no PCIe port"


def _card(field: str, why: str) -> tuple[Row, ...]:
    """What makes a NIC another one to the guest."""
    return (
        Row(field, Case.REPLUG, LIVE, f"{why} {_REPLUG}", when="a virtio or e1000e one"),
        Row(field, Case.DEFINITION, RESTART, why, when=_CONVENTIONAL),
    )


def _place(field: str) -> tuple[Row, ...]:
    """What a NIC is on."""
    straight = "straight on an interface of the host, before or after"
    return (
        Row(field, Case.DEVICE_UPDATE, LIVE, _CABLE),
        Row(field, Case.REPLUG, LIVE, _REPLUG, when=straight),
        Row(field, Case.DEFINITION, RESTART, "It is given another place.", when=f"{straight}, and {_CONVENTIONAL}"),
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
    *_place("nics[].network"),
    *_place("nics[].bridge"),
    *_place("nics[].interface"),
    *_place("nics[].mode"),
    Row("nics[].portgroup", Case.DEVICE_UPDATE, LIVE, _CABLE),
    Row("nics[].link", Case.DEVICE_UPDATE, LIVE, "The cable is pulled out, or put in."),
    Row("nics[].inbound", Case.DEVICE_UPDATE, LIVE, "The host counts by the new limits from then on."),
    Row("nics[].outbound", Case.DEVICE_UPDATE, LIVE, "The host counts by the new limits from then on."),
    Row("nics[].filter", Case.DEVICE_UPDATE, LIVE, "The host filters by the other rules from then on."),
    Row("nics[].filter_parameters", Case.DEVICE_UPDATE, LIVE, "The host filters by the other rules from then on."),
    *_card("nics[].model", "Another model is another device."),
    *_card("nics[].mtu", "The device tells its MTU when the guest finds it."),
    *_card("nics[].queues", "The device tells its queues when the guest finds it."),
    Row("graphics", Case.DEFINITION, RESTART, "The display is part of the machine that QEMU is started with."),
    Row("video", Case.DEFINITION, RESTART, "The video card is part of the machine that QEMU is started with."),
    Row("serial_log", Case.DEFINITION, RESTART, "The file of the serial port is opened when QEMU starts."),
    Row("virtio_console", Case.DEFINITION, RESTART, _DEFINITION),
    Row("consoles[]", Case.DEFINITION, RESTART, _DEFINITION),
    *_pluggable(
        "channels[]", added="added, beside another channel", cold="added, where there was no channel", replug=False
    ),
    *_pluggable(
        "filesystems[]", added="virtiofs, added, with shared memory and a free PCIe port", cold="virtiofs, else"
    ),
    Row("filesystems[]", Case.DEFINITION, RESTART, _DEFINITION, when="9p"),
    *_pluggable("host_devices[]", added="added, USB or with a free PCIe port", cold="added, without a free PCIe port"),
    *_pluggable("rng", added="added, with a free PCIe port", cold="added, without a free PCIe port"),
    *_pluggable("vsock", added="added, with a free PCIe port", cold="added, without a free PCIe port"),
    Row("watchdog", Case.DEFINITION, RESTART, _DEFINITION),
    Row("balloon", Case.DEFINITION, RESTART, _DEFINITION),
    Row("panic", Case.DEFINITION, RESTART, _DEFINITION),
    Row("iothreads", Case.IO_THREADS, LIVE, "QEMU starts further threads, and ends those that serve no disk."),
    Row("shared_memory", Case.DEFINITION, RESTART, "QEMU maps the guest's memory at its start."),
    Row(
        "graphics.password",
        Case.DISPLAY_PASSWORD,
        LIVE,
        "Whoever connects from then on needs the new one.",
        when="changed",
    ),
    Row(
        "graphics.password",
        Case.DEFINITION,
        RESTART,
        "Whether a display asks for a password at all is fixed when QEMU starts.",
        when="set where there was none, or taken away",
    ),
    Row("tpm", Case.DEFINITION, RESTART, "The TPM is part of the machine that QEMU is started with."),
)
