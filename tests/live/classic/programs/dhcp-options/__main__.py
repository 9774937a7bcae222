import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")

served = libvirt.Network(
    "served",
    name=f"{prefix}-served",
    addresses=[f"{subnet}.0/26", "fd10:2170::/64"],
    dhcp={"enabled": True},
    autostart=True,
    mtu=9000,
)
quiet = libvirt.Network(
    "quiet", name=f"{prefix}-quiet", mode="none", addresses=[f"{subnet}.64/26"], dhcp={"enabled": False}
)
opened = libvirt.Network("opened", name=f"{prefix}-opened", mode="open", addresses=[f"{subnet}.128/26"])

pulumi.export("dhcp", pulumi.Output.all(served.dhcp, quiet.dhcp).apply(lambda found: [one["enabled"] for one in found]))
