"""Resource options whose meaning shows only against a host: what is hidden, what is retained."""

import json

from tests.unit.cli.test_waves import is_converged, names, run, write
from vmstack.xmlio.stamp import read_stamp

PROGRAM = """
import pulumi
import pulumi_libvirt as libvirt

kvm = libvirt.Provider("kvm", uri="qemu:///system")
def on(**options):
    return pulumi.ResourceOptions(provider=kvm, retain_on_delete=True, **options)
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pools/p", opts=on())
"""
GUEST = """
lan = libvirt.Network("lan", name="lan", addresses=["10.20.0.0/24"], opts=on())
base = libvirt.Volume("base", name="base", pool=pool.name, size=2**20, opts=on())
root = libvirt.Volume("root", name="root", pool=pool.name, base_volume_id=base.id, opts=on())
seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=on())
vm = libvirt.Domain("vm", name="vm", cloudinit=seed.id, disks=[{"volume_id": root.id}],
                    network_interfaces=[{"network_id": lan.id}], opts=on())
"""


def test_what_is_retained_is_forgotten_and_untouched(folder, host, capsys):
    write(folder, PROGRAM + GUEST)
    assert run("apply", folder, "--yes") == 0
    is_converged(folder, capsys)
    volumes = {record.name for record in host.volumes("pool")}
    assert len(volumes) == 3
    boots = [domain.boot for domain in host.machine.domains.values()]
    write(folder, PROGRAM)
    assert run("apply", folder, "--yes") == 0
    out = capsys.readouterr().out
    assert "retain_on_delete" in out
    assert "0 destroyed" in out
    assert names(host) == ["vm"]
    assert [domain.boot for domain in host.machine.domains.values()] == boots
    assert {record.name for record in host.volumes("pool")} == volumes
    assert read_stamp(host.domains()[0].xml) is None
    assert read_stamp(host.networks()[0].xml) is None
    is_converged(folder, capsys)


def test_destroying_a_stack_leaves_what_is_retained(folder, host, capsys):
    write(folder, PROGRAM + GUEST + 'libvirt.Volume("gone", name="gone", pool=pool.name, size=2**20,\n'
          "               opts=pulumi.ResourceOptions(provider=kvm))\n")  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    assert names(host) == ["vm"]
    assert "gone" not in {record.name for record in host.volumes("pool")}
    assert "root" in {record.name for record in host.volumes("pool")}
    assert not host.secrets(usage_prefix="vmstack:")


def test_nothing_is_deleted_from_below_what_is_retained(folder, host, capsys):
    text = PROGRAM + GUEST.replace("size=2**20, opts=on()", "size=2**20, opts=pulumi.ResourceOptions(provider=kvm)")
    write(folder, text)
    assert run("apply", folder, "--yes") == 0
    write(folder, PROGRAM)
    assert run("plan", folder, "--allow-data-loss") == 1
    assert "volume.base cannot be deleted: what is retained stays" in capsys.readouterr().err


def test_the_network_of_a_retained_guest_that_is_off_stays(folder, host, capsys):
    off = GUEST.replace('name="vm", cloudinit', 'name="vm", running=False, cloudinit')
    deletable = "opts=pulumi.ResourceOptions(provider=kvm)"
    write(folder, PROGRAM + off.replace('["10.20.0.0/24"], opts=on()', f'["10.20.0.0/24"], {deletable}'))
    assert run("apply", folder, "--yes") == 0
    write(folder, PROGRAM)
    capsys.readouterr()
    assert run("apply", folder, "--yes", "--allow-data-loss") == 1
    assert "vm.vm" in capsys.readouterr().err
    assert [network.name for network in host.networks()] == ["lan"]


def test_what_is_retained_is_not_made_anew(folder, host, capsys):
    write(folder, PROGRAM + 'libvirt.Volume("v", name="v", pool=pool.name, size=2**21, opts=on())\n')
    assert run("apply", folder, "--yes") == 0
    write(folder, PROGRAM + 'libvirt.Volume("v", name="v", pool=pool.name, size=2**21, format="raw", opts=on())\n')
    assert run("apply", folder, "--yes", "--allow-data-loss") == 5
    assert "is to be retained" in capsys.readouterr().err


def test_the_option_is_taken_off_and_put_on_in_place(folder, host, capsys):
    write(folder, PROGRAM + GUEST)
    assert run("apply", folder, "--yes") == 0
    boots = [domain.boot for domain in host.machine.domains.values()]
    write(folder, (PROGRAM + GUEST).replace("retain_on_delete=True", "retain_on_delete=False"))
    assert run("apply", folder, "--yes") == 0
    is_converged(folder, capsys)
    assert [domain.boot for domain in host.machine.domains.values()] == boots
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    assert names(host) == []


def test_hidden_fields_show_that_they_change_and_not_how(folder, host, capsys):
    write(
        folder,
        PROGRAM + 'libvirt.Domain("vm", name="vm", description="a word",\n'
        '               opts=on(hide_diffs=["description"]))\n',
    )
    assert run("apply", folder, "--yes") == 0
    write(folder, PROGRAM + 'libvirt.Domain("vm", name="vm", description="another", vcpu=2,\n'
          '               opts=on(hide_diffs=["description"]))\n')  # fmt: skip
    capsys.readouterr()
    assert run("plan", folder, "--json") == 0
    out = capsys.readouterr().out
    assert "another" not in out
    [change] = json.loads(out)["changes"]
    fields = {field["path"]: (field["before"], field["after"]) for field in change["fields"]}
    assert fields["description"] == ("(hidden)", "(hidden)")
    assert fields["vcpus"] == (1, 2)


def test_a_password_of_a_stylesheet_is_set_once_and_not_shown(folder, host, capsys):
    program = (
        PROGRAM
        + '''
XSLT = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
<xsl:template match="devices"><devices><xsl:apply-templates select="@*|node()"/>
<graphics type="spice" passwd="SESAME-1" listen="127.0.0.1"/></devices></xsl:template></xsl:stylesheet>"""
libvirt.Domain("vm", name="vm", xml={"xslt": XSLT}, opts=on())
'''
    )
    write(folder, program)
    assert run("apply", folder, "--yes") == 0
    is_converged(folder, capsys)
    write(folder, program.replace("SESAME-1", "SESAME-2"))
    assert run("plan", folder, "--detailed-exitcode") == 2
    assert run("plan", folder, "--json") == 0
    captured = capsys.readouterr()
    assert "SESAME" not in captured.out + captured.err
    assert run("apply", folder, "--yes") == 0
    [domain] = host.machine.domains.values()
    assert 'passwd="SESAME-2"' in domain.xml
    is_converged(folder, capsys)


def test_timeouts_are_those_of_waiting_and_shutting_down(folder, host, capsys):
    write(folder, PROGRAM + 'libvirt.Domain("vm", name="vm", machine="pc",\n'
          '               opts=on(custom_timeouts=pulumi.CustomTimeouts(delete="1m30s")))\n')  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    (folder / "__main__.py").write_text((folder / "__main__.py").read_text().replace('"pc"', '"q35"'))
    capsys.readouterr()
    assert run("plan", folder, "--json") == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step["arguments"]["timeout"] for step in steps if step["id"].endswith("/stop")] == [90]


IMPORTING = """
import pulumi
import pulumi_libvirt as libvirt

kvm = libvirt.Provider("kvm", uri="qemu:///system")
def on(id):
    return pulumi.ResourceOptions(provider=kvm, import_=id)
pool = libvirt.Pool("store", name="pool", type="dir", path="/pools/p", opts=on("{pool}"))
lan = libvirt.Network("net", name="lan", addresses=["10.20.0.0/24"], opts=on("{network}"))
root = libvirt.Volume("disk", name="root", pool=pool.name, size=2**20, opts=on("/pools/p/root"))
libvirt.Domain("guest", name="vm", disks=[{{"volume_id": root.id}}], network_interfaces=[{{"network_id": lan.id}}],
               opts=on("{domain}"))
"""


def test_what_is_there_is_taken_over_by_its_id(folder, host, capsys, tmp_path):
    """Made by a stack that then forgot it: stamps and ledgers are written, and the guest goes on."""
    write(folder, PROGRAM + """
lan = libvirt.Network("lan", name="lan", addresses=["10.20.0.0/24"], opts=on())
root = libvirt.Volume("root", name="root", pool=pool.name, size=2**20, opts=on())
libvirt.Domain("vm", name="vm", disks=[{"volume_id": root.id}], network_interfaces=[{"network_id": lan.id}], opts=on())
""")  # fmt: skip
    assert run("apply", folder, "--yes") == 0
    assert run("destroy", folder, "--yes", "--allow-data-loss") == 0
    boots = [domain.boot for domain in host.machine.domains.values()]
    ids = {"pool": host.pool("pool").uuid, "network": host.networks()[0].uuid, "domain": host.domains()[0].uuid}
    other = write(tmp_path / "other", IMPORTING.format(**ids), project="other")
    capsys.readouterr()
    assert run("plan", other, "--detailed-exitcode") == 2
    assert "4 to take over" in capsys.readouterr().out
    assert read_stamp(host.domains()[0].xml) is None
    assert run("apply", other, "--yes") == 0
    stamp = read_stamp(host.domains()[0].xml)
    assert stamp is not None
    assert stamp.path == "other/dev/vm/guest"
    assert [domain.boot for domain in host.machine.domains.values()] == boots
    is_converged(other, capsys)
    write(other, IMPORTING.format(**ids), project="third")
    assert run("plan", other) == 5
    assert "the domain 'vm' is other/dev/vm/guest already" in capsys.readouterr().err


def test_what_is_not_there_is_not_taken_over(folder, host, capsys):
    write(folder, PROGRAM.replace('name="pool"', 'name="other"') + 'libvirt.Network("net", name="lan", mode="none",\n'
          '    opts=on(import_="1f6d2cd3-5a4b-4d5a-9e63-0b8d6c7f4a12"))\n')  # fmt: skip
    assert run("apply", folder, "--yes") == 1
    err = capsys.readouterr().err
    assert "network.net: import_: there is nothing with the id 1f6d2cd3-5a4b-4d5a-9e63-0b8d6c7f4a12 on its host" in err
    assert "__main__.py:9" in err
    assert names(host) == []


TRIGGERED = """
import pulumi
import pulumi_libvirt as libvirt

kvm = libvirt.Provider("kvm", uri="qemu:///system")
on = pulumi.ResourceOptions(provider=kvm)
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pools/p", opts=on)
disk = libvirt.Volume("disk", name="disk", pool=pool.name, size=2**20,
                      opts=pulumi.ResourceOptions(provider=kvm, replacement_trigger=TRIGGER))
"""


def test_a_trigger_that_comes_alone_is_noted(folder, host, capsys):
    write(folder, TRIGGERED.replace("TRIGGER", "None"))
    assert run("apply", folder, "--yes") == 0
    write(folder, TRIGGERED.replace("TRIGGER", "'one'"))
    assert run("apply", folder, "--yes") == 0
    is_converged(folder, capsys)
    write(folder, TRIGGERED.replace("TRIGGER", "'two'"))
    assert run("apply", folder, "--yes") == 5
    assert "volume.disk holds data and cannot be made anew (replacement_trigger)" in capsys.readouterr().err
    assert run("apply", folder, "--yes", "--allow-data-loss") == 0
    is_converged(folder, capsys)
