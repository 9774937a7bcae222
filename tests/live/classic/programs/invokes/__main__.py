import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
node = libvirt.get_node_info()
cards = libvirt.get_node_devices(capability="net")
system = libvirt.get_node_device_info(name="computer")

libvirt.Domain(
    "sized",
    name=f"{config.require('prefix')}-sized",
    vcpu=max(1, node.cpu_cores_total // 2),
    memory=min(64, node.memory_total_kb // 1024 // 8),
    running=False,
)
pulumi.export("cores", node.cpu_cores_total)
pulumi.export("has_loopback", any(name.startswith("net_lo") for name in cards.devices))
pulumi.export("system", libvirt.get_node_device_info_output(name="computer").capability.type)
