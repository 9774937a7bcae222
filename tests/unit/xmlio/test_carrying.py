import re
from typing import Any

import pytest
from lxml import etree

from vmstack.model.ownership import Adopted, AdoptedDisk
from vmstack.xmlio.carrying import carry_foreign
from vmstack.xmlio.domain import read_domain

PCI = "<address type='pci' domain='0x0000' bus='0x0{0}' slot='0x00' function='0x0'/>"
PORT = (
    "<controller type='pci' index='{0}' model='pcie-root-port'><address type='pci' slot='0x01' function='{0}'/>"
    "</controller>"
)
DISK = "<disk type='file'><source file='/{0}'/><target dev='{1}' bus='{2}'/><serial>{0}</serial>{3}</disk>"
NIC = "<interface type='network'><mac address='52:54:00:00:00:0{0}'/><source network='n'/>{1}</interface>"


def domain(*devices: str, machine: str = "pc-q35-7.2", os: str = "") -> str:
    return (
        "<domain type='qemu'><name>a</name><uuid>6570600b-1371-561c-9501-c5912fb0e66f</uuid><memory>1</memory>"
        f"<vcpu>1</vcpu><os><type arch='x86_64' machine='{machine}'>hvm</type>{os}</os>"
        f"<devices>{''.join(devices)}</devices></domain>"
    )


def carried(*written: str, held: tuple[str, ...], machine: str = "q35", **how: Any) -> list[str]:
    """The devices in the end, in the words of this file."""
    how = {"dropped": frozenset(), **how}
    root = etree.fromstring(
        carry_foreign(domain(*written, machine=machine, os=how.pop("os", "")), held=domain(*held), **how)
    )
    texts = [etree.tostring(device).decode().replace('"', "'") for device in root.iterfind("devices/*")]
    return [re.sub(r"<controller type='pci' index='(.)' model='pcie-root-port'>.*", r"port \1", text) for text in texts]


HELD = (
    PORT.format(1), PORT.format(2), PORT.format(3),
    NIC.format(1, PCI.format(2)), NIC.format(2, PCI.format(1)), DISK.format("d", "vda", "virtio", PCI.format(3)),
)  # fmt: skip
FREE = "<controller type='pci' model='pcie-root-port'/>"


def test_devices_stay_where_they_are() -> None:
    ours = (FREE, FREE, NIC.format(1, ""), DISK.format("d", "vda", "virtio", ""))
    assert carried(*ours, held=HELD) == [
        NIC.format(1, PCI.format(2)),
        DISK.format("d", "vda", "virtio", PCI.format(3)),
        "port 1",
        "port 2",
        "port 3",
        NIC.format(2, PCI.format(1)),
    ]


def test_ports_that_are_more_than_there_were_come_on_top() -> None:
    assert carried(*(FREE,) * 4, held=HELD[:3], dropped=frozenset()).count(FREE) == 1


@pytest.mark.parametrize("case", ["another type of machine", "another model of a bus", "a place of its own"])
def test_an_address_is_not_kept_where_it_means_another_place(case: str) -> None:
    bridge = "<controller type='pci' index='1' model='pcie-to-pci-bridge'/>"
    ours = NIC.format(1, PCI.format(9) if case == "a place of its own" else "")
    more = (bridge,) if case == "another model of a bus" else ()
    machine = "pc-i440fx-7.2" if case == "another type of machine" else "q35"
    found = carried(*more, ours, held=HELD[:4], machine=machine)
    assert ours in found
    assert NIC.format(1, PCI.format(2)) not in found


def test_a_place_that_the_definition_gives_to_another_device_is_not_kept() -> None:
    sound = f"<sound model='ich9'>{PCI.format(2)}</sound>"
    assert NIC.format(1, "") in carried(sound, NIC.format(1, ""), held=HELD[:4])
    assert NIC.format(1, "") in carried(sound, held=HELD[:4])


def test_a_disk_of_others_on_scsi_keeps_its_controller() -> None:
    controller = "<controller type='scsi' index='0' model='virtio-scsi'><driver queues='2'/></controller>"
    place = "<address type='drive' controller='0' bus='0' target='0' unit='1'/>"
    theirs = DISK.format("t", "sdb", "scsi", place)
    assert carried(held=(controller, theirs)) == [controller, theirs]
    ours = "<controller type='scsi' index='0' model='lsilogic'/>"
    assert carried(ours, held=(controller, theirs)) == [ours, theirs]
    assert carried(held=(controller, DISK.format("t", "vdb", "virtio", ""))) == [DISK.format("t", "vdb", "virtio", "")]


def test_names_that_people_chose_stay_and_a_boot_order_where_there_is_no_other() -> None:
    chosen = DISK.format("t", "vdb", "virtio", "<boot order='1'/><alias name='ua-t'/>")
    assert carried(held=(chosen,)) == [chosen]
    assert carried(held=(chosen,), os="<boot dev='hd'/>") == [chosen.replace("<boot order='1'/>", "")]
    given = DISK.format("t", "vdb", "virtio", "<alias name='virtio-disk1'/>")
    assert carried(held=(given,)) == [DISK.format("t", "vdb", "virtio", "")]


def test_a_disk_that_was_taken_over_has_the_serial_that_it_had() -> None:
    adopted = Adopted(
        uuid="u", disks={"root": AdoptedDisk(target="vda"), "data": AdoptedDisk(target="vdb", serial="d")}
    )
    held = DISK.format("x", "vda", "virtio", "").replace("<serial>x</serial>", "")
    ours = DISK.format("x", "vda", "virtio", "").replace(">x</serial>", ">root</serial>")
    assert carried(ours, held=(held,), adopted=adopted) == [held]


def test_disks_that_were_taken_over_are_carried_by_their_logical_names() -> None:
    disk = "<disk type='file' device='disk'><source file='/{0}'/><target dev='{1}' bus='virtio'/></disk>"
    uuid = "<uuid>6570600b-1371-561c-9501-c5912fb0e66f</uuid>"
    head = f"<domain type='qemu'><name>a</name>{uuid}<memory>1</memory><vcpu>1</vcpu>"
    disks = [disk.format(name, f"vd{name}") for name in "abc"]
    held = f"{head}<devices>{''.join(disks)}</devices></domain>"
    named = disk.format("a", "sda").replace("</disk>", "<serial>root</serial></disk>")
    written = f"{head}<devices>{named}</devices></domain>"
    adopted = Adopted(uuid="u", disks={"root": AdoptedDisk(target="vda"), "data": AdoptedDisk(target="vdb")})
    carried = carry_foreign(written, held=held, dropped=frozenset({"data"}), adopted=adopted)
    assert [(found.path, found.serial) for found in read_domain(carried).disks] == [("/a", "root"), ("/c", None)]


def test_devices_without_a_name_are_told_apart_by_what_they_are() -> None:
    sound, other = f"<sound model='ich9'>{PCI.format(2)}</sound>", f"<sound model='ac97'>{PCI.format(1)}</sound>"
    assert carried("<sound model='ac97'/>", held=(*HELD[:3], sound, other))[0] == other
    assert carried("<sound model='ich6'/>", held=(*HELD[:3], sound, other))[0] == "<sound model='ich6'/>"
    device = "<hostdev mode='subsystem' type='pci'><source><address slot='0x0{0}'/></source>{1}</hostdev>"
    held = (*HELD[:3], device.format(1, PCI.format(1)), device.format(2, PCI.format(2)))
    assert carried(device.format(2, ""), held=held)[0] == device.format(2, PCI.format(2))
    theirs, ours = NIC.format(1, "<model type='e1000'/>" + PCI.format(1)), NIC.format(1, "<model type='virtio'/>")
    assert carried(ours, held=(*HELD[:3], theirs))[0] == ours
