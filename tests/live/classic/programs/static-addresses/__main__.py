import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")
network = libvirt.Network(
    "lan", name=f"{prefix}-lan", domain="static.test", addresses=[f"{subnet}.0/24"], dhcp={"enabled": True}
)

inventory = {}
for machine in config.require_object("machines"):
    domain = libvirt.Domain(
        machine["name"],
        name=f"{prefix}-{machine['name']}",
        memory=64,
        running=False,
        network_interfaces=[
            libvirt.DomainNetworkInterfaceArgs(
                network_id=network.id,
                hostname=machine["name"],
                addresses=[f"{subnet}.{machine['address']}"],
                mac=machine.get("mac"),
                wait_for_lease=True,
            )
        ],
    )
    inventory[machine["name"]] = domain.network_interfaces.apply(
        lambda nics: {"ip": nics[0].addresses[0], "mac": nics[0].mac}
    )

pulumi.export("inventory", inventory)
