from pathlib import Path
from string import Template

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")


def render(name: str, **values: str) -> str:
    return Template((Path("files") / name).read_text()).substitute(values)


pool = libvirt.Pool("pool", name=f"{prefix}-init", type="dir", path=config.require("pool"))
net = libvirt.Network(
    "net", name=f"{prefix}-quiet", addresses=[f"{subnet}.0/24"], dhcp=libvirt.NetworkDhcpArgs(enabled=False)
)
init = libvirt.CloudInitDisk(
    "init",
    name="static.iso",
    pool=pool.name,
    user_data=render("user-data.yaml", hostname="static"),
    network_config=render("network-config.yaml", address=f"{subnet}.9/24", gateway=f"{subnet}.1"),
    meta_data="instance-id: static-1\nlocal-hostname: static\n",
)
libvirt.Domain(
    "static",
    name=f"{prefix}-static",
    memory=64,
    running=False,
    cloudinit=init.id,
    network_interfaces=[{"network_id": net.id}],
)
