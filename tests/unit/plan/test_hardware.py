"""What a VM is beyond its size: each field is made, changed, dropped and left alone, on a guest that runs or is off."""

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import GIB, IMAGES, MIB, STACK, data, graph, image, look, mac, pool, root, small, vm
from tests.unit.plan.scenarios import converge
from vmstack.errors import DocumentError, InputError
from vmstack.model.graph import DesiredGraph, Options
from vmstack.model.hardware import (
    ConsoleSpec,
    FilesystemSpec,
    HardwareSpec,
    MediumSpec,
    MetadataSpec,
    TpmSpec,
)
from vmstack.model.identity import Key, Kind, derive_uuid, ignition_name
from vmstack.model.plan import Disruption, Plan
from vmstack.model.specs import DiskSpec, GraphicsSpec, NicSpec, Power, SeedSpec
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.validation import check_graph

UUID = derive_uuid(STACK, Key(Kind.VM, "web-0"))
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
TCP = ConsoleSpec(type="tcp", host="127.0.0.1", service="4555")
SRV = FilesystemSpec(source="/srv", target="srv")
KERNEL = {"kernel": "/boot/a", "initrd": "/boot/b", "cmdline": "quiet"}
# A field of the hardware with two values, and the paths of the plan that tell of the change from one to the other.
FIELDS = {
    "emulator": ("/bin/qemu-a", "/bin/qemu-b", {"emulator"}),
    "boot": (("network", "hd"), ("hd", "cdrom"), {"boot"}),
    "video": ("cirrus", "virtio", {"video"}),
    "tpm": (TpmSpec(model="tpm-tis", version="2.0"), TpmSpec(model="tpm-tis", version="1.2"), {"tpm"}),
    "consoles": ((TCP,), (ConsoleSpec(), ConsoleSpec(port=1)), {"consoles[serial0]", "consoles[serial1]"}),
    "filesystems": ((SRV,), (msgspec.structs.replace(SRV, readonly=False),), {"filesystems[srv]"}),
    "metadata": (
        (MetadataSpec(namespace="urn:a", xml='<a:x xmlns:a="urn:a"></a:x>'),),
        (MetadataSpec(namespace="urn:a", xml='<a:y xmlns:a="urn:a"></a:y>'),),
        {"metadata[urn:a]"},
    ),
}  # fmt: skip
MEDIA = {
    "file": (MediumSpec(name="one", kind="file", source="/a.iso", bus="sata", device="cdrom", readonly=True), "/a.iso"),
    "block": (MediumSpec(name="one", kind="block", source="/dev/sdx"), "/dev/sdx"),
    "url": (MediumSpec(name="one", kind="network", source="https://x.test:443/a", readonly=True), "https://x.test:443/a"),
}  # fmt: skip


def hardware(power: Power = Power.STOPPED, *, options: Options | None = None, **fields: object) -> DesiredGraph:
    return graph(*small(hardware=HardwareSpec(**fields), power=power), options={"vm.web-0": options or Options()})


def plan_of(fake: FakeHost, desired: DesiredGraph) -> Plan:
    check_graph(desired)
    return make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)


def paths(plan: Plan) -> set[str]:
    (change,) = plan.changes
    return {field.path for field in change.fields}


def xml_of(fake: FakeHost) -> str:
    return fake.connect().domain(UUID).xml


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("power", Power)
def test_a_field_is_made_changed_and_dropped(name: str, power: Power) -> None:
    one, two, changed = FIELDS[name]
    fake = FakeHost()
    converge(fake, hardware(power, **{name: one}))
    restarts = power is Power.RUNNING and name != "metadata"
    for value in (two, one, None, two):
        desired = hardware(power) if value is None else hardware(power, **{name: value})
        plan = plan_of(fake, desired)
        assert paths(plan) & changed
        assert {path.partition("[")[0] for path in paths(plan)} == {name}
        assert plan.changes[0].disruption is (Disruption.RESTART if restarts else Disruption.NONE)
        converge(fake, desired)
        assert plan_of(fake, desired).empty


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"loader": CODE}, {"loader": "/other.fd"}),
        ({"loader": CODE, "nvram": "/a.fd"}, {"loader": CODE, "nvram": "/b.fd", "nvram_template": "/t.fd"}),
        (KERNEL, {"kernel": "/boot/c"}),
    ],
)
def test_fields_that_go_together(one: dict[str, object], two: dict[str, object]) -> None:
    fake = FakeHost()
    for fields in ({}, one, two, one, {}, two):
        desired = hardware(**fields)
        assert not plan_of(fake, desired).empty
        converge(fake, desired)
        assert plan_of(fake, desired).empty
        assert all(str(value) in xml_of(fake) for value in fields.values())
        assert ("<loader" in xml_of(fake), "<kernel>" in xml_of(fake)) == ("loader" in fields, "kernel" in fields)
        assert "firmware=" not in xml_of(fake)


@pytest.mark.parametrize("kind", MEDIA)
def test_a_disk_that_is_no_volume_comes_and_goes(kind: str) -> None:
    medium, where = MEDIA[kind]
    fake = FakeHost()
    converge(fake, hardware())
    desired = hardware(media=(medium,))
    plan = plan_of(fake, desired)
    assert {field.path: field.after for field in plan.changes[0].fields} == {"disks[one]": where}
    converge(fake, desired)
    assert plan_of(fake, desired).empty
    again = hardware()
    assert {field.path: field.before for field in plan_of(fake, again).changes[0].fields} == {"disks[one]": where}
    converge(fake, again)
    assert "<serial>one</serial>" not in xml_of(fake)


def test_disks_stand_in_the_order_of_the_program() -> None:
    medium, _ = MEDIA["block"]
    disks = (DiskSpec(name="root", volume="web-0-root"), DiskSpec(name="data", volume="web-0-data"))
    machine = vm(disks=disks, hardware=HardwareSpec(media=(msgspec.structs.replace(medium, place=1),)))
    desired = graph(pool(), image(), root(), data(), machine)
    fake = FakeHost()
    converge(fake, desired)
    (domain,) = look(fake, desired).hosts["kvm1"].domains
    assert {disk.serial: disk.target for disk in domain.config.disks} == {"root": "vda", "one": "vdb", "data": "vdc"}


def test_a_wwn_is_a_field_of_its_disk() -> None:
    fake = FakeHost()
    medium = MediumSpec(name="one", kind="file", source="/a.img", bus="scsi", wwn="5" * 16)
    converge(fake, hardware(media=(medium,)))
    for wwn in ("6" * 16, None, "5" * 16):
        desired = hardware(media=(msgspec.structs.replace(medium, wwn=wwn),))
        assert paths(plan_of(fake, desired)) == {"disks[one].wwn"}
        converge(fake, desired)
        assert plan_of(fake, desired).empty


@pytest.mark.parametrize("power", Power)
def test_a_nic_straight_on_an_interface_of_the_host(power: Power) -> None:
    fake = FakeHost()
    nic = NicSpec(name="eth0", mac=mac("web-0", "eth0"), device="eth0", mode="vepa")
    converge(fake, graph(*small(nics=(nic,), power=power)))
    assert '<source dev="eth0" mode="vepa"/>' in xml_of(fake).replace("'", '"')
    for device, mode, path in (("eth0", "bridge", "mode"), ("eth1", "bridge", "interface")):
        desired = graph(*small(nics=(msgspec.structs.replace(nic, device=device, mode=mode),), power=power))
        plan = plan_of(fake, desired)
        assert paths(plan) == {f"nics[eth0].{path}"}
        assert plan.changes[0].disruption is (Disruption.LIVE if power is Power.RUNNING else Disruption.NONE)
        converge(fake, desired)
        assert plan_of(fake, desired).empty


@pytest.mark.parametrize(
    "graphics",
    [
        GraphicsSpec(listen="", how="none"),
        GraphicsSpec(listen="", how="socket"),
        GraphicsSpec(websocket=5700),
        GraphicsSpec(websocket=-1),
    ],
)
def test_ways_of_a_display(graphics: GraphicsSpec) -> None:
    fake = FakeHost()
    converge(fake, graph(*small(graphics=GraphicsSpec())))
    for display in (graphics, GraphicsSpec()):
        desired = graph(*small(graphics=display))
        assert paths(plan_of(fake, desired)) == {"graphics"}
        converge(fake, desired)
        assert plan_of(fake, desired).empty


def test_what_others_added_stays() -> None:
    fake = FakeHost()
    converge(fake, hardware(filesystems=(SRV,)))
    theirs = "<filesystem type='mount'><source dir='/theirs'/><target dir='theirs'/></filesystem></devices>"
    theirs = theirs + ""
    fake.connect().define_domain(
        xml_of(fake)
        .replace("</devices>", theirs)
        .replace("</metadata>", "<o:n xmlns:o='urn:o'>theirs</o:n></metadata>")
    )
    for fields in ({"filesystems": (SRV,)}, {}, {"boot": ("network",)}):
        desired = hardware(**fields)
        converge(fake, desired)
        assert plan_of(fake, desired).empty
        assert "/theirs" in xml_of(fake)
        assert ">theirs</o:n>" in xml_of(fake)
    assert "'/srv'" not in xml_of(fake)


def test_what_is_ignored_stays() -> None:
    fake = FakeHost()
    converge(fake, hardware(video="cirrus", filesystems=(SRV,), tpm=FIELDS["tpm"][0]))
    options = Options(ignore_changes=("video", "filesystems", "tpm"))
    assert plan_of(fake, hardware(options=options, video="vga", filesystems=(SRV,), tpm=FIELDS["tpm"][1])).empty
    converge(fake, hardware(options=options, video="vga"))
    assert "cirrus" in xml_of(fake)
    assert "/srv" in xml_of(fake)


def ignition(content: str | None, *, power: Power = Power.STOPPED, name: str | None = None) -> DesiredGraph:
    if content is None:
        return graph(*small(power=power))
    key = ignition_name("web-0")
    spec = SeedSpec(
        name=key, pool="web", user_data="", vendor_data=None, network_config=None, meta_data={}, raw=content
    )
    return graph(spec, *small(power=power, ignition=key, fw_cfg_name=name))


@pytest.mark.parametrize("power", Power)
def test_ignition_is_a_volume_named_by_its_content(power: Power) -> None:
    fake = FakeHost()
    converge(fake, ignition("{}", power=power))
    assert 'name="opt/com.coreos/config"' in xml_of(fake).replace("'", '"')
    for content, name in (('{"a": 1}', None), ('{"a": 1}', "opt/other"), (None, None), ("{}", None)):
        desired = ignition(content, power=power, name=name)
        plan = plan_of(fake, desired)
        change = next(change for change in plan.changes if change.key.kind is Kind.VM)
        assert {field.path for field in change.fields} == {"ignition"}
        assert change.disruption is (Disruption.NEXT_BOOT if power is Power.RUNNING else Disruption.NONE)
        assert content is None or content not in str(plan.changes) + str(plan.steps)
        converge(fake, desired)
        assert plan_of(fake, desired).empty
    # The one that the guest was started with is the one that it is to have again.
    assert len(ignitions(fake)) == 1


def test_ignition_that_was_deleted_is_made_again() -> None:
    fake = FakeHost()
    desired = ignition("{}")
    converge(fake, desired)
    (volume,) = ignitions(fake)
    fake.connect().delete_volume("web", volume)
    assert not plan_of(fake, desired).empty
    converge(fake, desired)
    assert plan_of(fake, desired).empty
    assert ignitions(fake) == [volume]


def ignitions(fake: FakeHost) -> list[str]:
    return [volume.name for volume in fake.connect().volumes("web") if volume.name.endswith(".ign")]


SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="node()|@*"><xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy></xsl:template>
{}</xsl:stylesheet>"""
WATCHDOG = (
    '<xsl:template match="devices"><devices><xsl:apply-templates/><watchdog model="{}"/></devices></xsl:template>'
)


def styled(body: str, *, power: Power = Power.STOPPED, **fields: object) -> DesiredGraph:
    return hardware(power, stylesheet=SHEET.format(body), **fields)


@pytest.mark.parametrize("power", Power)
def test_a_stylesheet_is_followed(power: Power) -> None:
    fake = FakeHost()
    restart = Disruption.RESTART if power is Power.RUNNING else Disruption.NONE
    converge(fake, hardware(power))
    for model in ("i6300esb", "ib700", None):
        desired = hardware(power) if model is None else styled(WATCHDOG.format(model), power=power)
        plan = plan_of(fake, desired)
        assert paths(plan) >= {"stylesheet"}
        assert plan.changes[0].disruption is restart
        converge(fake, desired)
        assert plan_of(fake, desired).empty
        assert ("<watchdog" in xml_of(fake), str(model) in xml_of(fake)) == (model is not None, model is not None)


def test_a_stylesheet_of_another_layout_is_no_change() -> None:
    fake = FakeHost()
    converge(fake, styled(WATCHDOG.format("ib700")))
    assert plan_of(fake, styled("\n\n" + WATCHDOG.format("ib700") + "<!-- here -->")).empty


def test_what_is_taken_from_a_stylesheets_work_comes_back() -> None:
    fake = FakeHost()
    desired = styled(WATCHDOG.format("ib700"))
    converge(fake, desired)
    before = xml_of(fake)
    fake.connect().define_domain(before.replace('model="ib700"', 'model="i6300esb"'))
    plan = plan_of(fake, desired)
    assert {(field.path, field.before, field.after) for field in plan.changes[0].fields} == {
        ("stylesheet[/devices/watchdog/@model]", "i6300esb", "ib700")
    }
    assert "It was changed outside vmstack." in plan.changes[0].reasons
    converge(fake, desired)
    assert "ib700" in xml_of(fake)


def test_fields_under_a_stylesheet_change_with_the_program_and_with_it() -> None:
    fake = FakeHost()
    body = '<xsl:template match="currentMemory|memory"><xsl:copy><xsl:apply-templates select="@*"/>1048576</xsl:copy></xsl:template>'  # noqa: E501
    desired = styled(body, power=Power.RUNNING)
    converge(fake, desired)
    assert plan_of(fake, desired).empty
    assert "1048576" in xml_of(fake)
    more = styled(body, power=Power.RUNNING, boot=("network",))
    plan = plan_of(fake, more)
    assert paths(plan) == {"boot"}
    converge(fake, more)
    assert plan_of(fake, more).empty
    assert "1048576" in xml_of(fake)


def test_devices_of_others_survive_a_definition_that_is_written_whole() -> None:
    fake = FakeHost()
    converge(fake, styled(WATCHDOG.format("ib700")))
    theirs = (
        "<disk type='file'><driver type='raw'/><source file='/theirs'/><target dev='vdx'/><serial>t</serial></disk>"
        "<interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br9'/></interface></devices>"
    )
    fake.connect().define_domain(xml_of(fake).replace("</devices>", theirs))
    desired = styled(WATCHDOG.format("i6300esb"))
    converge(fake, desired)
    assert ("/theirs" in xml_of(fake), "br9" in xml_of(fake), "i6300esb" in xml_of(fake)) == (True, True, True)


def test_an_ignored_stylesheet_leaves_what_it_made() -> None:
    fake = FakeHost()
    converge(fake, styled(WATCHDOG.format("ib700")))
    options = Options(ignore_changes=("stylesheet",))
    assert plan_of(fake, styled(WATCHDOG.format("i6300esb"), options=options)).empty
    changed = styled(WATCHDOG.format("i6300esb"), options=options, boot=("network",))
    assert paths(plan_of(fake, changed)) == {"boot"}
    converge(fake, changed)
    assert plan_of(fake, changed).empty
    assert "ib700" in xml_of(fake)


def test_a_stylesheet_that_fails_fails_the_plan_with_its_place() -> None:
    fake = FakeHost()
    desired = styled('<xsl:template match="uuid"/>')
    with pytest.raises(DocumentError, match="changes its UUID") as caught:
        plan_of(fake, desired)
    assert caught.value.place is not None


def test_another_architecture_is_another_machine() -> None:
    fake = FakeHost()
    converge(fake, hardware(arch="x86_64"))
    for arch in ("i686", "x86_64"):
        desired = hardware(arch=arch)
        assert paths(plan_of(fake, desired)) == {"arch"}
        converge(fake, desired)
        assert plan_of(fake, desired).empty
        assert f'arch="{arch}"' in xml_of(fake).replace("'", '"')
    converge(fake, hardware(arch="i686"))
    assert paths(plan_of(fake, hardware())) == {"arch"}


def test_kvm_is_refused_where_it_does_not_work() -> None:
    fake = FakeHost()
    for power in Power:
        desired = graph(*small(power=power, domain_type="kvm"))
        with pytest.raises(InputError, match=r"vm.web-0: domain_type .* KVM is not usable on host kvm1") as caught:
            plan_of(fake, desired)
        assert caught.value.place is not None
        assert "vmstack doctor --connect fake:///system" in (caught.value.resolution or "")
    fake.machine.facts = msgspec.structs.replace(fake.machine.facts, domain_type="kvm")
    desired = graph(*small(power=Power.STOPPED, domain_type="kvm"))
    converge(fake, desired)
    # A host that lost KVM since: what is there and stays off is left alone.
    fake.machine.facts = msgspec.structs.replace(fake.machine.facts, domain_type="qemu")
    assert plan_of(fake, desired).empty
    with pytest.raises(InputError, match="KVM is not usable"):
        plan_of(fake, graph(*small(domain_type="kvm")))


def test_a_machine_larger_than_its_host_is_remarked_when_it_is_made() -> None:
    fake = FakeHost()
    fake.machine.facts = msgspec.structs.replace(fake.machine.facts, cpus=2, memory=512 * MIB)
    fits = graph(*small(vcpus=2, max_vcpus=2, memory=512 * MIB, max_memory=512 * MIB))
    assert plan_of(fake, fits).diagnostics == ()
    large = graph(*small(vcpus=3, max_vcpus=4, memory=GIB, max_memory=GIB))
    texts = {found.text.partition(":")[0]: found.severity for found in plan_of(fake, large).diagnostics}
    assert texts == {
        "its 3 vcpus are more than the 2 CPUs of host kvm1": "warning",
        "its memory of 1 GiB is more than host kvm1 has (512 MiB)": "warning",
    }
    converge(fake, large)
    assert plan_of(fake, large).diagnostics == ()
