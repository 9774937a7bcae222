"""Changes of devices.

No guest here has a system, and one without a system lets go of nothing: what is unplugged from a running guest is tried
on the probe guest (`tests/live/stack`). Limits of a NIC need a queueing discipline of the kernel that containers may
lack, and there is no device to pass on: both are tried on guests that are off.
"""

from collections.abc import Mapping
from typing import Final

from tests.live.changes.change import Change, State, live, restart

_LANS: Final = (
    "lan, wan = globals().get('lans') or globals().setdefault('lans', ("
    "Network('dlan', label='$prefix-dlan', mode='isolated', host=host), "
    "Network('dwan', label='$prefix-dwan', mode='isolated', host=host)))"
)
_ISOS: Final = (
    "one, two = globals().get('isos') or globals().setdefault('isos', tuple("
    "Volume(item, pool=pool, size='1MiB', format='raw', opts=pulumi.ResourceOptions(protect=False))"
    " for item in ('iso-1', 'iso-2')))"
)
_OFF: Final[Mapping[State, str]] = {"stopped": "none"}
# A row that costs a start: the paused and the saved guest are left to the rows of `live`.
_START: Final[Mapping[State, str]] = {"running": "restart", "stopped": "none"}
_LIVE: Final[Mapping[State, str]] = {"running": "live", "stopped": "none"}


def _disk(before: str, after: str, *, field: str, expect: Mapping[State, str]) -> Change:
    """A change of an argument of the data disk."""
    disk = 'disks=[Disk("data", size="1MiB", format="raw", protect=False, {})]'
    return Change(field=f"disks[].{field}", before=disk.format(before), after=disk.format(after), expect=expect)


def _nic(before: str, after: str, *, field: str, expect: Mapping[State, str]) -> Change:
    """A change of an argument of the only NIC."""
    nic = 'networks=[Nic(lan, name="e", {})]'
    place = f"nics[].{field}"
    return Change(field=place, before=nic.format(before), after=nic.format(after), expect=expect, also=_LANS)


def _device(before: str, after: str, *, field: str, expect: Mapping[State, str]) -> Change:
    return Change(field=field, before=f"devices=[{before}]", after=f"devices=[{after}]", expect=expect)


def _graphics(before: str, after: str, *, field: str, expect: Mapping[State, str]) -> Change:
    return Change(
        field=field, before=f"graphics=Graphics({before})", after=f"graphics=Graphics({after})", expect=expect
    )


def _medium(before: str, after: str, *, expect: Mapping[State, str]) -> Change:
    drive = 'disks=[data, Cdrom("cd", {})]'
    return Change(
        field="disks[].volume", before=drive.format(before), after=drive.format(after), expect=expect, also=_ISOS
    )


CHANGES: Final = (
    # Disks.
    _disk("", 'cache="none"', field="cache", expect=restart()),
    _disk("", "discard=False", field="discard", expect=_START),
    _disk("", 'bus="scsi"', field="bus", expect=_START),
    _disk("", "readonly=True", field="readonly", expect=_START),
    _disk("", 'iotune=IoTune(total_bytes="1MiB", read_iops=9)', field="iotune", expect=live()),
    _disk("iotune=IoTune(total_bytes='1MiB')", "iotune=IoTune(write_bytes='4KiB')", field="iotune", expect=_LIVE),
    _disk("iotune=IoTune(total_iops=5)", "", field="iotune", expect=_LIVE),
    Change(
        field="disks[].iothread",
        before='iothreads=2, disks=[Disk("data", size="1MiB", format="raw", protect=False, iothread=1)]',
        after='iothreads=2, disks=[Disk("data", size="1MiB", format="raw", protect=False, iothread=2)]',
        expect=_START,
    ),
    Change(field="iothreads", before="", after="iothreads=2", expect=_LIVE),
    Change(field="iothreads", before="iothreads=3", after="iothreads=1", expect=_LIVE),
    Change(
        field="disks[]",
        before="",
        after='disks=[data, Disk("more", size="1MiB", format="raw", protect=False)]',
        expect=live(),
    ),
    Change(
        field="disks[]",
        before='disks=[data, Disk("a", size="1MiB", bus="scsi", protect=False)]',
        after='disks=[data, Disk("a", size="1MiB", bus="scsi", protect=False),'
        ' Disk("b", size="1MiB", bus="scsi", protect=False)]',
        expect=_LIVE,
    ),
    Change(
        field="disks[]",
        before="",
        after='disks=[data, Disk("more", size="1MiB", bus="sata", protect=False)]',
        expect=_START,
    ),
    # Media.
    _medium("", "volume=one", expect=live()),
    _medium("volume=one", "volume=two", expect=_LIVE),
    _medium("source=one.path", "source=two.path", expect=_LIVE),
    _medium("volume=one", "", expect=_LIVE),
    Change(field="disks[]", before="", after='disks=[data, Cdrom("cd")]', expect=_START),
    # NICs.
    Change(
        field="nics[].network",
        before='networks=[Nic(lan, name="e")]',
        after='networks=[Nic(wan, name="e")]',
        expect=live(),
        also=_LANS,
    ),
    _nic("", "link=False", field="link", expect=_LIVE),
    _nic("link=False", "", field="link", expect=_LIVE),
    _nic("", 'filter="clean-traffic"', field="filter", expect=_LIVE),
    _nic('filter="clean-traffic"', 'filter="no-mac-spoofing"', field="filter", expect=_LIVE),
    _nic(
        'filter="no-ip-spoofing", filter_parameters={{"IP": "10.0.0.1"}}',
        'filter="no-ip-spoofing", filter_parameters={{"IP": "10.0.0.2"}}',
        field="filter_parameters",
        expect=_LIVE,
    ),
    _nic("", 'inbound="1MiB"', field="inbound", expect=_OFF),
    _nic('outbound=Bandwidth("1MiB", peak="2MiB", burst="64KiB")', "", field="outbound", expect=_OFF),
    _nic('model="e1000"', 'model="virtio"', field="model", expect=_START),
    _nic("", 'model="e1000e"', field="model", expect=_OFF),
    _nic("", "mtu=1300", field="mtu", expect=_OFF),
    _nic("", "queues=2", field="queues", expect=_OFF),
    Change(field="nics[]", before="", after='networks=[Nic(lan, name="e")]', expect=_LIVE, also=_LANS),
    Change(
        field="nics[]", before="", after='networks=[Nic(lan, name="e", model="e1000")]', expect=_START, also=_LANS
    ),
    # Displays.
    Change(
        field="graphics.password",
        before='graphics=Graphics(password="one")',
        after='graphics=Graphics(password="two")',
        expect={"running": "live", "stopped": "none"},
    ),
    _graphics("", 'password="x"', field="graphics.password", expect=_START),
    _graphics('password="x"', "", field="graphics.password", expect=_START),
    _graphics("", 'listen="127.0.0.2"', field="graphics", expect=_START),
    Change(
        field="video", before='graphics=Graphics(video="vga")', after='graphics=Graphics(video="virtio")', expect=_START
    ),
    # Small devices.
    _device("", 'Rng(rate="1KiB", period=500)', field="rng", expect=_OFF),
    _device("", 'Watchdog("poweroff")', field="watchdog", expect=_START),
    _device('Watchdog("reset")', 'Watchdog("pause")', field="watchdog", expect=_START),
    _device('Watchdog("reset")', "", field="watchdog", expect=_START),
    _device("", "Balloon(autodeflate=True)", field="balloon", expect=_START),
    _device("Balloon(None)", "Balloon()", field="balloon", expect=_START),
    _device("", "Panic()", field="panic", expect=_START),
    _device("", "Vsock(77)", field="vsock", expect=_OFF),
    _device("Vsock(77)", "Vsock()", field="vsock", expect=_OFF),
    _device("Vsock()", "", field="vsock", expect=_OFF),
    _device("", 'Channel("org.example.0")', field="channels[]", expect=_LIVE),
    _device('Channel("org.example.0")', "", field="channels[]", expect=_LIVE),
    _device("", "Console(), Console(file='$folder/{name}.txt')", field="consoles[]", expect=_START),
    _device("", "Filesystem('/srv', 'srv', driver='9p')", field="filesystems[]", expect=_START),
    _device("", "Filesystem('/srv', 'srv')", field="filesystems[]", expect=_START),
    _device("Filesystem('/srv', 'srv')", "Filesystem('/srv', 'srv'), Filesystem('/var/tmp', 'tmp')",
            field="filesystems[]", expect=_LIVE),
    _device("", "Passthrough(pci='0000:3b:00.0')", field="host_devices[]", expect=_OFF),
    _device("Passthrough(usb='046d:c52b')", "Passthrough(usb='046d:c52b', managed=False)",
            field="host_devices[]", expect=_OFF),
    _device("Passthrough(usb='046d:c52b')", "", field="host_devices[]", expect=_OFF),
)  # fmt: skip
