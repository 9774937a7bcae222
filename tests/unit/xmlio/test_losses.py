import pytest

from vmstack.xmlio.losses import find_gains, find_losses

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
        ("<target ", "<shareable/><target ", {"/devices/disk[vda]/shareable": "<shareable/>"}),
        ("name='qemu'", "name='qemu' io='native'", {"/devices/disk[vda]/driver/@io": "native"}),
        ("</devices>", "<input type='mouse' bus='usb'/></devices>", {"/devices/input": MOUSE}),
        ("</devices>", "<watchdog model='ib700'/></devices>", {"/devices/watchdog": '<watchdog model="ib700"/>'}),
        ("<graphics type='vnc'/>", "<graphics type='vnc' keymap='de' passwd=''/>", {"/devices/graphics[vnc]/@keymap":
            "de"}),
        ("</devices>", "<hostdev a='1'><source><address bus='1'/></source></hostdev></devices>", {"/devices/hostdev":
            '<hostdev a="1"><source><address bus="1"/></source></hostdev>'}),
        # What libvirt does.
        ("</name>", "</name><uuid>u</uuid><metadata><x/></metadata>", {}),
        ("<vcpu>", "<vcpu placement='static'>", {}),
        ("<cpu mode='host-model'/>", "<cpu mode='host-model' check='partial'><model fallback='allow'/></cpu>", {}),
        ("<os>", "<os firmware='efi'><firmware><feature name='secure-boot'/></firmware><loader>l</loader>", {}),
        ("<target ", "<address type='pci' slot='1'/><target ", {}),
        ("</devices>", "<controller type='usb' index='0'/><emulator>/usr/bin/qemu-system-arm</emulator></devices>", {}),
        ("</devices>", "<memballoon/><input type='mouse' bus='ps2'/><audio id='1'/></devices>", {}),
        ("</devices>", "<watchdog model='itco' action='reset'/></devices>", {}),
        ("<graphics type='vnc'/>", "<graphics type='vnc' port='-1'><listen type='address'/></graphics>", {}),
        ("type='virtio'", "type='virtio' heads='1' primary='yes'", {}),
        # The same with values that libvirt does not choose.
        ("</name>", "</name><resource><partition>/p</partition></resource>", {"/resource":
            "<resource><partition>/p</partition></resource>"}),
        ("<os>", "<os><boot dev='network'/><boot dev='hd'/>", {"/os/boot": '<boot dev="network"/>'}),
        ("<os>", "<os><boot dev='hd'/>", {}),
        ("<os>", "<os firmware='efi'><nvram>/mine</nvram>", {"/os/nvram": "<nvram>/mine</nvram>"}),
        ("<os>", "<os firmware='efi'><nvram>/var/lib/libvirt/qemu/nvram/a_VARS.fd</nvram>", {}),
        ("<os>", "<os><loader>l</loader>", {"/os/loader": "<loader>l</loader>"}),
        ("</os>", "</os><features><smm state='on'><tseg>48</tseg></smm></features>", {"/features":
            '<features><smm state="on"><tseg>48</tseg></smm></features>'}),
        ("mode='host-model'", "mode='host-model' migratable='off'", {"/cpu/@migratable": "off"}),
        ("<cpu mode='host-model'/>", "<cpu mode='host-model'><model>EPYC</model></cpu>", {"/cpu/model":
            "<model>EPYC</model>"}),
        ("</devices>", "<emulator>/opt/q</emulator></devices>", {"/devices/emulator": "<emulator>/opt/q</emulator>"}),
        ("</devices>", "<controller type='usb' index='7'/></devices>", {"/devices/controller[usb|7]":
            '<controller type="usb" index="7"/>'}),
        ("</devices>", "<controller type='virtio-serial' index='0' ports='4'/></devices>",
            {"/devices/controller[virtio-serial|0]": '<controller type="virtio-serial" index="0" ports="4"/>'}),
        ("</devices>", "<watchdog model='itco' action='none'/></devices>", {"/devices/watchdog":
            '<watchdog model="itco" action="none"/>'}),
        ("</devices>", "<panic model='isa'/></devices>", {"/devices/panic": '<panic model="isa"/>'}),
        ("</devices>", "<audio id='1' type='file'/></devices>", {"/devices/audio": '<audio id="1" type="file"/>'}),
        ("</devices>", "<serial type='tcp'><target port='1'/></serial></devices>", {"/devices/serial":
            '<serial type="tcp"/>'}),
        ("type='vnc'", "type='vnc' port='5988' autoport='no'", {"/devices/graphics[vnc]/@port": "5988",
            "/devices/graphics[vnc]/@autoport": "no"}),
        ("</devices>", "<memballoon model='virtio'/></devices>", {}),
        # Several of a kind, and secrets.
        ("<input type='tablet' bus='usb'/>", "<input type='tablet' bus='virtio' model='x'><driver iommu='on'/></input>"
            "<input type='tablet' bus='usb'/>", {"/devices/input": '<input type="tablet" bus="virtio" model="x">'
            '<driver iommu="on"/></input>'}),
        ("</devices>", "<sound model='ac97'/><sound model='ich6'/></devices>", {
            "/devices/sound": '<sound model="ac97"/>', "/devices/sound[2]": '<sound model="ich6"/>'}),
        ("</name>", "</name><sysinfo type='fwcfg'><entry name='a'>s3cret</entry></sysinfo>", {"/sysinfo":
            '<sysinfo type="fwcfg"><entry name="a">(hidden)</entry></sysinfo>'}),
        # Disks and NICs that are not carried over.
        ("</devices>", "<disk><target dev='vdb'/></disk></devices>", {"/devices/disk[vdb]":
            '<disk><target dev="vdb"/></disk>'}),
    ],
)  # fmt: skip
def test_what_people_said_is_lost(before: str, after: str, lost: dict[str, str]) -> None:
    held = PLAIN.replace(before, after, 1)
    assert held != PLAIN
    assert {fact.path: fact.value for fact in find_losses(PLAIN, held=held)} == lost


def test_a_definition_loses_nothing_to_itself_or_to_one_that_says_more() -> None:
    assert find_losses(PLAIN, held=PLAIN) == ()
    assert find_losses(PLAIN.replace("</devices>", "<rng model='virtio'/></devices>"), held=PLAIN) == ()


def test_what_others_took_out_is_put_back() -> None:
    held = PLAIN.replace("<input type='tablet' bus='usb'/>", "").replace("name='qemu'", "")
    assert [(fact.path, fact.value) for fact in find_gains(PLAIN, held=held)] == [
        ("/devices/disk[vda]/driver/@name", "qemu"),
        ("/devices/input", '<input type="tablet" bus="usb"/>'),
    ]
    assert find_gains(PLAIN, held=PLAIN) == ()
