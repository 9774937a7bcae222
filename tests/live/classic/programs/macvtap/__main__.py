import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
card = config.require("card")

for kind in ("macvtap", "vepa", "passthrough"):
    libvirt.Domain(
        kind,
        name=f"{config.require('prefix')}-{kind}",
        memory=64,
        running=False,
        network_interfaces=[libvirt.DomainNetworkInterfaceArgs(**{kind: card})],
    )
