"""The kinds of drift as data: what somebody does with virsh, and how `vmstack drift` is to name it."""

from dataclasses import dataclass
from typing import Literal

Remedy = Literal["repair", "report", "refused"]


@dataclass(frozen=True)
class Kind:
    """One thing done by hand.

    `commands` are virsh commands: `@` stands before names of the program, `*` in names of volumes, `{...}` are values
    of the bench. `edits` are (command that dumps, command that takes, text, other text) of a definition.
    `found` is the address, the kind and the path in the report.
    """

    commands: tuple[str, ...]
    found: tuple[str, str, str]
    remedy: Remedy = "repair"
    disruption: str = "none"
    now: object = ...
    edit: tuple[str, str] | None = None


def by(command: str, address: str, kind: str, path: str, **more: object) -> Kind:
    return Kind(tuple(part.strip() for part in command.split(";") if part.strip()), (address, kind, path), **more)


def edited(address: str, before: str, after: str, kind: str, path: str, **more: object) -> Kind:
    """A definition that was edited."""
    return Kind((), (address, kind, path), edit=(before, after), **more)


GUESTS = (
    # a runs
    by("setvcpus @a 2 --config", "vm.a", "field", "vcpus", now=2, disruption="live"),
    by("setmem @a 40M --config", "vm.a", "field", "memory", now="40 MiB", disruption="live"),
    by("autostart --disable @a", "vm.a", "autostart", "autostart", now=False),
    by("desc @a --config other", "vm.a", "field", "description", now="other"),
    by("attach-disk @a {spare} vdx --live --config", "vm.a", "extra", "disks[vdx]", remedy="report"),
    by(
        "attach-interface @a network @lan --mac 52:54:00:aa:00:01 --model virtio --live --config",
        "vm.a", "extra", "nics[52:54:00:aa:00:01]", remedy="report", now="on {prefix}-lan",
    ),
    # b runs
    by("setvcpus @b 2 --live", "vm.b", "pending", "vcpus", now=2, disruption="restart"),
    by("suspend @b", "vm.b", "power", "power", now="paused", disruption="restart"),
    by("suspend @forged", "vm.forged", "power", "power", now="paused", disruption="live"),
    # c and d run
    by("undefine @c", "vm.c", "definition", "definition", now="removed"),
    by("destroy @d", "vm.d", "power", "power", now="stopped"),
    by("detach-disk @d vdb --config", "vm.d", "field", "disks[more]"),
    by("detach-interface @d network --config", "vm.d", "field", "nics[lan]"),
    by("managedsave @e", "vm.e", "power", "power", now="stopped, with a saved state"),
    # f and g run
    by("metadata @f urn:vmstack:stamp:1 --remove --config --live", "vm.f", "stamp", "stamp", now=None),
    edited("vm.g", "<cpu mode='maximum'", "<cpu mode='host-model'", "field", "cpu_mode", now="host-model"),
    by("detach-disk @g vdb --config", "vm.g", "field", "disks[more]", disruption="live"),
    # h ran
    by("destroy @h; undefine @h", "vm.h", "missing", "domain", now=None),
    # forged runs
    edited("vm.forged", 'generation="1"', 'generation="7"', "stamp", "stamp", now="changed"),
    # these are off
    by("domrename @renamed @elsewhere", "vm.renamed", "field", "label", now="{prefix}-elsewhere"),
    by("undefine @gone", "vm.gone", "missing", "domain", now=None),
    by("start @started", "vm.started", "power", "power", now="running", disruption="stop"),
    by("metadata @lost urn:vmstack:stamp:1 --remove --config", "vm.lost", "stamp", "stamp", now=None),
    by("setvcpus @larger 3 --maximum --config", "vm.larger", "field", "max_vcpus", now=3),
    by("setmaxmem @larger 96M --config", "vm.larger", "field", "max_memory", now="96 MiB"),
    by("domif-setlink @larger {mac_larger} up --config", "vm.larger", "field", "nics[lan].link"),
    by("blkdeviotune @edited vdc --total-iops-sec 70 --config", "vm.edited", "field", "disks[slow].iotune"),
    by("blkdeviotune @edited vdb --total-iops-sec 70 --config", "vm.edited", "extra", "disks[more].iotune",
       remedy="report"),
    by("change-media @edited sda --eject --config", "vm.edited", "field", "disks[cd].volume", now=None),
    edited("vm.edited", "cache='none'", "cache='writeback'", "field", "disks[data].cache", now="writeback"),
    edited("vm.edited", "<source network='{prefix}-lan'/>", "<source network='{prefix}-other'/>",
           "field", "nics[lan].network", now="{prefix}-other"),
    edited("vm.edited", "<serial>more</serial>", "<serial>more</serial><readonly/>", "field", "disks[more].readonly",
           now=True),
    by("desc @said --config something", "vm.said", "extra", "description", remedy="report", now="something"),
    edited("vm.said", "</type>", "</type><cmdline>quiet</cmdline><kernel>/boot/k</kernel>", "extra", "cmdline",
           remedy="report", now="quiet"),
    edited("vm.said", "discard='unmap'/>", "discard='unmap' cache='unsafe'/>", "extra", "disks[data].cache",
           remedy="report", now="unsafe"),
    edited("vm.said", "</devices>", "<graphics type='vnc' listen='127.0.0.1'/></devices>", "extra", "graphics",
           remedy="report"),
    edited("vm.moved", "<mac address='{mac_moved}'/>", "<mac address='52:54:00:aa:00:02'/>", "field", "nics[lan]",
           now=None),
    # and what these edits brought besides
    Kind((), ("vm.moved", "extra", "nics[52:54:00:aa:00:02]"), remedy="report", now="on {prefix}-lan"),
    Kind((), ("vm.said", "extra", "kernel"), remedy="report", now="/boot/k"),
)  # fmt: skip
STORAGE = (
    by("vol-delete seeded-seed-*.iso --pool @pool", "seed.seeded", "missing", "volume", now=None),
    by("vol-upload spoilt-seed-*.iso {spare} --pool @pool", "seed.spoilt", "content", "content"),
    by("vol-delete cloned-root.qcow2 --pool @pool", "volume.cloned-root", "missing", "volume"),
    by("vol-delete bereft-data.raw --pool @pool", "volume.bereft-data", "missing", "volume", disruption="data-loss"),
    by("vol-delete copied-data.raw --pool @pool; vol-create-as @pool copied-data.raw 1M --format qcow2",
       "volume.copied-data", "field", "format", now="qcow2", disruption="data-loss"),
    by("pool-destroy @idle", "pool.idle", "inactive", "active", now="inactive"),
    by("pool-destroy @void; pool-undefine @void", "pool.void", "missing", "pool", now=None),
    by("pool-autostart --disable @late", "pool.late", "autostart", "autostart", now=False),
)  # fmt: skip
NETWORKS = (
    by("net-destroy @stopped", "network.stopped", "inactive", "active", now="inactive"),
    by("net-undefine @transient", "network.transient", "definition", "definition", now="removed"),
    by("net-destroy @away; net-undefine @away", "network.away", "missing", "network", now=None),
    by("net-autostart --disable @entries", "network.entries", "autostart", "autostart", now=False),
    by("net-update @entries delete ip-dhcp-host <host_mac='52:54:00:00:00:08'_ip='{net}.8'/> --live --config",
       "network.entries", "field", "reservations[52:54:00:00:00:08]", now=None, disruption="live"),
    by("net-update @entries add ip-dhcp-host <host_mac='52:54:00:00:00:09'_ip='{net}.9'/> --live --config",
       "network.entries", "extra", "reservation {net}.9", remedy="report"),
    by("net-update @entries add ip-dhcp-range <range_start='{net}.12'_end='{net}.13'/> --live --config",
       "network.entries", "field", "dhcp[{net}.1]", disruption="live"),
    by("net-update @entries delete dns-host <host_ip='{net}.7'/> --live --config",
       "network.entries", "field", "dns_hosts[{net}.7]", now=None, disruption="live"),
    by("net-update @entries add dns-host <host_ip='{net}.6'><hostname>theirs</hostname></host> --live --config",
       "network.entries", "extra", "DNS host {net}.6", remedy="report"),
    edited("network.bare", "<metadata>", "<nothing>", "stamp", "stamp", now=None),
    edited("network.plain", "<domain name='one.test' localOnly='yes'/>", "<domain name='two.test' localOnly='yes'/>",
           "field", "domain", now="two.test"),
)  # fmt: skip
KINDS = (*GUESTS, *STORAGE, *NETWORKS)
# What the program only wants reported, or not even that, and the device of others that it does not want.
SPARED = (
    by("setvcpus @some 2 --config", "vm.some", "field", "vcpus", remedy="report", now=2),
    by("desc @some --config other", "vm.some", "field", "description"),
    by("attach-interface @some network @lan --mac 52:54:00:aa:00:03 --model virtio --config",
       "vm.some", "extra", "nics[52:54:00:aa:00:03]"),
    by("setmem @some 40M --config", "vm.some", "field", "memory"),
    by("start @all", "vm.all", "power", "power", remedy="report", now="running"),
    by("autostart --disable @all", "vm.all", "autostart", "autostart", remedy="report", now=False),
    by("vol-resize all-data.raw 2M --pool @pool", "volume.all-data", "field", "capacity", remedy="report", now="2 MiB"),
    by("net-update @lan add ip-dhcp-range <range_start='{subnet}.2'_end='{subnet}.3'/> --live --config",
       "network.lan", "field", "dhcp[{subnet}.1]", remedy="report"),
    by("net-autostart --disable @lan", "network.lan", "autostart", "autostart"),
)  # fmt: skip
SILENT = "description"
