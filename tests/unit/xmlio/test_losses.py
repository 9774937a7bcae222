import pytest

from vmstack.model.ownership import Adopted, AdoptedDisk
from vmstack.xmlio.losses import find_losses

PLAIN = (
    "<domain><name>a</name><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><cpu mode='host-model'/><devices>"
    "<disk type='file'><driver name='qemu'/><target dev='vda'/><serial>root</serial></disk>"
    "<input type='tablet' bus='usb'/><graphics type='vnc'/><video><model type='virtio'/></video>"
    "</devices></domain>"
)


MOUSE = '<input type="mouse" bus="usb"/>'


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        # What people do.
        ("</name>", "</name><title>t</title>", {"/title": "<title>t</title>"}),
        ("<vcpu>", "<vcpu cpuset='1'>", {"/vcpu/@cpuset": "1"}),
        ("<vcpu>1", "<vcpu>2", {"/vcpu": "2"}),
        ("<target ", "<shareable/><target ", {"/devices/disk/shareable": "<shareable/>"}),
        ("name='qemu'", "name='qemu' io='native'", {"/devices/disk/driver/@io": "native"}),
        ("</devices>", "<input type='mouse' bus='usb'/></devices>", {"/devices/input": MOUSE}),
        ("</devices>", "<watchdog model='ib700'/></devices>", {"/devices/watchdog": '<watchdog model="ib700"/>'}),
        ("<graphics type='vnc'/>", "<graphics type='vnc' keymap='de' passwd=''/>", {"/devices/graphics/@keymap": "de"}),
        ("</devices>", "<hostdev a='1'><source><address bus='1'/></source></hostdev></devices>", {"/devices/hostdev":
            '<hostdev a="1"><source><address bus="1"/></source></hostdev>'}),
        # What libvirt does.
        ("</name>", "</name><uuid>u</uuid><metadata><x/></metadata>", {}),
        ("<vcpu>", "<vcpu placement='static'>", {}),
        ("<cpu mode='host-model'/>", "<cpu mode='host-model' check='partial'><model fallback='allow'/></cpu>", {}),
        ("<os>", "<os firmware='efi'><firmware><feature name='secure-boot'/></firmware><loader>l</loader>", {}),
        ("<target ", "<address type='pci' slot='1'/><target ", {}),
        ("</devices>", "<controller type='usb' index='0'/><emulator>q</emulator><memballoon/></devices>", {}),
        ("</devices>", "<input type='mouse' bus='ps2'/><watchdog model='itco'/><audio id='1'/></devices>", {}),
        ("<graphics type='vnc'/>", "<graphics type='vnc' port='-1'><listen type='address'/></graphics>", {}),
        ("type='virtio'", "type='virtio' heads='1' primary='yes'", {}),
        # What is carried over.
        ("</devices>", "<disk><serial>s</serial></disk><interface/></devices>", {}),
    ],
)  # fmt: skip
def test_what_people_said_is_lost(before: str, after: str, lost: dict[str, str]) -> None:
    held = PLAIN.replace(before, after, 1)
    assert held != PLAIN
    assert {fact.path: fact.value for fact in find_losses(PLAIN, held=held)} == lost


def test_a_definition_loses_nothing_to_itself_or_to_one_that_says_more() -> None:
    assert find_losses(PLAIN, held=PLAIN) == ()
    assert find_losses(PLAIN.replace("</devices>", "<rng model='virtio'/></devices>"), held=PLAIN) == ()


def test_an_adopted_disk_is_known_by_its_logical_name() -> None:
    held = PLAIN.replace("<serial>root</serial>", "<shareable/>")
    adopted = Adopted(uuid="u", disks={"root": AdoptedDisk(target="vda", serial=None)})
    assert [fact.path for fact in find_losses(PLAIN, held=held, adopted=adopted)] == ["/devices/disk/shareable"]
