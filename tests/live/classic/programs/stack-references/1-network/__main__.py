import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
network = libvirt.Network(
    "shared", name=f"{config.require('prefix')}-shared", addresses=[f"{config.require('subnet')}.0/24"]
)
pulumi.export("network_name", network.name)
pulumi.export("network_id", network.id)
pulumi.export("settings", {"mtu": 1500, "names": ["a", "b"]})
