"""Domains that others defined: found by what they have, patched without a trace of how vmstack calls their parts."""

import msgspec

from vmstack.model.configs import PoolConfig
from vmstack.model.ownership import Adopted, AdoptedDisk, Stamp
from vmstack.xmlio.adopted import name_disks, unname_disks
from vmstack.xmlio.disk import directories_of, locate_volumes
from vmstack.xmlio.domain import patch_domain, read_domain
from vmstack.xmlio.safe import parse_xml, serialise
from vmstack.xmlio.stamp import put_stamp, read_stamp, write_stamp

UUID = "5e0c1b4e-0000-4000-8000-00000000000a"
XML = f"""<domain type="qemu"><name>a</name><uuid>{UUID}</uuid><memory unit="KiB">1024</memory><vcpu>1</vcpu>
<os><type arch="x86_64" machine="pc">hvm</type></os><devices>
<disk type="volume" device="disk"><driver name="qemu" type="qcow2"/><source pool="p" volume="root"/>
<target dev="vda" bus="virtio"/></disk>
<disk type="file" device="cdrom"><driver name="qemu" type="raw"/><source file="/p/init"/><target dev="hdd" bus="ide"/>
<serial>cloudinit</serial><readonly/></disk>
<disk type="volume" device="disk"><driver name="qemu" type="raw"/><source pool="remote" volume="x"/>
<target dev="vdb" bus="virtio"/></disk></devices></domain>"""
ADOPTED = Adopted(
    uuid=UUID,
    nics={"lan & more": "52:54:00:00:00:01"},
    disks={"root": AdoptedDisk(target="vda"), "cidata": AdoptedDisk(target="hdd", serial="cloudinit")},
)


def test_a_stamp_keeps_what_was_adopted():
    stamp = Stamp(path="p/s/vm/a", digest="d", fields=("disks[root]",), adopted=ADOPTED)
    assert read_stamp(write_stamp(stamp)) == stamp
    root = parse_xml(XML, what="x")
    put_stamp(root, stamp)
    assert read_stamp(serialise(root)) == stamp


def test_a_stamp_whose_adoption_is_damaged_is_none():
    text = write_stamp(Stamp(path="p/s/vm/a", digest="d", adopted=ADOPTED))
    assert read_stamp(text.replace("uuid", "dui")) is None


def test_disks_are_named_and_get_their_serials_back():
    root = parse_xml(XML, what="x")
    before = serialise(root)
    named = name_disks(root, adopted=ADOPTED)
    assert [disk.findtext("serial") for disk in root.iterfind("devices/disk")] == ["root", "cidata", None]
    unname_disks(named)
    assert serialise(root) == before
    assert name_disks(root, adopted=None) == ()


def test_volumes_of_pools_are_read_as_the_files_that_they_are():
    pools = [
        PoolConfig(name="p", uuid=UUID, type="dir", path="/pools/p/"),
        PoolConfig(name="remote", uuid=UUID, type="iscsi", path="/dev/disk"),
    ]
    root = parse_xml(XML, what="x")
    locate_volumes(root, directories=directories_of(pools))
    assert [disk.path for disk in read_domain(root).disks] == ["/pools/p/root", "/p/init", None]


def test_patching_matches_disks_by_their_logical_names():
    root = parse_xml(XML, what="x")
    locate_volumes(root, directories={"p": "/pools/p"})
    name_disks(root, adopted=ADOPTED)
    config = read_domain(root)
    patched = parse_xml(patch_domain(XML, config=config, stamp=None, adopted=ADOPTED), what="x")
    assert [disk.findtext("serial") for disk in patched.iterfind("devices/disk")] == [None, "cloudinit", None]
    assert [disk.find("target").get("dev") for disk in patched.iterfind("devices/disk")] == ["vda", "hdd", "vdb"]
    kept = msgspec.structs.replace(config, disks=config.disks[:1])
    text = patch_domain(XML, config=kept, stamp=None, drop_disks=frozenset({"cidata"}), adopted=ADOPTED)
    assert [disk.target for disk in read_domain(text).disks] == ["vda", "vdb"]
