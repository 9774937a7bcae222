import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")

front = libvirt.Network(
    "front",
    name=f"{prefix}-front",
    mode="route",
    addresses=[f"{subnet}.0/25"],
    routes=[libvirt.NetworkRouteArgs(cidr=f"{subnet}.192/26", gateway=f"{subnet}.2")],
)
back = libvirt.Network("back", name=f"{prefix}-back", mode="none", autostart=True)
router = libvirt.Domain(
    "router",
    name=f"{prefix}-router",
    memory=64,
    running=False,
    network_interfaces=[
        {"network_id": front.id, "addresses": [f"{subnet}.2"], "hostname": "router"},
        {"network_id": back.id},
    ],
)
pulumi.export("macs", router.network_interfaces.apply(lambda nics: [nic.mac for nic in nics]))
