"""`vmstack import` from end to end on a fake host, with the programs that people have."""

import json

import msgspec
import pytest
from lxml import etree
from lxml.builder import E

from tests.fake.disk_images import qcow2
from tests.fake.faults import CrashNow, Faults, crash_at
from tests.fake.guests import Guest
from tests.fake.host import FakeHost
from tests.fake.wire import text
from tests.unit.cli.test_commands import run, stack, write_stack  # noqa: F401 - a fixture
from vmstack.apply import pipeline
from vmstack.evaluate.cloudinit.documents import load_yaml
from vmstack.hosts.ledger import HostLedger
from vmstack.images.seed import build_seed
from vmstack.model.identity import StackId
from vmstack.model.ownership import Ledger, LedgerEntry, Stamp
from vmstack.model.plan import SeedDocuments
from vmstack.xmlio.stamp import NAMESPACE, read_stamp, write_stamp

STACK = StackId("shop", "dev")
VM, NET, POOL = (f"5e0c1b4e-0000-4000-8000-00000000000{number}" for number in "abc")
MAC = "52:54:00:12:34:56"
GIB = 1 << 30

# Nothing has a `name`: Pulumi gave names with seven random digits.
PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", type="dir", path="/pools/old", opts=on)
lan = libvirt.Network("lan", addresses=["10.20.0.0/24"], opts=on)
base = libvirt.Volume("base", pool=pool.name, source="{image}", opts=on)
root = libvirt.Volume("root", pool=pool.name, base_volume_id=base.id, opts=on)
data = libvirt.Volume("data", pool=pool.name, size=1 << 30, opts=on)
init = libvirt.CloudInitDisk("init", pool=pool.name, user_data="#cloud-config", meta_data="a: 1", opts=on)
web = libvirt.Domain(
    "web", memory=512, cloudinit=init.id, disks=[{{"volume_id": root.id}}, {{"volume_id": data.id}}],
    network_interfaces=[{{"network_id": lan.id, "addresses": ["10.20.0.10"]}}], opts=on,
)
pulumi.export("id", web.id)
pulumi.export("where", pulumi.Output.concat("at ", root.id, " on ", web.name))
pulumi.export("mac", web.network_interfaces[0].mac)
"""


@pytest.fixture
def old(host: FakeHost) -> FakeHost:
    """What the old provider made there: names and identities of its own."""
    host.define_pool(text(E.pool(E.name("pool-1111111"), E.uuid(POOL), E.target(E.path("/pools/old")), type="dir")))
    host.build_pool("pool-1111111")
    host.start_pool("pool-1111111")
    host.set_pool_autostart("pool-1111111", enabled=True)
    for name, below in (("base-2222222", None), ("root-3333333", "base-2222222"), ("data-4444444", None)):
        volume = E.volume(E.name(name), E.capacity(str(GIB)), E.target(E.format(type="qcow2")))
        if below is not None:
            volume.append(E.backingStore(E.path(f"/pools/old/{below}"), E.format(type="qcow2")))
        host.create_volume("pool-1111111", text(volume))
    files = {"user-data": "#cloud-config", "meta-data": "a: 1", "network-config": ""}
    iso = build_seed(SeedDocuments(digest="x", files=files))
    host.create_volume(
        "pool-1111111", text(E.volume(E.name("init-5"), E.capacity(str(len(iso))), E.target(E.format(type="raw"))))
    )
    host.upload_volume("pool-1111111", "init-5", chunks=[iso], length=len(iso))
    host.define_network(
        text(
            E.network(
                E.name("lan-6666666"),
                E.uuid(NET),
                E.forward(mode="nat"),
                E.bridge(name="virbr7", stp="on"),
                E.ip(
                    E.dhcp(
                        E.range(start="10.20.0.2", end="10.20.0.254"),
                        E.host(mac=MAC, name="web-7777777", ip="10.20.0.10"),
                    ),
                    address="10.20.0.1",
                    prefix="24",
                ),
            )
        )
    )
    host.start_network(NET)
    host.define_domain(_domain())
    host.start_domain(VM)
    return host


def _domain() -> str:
    def disk(path: str, target: str, *more, device: str = "disk", bus: str = "virtio", form: str = "qcow2"):
        return E.disk(
            E.driver(name="qemu", type=form), E.source(file=path), E.target(dev=target, bus=bus), *more,
            type="file", device=device,
        )  # fmt: skip

    return text(
        E.domain(
            E.name("web-7777777"),
            E.uuid(VM),
            E.memory("524288", unit="KiB"),
            E.vcpu("1"),
            E.os(E.type("hvm", arch="x86_64", machine="pc")),
            E.devices(
                disk("/pools/old/root-3333333", "vda"),
                disk("/pools/old/data-4444444", "vdb"),
                disk("/pools/old/init-5", "hdd", E.serial("cloudinit"), device="cdrom", bus="ide", form="raw"),
                E.interface(
                    E.mac(address=MAC), E.source(network="lan-6666666"), E.model(type="virtio"), type="network"
                ),
                E.channel(E.target(type="virtio", name="org.qemu.guest_agent.0"), type="unix"),
                E.graphics(type="vnc", autoport="yes", listen="0.0.0.0"),
            ),
            type="qemu",
        )
    )


def _export(folder, **changes: dict) -> str:
    parts = {
        "pool": ("Pool", POOL, {"name": "pool-1111111"}),
        "lan": ("Network", NET, {"name": "lan-6666666"}),
        "base": ("Volume", "/pools/old/base-2222222", {"name": "base-2222222", "pool": "pool-1111111"}),
        "root": ("Volume", "/pools/old/root-3333333", {"name": "root-3333333", "pool": "pool-1111111"}),
        "data": ("Volume", "/pools/old/data-4444444", {"name": "data-4444444", "pool": "pool-1111111"}),
        "init": ("CloudInitDisk", "/pools/old/init-5;1", {"name": "init-5", "pool": "pool-1111111"}),
        "web": ("Domain", VM, {"name": "web-7777777"}),
    }
    resources = []
    for name, (kind, id_, outputs) in parts.items():
        type_ = f"libvirt:index/{kind[0].lower()}{kind[1:]}:{kind}"
        urn = f"urn:pulumi:dev::shop::{type_}::{name}"
        change = changes.get(name, {})
        if change is not None:
            resources.append({"urn": urn, "custom": True, "type": type_, "id": id_, "outputs": outputs, **change})
    file = folder / "export.json"
    file.write_text(json.dumps({"version": 3, "deployment": {"resources": resources}}))
    return str(file)


@pytest.fixture
def project(stack):  # noqa: F811 - the fixture
    image = stack / "base.img"
    image.write_bytes(qcow2(GIB, mark=b"base"))
    write_stack(stack, PROGRAM.format(image=image))
    return stack


def _plan(folder, capsys) -> dict:
    capsys.readouterr()
    assert run("plan", folder, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    return {change["address"]: change for change in document["changes"]}


def _facts(fake: FakeHost) -> dict[str, str]:
    """All of the host but stamps, ledgers and locks."""
    dump = fake.machine.dump()
    return {
        key: value for key, value in dump.items() if "vmstack:" not in key and not key.startswith(("domain", "net"))
    }


def test_names_uuids_macs_and_devices_that_the_program_leaves_open_stay_as_they_are(project, old, capsys):
    before = old.domain(VM)
    facts = _facts(old)
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    out = capsys.readouterr().out
    assert "A plan after it is empty" in out
    assert "Import complete! Resources: 7 taken over." in out
    after = old.domain(VM)
    assert after.state == "running"
    assert _facts(old) == facts
    stamp = read_stamp(after.xml)
    assert stamp.adopted.nics == {"lan-" + stamp_digits(stamp): MAC}
    assert {name: disk.target for name, disk in stamp.adopted.disks.items()} == {
        "root": "vda",
        "data": "vdb",
        "cidata": "hdd",
    }
    assert read_stamp(after.live_xml) == stamp
    assert run("plan", project, "--detailed-exitcode") == 0
    capsys.readouterr()
    assert run("output", "-C", project, "--json") == 0
    outputs = json.loads(capsys.readouterr().out)
    assert outputs["id"]["value"] == VM
    assert outputs["where"]["value"] == "at /pools/old/root-3333333 on web-7777777"
    assert outputs["mac"]["value"] == MAC.upper()
    assert before.name == after.name
    assert run("show", project) == 0
    assert "vm.web" in capsys.readouterr().out


def stamp_digits(stamp: Stamp) -> str:
    (nic,) = stamp.adopted.nics
    return nic.rpartition("-")[2]


def test_a_change_after_it_touches_only_what_changed(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    program = project / "__main__.py"
    program.write_text(program.read_text().replace("memory=512", 'memory=768, description="x"'))
    (change,) = _plan(project, capsys).values()
    assert {field["path"] for field in change["fields"]} == {"memory", "description"} or {
        field["path"] for field in change["fields"]
    } == {"memory", "max_memory", "description"}
    assert run("apply", project, "--yes") == 0
    xml = old.domain(VM).xml
    assert "<description>x</description>" in xml
    assert "pc-i440fx" in xml
    assert 'listen="0.0.0.0"' in xml
    assert xml.count("<serial>") == 1
    assert "<serial>cloudinit</serial>" in xml
    assert run("plan", project, "--detailed-exitcode") == 0


def test_what_other_resources_say_of_it_is_what_it_really_has(project, old, capsys):
    program = project / "__main__.py"
    program.write_text(
        program.read_text()
        + """
note = pulumi.Output.concat(web.id, " is ", web.name, ", ", web.network_interfaces[0].mac, " on ", lan.id, root.id)
watch = libvirt.Domain("watch", memory=512, description=note, kernel=pulumi.Output.concat("/k/", web.id), opts=on)
"""
    )
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert set(_plan(project, capsys)) == {"vm.watch"}
    assert run("apply", project, "--yes") == 0
    (watch,) = [record for record in old.domains() if record.name.startswith("watch")]
    note = f"{VM} is web-7777777, {MAC.upper()} on {NET}/pools/old/root-3333333"
    assert f"<description>{note}</description>" in watch.xml
    assert f"<kernel>/k/{VM}</kernel>" in watch.xml
    assert run("plan", project, "--detailed-exitcode") == 0


def test_options_of_its_devices_hold_afterwards(project, old, capsys):
    program = project / "__main__.py"
    ignoring = 'opts=pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(ignore_changes=["networkInterfaces"])),'
    program.write_text(program.read_text().replace('["10.20.0.10"]}], opts=on,', '["10.20.0.10"]}], ' + ignoring))
    assert ignoring in program.read_text()
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert run("plan", project, "--detailed-exitcode") == 0
    old.define_domain(old.domain(VM).xml.replace('network="lan-6666666"', 'network="elsewhere"'))
    assert "elsewhere" in old.domain(VM).xml
    assert run("plan", project, "--detailed-exitcode") == 0


def test_a_name_that_holds_its_identity_stays_the_name_of_the_resource(project, old, capsys):
    program = project / "__main__.py"
    program.write_text(
        program.read_text()
        + """
def more(id):
    opts = pulumi.ResourceOptions.merge(on, pulumi.ResourceOptions(protect=True))
    libvirt.Volume(f"extra-{id}", pool=pool.name, size=1 << 20, opts=opts)
web.id.apply(more)
"""
    )
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert run("apply", project, "--yes") == 0
    assert run("plan", project, "--detailed-exitcode") == 0
    program.write_text(program.read_text().replace("web.id.apply(more)", ""))
    capsys.readouterr()
    assert run("apply", project, "--yes", "--allow-data-loss") != 0
    assert "protect" in capsys.readouterr().err


def test_disks_can_be_taken_away_and_seeds_changed(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    program = project / "__main__.py"
    whole = program.read_text()
    program.write_text(whole.replace('{"volume_id": root.id}, {"volume_id": data.id}', '{"volume_id": root.id}'))
    assert run("apply", project, "--yes") == 0
    assert "data-4444444" not in old.domain(VM).xml
    assert "data-4444444" not in (old.domain(VM).live_xml or "")
    assert run("plan", project, "--detailed-exitcode") == 0
    program.write_text(program.read_text().replace("#cloud-config", "#cloud-config\\npackages: [x]"))
    changes = _plan(project, capsys)
    assert changes["vm.web"]["disruption"] == "next-boot"
    assert run("apply", project, "--yes") == 0
    root = old.domain(VM).xml
    assert "web-seed-" in root
    assert 'device="cdrom"' in root
    names = [record.name for record in old.volumes("pool-1111111")]
    (seed,) = [name for name in names if name.startswith("web-seed-")]
    content = b"".join(old.download_volume("pool-1111111", seed, length=1 << 20))
    assert b'"instance-id":"nocloud"' in content  # as cloud-init took the old one, so that nothing runs again
    old.power_off_domain(VM)
    old.start_domain(VM)
    assert run("apply", project, "--yes") == 0
    assert "init-5" not in [record.name for record in old.volumes("pool-1111111")]


def test_destroying_asks_for_data_and_takes_everything(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert run("destroy", project, "--yes") == 5
    told = capsys.readouterr().err
    assert "volume.base holds data" in told
    assert "volume.data holds data" in told
    assert "volume.root" not in told
    assert run("destroy", project, "--yes", "--allow-data-loss") == 0
    assert old.domains() == [] and old.networks() == [] and old.pools() == []


def test_other_content_on_the_disk_is_a_difference_afterwards(project, old, capsys):
    program = project / "__main__.py"
    program.write_text(program.read_text().replace('"a: 1"', '"a: 2"'))
    assert run("import", project, "--from-pulumi", _export(project), "--preview") == 0
    out = capsys.readouterr().out
    assert "A plan after it, which import does not carry out" in out
    assert 'cloud_init: "init-5" -> "web-seed-' in out
    assert HostLedger(old, STACK).read() is None


def test_what_is_not_there_not_in_the_state_and_not_in_the_program(project, old, capsys):
    old.power_off_domain(VM)
    old.undefine_domain(VM)
    program = project / "__main__.py"
    program.write_text(program.read_text().replace('"data", pool', '"more", pool'))
    assert run("import", project, "--from-pulumi", _export(project), "--preview") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Not found on its host; the next apply makes it: vm.web {VM}" in out
    assert "In the program and not in the state; the next apply makes it: volume.more" in out
    assert (
        "In the state and not in the program; left as it is: urn:pulumi:dev::shop::libvirt:index/volume:Volume::data"
        in out
    )


def test_objects_of_others_are_refused(project, old, capsys):
    export = _export(project)
    for path in ("other/dev/vm/web", "shop/dev/vm/db"):
        old.set_domain_metadata(VM, xml=write_stamp(Stamp(path=path, digest="d")), namespace=NAMESPACE, live=True)
        assert run("import", project, "--from-pulumi", export, "--yes") == 5
        assert f"the domain 'web-7777777' is {path} already" in capsys.readouterr().err
    old.set_domain_metadata(VM, xml=None, namespace=NAMESPACE, live=True)
    theirs = StackId("other", "dev")
    entry = LedgerEntry(name="x", role="volume", pool="pool-1111111", label="root-3333333")
    HostLedger(old, theirs).write(Ledger(stack=theirs, entries=(entry,)))
    assert run("import", project, "--from-pulumi", export, "--yes") == 5
    assert "is of the stack other/dev already" in capsys.readouterr().err
    assert HostLedger(old, STACK).read() is None
    assert read_stamp(old.network(NET).xml) is None


def test_a_copy_of_an_adopted_domain_is_not_ours(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    old.power_off_domain(VM)
    copy = old.domain(VM).xml.replace(VM, VM[:-1] + "f").replace("web-7777777", "copy")
    old.define_domain(copy.replace(MAC, "52:54:00:00:00:01"))
    assert run("destroy", project, "--yes", "--allow-data-loss") == 1
    assert "'copy'" in capsys.readouterr().err


def test_protection_of_the_state_holds_until_the_program_takes_it_off(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project, web={"protect": True}), "--yes") == 0
    out = capsys.readouterr().out
    assert "protect: true -> false" in out
    assert run("destroy", project, "--yes", "--allow-data-loss") == 5
    assert "vm.web is protected" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("change", range(1, 7))
def test_a_run_that_was_killed_is_run_again(project, old, capsys, change, moment):
    export, facts = _export(project), _facts(old)
    old.faults = crash_at(change, moment=moment)
    with pytest.raises(CrashNow):
        run("import", project, "--from-pulumi", export, "--yes")
    old.faults = Faults()
    assert run("unlock", project, "--yes") == 0
    assert run("import", project, "--from-pulumi", export, "--yes") == 0
    assert run("apply", project, "--yes") == 0  # the outputs may still have to be stored
    assert _facts(old) == facts
    assert old.domain(VM).state == "running"
    assert run("plan", project, "--detailed-exitcode") == 0


def test_the_rest_of_a_state_can_be_taken_over_later(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project, web=None), "--yes") == 0
    capsys.readouterr()
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert "2 to take over, 5 held already" in capsys.readouterr().out
    assert run("apply", project, "--yes") == 0
    assert run("plan", project, "--detailed-exitcode") == 0


def test_an_output_that_is_not_known_any_more_is_kept(project, old, capsys):
    program = project / "__main__.py"
    waits = program.read_text().replace('"addresses": ["10.20.0.10"]', '"wait_for_lease": True')
    program.write_text(waits + 'pulumi.export("address", web.network_interfaces[0].addresses[0])\n')
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert run("apply", project, "--yes") == 0
    ledger = HostLedger(old, STACK)
    held = ledger.read()
    assert held.outputs["address"].value == "10.20.0.10"
    ledger.write(msgspec.structs.replace(held, entries=tuple(one for one in held.entries if one.name != "data")))
    old.power_off_domain(VM)
    old.machine.default_guest = Guest(lease_after=None)
    old.start_domain(VM)
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    assert "data" in {entry.name for entry in ledger.read().entries}
    assert ledger.read().outputs["address"] == held.outputs["address"]


def test_terraform_addresses_are_matched_by_name_in_libvirt_or_mapped(project, old, capsys):
    blocks = [
        ("libvirt_pool", "p", {"id": POOL, "name": "pool-1111111"}),
        ("libvirt_network", "n", {"id": NET, "name": "lan-6666666"}),
        ("libvirt_domain", "vm", {"id": VM, "name": "web-7777777"}),
        ("libvirt_cloudinit_disk", "i", {"id": "/pools/old/init-5;1", "name": "init-5", "pool": "pool-1111111"}),
    ] + [
        ("libvirt_volume", name, {"id": f"/pools/old/{label}", "name": label, "pool": "pool-1111111"})
        for name, label in (("b", "base-2222222"), ("r", "root-3333333"), ("d", "data-4444444"))
    ]
    resources = [
        {"mode": "managed", "type": type_, "name": name, "instances": [{"attributes": attributes}]}
        for type_, name, attributes in blocks
    ]
    file = project / "terraform.tfstate"
    file.write_text(json.dumps({"version": 4, "resources": resources}))
    names = {
        "libvirt_pool.p": "pool", "libvirt_network.n": "lan", "libvirt_domain.vm": "web", "libvirt_volume.b": "base",
        "libvirt_volume.r": "root", "libvirt_volume.d": "data",
    }  # fmt: skip
    maps = [part for address, name in names.items() for part in ("--map", f"{address}={name}")]
    assert run("import", project, "--from-tfstate", file, "--preview") == 0
    assert "Import: 0 to take over" in capsys.readouterr().out
    assert run("import", project, "--from-tfstate", file, *maps, "--yes") == 0
    assert "7 taken over" in capsys.readouterr().out
    assert run("plan", project, "--detailed-exitcode") == 0
    assert run("import", project, "--from-tfstate", file, "--map", "libvirt_domain.vm=nobody") == 1
    assert "'nobody' is the name of no vm" in capsys.readouterr().err
    assert run("import", project, "--from-tfstate", file, "--map", "libvirt_domain.x=web") == 1
    assert "no 'libvirt_domain.x'" in capsys.readouterr().err


def test_bad_command_lines(project, old, capsys):
    for arguments, why in (
        ([], "say what to import from"),
        (["--from-pulumi", "a", "--from-tfstate", "b"], "say what to import from"),
        (["--from-pulumi", project / "nowhere"], "cannot be read"),
        (["--from-tfstate", _export(project)], "no state of Terraform"),
        (["--from-pulumi", _export(project), "--map", "x"], "not ADDRESS=NAME"),
        (["--from-pulumi", _export(project)], "no terminal to ask at"),
    ):
        assert run("import", project, *arguments) == 1
        assert why in capsys.readouterr().err
    assert HostLedger(old, STACK).read() is None
    assert load_yaml("a: 1", what="x") == {"a": 1}


def test_a_volume_that_is_made_anew_keeps_the_name_that_pulumi_gave_it(project, old, capsys):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    old.power_off_domain(VM)
    old.delete_volume("pool-1111111", "root-3333333")
    assert run("apply", project, "--yes") == 0
    assert "root-3333333" in [record.name for record in old.volumes("pool-1111111")]
    assert run("plan", project, "--detailed-exitcode") == 0
    assert "/pools/old/root-3333333" in old.domain(VM).xml


def test_ignition_is_taken_over_with_the_file_that_the_firmware_shows(project, old, capsys):
    program = project / "__main__.py"
    text_ = program.read_text().replace(
        'init = libvirt.CloudInitDisk("init", pool=pool.name, user_data="#cloud-config", meta_data="a: 1", opts=on)',
        'ign = libvirt.Ignition("ign", pool=pool.name, content=\'{"a": 1}\', opts=on)',
    )
    program.write_text(text_.replace("cloudinit=init.id", "coreos_ignition=ign.id"))
    content = b'{"a": 1}'
    volume = E.volume(E.name("ign-8"), E.capacity(str(len(content))), E.target(E.format(type="raw")))
    old.create_volume("pool-1111111", text(volume))
    old.upload_volume("pool-1111111", "ign-8", chunks=[content], length=len(content))
    qemu = "{http://libvirt.org/schemas/domain/qemu/1.0}"
    domain = etree.fromstring(_domain())
    domain.find("devices").remove(domain.find("devices/disk[3]"))
    arguments = ("-fw_cfg", "name=opt/com.coreos/config,file=/pools/old/ign-8")
    domain.append(E(f"{qemu}commandline", *(E(f"{qemu}arg", value=value) for value in arguments)))
    old.power_off_domain(VM)
    old.undefine_domain(VM)
    old.define_domain(text(domain))
    old.start_domain(VM)
    outputs = {"name": "ign-8", "pool": "pool-1111111"}
    type_ = "libvirt:index/ignition:Ignition"
    change = {
        "urn": f"urn:pulumi:dev::shop::{type_}::ign",
        "type": type_,
        "id": "/pools/old/ign-8;1",
        "outputs": outputs,
    }
    assert run("import", project, "--from-pulumi", _export(project, init=change), "--yes") == 0
    assert "7 taken over" in capsys.readouterr().out
    assert run("plan", project, "--detailed-exitcode") == 0
    program.write_text(program.read_text().replace('"a": 1', '"a": 2'))
    assert set(_plan(project, capsys)) == {"vm.web", "seed.web:ignition"}


def test_two_resources_on_one_object_are_refused(project, old, capsys):
    before = _facts(old)
    same = {"id": "/pools/old/root-3333333", "outputs": {"name": "root-3333333", "pool": "pool-1111111"}}
    assert run("import", project, "--from-pulumi", _export(project, data=same), "--yes") == 1
    assert "volume.data and volume.root are both 'root-3333333'" in capsys.readouterr().err
    assert _facts(old) == before


def test_another_name_of_a_volume_in_the_program_is_refused(project, old, capsys):
    program = project / "__main__.py"
    program.write_text(program.read_text().replace("size=1 << 30", 'size=1 << 30, name="other"'))
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 1
    assert "is called 'data-4444444' in libvirt, and in the program 'other'" in capsys.readouterr().err


def test_an_adopted_seed_that_somebody_takes_into_use_meanwhile_stays(project, old, capsys, monkeypatch):
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    program = project / "__main__.py"
    program.write_text(program.read_text().replace('"#cloud-config"', '"#cloud-config\\nx: 1"'))
    old.power_off_domain(VM)
    other = _domain().replace("web-7777777", "foreign").replace(VM, "6e0c1b4e-0000-4000-8000-00000000000a")
    other = other.replace("root-3333333", "a").replace("data-4444444", "b").replace(MAC, "52:54:00:12:34:57")
    real = pipeline.plan_stack

    def plan_stack(*args, **named):
        result = real(*args, **named)
        old.define_domain(other)
        return result

    monkeypatch.setattr(pipeline, "plan_stack", plan_stack)
    run("apply", project, "--yes")
    assert "/pools/old/init-5" in old.machine.files


def test_an_adopted_seed_that_others_use_is_left_to_them(project, old, capsys):
    other = _domain().replace("web-7777777", "foreign").replace(VM, "6e0c1b4e-0000-4000-8000-00000000000a")
    other = other.replace("root-3333333", "a").replace("data-4444444", "b").replace(MAC, "52:54:00:12:34:57")
    old.define_domain(other)
    assert run("import", project, "--from-pulumi", _export(project), "--yes") == 0
    program = project / "__main__.py"
    program.write_text(program.read_text().replace('"#cloud-config"', '"#cloud-config\\nx: 1"'))
    old.power_off_domain(VM)
    assert run("apply", project, "--yes") == 0
    assert run("apply", project, "--yes") == 0
    assert "/pools/old/init-5" in old.machine.files


def test_a_disk_with_data_is_never_taken_for_a_seed(project, old, capsys):
    before = _facts(old)
    wrong = {"id": "/pools/old/data-4444444;1", "outputs": {"name": "data-4444444", "pool": "pool-1111111"}}
    assert run("import", project, "--from-pulumi", _export(project, init=wrong, data=None), "--yes") == 1
    assert "is a disk that a guest may write to" in capsys.readouterr().err
    assert _facts(old) == before
