import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
subnet = config.require("subnet")
masters = 3

hosts = [
    libvirt.get_network_dns_host_template(ip=f"{subnet}.{10 + n}", hostname=f"etcd-{n}.lab.test")
    for n in range(masters)
]
srvs = [
    libvirt.get_network_dns_srv_template(
        service="etcd-server-ssl",
        protocol="tcp",
        domain="lab.test",
        port="2380",
        weight="10",
        priority="0",
        target=f"etcd-{n}.lab.test",
    )
    for n in range(masters)
]
wildcard = libvirt.get_network_dnsmasq_options_template_output(
    option_name="address", option_value=f"/apps.lab.test/{subnet}.20"
)

network = libvirt.Network(
    "lab",
    name=f"{config.require('prefix')}-lab",
    mode="nat",
    domain="lab.test",
    addresses=[f"{subnet}.0/24"],
    dns=libvirt.NetworkDnsArgs(
        enabled=True,
        local_only=True,
        hosts=[libvirt.NetworkDnsHostArgs(ip=host.ip, hostname=host.hostname) for host in hosts],
        srvs=[srv.rendered for srv in srvs],
        forwarders=[{"address": "9.9.9.9"}, {"domain": "corp.test", "address": f"{subnet}.2"}],
    ),
    dnsmasq_options={"options": [wildcard.rendered, {"option_name": "expand-hosts"}]},
)
pulumi.export("bridge", network.bridge)
