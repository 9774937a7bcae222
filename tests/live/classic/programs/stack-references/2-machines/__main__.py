import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
network = pulumi.StackReference(config.require("network"))

for name in ("a", "b"):
    libvirt.Domain(
        name,
        name=f"{config.require('prefix')}-{name}",
        memory=64,
        running=False,
        network_interfaces=[{"network_name": network.require_output("network_name")}],
    )
pulumi.export("network", network.get_output("network_name"))
pulumi.export("names", network.require_output("settings").apply(lambda settings: settings["names"]))
