"""Devices of VMs that other people, or other VMs of the stack, have to do with."""

from tests.fake import foreign
from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, look
from tests.unit.plan.scenarios import NO_POLICY, ROOT, UUID, converge, full, volume_xml
from vmstack.plan.planner import make_plan
from vmstack.xmlio.domain import read_domain


def _host(before: object) -> FakeHost:
    fake = FakeHost()
    foreign.build(fake)
    converge(fake, before)
    return fake.connect()


def _empty(fake: FakeHost, desired: object) -> bool:
    return make_plan(desired, look(fake, desired), policy=NO_POLICY, images=IMAGES).empty


def test_new_disk_goes_around_a_slot_that_only_the_running_guest_has() -> None:
    """libvirt refuses to plug a disk into a slot that is taken live, and the next plan would ask for it again."""
    fake = _host(full(disks=(ROOT,)))
    fake.create_volume(foreign.POOL, volume_xml("hot.img"))
    hot = f"<source file='{foreign.POOL_PATH}/hot.img'/><target dev='vdc' bus='virtio'/>"
    xml = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>{hot}</disk>"
    fake.attach_device(UUID, xml, live=True, config=False)
    converge(fake, full())
    live = read_domain(fake.domain(UUID).live_xml)
    assert {disk.target: disk.serial for disk in live.disks if disk.serial != "cidata"} == {
        "vda": "root", "vdc": None, "vdd": "data",
    }  # fmt: skip
    assert _empty(fake, full())
