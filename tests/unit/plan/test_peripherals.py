"""Small devices, limits, cables, media, passwords and patches: made, changed and forgotten on the fake host."""

import dataclasses
from typing import Any

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, data, graph, look, mac, network, pool, root, small, vm
from tests.unit.plan.scenarios import NO_POLICY, UUID, converge
from vmstack.errors import VmstackError
from vmstack.model.graph import DesiredGraph
from vmstack.model.hardware import (
    BalloonSpec,
    BandwidthSpec,
    FilesystemSpec,
    GraphicsSpec,
    HardwareSpec,
    HostDeviceSpec,
    IoTuneSpec,
    MediumSpec,
    RngSpec,
    VsockSpec,
    WatchdogSpec,
)
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import DiskSpec, NicSpec, Power
from vmstack.model.traffic import PortGroup
from vmstack.plan.codec import encode_plan
from vmstack.plan.planner import make_plan
from vmstack.xmlio.domain import read_domain
from vmstack.xmlio.patches import encode_sheet, value_patch

DISK = DiskSpec(name="root", volume="web-0-root")
NIC = NicSpec(name="lan", mac=mac("web-0"), network="lan")
CD = MediumSpec(name="cd", kind="file", source="", bus="sata", device="cdrom", readonly=True, place=1)
DRIVES = ("/pools/web/web-0-root.qcow2", "/pools/web/base.iso")


def machine(**changes: Any) -> DesiredGraph:
    """A VM on two networks of the stack; what is no field of a VM is one of its hardware, its disk or its NIC."""
    parts = {"disk": DISK, "nic": NIC, "hardware": HardwareSpec()}
    own: dict[str, Any] = {}
    for name, value in changes.items():
        part = next((key for key, spec in parts.items() if name.startswith(f"{key}_")), None)
        if part is not None:
            parts[part] = msgspec.structs.replace(parts[part], **{name[len(part) + 1 :]: value})
        else:
            own[name] = value
    return graph(
        *small()[:3],
        network(port_groups=(PortGroup(name="blue"),)),
        network("wan", subnets=()),
        vm(disks=(parts["disk"],), nics=(parts["nic"],), hardware=parts["hardware"], **own),
    )


def plan_of(fake: FakeHost, desired: DesiredGraph) -> Plan:
    return make_plan(desired, look(fake, desired), policy=NO_POLICY, images=IMAGES)


def classes(plan: Plan) -> dict[str, str]:
    (change,) = (change for change in plan.changes if change.key.name == "web-0")
    return {field.path: field.disruption.value for field in change.fields}


RNG = RngSpec(rate_bytes=512)
ISO = msgspec.structs.replace(CD, source=DRIVES[1])
# What is said before and after, and the class for a running guest.
CHANGES = {
    "limits set": ({}, {"disk_iotune": IoTuneSpec(total_bytes=4096)}, "disks[root].iotune", "live"),
    "limits changed": (
        {"disk_iotune": IoTuneSpec(total_bytes=4096)},
        {"disk_iotune": IoTuneSpec(write_iops=4)},
        "disks[root].iotune",
        "live",
    ),
    "limits dropped": ({"disk_iotune": IoTuneSpec(read_iops=4)}, {}, "disks[root].iotune", "live"),
    "threads": ({}, {"hardware_iothreads": 2}, "iothreads", "live"),
    "fewer threads": ({"hardware_iothreads": 2}, {"hardware_iothreads": 1}, "iothreads", "live"),
    "no threads": ({"hardware_iothreads": 2}, {}, "iothreads", "live"),
    "thread of a disk": (
        {"hardware_iothreads": 2, "disk_iothread": 1},
        {"hardware_iothreads": 2, "disk_iothread": 2},
        "disks[root].iothread",
        "restart",
    ),
    "another network": ({}, {"nic_network": "wan"}, "nics[lan].network", "live"),
    "cable out": ({}, {"nic_link": False}, "nics[lan].link", "live"),
    "cable in": ({"nic_link": False}, {}, "nics[lan].link", "live"),
    "bandwidth": ({}, {"nic_inbound": BandwidthSpec(average=9, peak=10, burst=3)}, "nics[lan].inbound", "live"),
    "no bandwidth": ({"nic_outbound": BandwidthSpec(average=9)}, {}, "nics[lan].outbound", "live"),
    "filter": ({}, {"nic_filter": "clean-traffic"}, "nics[lan].filter", "live"),
    "parameters": (
        {"nic_filter": "f", "nic_filter_parameters": (("IP", "1"),)},
        {"nic_filter": "f", "nic_filter_parameters": (("IP", "2"),)},
        "nics[lan].filter_parameters",
        "live",
    ),
    "group of ports": ({}, {"nic_portgroup": "blue"}, "nics[lan].portgroup", "live"),
    "queues": ({}, {"nic_queues": 4}, "nics[lan].queues", "live"),
    "mtu": ({"nic_mtu": 1400}, {"nic_mtu": 1300}, "nics[lan].mtu", "live"),
    "queues dropped from an e1000": (
        {"nic_model": "e1000", "nic_mtu": 1400},
        {"nic_model": "e1000"},
        "nics[lan].mtu",
        "restart",
    ),
    "medium": ({"hardware_media": (CD,)}, {"hardware_media": (ISO,)}, "disks[cd].volume", "live"),
    "ejected": ({"hardware_media": (ISO,)}, {"hardware_media": (CD,)}, "disks[cd].volume", "live"),
    "random numbers": ({}, {"hardware_rng": RNG}, "rng", "live"),
    "usual random numbers": ({"hardware_rng": RNG}, {}, "rng", "live"),
    "watchdog": ({}, {"hardware_watchdog": WatchdogSpec()}, "watchdog", "restart"),
    "no watchdog": ({"hardware_watchdog": WatchdogSpec()}, {}, "watchdog", "restart"),
    "balloon": ({}, {"hardware_balloon": BalloonSpec(autodeflate=True)}, "balloon", "restart"),
    "usual balloon": ({"hardware_balloon": BalloonSpec(model="none")}, {}, "balloon", "restart"),
    "panic": ({}, {"hardware_panic": "isa"}, "panic", "restart"),
    "no panic": ({"hardware_panic": "isa"}, {}, "panic", "restart"),
    "channel": ({}, {"hardware_channels": ("org.x.0",)}, "channels[org.x.0]", "live"),
    "no channel": ({"hardware_channels": ("org.x.0",)}, {}, "channels[org.x.0]", "live"),
    "9p": ({}, {"hardware_filesystems": (FilesystemSpec(source="/s", target="s"),)}, "filesystems[s]", "restart"),
}


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str, running: bool) -> None:
    """The plan says the class, and its steps bring it about: nothing is left to do, nobody is restarted for more."""
    before, after, path, expected = CHANGES[name]
    power = Power.RUNNING if running else Power.STOPPED
    fake = FakeHost()
    converge(fake, machine(power=power))
    iso = fake.machine.files[DRIVES[0]]
    fake.machine.files[DRIVES[1]] = dataclasses.replace(iso, path=DRIVES[1], backing=None, backing_format=None)
    converge(fake, machine(power=power, **before))
    boots = fake.machine.domains[UUID].boot
    desired = machine(power=power, **after)
    plan = plan_of(fake, desired)
    assert classes(plan) == {path: expected if running else "none"}
    converge(fake, desired)
    assert plan_of(fake, desired).empty
    assert fake.machine.domains[UUID].boot == boots + (running and expected == "restart")


NOT_HERE = {
    "vsock": {"hardware_vsock": VsockSpec(cid=9)},
    "host_devices[pci:0000:01:00.0]": {"hardware_host_devices": (HostDeviceSpec(kind="pci", address="0000:01:00.0"),)},
    "host_devices[usb:1234:abcd]": {"hardware_host_devices": (HostDeviceSpec(kind="usb", address="1234:abcd"),)},
}


@pytest.mark.parametrize("path", NOT_HERE)
def test_what_the_machine_lacks_is_planned_live_and_defined(path: str) -> None:
    fake = FakeHost()
    converge(fake, machine())
    assert classes(plan_of(fake, machine(**NOT_HERE[path]))) == {path: "live"}
    stopped = machine(power=Power.STOPPED, **NOT_HERE[path])
    converge(fake, stopped)
    assert plan_of(fake, stopped).empty
    converge(fake, machine(power=Power.STOPPED))
    config = read_domain(fake.domain(UUID).xml)
    assert (config.vsock, config.host_devices) == (None, ())


def test_virtiofs_brings_shared_memory_with_it() -> None:
    share = FilesystemSpec(source="/s", target="s", accessmode="passthrough", readonly=False, driver="virtiofs")
    other = msgspec.structs.replace(share, source="/t", target="t")
    fake = FakeHost()
    converge(fake, machine())
    first = machine(hardware_filesystems=(share,))
    assert classes(plan_of(fake, first)) == {"filesystems[s]": "restart", "shared_memory": "restart"}
    converge(fake, first)
    second = machine(hardware_filesystems=(share, other))
    assert classes(plan_of(fake, second)) == {"filesystems[t]": "live"}
    converge(fake, second)
    assert plan_of(fake, second).empty


def test_password_is_a_secret_that_only_the_host_has() -> None:
    def display(password: str | None) -> DesiredGraph:
        return machine(graphics=GraphicsSpec(), password=password)

    fake = FakeHost()
    said: list[str] = []
    for password, expected in (("hunter-1", None), ("hunter-2", "live"), (None, "restart"), ("hunter-3", "restart")):
        plan = plan_of(fake, display(password))
        said.append(encode_plan(plan).decode())
        if expected is not None:
            assert classes(plan) == {"graphics.password": expected}
        converge(fake, display(password))
        assert plan_of(fake, display(password)).empty
        domain = fake.machine.domains[UUID]
        for xml in (domain.xml, domain.live_xml):
            assert (f'passwd="{password}"' in xml) is (password is not None)
        said += [fake.domain(UUID).xml, str(look(fake, display(password)).hosts)]
    assert not any("hunter" in text for text in said)
    # Another change writes the definition anew, and the password stays.
    converge(fake, machine(graphics=GraphicsSpec(), password="hunter-3", hardware_panic="isa"))
    assert 'passwd="hunter-3"' in fake.machine.domains[UUID].live_xml


def test_definition_that_is_killed_before_its_password_is_finished() -> None:
    desired = machine(graphics=GraphicsSpec(), password="hunter-1")
    fake = FakeHost()
    plan = plan_of(fake, desired)
    names = [step.id.rpartition("/")[2] for step in plan.steps if step.key.name == "web-0"]
    order = [names.index(name) for name in ("define", "password", "stamp", "start")]
    assert order == sorted(order)
    define = next(step.effect for step in plan.steps if step.id.endswith("vm.web-0/define"))
    assert "graphics.password" not in define.xml


def test_guest_that_holds_on_to_a_device_is_named_with_ways_on() -> None:
    fake = FakeHost()
    converge(fake, machine())
    fake.machine.default_guest = dataclasses.replace(fake.machine.default_guest, releases_devices=False)
    with pytest.raises(AssertionError, match=r"did not let go of .*unmount it.*virsh shutdown web-0"):
        converge(fake, machine(nic_queues=4))
    # Off, it changes without asking anybody.
    fake.power_off_domain(UUID)
    converge(fake, machine(nic_queues=4))
    assert read_domain(fake.domain(UUID).live_xml or "").nics[0].queues == 4


def test_device_that_comes_and_one_that_goes_share_no_port() -> None:
    """A disk on SCSI, a channel and a USB device take no PCIe port."""
    fake = FakeHost()
    disks = tuple(DiskSpec(name=f"d{number}", volume=f"d{number}", bus="scsi") for number in range(2))
    volumes = [data(f"d{number}") for number in range(2)]

    def scsi(*present: DiskSpec) -> DesiredGraph:
        return graph(pool(), small()[1], root(), *volumes, vm(disks=(DISK, *present)))

    converge(fake, scsi(disks[0]))
    assert classes(plan_of(fake, scsi(*disks))) == {"disks[d1]": "live"}
    converge(fake, scsi(*disks))
    assert plan_of(fake, scsi(*disks)).empty
    fake = FakeHost()
    converge(fake, scsi())
    assert classes(plan_of(fake, scsi(disks[0]))) == {"disks[d0]": "restart"}


def test_patched_definition_changes_live_what_needs_no_xml() -> None:
    def patched(state: str, **changes: Any) -> DesiredGraph:
        sheet = encode_sheet((value_patch("/domain/features/vmport/@state", state),), xslt=None)
        return machine(hardware_stylesheet=sheet, **changes)

    fake = FakeHost()
    converge(fake, patched("off"))
    assert '<vmport state="off"/>' in fake.domain(UUID).xml
    assert plan_of(fake, patched("off")).empty
    plan = plan_of(fake, patched("on"))
    assert set(classes(plan).values()) == {"restart"}
    assert any(type(step.effect).__name__ == "DefineChecked" for step in plan.steps)
    converge(fake, patched("on"))
    more = patched("on", vcpus=2, disk_iotune=IoTuneSpec(read_iops=4))
    assert set(classes(plan_of(fake, more)).values()) == {"live"}
    converge(fake, more)
    assert plan_of(fake, more).empty
    assert (
        plan_of(fake, patched("on", vcpus=2, hardware_panic="isa", disk_iotune=IoTuneSpec(read_iops=4)))
        .changes[0]
        .disruption
        is Disruption.RESTART
    )
    fake.machine.domains[UUID].xml = fake.machine.domains[UUID].xml.replace('state="on"', 'state="off"')
    assert list(classes(plan_of(fake, more))) == ["stylesheet[/features/vmport/@state]"]


def test_patch_that_makes_something_else_is_refused_at_its_place() -> None:
    sheet = encode_sheet((value_patch("/domain/uuid", "x"),), xslt=None)
    with pytest.raises(VmstackError) as caught:
        plan_of(FakeHost(), machine(hardware_stylesheet=sheet))
    assert "changes its UUID" in str(caught.value)
    assert caught.value.place is not None
