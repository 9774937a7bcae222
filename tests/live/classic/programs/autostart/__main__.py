import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
net = libvirt.Network("net", name=f"{prefix}-auto", addresses=[f"{config.require('subnet')}.0/24"], autostart=True)

first = libvirt.Domain(
    "first", name=f"{prefix}-first", memory=64, autostart=True, network_interfaces=[{"network_name": net.name}]
)
spare = libvirt.Domain("spare", name=f"{prefix}-spare", memory=64, running=False, autostart=False)
later = libvirt.Domain(
    "later",
    name=f"{prefix}-later",
    memory=64,
    running=False,
    autostart=True,
    opts=pulumi.ResourceOptions(depends_on=[first, spare]),
)
pulumi.export("running", {domain._name: domain.running for domain in (first, spare, later)})
