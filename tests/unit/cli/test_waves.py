"""Programs that use what only hosts know, from end to end on a fake host: planned and applied in waves."""

import json
import textwrap
from pathlib import Path

import pytest

from tests.fake.guests import Guest
from tests.fake.host import FakeHost
from vmstack.cli.main import main
from vmstack.hosts import leases

PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pools/p", opts=on)
lan = libvirt.Network("lan", name="lan", addresses=["10.20.0.0/24"], opts=on)
nic = {"network_id": lan.id, "wait_for_lease": True}
root = libvirt.Volume("root", name="root", pool=pool.name, size=2**20, opts=on)
first = libvirt.Domain("first", name="first", disks=[{"volume_id": root.id}], network_interfaces=[nic], opts=on)
ip = first.network_interfaces[0].addresses[0]
"""
SECOND = (
    PROGRAM
    + """
second = libvirt.Domain("second", name="second", description=pulumi.Output.concat("near ", ip), opts=on)
pulumi.export("ip", ip)
pulumi.export("text", second.description)
"""
)


@pytest.fixture
def folder(folder, monkeypatch) -> Path:
    monkeypatch.setattr(leases, "_LOOKS", (0.0,))
    return write(folder, SECOND)


def write(folder: Path, program: str, *, project: str = "shop") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
    (folder / "__main__.py").write_text(textwrap.dedent(program))
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def names(host: FakeHost) -> list[str]:
    return sorted(record.name for record in host.domains())


def is_converged(folder: Path, capsys) -> None:
    capsys.readouterr()
    assert run("plan", folder, "--detailed-exitcode") == 0
    out = capsys.readouterr().out
    assert out.strip() == "No changes. Your infrastructure matches the program."


def test_what_depends_on_a_lease_is_planned_once_it_is_there(folder, host, capsys):
    host.machine.default_guest = Guest(lease_after=2)
    assert run("plan", folder) == 0
    out = capsys.readouterr().out
    assert "The plan is incomplete" in out
    assert "Domain 'second': description" in out
    assert run("apply", folder, "--yes") == 0
    out = capsys.readouterr().out
    assert out.count("Plan: ") == 2
    assert "Apply complete! Resources: 5 added, 0 changed, 0 destroyed." in out
    assert names(host) == ["first", "second"]
    assert run("output", "-C", folder, "--raw", "text") == 0
    assert capsys.readouterr().out.startswith("near 10.20.0.")
    is_converged(folder, capsys)
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    assert names(host) == []
    assert not host.secrets(usage_prefix="vmstack:")


def test_in_json_the_waves_are_counted_together(folder, host, capsys):
    assert run("apply", folder, "--yes", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    summaries = [line["changes"]["add"] for line in lines if line["type"] == "change_summary"]
    assert summaries == [4, 1, 5]  # two plans, and the whole


def test_a_lease_that_does_not_come_leaves_the_guest_and_ends_partly(folder, host, capsys):
    host.machine.default_guest = Guest(lease_after=None)
    text = SECOND.replace("opts=on)\nip", "opts=pulumi.ResourceOptions(provider=on.provider, "
                          "custom_timeouts=pulumi.CustomTimeouts(create='1ms')))\nip")  # fmt: skip
    write(folder, text)
    assert run("apply", folder, "--yes") == 3
    captured = capsys.readouterr()
    assert "first had no address within 1 s" in captured.err
    assert names(host) == ["first"]
    assert host.domains()[0].state == "running"
    host.machine.default_guest = Guest()
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["first", "second"]
    is_converged(folder, capsys)


def test_nothing_is_deleted_while_it_is_not_known_what_is_wanted(folder, host, capsys):
    assert run("apply", folder, "--yes") == 0
    host.machine.default_guest = Guest(lease_after=None)
    first = next(record for record in host.domains() if record.name == "first")
    host.power_off_domain(first.uuid)
    capsys.readouterr()
    assert run("plan", folder, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(change["address"], change["actions"]) for change in plan["changes"]] == [("vm.first", ["update"])]
    assert any("nothing is deleted on kvm" in found["text"] and "vm.second" in found["text"]
               for found in plan["diagnostics"])  # fmt: skip
    assert plan["outputs"]["text"]["value"].startswith("near 10.20.0.")  # as it was applied last
    host.machine.default_guest = Guest()
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["first", "second"]
    is_converged(folder, capsys)


def test_what_never_gets_known_is_no_match(folder, host, capsys):
    """The guest runs and has no address: what hangs on that is neither there nor known to be wanted."""
    host.machine.default_guest = Guest(lease_after=None)
    write(folder, SECOND.replace(', "wait_for_lease": True', ""))
    for _ in range(2):
        assert run("apply", folder, "--yes") == 3
        captured = capsys.readouterr()
        assert "Apply complete" not in captured.out
        assert "what is known was applied; the program may want more" in captured.err
        assert "Domain 'second'" in captured.err
    assert names(host) == ["first"]
    assert run("apply", folder, "--yes", "--json") == 3
    assert "the program may want more" in capsys.readouterr().out
    assert run("plan", folder) == 0
    out = capsys.readouterr().out
    assert "matches the program" not in out
    assert "The plan is incomplete" in out
    assert run("plan", folder, "--detailed-exitcode") == 2
    assert run("plan", folder, "--expect-no-changes") == 1
    assert "The plan is incomplete, so that it may have changes" in capsys.readouterr().err
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    host.machine.default_guest = Guest()
    assert run("apply", folder, "--yes") == 0


def test_what_a_later_wave_names_is_taken_over_too(folder, host, capsys):
    write(folder, PROGRAM + 'libvirt.Domain("old", name="old", opts=on)\n')
    assert run("apply", folder, "--yes") == 0
    old = next(record.uuid for record in host.domains() if record.name == "old")
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    bare = '<domain type="qemu"><name>old</name><uuid>{}</uuid><memory unit="KiB">524288</memory><vcpu>1</vcpu>' \
        '<os><type arch="x86_64" machine="q35">hvm</type></os><devices/></domain>'  # fmt: skip
    host.define_domain(bare.format(old))
    write(
        folder,
        PROGRAM
        + f"""
def make(address):
    libvirt.Domain("old", name="old", running=False,
                   opts=pulumi.ResourceOptions(provider=on.provider, import_="{old}"))
ip.apply(make)
""",
    )
    capsys.readouterr()
    assert run("apply", folder, "--yes") == 0
    assert "import_ of the program" in capsys.readouterr().out
    assert [record.uuid for record in host.domains() if record.name == "old"] == [old]
    is_converged(folder, capsys)


def test_deletions_wait_for_the_last_wave(folder, host, capsys):
    assert run("apply", folder, "--yes") == 0
    text = SECOND.replace('"second"', '"third"').replace("opts=on)\nip", "vcpu=2, opts=on)\nip")
    write(folder, text)
    host.machine.default_guest = Guest(lease_after=1)
    capsys.readouterr()
    assert run("apply", folder, "--yes") == 0
    out = capsys.readouterr().out
    assert "vm.second will be destroyed" in out
    assert names(host) == ["first", "third"]
    is_converged(folder, capsys)


def test_a_function_of_an_address_may_make_more_resources(folder, host, capsys):
    write(folder, PROGRAM + """
def make(address):
    inner = libvirt.Domain("inner", name="inner", description=address, opts=on)
    pulumi.export("inner", inner.id)
ip.apply(make)
""")  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["first", "inner"]
    is_converged(folder, capsys)


def test_a_program_that_changes_its_mind_between_the_waves_is_stopped(folder, host, capsys):
    write(folder, SECOND + """
import pathlib
marker = pathlib.Path("marker")
count = int(marker.read_text()) if marker.exists() else 0
marker.write_text(str(count + 1))
libvirt.Volume("moody", name="moody", pool=pool.name, size=2**20 * (count + 1), opts=on)
""")  # fmt: skip
    assert run("apply", folder, "--yes") == 3
    err = capsys.readouterr().err
    assert "the program wants something else than was approved: volume.moody is another one" in err


def test_an_exported_address_alone_holds_nothing_back(folder, host, capsys):
    write(folder, PROGRAM + "pulumi.export('ip', ip)\n")
    assert run("apply", folder, "--yes") == 0
    out = capsys.readouterr().out
    assert "Known after apply:" in out
    assert 'ip = "10.20.0.' in out
    is_converged(folder, capsys)


def test_references_are_found_on_the_hosts(folder, host, tmp_path, capsys):
    assert run("apply", folder, "--yes") == 0
    other = write(tmp_path / "other", """
import pulumi
import pulumi_libvirt as libvirt
on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
shop = pulumi.StackReference("organization/shop/dev")
libvirt.Domain("third", name="third", description=shop.require_output("text"), opts=on)
pulumi.export("ip", shop.get_output("ip"))
""", project="other")  # fmt: skip
    assert run("apply", other, "--yes") == 0
    assert names(host) == ["first", "second", "third"]
    is_converged(other, capsys)
    write(tmp_path / "lost", """
import pulumi
import pulumi_libvirt as libvirt
libvirt.Provider("kvm", uri="qemu:///system")
pulumi.StackReference("shop/prod")
""")  # fmt: skip
    assert run("plan", tmp_path / "lost") == 1
    assert "there is no stack shop/prod on the hosts of this one" in capsys.readouterr().err


def test_ids_from_elsewhere_are_asked_of_the_host(folder, host, tmp_path, capsys):
    write(folder, PROGRAM + 'pulumi.export("lan", lan.id)\npulumi.export("root", root.id)\n')
    assert run("apply", folder, "--yes") == 0
    text = """
import pulumi
import pulumi_libvirt as libvirt
on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
shop = pulumi.StackReference("organization/shop/dev")
lan = libvirt.Network.get("lan", shop.require_output("lan"), opts=on)
over = libvirt.Volume("over", name="over", pool="pool", base_volume_id=shop.require_output("root"), opts=on)
libvirt.Domain("third", name="third", running=False, disks=[{"volume_id": over.id}],
               network_interfaces=[{"network_id": shop.require_output("lan")}], opts=on)
"""
    other = write(tmp_path / "other", text, project="other")
    capsys.readouterr()
    assert run("validate", other) == 1
    err = capsys.readouterr().err
    assert "asks a host about stack shop/dev" in err
    assert "it also asks" not in err  # what follows from an answer is no question yet
    assert run("apply", other, "--yes") == 0
    assert "third" in names(host)
    is_converged(other, capsys)
    write(other, text.replace('shop.require_output("root")', '"/pools/p/none"'), project="other")
    assert run("plan", other) == 1
    assert "there is no volume with the id '/pools/p/none', in the program or on qemu" in capsys.readouterr().err
    write(other, text.replace('shop.require_output("lan")}', '"no-such"}'), project="other")
    assert run("plan", other) == 1
    assert "there is no network with the id no-such" in capsys.readouterr().err


def test_functions_that_ask_a_host(folder, host, capsys):
    write(folder, """
import pulumi
import pulumi_libvirt as libvirt
kvm = libvirt.Provider("kvm", uri="qemu:///system")
where = pulumi.InvokeOptions(provider=kvm)
cores = libvirt.get_node_info(opts=where).cpu_cores_total
for name in libvirt.get_node_devices(capability="net", opts=where).devices:
    device = libvirt.get_node_device_info(name=name, opts=where)
    libvirt.Domain(name, name=name, vcpu=cores, description=device.capability.interface,
                   opts=pulumi.ResourceOptions(provider=kvm))
""")  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["net_eth0"]
    is_converged(folder, capsys)
    assert run("validate", folder) == 1
    assert "the program asks a host about node" in capsys.readouterr().err


def test_what_is_there_is_read_by_its_id(folder, host, capsys, tmp_path):
    assert run("apply", folder, "--yes") == 0
    [uuid] = [record.uuid for record in host.networks()]
    other = write(tmp_path / "other", f"""
import pulumi
import pulumi_libvirt as libvirt
on = pulumi.ResourceOptions(provider=libvirt.Provider("kvm", uri="qemu:///system"))
lan = libvirt.Network.get("lan", "{uuid}", opts=on)
root = libvirt.Volume.get("root", "/pools/p/root", opts=on)
libvirt.Domain("vm", name="vm", network_interfaces=[{{"network_id": lan.id}}], opts=on)
pulumi.export("bridge", lan.bridge)
pulumi.export("size", root.size)
""", project="other")  # fmt: skip
    assert run("apply", other, "--yes") == 0
    is_converged(other, capsys)
    assert run("output", "-C", other, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["size"]["value"], bool(found["bridge"]["value"])) == (2**20, True)


def test_the_guest_agent_tells_where_no_dhcp_of_libvirts_does(folder, host, capsys):
    host.machine.default_guest = Guest(agent=True, lease_after=1)
    write(folder, SECOND.replace("network_interfaces=[nic]", "qemu_agent=True, network_interfaces=[nic]"))
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["first", "second"]
    is_converged(folder, capsys)


NATIVE = (
    PROGRAM
    + """
from vmstack import CloudInit, Disk, Host, Image, Network, Nic, StoragePool, VirtualMachine, Volume
kvm = Host("native", uri="qemu:///system")
store = StoragePool("store", path="/pools/store", host=kvm)
net = Network("net", cidr="10.30.0.0/24", mode="isolated", host=kvm)
ahead = VirtualMachine("ahead", pool=store, disk="1GiB", networks=[net.at(9)])
"""
)


def test_native_resources_wait_too(folder, host, capsys):
    write(folder, NATIVE + """
note = pulumi.Output.concat("near ", ip)
vm = VirtualMachine("vm", pool=store, disk=Disk("root", size="1GiB"), networks=[net.at(10)], description=note)
after = VirtualMachine("after", pool=store, disk="1GiB", opts=pulumi.ResourceOptions(depends_on=[vm]))
seeded = VirtualMachine("seeded", pool=store, disk="1GiB", wait=False, networks=[Nic(net, mac="52:54:00:00:00:09")],
                        cloud_init=CloudInit(write_files=[{"path": "/etc/peer", "content": ip}]))
late = Network("late", cidr="10.31.0.0/24", mode="isolated", domain=ip.apply(lambda one: "lan"), host=kvm)
guest = VirtualMachine("guest", pool=store, disk="1GiB", networks=[late.at(5)])
classic = libvirt.Domain("classic", name="classic", opts=pulumi.ResourceOptions(provider=on.provider, depends_on=[vm]))
second = libvirt.Domain("second", name="second", description=ip, opts=on)
behind = VirtualMachine("behind", pool=store, disk="1GiB", opts=pulumi.ResourceOptions(depends_on=[second]))
group = pulumi.ComponentResource("unit:Group", "group")
VirtualMachine("inner", pool=store, disk="1GiB", description=ip, opts=pulumi.ResourceOptions(parent=group))
last = VirtualMachine("last", pool=store, disk="1GiB", opts=pulumi.ResourceOptions(depends_on=[group]))
pulumi.export("ip", vm.ip)
pulumi.export("path", after.disks["root"].path)
pulumi.export("url", pulumi.Output.concat("http://", guest.ip))
""")  # fmt: skip
    waiting = ["after", "behind", "classic", "guest", "inner", "last", "second", "seeded", "vm"]
    assert run("plan", folder) == 0
    out = capsys.readouterr().out
    assert "  # vm.ahead will be created" in out
    assert not [name for name in waiting if f"# vm.{name} will be created" in out]
    assert "vm.vm: description   # " in out
    assert "vm.after: opts: depends_on   # " in out
    assert "vm.behind: it waits for what it depends on   # " in out
    assert "the output 'url'" in out
    assert run("apply", folder, "--yes") == 0
    assert names(host) == sorted([*waiting, "ahead", "first"])
    assert run("output", "-C", folder, "--raw", "url") == 0
    assert capsys.readouterr().out.endswith("http://10.31.0.5")
    is_converged(folder, capsys)

    # Of what is there already, and is not known to be wanted any more, nothing is taken.
    host.machine.default_guest = Guest(lease_after=None)
    host.power_off_domain(next(record for record in host.domains() if record.name == "first").uuid)
    assert run("plan", folder, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(change["address"], change["actions"]) for change in plan["changes"]] == [("vm.first", ["update"])]
    assert plan["outputs"]["url"]["value"] == "http://10.31.0.5"
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    assert names(host) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Host('inner', uri=ip)", "host.inner: uri: the value is not known before apply"),
        ("VirtualMachine(ip, pool=store)", "name: the value is not known before apply"),
        ("vm = VirtualMachine('vm', pool=store, description=ip)\nf'http://{vm.ip}'", "vm.vm: its ip is not known"),
        ("vm = VirtualMachine('vm', pool=store, description=ip)\nVirtualMachine('vm', pool=store)", "vm.vm is defined"),
        ("vm = VirtualMachine('vm', pool=store, description=ip)\nvm.address", "has no attribute 'address'"),
    ],
)
def test_what_cannot_wait_is_refused_with_its_line(folder, host, capsys, body, said):
    write(folder, NATIVE + body + "\n")
    assert run("plan", folder) == 1
    err = capsys.readouterr().err
    assert said in err
    assert f"__main__.py:{(NATIVE + body).count(chr(10)) + 1}\n" in err


def test_what_is_below_something_that_waits_waits_too(folder, host, capsys):
    write(folder, NATIVE + """
second = libvirt.Domain("second", name="second", description=ip, opts=on)
behind = VirtualMachine("behind", pool=store, disk="1GiB", opts=pulumi.ResourceOptions(depends_on=[second]))
Volume("child", pool=store, size="1MiB", opts=pulumi.ResourceOptions(parent=behind))
""")  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    assert names(host) == ["ahead", "behind", "first", "second"]
    is_converged(folder, capsys)


@pytest.mark.parametrize("what", ["vm.ip", "vm.disks['root'].path", "vm.disks['root']"])
def test_a_text_of_what_waits_is_refused_with_its_line(folder, host, capsys, what):
    write(folder, NATIVE + f"""
vm = VirtualMachine("vm", pool=store, disk=Disk("root", size="1GiB"), networks=[net.at(10)], description=ip)
VirtualMachine("other", pool=store, disk="1GiB", description=f"peer {{{what}}}")  # here
""")  # fmt: skip
    assert run("plan", folder) == 1
    line = (folder / "__main__.py").read_text()[: (folder / "__main__.py").read_text().index("# here")].count("\n") + 1
    err = capsys.readouterr().err
    assert "is not known before apply, so there is no text of it" in err
    assert f"__main__.py:{line}" in err
