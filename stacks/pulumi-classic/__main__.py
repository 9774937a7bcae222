"""A web server and its workers, written for `pulumi_libvirt` 0.5.4; nothing in here knows of vmstack."""

import pulumi
import pulumi_libvirt as libvirt
from machine import Machine

config = pulumi.Config()

pool = libvirt.Pool("pcl", name="pcl", type="dir", target={"path": "/var/lib/libvirt/pcl"})
network = libvirt.Network(
    "pcl-net",
    name="pcl-net",
    mode="nat",
    domain="pcl.test",
    addresses=["10.218.77.0/24"],
    dhcp={"enabled": True},
    dns={"hosts": [{"ip": "10.218.77.1", "hostname": "gateway"}]},
)
base = libvirt.Volume("pcl-base", name="pcl-base.qcow2", pool=pool.name, source=config.require("image"))

machines = [
    Machine(
        f"pcl-web-{number}",
        pool=pool,
        network=network,
        base=base,
        address=f"10.218.77.{10 + number}",
        running=config.require_bool("running"),
        opts=pulumi.ResourceOptions(depends_on=[network]),
    )
    for number in range(config.require_int("machines"))
]

pulumi.export("addresses", [machine.address for machine in machines])
pulumi.export("network", network.id)
pulumi.export("first", machines[0].domain.name)
