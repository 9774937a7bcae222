import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, bridge = config.require("prefix"), config.require("bridge")

over = libvirt.Network("over", name=f"{prefix}-over", mode="bridge", bridge=bridge)
libvirt.Domain(
    "direct",
    name=f"{prefix}-direct",
    memory=64,
    network_interfaces=[libvirt.DomainNetworkInterfaceArgs(bridge=bridge, mac="52:54:00:99:00:01")],
)
libvirt.Domain(
    "through",
    name=f"{prefix}-through",
    memory=64,
    network_interfaces=[libvirt.DomainNetworkInterfaceArgs(network_id=over.id)],
)
