"""Programs of `pulumi_libvirt`, as they are: what they are in the graph, and what of them is refused."""

# ruff: noqa: E501 - small programs stand on one line each in the tables

import random
import re

import msgspec
import pulumi_libvirt
import pytest

from vmstack.errors import ConflictError, InputError, ProgramError
from vmstack.evaluate.classic.schema import DOMAIN
from vmstack.model.graph import Options, Output
from vmstack.model.hardware import ConsoleSpec, FilesystemSpec, MetadataSpec, TpmSpec
from vmstack.model.identity import Key, Kind, StackId, derive_uuid
from vmstack.model.specs import DnsForwarder, DnsSrv, NetworkMode, Power, Route, VolumeSource
from vmstack.plan.validation import check_graph

UNIT = StackId("unit", "dev")
PRELUDE = """\
import pulumi
import pulumi_libvirt as libvirt
kvm = libvirt.Provider("kvm", uri="qemu:///system")
on = pulumi.ResourceOptions(provider=kvm)
pool = libvirt.Pool("pool", name="pool", type="dir", path="/pool", opts=on)
net = libvirt.Network("net", name="net", addresses=["10.20.0.0/24"], opts=on)
base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source="image.qcow2", opts=on)
root = libvirt.Volume("root", name="root.qcow2", pool=pool.name, base_volume_id=base.id, opts=on)
"""


@pytest.fixture(autouse=True)
def _image(stack, monkeypatch):
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI", raising=False)
    (stack.folder / "image.qcow2").write_bytes(b"QFI\xfb\x00\x00\x00\x03")


@pytest.fixture
def run(stack):
    def evaluate(body, *, prelude=PRELUDE, **settings):
        return stack.evaluate(body, prelude=prelude, **settings)

    return evaluate


def specs(graph, kind):
    return {resource.key.name: resource.spec for resource in graph.resources if resource.key.kind is kind}


def resource(graph, address):
    return next(item for item in graph.resources if str(item.key) == address)


def test_a_virtual_machine_is_made_of_its_parts(run):
    graph = run("""
        seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=on,
            meta_data="local-hostname: web", network_config="version: 2")
        vm = libvirt.Domain("vm", name="web", vcpu=2, memory=1024, description="a web server", autostart=True,
            cpu={"mode": "host-model"}, type="qemu", machine="pc", cloudinit=seed.id, disks=[{"volume_id": root.id}],
            graphics={"type": "spice", "listen_type": "address", "listen_address": "127.0.0.2"},
            network_interfaces=[{"network_id": net.id, "addresses": ["10.20.0.10"], "hostname": "web1",
                                 "wait_for_lease": True}], opts=on)
        pulumi.export("ip", vm.network_interfaces[0].addresses[0])
        pulumi.export("id", vm.id)
    """)
    vm = specs(graph, Kind.VM)["vm"]
    mac = vm.nics[0].mac
    assert (vm.label, vm.vcpus, vm.memory, vm.description) == ("web", 2, 2**30, "a web server")
    assert (vm.cpu_mode, vm.domain_type, vm.machine, vm.autostart) == ("host-model", "qemu", "pc", True)
    assert (vm.graphics.type, vm.graphics.listen, vm.power) == ("spice", "127.0.0.2", Power.RUNNING)
    assert [(disk.name, disk.volume, disk.bus) for disk in vm.disks] == [("root", "root", "virtio")]
    assert [(nic.name, nic.network, nic.addresses) for nic in vm.nics] == [("net", "net", ("10.20.0.10",))]
    assert vm.uuid == derive_uuid(UNIT, Key(Kind.VM, "vm"))
    seed = specs(graph, Kind.SEED)["vm"]
    assert (seed.user_data, seed.meta_data, seed.network_config) == (
        "#cloud-config", {"local-hostname": "web"}, "version: 2",
    )  # fmt: skip
    leases = specs(graph, Kind.NETWORK)["net"].reservations
    assert [(lease.ip, lease.mac, lease.name) for lease in leases] == [("10.20.0.10", mac, "web1")]
    assert graph.outputs == {"id": Output(value=vm.uuid), "ip": Output(value="10.20.0.10")}
    assert graph.warnings == ()
    assert Key(Kind.VOLUME, "root") in resource(graph, "vm.vm").needs


def test_volumes_of_every_kind(run):
    graph = run("""
        libvirt.Volume("data", pool=pool.name, size=2**30, format="raw", opts=on)
        libvirt.Volume("named", pool=pool.name, base_volume_name="base.qcow2", size=2**31, opts=on)
        libvirt.Volume("foreign", base_volume_name="debian.img", opts=on)
    """)
    volumes = specs(graph, Kind.VOLUME)
    assert {name: volume.source for name, volume in volumes.items()} == {
        "base": VolumeSource.UPLOAD, "root": VolumeSource.OVERLAY, "data": VolumeSource.BLANK,
        "named": VolumeSource.OVERLAY, "foreign": VolumeSource.OVERLAY, "debian.img": VolumeSource.EXISTING,
    }  # fmt: skip
    assert (volumes["named"].base, volumes["foreign"].base) == ("base", "debian.img")
    assert (volumes["named"].capacity, volumes["root"].capacity) == (2**31, None)
    assert (volumes["data"].format, volumes["data"].data, volumes["root"].data) == ("raw", True, False)
    image = specs(graph, Kind.IMAGE)["base"]
    assert (image.format, image.source.endswith("/project/image.qcow2")) == ("qcow2", True)
    default = specs(graph, Kind.POOL)["default"]
    assert (default.existing, default.path, volumes["foreign"].pool) == (True, None, "default")


def test_logical_pools_are_volume_groups(run):
    graph = run("""
        libvirt.Pool("one", type="logical", source={"name": "vg0", "devices": [{"path": "/dev/sdb"}]}, opts=on)
        two = libvirt.Pool("two", name="two", type="logical", target={"path": "/dev/two"}, opts=on)
        lv = libvirt.Volume("lv", name="lv", pool=two.name, size=2**30, format="raw", opts=on)
        pulumi.export("id", lv.id)
    """)
    pools = specs(graph, Kind.POOL)
    one, two = pools["one"], pools["two"]
    assert (one.type, one.group, one.devices, one.path) == ("logical", "vg0", ("/dev/sdb",), "/dev/vg0")
    assert (two.type, two.group, two.devices, two.path) == ("logical", "two", (), "/dev/two")
    assert graph.outputs["id"].value == "/dev/two/lv"


SHEET = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>"""


def test_stylesheets_go_with_what_they_are_for(run):
    graph = run(f"""
        libvirt.Pool("p", type="dir", path="/p", xml={{"xslt": '{SHEET}'}}, opts=on)
        libvirt.Volume("v", size=2**30, xml={{"xslt": '{SHEET}'}}, opts=on)
        libvirt.Network("n", xml={{"xslt": '{SHEET}'}}, opts=on)
        libvirt.Network("empty", mode="none", xml={{"xslt": "  "}}, opts=on)
    """)
    found = [specs(graph, kind)[name].xslt for kind, name in
             ((Kind.POOL, "p"), (Kind.VOLUME, "v"), (Kind.NETWORK, "n"), (Kind.NETWORK, "empty"))]  # fmt: skip
    assert found == [SHEET, SHEET, SHEET, None]


def test_names_are_those_of_pulumi_with_derived_digits(run):
    graph = run('vm = libvirt.Domain("vm", opts=on)\npulumi.export("name", vm.name)')
    label = specs(graph, Kind.VM)["vm"].label
    assert label.startswith("vm-")
    assert len(label) == len("vm-") + 7
    assert graph.outputs["name"].value == label
    assert label == specs(run('libvirt.Domain("vm", opts=on)'), Kind.VM)["vm"].label


SERVICES = """
libvirt.Network("n", addresses=["10.30.0.0/24"], domain="lab.test", opts=on,
    dns={"enabled": True, "local_only": False, "forwarders": [{"address": "9.9.9.9"}, {"domain": "x.test"}],
         "srvs": [{"service": "ldap", "protocol": "tcp", "domain": "lab.test", "target": "a.lab.test", "port": "389",
                   "priority": "0", "weight": "2"}]},
    routes=[{"cidr": "10.31.0.0/24", "gateway": "10.30.0.9"}],
    dnsmasq_options={"options": [{"option_name": "expand-hosts"}, {"option_name": "server", "option_value": "/x/1.2.3.4"}]})
libvirt.Network("dark", addresses=["10.32.0.0/24"], dns={"enabled": False}, opts=on)
"""


def test_networks_serve_what_the_program_says(run):
    networks = specs(run(SERVICES), Kind.NETWORK)
    network = networks["n"]
    assert (network.dns_enabled, network.domain_local, networks["dark"].dns_enabled) == (True, False, False)
    assert network.dns_forwarders == (DnsForwarder(address="9.9.9.9"), DnsForwarder(domain="x.test"))
    assert network.dns_srvs == (
        DnsSrv(service="ldap", protocol="tcp", domain="lab.test", target="a.lab.test", port=389, weight=2),
    )
    assert network.routes == (Route(cidr="10.31.0.0/24", gateway="10.30.0.9"),)
    assert network.dnsmasq_options == ("expand-hosts", "server=/x/1.2.3.4")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ('dns={"enabled": False, "hosts": [{"ip": "10.30.0.9", "hostname": "a"}]}', "dns.hosts: nobody would answer"),
        ('dns={"forwarders": [{}]}', "dns.forwarders[0].address: a forwarder needs"),
        ('dns={"srvs": [{"service": "a", "protocol": "tcp", "port": "1"}]}', "dns.srvs[0].target: it is missing"),
        ('dns={"srvs": [{"service": "a", "protocol": "tcp"}] * 2}', "dns.srvs: two records of _a._tcp"),
        ('dns={"srvs": [{"protocol": "tcp"}]}', "dns.srvs[0].service: "),
        ('routes=[{"cidr": "10.31.0.0/24", "gateway": "10.99.0.9"}]', "routes[0]: the gateway 10.99.0.9"),
        ('routes=[{"cidr": "10.31.0.0/24"}]', "routes[0]: "),
        ('dnsmasq_options={"options": [{"option_value": "x"}]}', "dnsmasqOptions.options[0]: "),
        ('dnsmasq_options={"options": [{"option_name": "a", "option_value": "x\\ny"}]}', "dnsmasqOptions.options[0]: "),
        ('mode="bridge", bridge="br0", routes=[{"cidr": "1.0.0.0/8", "gateway": "1.1.1.1"}]', "routes: libvirt serves"),
    ],
)
def test_services_that_cannot_be(run, inputs, expected):
    addresses = "" if "bridge" in inputs else 'addresses=["10.30.0.0/24"], '
    with pytest.raises(InputError, match=re.escape(f"Network 'n': {expected}")):
        run(f"libvirt.Network('n', {addresses}{inputs}, opts=on)")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("nat", NetworkMode.NAT),
        ("ROUTE", NetworkMode.ROUTE),
        ("none", NetworkMode.ISOLATED),
        ("open", NetworkMode.OPEN),
    ],
)
def test_networks_serve_dhcp_to_all_but_the_first_address(run, mode, expected):
    graph = run(f"""
        libvirt.Network("n", mode="{mode}", addresses=["10.30.0.0/16", "fd00:30::/64"], domain="lab.test", mtu=1400,
            dns={{"hosts": [{{"ip": "10.30.0.9", "hostname": "b"}}, {{"ip": "10.30.0.9", "hostname": "a"}}]}}, opts=on)
    """)
    network = specs(graph, Kind.NETWORK)["n"]
    assert (network.mode, network.domain, network.mtu, network.autostart) == (expected, "lab.test", 1400, False)
    assert [(item.gateway, item.dhcp.start, item.dhcp.end) for item in network.subnets] == [
        ("10.30.0.1", "10.30.0.2", "10.30.255.254"), ("fd00:30::1", "fd00:30::2", "fd00:30::fffe"),
    ]  # fmt: skip
    assert [(host.ip, host.hostnames) for host in network.dns_hosts] == [("10.30.0.9", ("a", "b"))]


def test_a_network_without_dhcp_and_one_over_a_bridge(run):
    graph = run("""
        libvirt.Network("quiet", addresses=["10.31.0.0/24"], dhcp={"enabled": False}, autostart=True, opts=on)
        libvirt.Network("over", mode="bridge", bridge="br0", opts=on)
    """)
    networks = specs(graph, Kind.NETWORK)
    assert [subnet.dhcp for subnet in networks["quiet"].subnets] == [None]
    assert networks["quiet"].autostart
    assert (networks["over"].mode, networks["over"].bridge) == (NetworkMode.BRIDGE, "br0")


def test_one_cloud_init_disk_may_serve_many_domains(run):
    graph = run("""
        seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=on)
        for name in ("a", "b"):
            libvirt.Domain(name, cloudinit=seed.id, opts=on)
    """)
    assert set(specs(graph, Kind.SEED)) == {"a", "b"}


def test_what_is_there_already_is_referred_to(run):
    graph = run("""
        found = libvirt.Network.get("found", "1f6d2cd3-5a4b-4d5a-9e63-0b8d6c7f4a11", name="office", opts=on)
        disk = libvirt.Volume.get("disk", "/images/old.qcow2", pool="images", opts=on)
        libvirt.Domain("vm", network_interfaces=[{"network_id": found.id}, {"network_name": "default"}],
            disks=[{"volume_id": disk.id, "scsi": True}], opts=on)
    """)
    networks = specs(graph, Kind.NETWORK)
    assert {name for name, spec in networks.items() if spec.mode is NetworkMode.EXISTING} == {"office", "default"}
    assert specs(graph, Kind.VOLUME)["old.qcow2"].source is VolumeSource.EXISTING
    assert specs(graph, Kind.VM)["vm"].disks[0].bus == "scsi"


def test_addresses_that_dhcp_gives_are_unknown_and_said_to_be(run):
    graph = run("""
        vm = libvirt.Domain("vm", network_interfaces=[{"network_id": net.id, "wait_for_lease": True}], opts=on)
        pulumi.export("ip", vm.network_interfaces[0].addresses[0])
        pulumi.export("url", pulumi.Output.concat("http://", vm.network_interfaces[0].addresses[0]))
        pulumi.export("own", vm.network_interfaces.apply(lambda nics: nics[0].addresses[0]))
    """)
    assert {name: output.known for name, output in graph.outputs.items()} == {"ip": False, "url": False, "own": False}
    assert [gap.what.rpartition("/")[2] for gap in graph.gaps] == [
        "the output 'ip'", "the output 'own'", "the output 'url'", "__main__.py:12 is for",
    ]  # fmt: skip
    assert [gap.hides for gap in graph.gaps] == [False, False, False, True]
    assert not graph.whole


def test_ids_of_volumes_in_pools_of_the_host_reach_disks_but_are_not_exported(run):
    graph = run("""
        data = libvirt.Volume("data", size=2**30, opts=on)
        vm = libvirt.Domain("vm", disks=[{"volume_id": data.id}], opts=on)
        pulumi.export("data", data.id)
        pulumi.export("root", root.id)
    """)
    assert specs(graph, Kind.VM)["vm"].disks[0].volume == "data"
    assert graph.outputs == {"data": Output(value=None, known=False), "root": Output(value="/pool/root.qcow2")}


def test_an_interface_on_a_bridge_of_the_host(run):
    graph = run('libvirt.Domain("vm", network_interfaces=[{"bridge": "br0"}, {"bridge": "br0"}], opts=on)')
    nics = specs(graph, Kind.VM)["vm"].nics
    assert [(nic.name, nic.network, nic.bridge) for nic in nics] == [("br0", None, "br0"), ("br0-2", None, "br0")]
    assert len({nic.mac for nic in nics}) == 2
    assert set(specs(graph, Kind.NETWORK)) == {"net"}


PROVIDERS = {
    "configuration": ("import pulumi_libvirt as libvirt\nlibvirt.Domain('vm')", {"libvirt:uri": "qemu:///system"}, None),
    "environment": ("import pulumi_libvirt as libvirt\nlibvirt.Domain('vm')", {}, "qemu:///system"),
    "explicit, from the environment": (
        "import pulumi, pulumi_libvirt as libvirt\n"
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=libvirt.Provider('default')))", {}, "qemu:///system",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PROVIDERS)
def test_the_uri_comes_from(run, monkeypatch, case):
    body, config, variable = PROVIDERS[case]
    if variable:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", variable)
    graph = run(body, prelude="", config=config)
    assert {name: spec.uri for name, spec in specs(graph, Kind.HOST).items()} == {"default": "qemu:///system"}


def test_providers_are_hosts_and_components_pass_them_on(run):
    graph = run("""
        far = libvirt.Provider("far", uri="qemu+ssh://far/system")
        class Group(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("unit:Group", name, {}, opts)
                self.pool = libvirt.Pool(f"{name}-pool", type="dir", path="/far", opts=pulumi.ResourceOptions(parent=self))
                self.register_outputs({})
        class Outer(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("unit:Outer", name, {}, opts)
                self.group = Group(f"{name}-group", opts=pulumi.ResourceOptions(parent=self))
        outer = Outer("outer", opts=pulumi.ResourceOptions(providers=[far], protect=True))
        libvirt.Domain("after", opts=pulumi.ResourceOptions(provider=kvm, depends_on=[outer]))
    """)
    pool = resource(graph, "pool.outer-group-pool")
    assert (pool.spec.host, pool.parent, pool.options.protect) == ("far", ("outer", "outer-group"), True)
    assert pool.key in resource(graph, "vm.after").needs
    assert {spec.uri for spec in specs(graph, Kind.HOST).values()} == {"qemu:///system", "qemu+ssh://far/system"}


def test_two_providers_of_one_uri_are_one_host(run):
    graph = run("""
        again = libvirt.Provider("again", uri="qemu:///system")
        libvirt.Domain("vm", opts=pulumi.ResourceOptions(provider=again))
    """)
    assert set(specs(graph, Kind.HOST)) == {"again"}
    assert {spec.host for spec in specs(graph, Kind.VM).values()} == {"again"}


def test_native_and_classic_resources_meet(run):
    graph = run(
        """
        kvm = Host("kvm", uri="qemu:///system")
        store = StoragePool("store", path="/store", host=kvm)
        lan = Network("lan", cidr="10.40.0.0/24", host=kvm)
        on = pulumi.ResourceOptions(provider=libvirt.Provider("other", uri="qemu:///system"))
        data = libvirt.Volume("data", pool=store.label, size=2**30, opts=on)
        libvirt.Domain("vm", disks=[{"volume_id": data.id}], network_interfaces=[{"network_id": lan.uuid}], opts=on)
        native = VirtualMachine("native", host=kvm, opts=pulumi.ResourceOptions(depends_on=[data]))
        pulumi.export("data", data.id)
        """,
        prelude="import pulumi\nimport pulumi_libvirt as libvirt\nfrom vmstack import *\n",
    )
    assert set(specs(graph, Kind.HOST)) == {"kvm"}
    assert specs(graph, Kind.VOLUME)["data"].pool == "store"
    assert specs(graph, Kind.VM)["vm"].nics[0].network == "lan"
    assert graph.outputs["data"].value.startswith("/store/data-")
    assert Key(Kind.VOLUME, "data") in resource(graph, "vm.native").needs


def test_options(run):
    graph = run("""
        def option(**more):
            return pulumi.ResourceOptions(provider=kvm, **more)
        libvirt.Domain("vm", disks=[{"volume_id": root.id}], network_interfaces=[{"network_id": net.id}], opts=option(
            protect=True, delete_before_replace=True, custom_timeouts=pulumi.CustomTimeouts(create="5m"),
            ignore_changes=["vcpu", "running", "network_interfaces", "disks[0].volume_id", "disks[0].volumeId"],
            aliases=["old", pulumi.Alias(name="older"), pulumi.Alias(type_="x:y:Z")]))
        libvirt.Volume("v", size=512, pool=pool.name, opts=option(ignore_changes=["size"], retain_on_delete=False))
        libvirt.Network("n", addresses=["10.60.0.0/24"], opts=option(ignore_changes=["addresses", "dns.hosts"]))
    """)
    assert resource(graph, "vm.vm").options == Options(
        protect=True,
        ignore_changes=("vcpus", "max_vcpus", "power", "nics", "disks[root].volume"),
        aliases=("old", "older"),
    )
    assert resource(graph, "volume.v").options.ignore_changes == ("capacity",)
    assert resource(graph, "network.n").options.ignore_changes == ("subnets", "dns_hosts")


def test_options_that_make_anew(run):
    body = """
        def option(**more):
            return pulumi.ResourceOptions(provider=kvm, **more)
        vm = libvirt.Domain("vm", disks=[{{"volume_id": root.id}}], network_interfaces=[{{"network_id": net.id}}],
            opts=option(replace_on_changes=["vcpu", "networkInterfaces", "disks[0].volume_id", "cpu.mode"],
                        replacement_trigger=pulumi.Output.secret({{"a": [1, {value}]}}), replace_with=[net, root]))
        libvirt.Volume("v", size=512, pool=pool.name, opts=option(replace_on_changes=["*"], replace_with=[vm]))
        libvirt.Network("n", addresses=["10.60.0.0/24"], opts=option(replacement_trigger=None))
    """
    graph = run(body.format(value=2))
    options = resource(graph, "vm.vm").options
    assert options.replace_on_changes == ("vcpus", "max_vcpus", "nics", "disks[root].volume", "cpu_mode")
    assert options.replace_with == (Key(Kind.NETWORK, "net"), Key(Kind.VOLUME, "root"))
    assert options.replacement_trigger
    assert len(options.replacement_trigger) == 16
    again, other = run(body.format(value=2)), run(body.format(value=3))
    assert resource(again, "vm.vm").options == options
    assert resource(other, "vm.vm").options.replacement_trigger != options.replacement_trigger
    assert resource(graph, "volume.v").options == Options(replace_on_changes=("*",), replace_with=(Key(Kind.VM, "vm"),))
    assert resource(graph, "network.n").options == Options()


def test_downloads_need_a_digest_that_the_configuration_gives(run):
    url = "https://images.test/debian.qcow2"
    graph = run(
        f'libvirt.Volume("v", pool=pool.name, source="{url}", opts=on)',
        config={"vmstack:sha256": f'{{"{url}": "{"AB" * 32}"}}'},
    )
    image = specs(graph, Kind.IMAGE)["v"]
    assert (image.source, image.sha256, image.format) == (url, "ab" * 32, "qcow2")


def test_a_protected_component_protects_what_holds_data(run):
    graph = run("""
        class Group(pulumi.ComponentResource):
            pass
        group = Group("unit:Group", "group", {}, pulumi.ResourceOptions(protect=True, providers=[kvm]))
        inside = pulumi.ResourceOptions(parent=group)
        seed = libvirt.CloudInitDisk("seed", pool=pool.name, user_data="#cloud-config", opts=inside)
        data = libvirt.Volume("data", pool=pool.name, size=512, opts=inside)
        libvirt.Domain("vm", cloudinit=seed.id, disks=[{"volume_id": data.id}], opts=inside)
    """)
    protected = {str(item.key) for item in graph.resources if item.options.protect}
    assert protected == {"volume.data", "vm.vm"}


REFUSED = {
    "XSLT of a network": ("libvirt.Network('n', xml={'xslt': '<x/>'}, opts=on)", "Network 'n': xml.xslt: line 1 of the XSLT stylesheet: it begins with <x>"),
    "two sources of a disk": (
        "libvirt.Domain('vm', disks=[{'file': '/x.iso', 'url': 'https://x.test/x.iso'}], opts=on)", "disks[0]: url and file",
    ),
    "no source of a disk": ("libvirt.Domain('vm', disks=[{'scsi': True}], opts=on)", "disks[0]: no source"),
    "a password in a URL": ("libvirt.Domain('vm', disks=[{'url': 'http://a:b@x/i'}], opts=on)", "disks[0].url: it holds a user"),
    "a URL of another kind": ("libvirt.Domain('vm', disks=[{'url': 'rbd://x/i'}], opts=on)", "disks[0].url: 'rbd://x/i'"),
    "a relative file": ("libvirt.Domain('vm', disks=[{'file': 'x.iso'}], opts=on)", "disks[0].file: 'x.iso'"),
    "a wwn without SCSI": ("libvirt.Domain('vm', disks=[{'file': '/x', 'wwn': '5'*16}], opts=on)", "disks[0].wwn: only"),
    "a wwn of no length": ("libvirt.Domain('vm', disks=[{'file': '/x', 'scsi': True, 'wwn': '5'}], opts=on)", "disks[0].wwn: '5'"),
    "variables without firmware": ("libvirt.Domain('vm', nvram={'file': '/v.fd'}, opts=on)", "nvram.file: it needs firmware"),
    "an initrd without a kernel": ("libvirt.Domain('vm', initrd='/i', opts=on)", "initrd: it needs kernel"),
    "arguments without a kernel": ("libvirt.Domain('vm', cmdlines=[{'a': 'b'}], opts=on)", "cmdlines: it needs kernel"),
    "an architecture": ("libvirt.Domain('vm', arch='vax', opts=on)", "arch: 'vax'"),
    "a video device": ("libvirt.Domain('vm', video={'type': 'cga'}, opts=on)", "video.type: 'cga'"),
    "metadata that is text": ("libvirt.Domain('vm', metadata='owner=me', opts=on)", "metadata: it is not XML"),
    "metadata of no namespace": ("libvirt.Domain('vm', metadata='<a/>', opts=on)", "metadata: its element needs a namespace"),
    "metadata of vmstack's": (
        "libvirt.Domain('vm', metadata='<a xmlns=\"urn:vmstack:stamp:1\"/>', opts=on)", "metadata: its element needs",
    ),
    "a stylesheet that is none": ("libvirt.Domain('vm', xml={'xslt': '<a/>'}, opts=on)", "xml.xslt: line 1 of the XSLT"),
    "a port of graphics": ("libvirt.Domain('vm', graphics={'autoport': False}, opts=on)", "graphics.autoport: False"),
    "a websocket of SPICE": ("libvirt.Domain('vm', graphics={'websocket': 5700}, opts=on)", "graphics.websocket: only"),
    "a kind of listening": ("libvirt.Domain('vm', graphics={'listen_type': 'magic'}, opts=on)", "graphics.listenType: 'magic'"),
    "a passphrase of a TPM": (
        "libvirt.Domain('vm', tpm={'backend_encryption_secret': 'hunter2'}, opts=on)", "backendEncryptionSecret: it is not a UUID",
    ),
    "a device of an emulated TPM": (
        "libvirt.Domain('vm', tpm={'backend_device_path': '/dev/tpm0'}, opts=on)", "tpm.backendDevicePath: a TPM of",
    ),
    "a directory without a tag": ("libvirt.Domain('vm', filesystems=[{'source': '/a', 'target': 'a b'}], opts=on)", "].target: 'a b'"),
    "a tag twice": (
        "libvirt.Domain('vm', filesystems=[{'source': '/a', 'target': 'a'}, {'source': '/b', 'target': 'a'}], opts=on)",
        "filesystems[1].target: another",
    ),
    "another kind of pool": ("libvirt.Pool('p', type='iscsi', opts=on)", "Pool 'p': type: 'iscsi' is not one of dir, logical"),
    "a logical pool elsewhere": ("libvirt.Pool('p', type='logical', path='/srv', source={'name': 'vg'}, opts=on)", "is at /dev/vg"),
    "a source of a directory": ("libvirt.Pool('p', type='dir', path='/srv', source={'name': 'vg'}, opts=on)", "source: a directory"),
    "a volume of no format in a logical pool": ("""
        vg = libvirt.Pool('vg', type='logical', source={'name': 'vg'}, opts=on)
        libvirt.Volume('v', pool=vg.name, size=2**30, opts=on)""", "in a logical pool it must be raw"),
    "a pool without a path": ("libvirt.Pool('p', type='dir', opts=on)", "target.path: it is missing"),
    "a blank volume of no size": ("libvirt.Volume('v', opts=on)", "size: a blank volume needs one"),
    "a size of an image": ("libvirt.Volume('v', source='image.qcow2', size=9, opts=on)", "source: it is given, and so"),
    "an unverified download": ("libvirt.Volume('v', source='https://x.test/i.img', opts=on)", "cannot be verified"),
    "an image that is not there": ("libvirt.Volume('v', source='no.img', opts=on)", "No such file"),
    "two bases": ("libvirt.Volume('v', base_volume_id=base.id, base_volume_name='x', opts=on)", "baseVolumeId: "),
    "an unknown volume": ("libvirt.Domain('vm', disks=[{'volume_id': 'no'}], opts=on)", "volumeId: there is no volume"),
    "an unknown network": ("libvirt.Domain('vm', network_interfaces=[{'network_id': 'x'}], opts=on)", "there is no net"),
    "no network": ("libvirt.Domain('vm', network_interfaces=[{'mac': '52:54:00:00:00:01'}], opts=on)", "on no network"),
    "an address that nobody gives": (
        "libvirt.Domain('vm', network_interfaces=[{'network_name': 'default', 'addresses': ['10.9.0.9']}], opts=on)",
        "networkInterfaces[0].addresses: nobody would give",
    ),
    "a secret in sight": ("libvirt.Domain('vm', description=pulumi.Output.secret('x'), opts=on)", "description: the value is"),
    "a type": ("libvirt.Domain('vm', vcpu='many', opts=on)", "vcpu: it is not a whole number"),
    "a mode of the CPU": ("libvirt.Domain('vm', cpu={'mode': 'fast'}, opts=on)", "cpu.mode: 'fast'"),
    "a device to boot from": ("libvirt.Domain('vm', boot_devices=[{'devs': ['tape']}], opts=on)", "bootDevices: 'tape'"),
    "a console of another kind": (
        "libvirt.Domain('vm', consoles=[{'type': 'pty', 'target_port': '0', 'target_type': 'xen'}], opts=on)",
        "consoles[0].targetType: 'xen'",
    ),
    "reading a domain": ("libvirt.Domain.get('d', 'id', opts=on)", "asks a host about domain id on qemu:///system"),
    "waiting on a bridge": (
        "libvirt.Domain('vm', network_interfaces=[{'bridge': 'br0', 'wait_for_lease': True}], opts=on)",
        "waitForLease: no DHCP of libvirt's serves the bridge 'br0'",
    ),
    "waiting without DHCP": (
        "dry = libvirt.Network('dry', name='dry', addresses=['10.9.0.0/24'], dhcp={'enabled': False}, opts=on)\n"
        "libvirt.Domain('vm', network_interfaces=[{'network_id': dry.id, 'wait_for_lease': True}], opts=on)",
        "waitForLease: the network 'dry' serves no DHCP",
    ),
    "a timeout that is none": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, custom_timeouts=pulumi.CustomTimeouts(create='soon')))",
        "custom_timeouts.create: 'soon' is not a duration",
    ),
    "a serial port twice": (
        "libvirt.Domain('vm', consoles=[{'type': 'tcp', 'target_port': '1'}, {'type': 'pty', 'target_port': '1'}], opts=on)",
        "consoles[1].targetPort: another console has the serial port 1",
    ),
    "a console of a device that is not said": (
        "libvirt.Domain('vm', consoles=[{'type': 'dev', 'target_port': '1'}], opts=on)", "consoles[0].sourcePath: it is missing",
    ),
    "an Ignition of no JSON": ("libvirt.Ignition('i', content='[]', opts=on)", "Ignition 'i': content: it is neither"),
    "an Ignition of nothing": ("libvirt.Combustion('i', content='', opts=on)", "Combustion 'i': content: it is missing"),
    "an Ignition that is none": ("libvirt.Domain('vm', coreos_ignition='/x;1', opts=on)", "coreosIgnition: it is not the id"),
    "a name of QEMU's": (
        "libvirt.Domain('vm', fw_cfg_name='etc/x', coreos_ignition=libvirt.Ignition('i', content='{}', opts=on).id, opts=on)",
        "fwCfgName: 'etc/x'",
    ),
    "a name of nothing": ("libvirt.Domain('vm', fw_cfg_name='opt/x', opts=on)", "fwCfgName: it needs coreosIgnition"),
    "a mode of a network": ("libvirt.Network('n', mode='magic', opts=on)", "mode: 'magic'"),
    "a network too small": ("libvirt.Network('n', addresses=['10.9.0.0/30'], opts=on)", "addresses[0]: "),
    "no name": ("libvirt.Domain('a b', opts=on)", "the name: 'a b' is not a name"),
    "ignoring what is no field": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, ignore_changes=['qemu_agent']))",
        "ignore_changes: 'qemuAgent' cannot be ignored",
    ),
    "importing a cloud-init disk": (
        "libvirt.CloudInitDisk('d', opts=pulumi.ResourceOptions(provider=kvm, import_='x'))", "the option import_ is not",
    ),
    "hiding what is no field": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, hide_diffs=['qemu_agent']))",
        "hide_diffs: 'qemu_agent' cannot be hidden",
    ),
    "replacing on what is no field": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, replace_on_changes=['qemu_agent']))",
        "replace_on_changes: 'qemuAgent' cannot be a reason to make it anew",
    ),
    "replacing on how it runs": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, replace_on_changes=['running']))",
        "replace_on_changes: 'running' cannot be a reason to make it anew",
    ),
    "replacing a pool": (
        "libvirt.Pool('q', type='dir', path='/q', opts=pulumi.ResourceOptions(provider=kvm, replacement_trigger=1))",
        "the option replacement_trigger is not supported: a pool is never made anew",
    ),
    "replacing a seed": (
        "libvirt.CloudInitDisk('q', opts=pulumi.ResourceOptions(provider=kvm, replace_with=[net]))",
        "the option replace_with is not supported: what holds it is made anew whenever it changes",
    ),
    "replacing a provider": (
        "libvirt.Provider('q', uri='qemu:///session', opts=pulumi.ResourceOptions(replace_on_changes=['uri']))",
        "the option replace_on_changes is not supported: nothing of a provider is on its host",
    ),
    "replacing with a pool": (
        "libvirt.Domain('vm', opts=pulumi.ResourceOptions(provider=kvm, replace_with=[pool]))",
        "replace_with: 'pool' is nothing that vmstack makes anew",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_had_is_refused_with_its_place(stack, case):
    body, expected = REFUSED[case]
    error = stack.fail(f"{body}  # here", prelude=PRELUDE)
    assert isinstance(error, InputError)
    assert expected in str(error)


def test_inputs_that_ask_for_nothing_count_as_not_given(run):
    graph = run("""
        libvirt.Domain("vm", emulator="", filesystems=[], firmware="", coreos_ignition="", qemu_agent=True,
            boot_devices=[{"devs": ["hd"]}], consoles=[{"type": "pty", "target_port": "0", "target_type": "serial"}],
            opts=on)
    """)
    assert "vm" in specs(graph, Kind.VM)


def test_consoles_are_the_serial_port_and_a_paravirtual_one(run):
    graph = run("""
        serial = {"type": "pty", "target_port": "0", "target_type": "serial"}
        virtio = {"type": "pty", "target_port": "1", "target_type": "virtio"}
        libvirt.Domain("one", consoles=[serial], opts=on)
        libvirt.Domain("two", consoles=[serial, virtio], opts=on)
    """)
    assert {name: vm.virtio_console for name, vm in specs(graph, Kind.VM).items()} == {"one": False, "two": True}


def test_every_part_of_a_domain(run):
    graph = run("""
        one = libvirt.Ignition("one", pool=pool.name, content='{"ignition": {}}', opts=on)
        vm = libvirt.Domain("vm", arch="x86_64", emulator="/bin/qemu", firmware="/code.fd", nvram={"file": "/v.fd",
            "template": "/t.fd"}, kernel="/k", initrd="/i", cmdlines=[{"foo": 1, "_": "quiet"}, {"bar": "bye", "x": True}],
            boot_devices=[{"devs": ["network"]}, {"devs": ["hd", "cdrom"]}], cpu={"mode": "custom"}, video={"type": "qxl"},
            graphics={"type": "vnc", "listen_type": "address", "websocket": -1}, metadata='<a:b xmlns:a="urn:a" c="d" />',
            tpm={"backend_version": "1.2"}, coreos_ignition=one.id, fw_cfg_name="opt/x", machine="pc", disks=[
                {"file": "/isos/Debian 12.iso"}, {"volume_id": root.id, "scsi": True, "wwn": "0x5000C50015EA71AD"},
                {"url": "http://[fd00::1]/a/b.qcow2?x=y"}, {"block_device": "/dev/sdb"}],
            filesystems=[{"source": "/srv", "target": "srv", "accessmode": "squash", "readonly": False}],
            consoles=[{"type": "tcp", "target_port": "1"}, {"type": "pty", "target_type": "virtio", "target_port": "3"}],
            network_interfaces=[{"macvtap": "eth0"}, {"vepa": "eth0"}, {"passthrough": "eth1"}], opts=on)
        pulumi.export("arch", vm.arch)
    """)
    vm = specs(graph, Kind.VM)["vm"]
    parts = vm.hardware
    assert (parts.arch, parts.emulator, parts.loader, parts.nvram, parts.nvram_template) == (
        "x86_64", "/bin/qemu", "/code.fd", "/v.fd", "/t.fd",
    )  # fmt: skip
    assert (parts.kernel, parts.initrd, parts.cmdline) == ("/k", "/i", "bar=bye foo=1 quiet x=true")
    assert (parts.boot, parts.video, vm.cpu_mode) == (("network", "hd", "cdrom"), "qxl", "custom")
    assert (vm.graphics.listen, vm.graphics.websocket) == ("127.0.0.1", -1)
    assert parts.metadata == (MetadataSpec(namespace="urn:a", xml='<a:b xmlns:a="urn:a" c="d"></a:b>'),)
    assert parts.tpm == TpmSpec(model="", version="1.2")
    assert [
        (item.kind, item.source, item.format, item.bus, item.device, item.readonly, item.place) for item in parts.media
    ] == [
        ("file", "/isos/Debian 12.iso", "raw", "ide", "cdrom", True, 0),
        ("network", "http://[fd00::1]:80/a/b.qcow2?x=y", "qcow2", "virtio", "disk", True, 2),
        ("block", "/dev/sdb", "raw", "virtio", "disk", False, 3),
    ]
    assert (vm.disks[0].bus, vm.disks[0].wwn) == ("scsi", "5000c50015ea71ad")
    assert parts.filesystems == (FilesystemSpec(source="/srv", target="srv", accessmode="squash", readonly=False),)
    assert parts.consoles == (
        ConsoleSpec(), ConsoleSpec(port=1, type="tcp", host="127.0.0.1", service="0"), ConsoleSpec(target="virtio"),
    )  # fmt: skip
    assert [(nic.name, nic.device, nic.mode) for nic in vm.nics] == [
        ("eth0", "eth0", "bridge"), ("eth0-2", "eth0", "vepa"), ("eth1", "eth1", "passthrough"),
    ]  # fmt: skip
    seed = specs(graph, Kind.SEED)[vm.ignition]
    assert (seed.raw, vm.fw_cfg_name, graph.outputs["arch"].value) == ('{"ignition": {}}', "opt/x", "x86_64")


def test_ignition_may_be_a_file_and_serve_many_domains(stack, run):
    (stack.folder / "config.ign").write_text('{"from": "a file"}')
    graph = run("""
        shared = libvirt.Ignition("shared", pool=pool.name, content="config.ign", opts=on)
        script = libvirt.Combustion("shared", content=pulumi.Output.secret("#!/bin/sh"), opts=on)
        libvirt.CloudInitDisk("shared", pool=pool.name, opts=on)
        for name, which in (("a", shared), ("b", shared), ("c", script)):
            libvirt.Domain(name, coreos_ignition=which.id, opts=on)
    """)
    assert {name: seed.raw for name, seed in specs(graph, Kind.SEED).items()} == {
        "a:ignition": '{"from": "a file"}', "b:ignition": '{"from": "a file"}', "c:ignition": "#!/bin/sh",
    }  # fmt: skip
    assert [warning.rpartition("CloudInitDisk ")[2] for warning in graph.warnings] == [
        "'shared': no domain has it, so nothing is made of it"
    ]


def test_the_path_of_a_pseudo_terminal_is_libvirts(run):
    graph = run("""
        console = {"type": "pty", "target_port": "0", "target_type": "serial", "source_path": "/dev/pts/4"}
        libvirt.Domain("vm", consoles=[console], opts=on)
    """)
    assert [warning.partition(":")[0] for warning in graph.warnings] == ["vm.vm"]
    assert specs(graph, Kind.VM)["vm"].hardware.consoles == ()


def test_every_input_of_a_domain_can_be_ignored(run):
    names = [name for name in DOMAIN if name != "qemuAgent"]
    graph = run(f"""
        libvirt.Domain("vm", disks=[{{"file": "/a", "scsi": True}}], network_interfaces=[{{"macvtap": "eth0"}}],
            opts=pulumi.ResourceOptions(provider=kvm, ignore_changes={names!r} + ["disks[0].wwn", "disks[0].file",
            "networkInterfaces[0].macvtap", "nvram.file", "xml.xslt", "video.type"]))
    """)
    check_graph(graph)
    assert "stylesheet" in resource(graph, "vm.vm").options.ignore_changes


def test_two_of_one_name_below_different_components_are_refused(stack):
    error = stack.fail(
        """
        class A(pulumi.ComponentResource):
            def __init__(self, kind):
                super().__init__(f"unit:{kind}", kind)
                libvirt.Domain("vm", opts=pulumi.ResourceOptions(parent=self, provider=kvm))
        A("a"), A("b")
        """,
        prelude=PRELUDE,
    )
    assert isinstance(error, ConflictError)
    assert "give one of them another name" in str(error)


def test_the_order_of_registration_makes_no_difference(run):
    lines = [f'libvirt.Domain("vm-{n}", disks=[{{"volume_id": libvirt.Volume("v-{n}", pool=pool.name, size=512, opts=on).id}}],'
             f' network_interfaces=[{{"network_id": net.id}}], opts=on)' for n in range(8)]  # fmt: skip
    graphs = []
    for seed in range(3):
        shuffled = list(lines)
        random.Random(seed).shuffle(shuffled)
        graph = run("\n".join(shuffled))
        graphs.append([msgspec.structs.replace(item, place=None) for item in graph.resources])
    assert graphs[0] == graphs[1] == graphs[2]


FAILURES = {
    "at top level": "1 / 0",
    "in a function of an output": "root.id.apply(lambda id: 1 / 0)",
    "in a helper": "import helper\nhelper.fail()",
    "after an await": "async def later():\n    import asyncio\n    await asyncio.sleep(0)\n    1 / 0\npulumi.run(later)",
    "in an awaited input": (
        "async def later():\n    import asyncio\n    await asyncio.sleep(0)\n    return 1 / 0\n"
        "libvirt.Domain('vm', description=pulumi.Output.from_input(later()), opts=on)"
    ),
    "among a hundred": ("for n in range(100):\n    libvirt.Domain(f'vm-{n}', vcpu=1 if n != 50 else 1 // 0, opts=on)"),
    "by logging an error": "pulumi.log.error('no')",
    "by an error for users": "raise pulumi.RunError('no')",
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_program_that_fails_says_nothing_of_what_it_wants(stack, case):
    """No graph, no plan: nothing that the program did not get to is taken for unwanted."""
    stack.write("helper.py", "def fail():\n    return 1 / 0\n")
    with pytest.raises(ProgramError):
        stack.evaluate(FAILURES[case], prelude=PRELUDE)


def test_every_input_of_the_sdks_classes_is_in_the_schema():
    from vmstack.evaluate.classic import schema

    tables = {
        pulumi_libvirt.domain.DomainArgs: schema.DOMAIN,
        pulumi_libvirt.network.NetworkArgs: schema.NETWORK,
        pulumi_libvirt.pool.PoolArgs: schema.POOL,
        pulumi_libvirt.volume.VolumeArgs: schema.VOLUME,
        pulumi_libvirt.cloud_init_disk.CloudInitDiskArgs: schema.CLOUD_INIT_DISK,
        pulumi_libvirt.DomainDiskArgs: schema.DOMAIN["disks"].fields,
        pulumi_libvirt.DomainNetworkInterfaceArgs: schema.DOMAIN["networkInterfaces"].fields,
        pulumi_libvirt.DomainGraphicsArgs: schema.DOMAIN["graphics"].fields,
        pulumi_libvirt.DomainConsoleArgs: schema.DOMAIN["consoles"].fields,
        pulumi_libvirt.NetworkDnsArgs: schema.NETWORK["dns"].fields,
    }
    for owner, table in tables.items():
        names = {
            getattr(member.fget, "_pulumi_name", name)
            for name, member in vars(owner).items()
            if isinstance(member, property)
        }
        assert names == set(table), owner.__name__
