"""A machine: its root disk over the base volume, its cloud-init, and the domain itself."""

import json

import pulumi
import pulumi_libvirt as libvirt


class Machine(pulumi.ComponentResource):
    """A small virtual machine with a fixed address."""

    address: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        pool: libvirt.Pool,
        network: libvirt.Network,
        base: libvirt.Volume,
        address: str,
        running: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("classic:index:Machine", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        root = libvirt.Volume(
            f"{name}-root", name=f"{name}.qcow2", pool=pool.name, base_volume_id=base.id, size=8 * 1024**3, opts=own
        )
        user_data = {"hostname": name, "package_update": False, "runcmd": [["touch", "/run/made"]]}
        seed = libvirt.CloudInitDisk(
            f"{name}-init",
            pool=pool.name,
            user_data=pulumi.Output.secret("#cloud-config\n" + json.dumps(user_data)),
            meta_data=json.dumps({"local-hostname": name}),
            opts=own,
        )
        self.domain = libvirt.Domain(
            name,
            name=name,
            vcpu=1,
            memory=512,
            running=running,
            cloudinit=seed.id,
            disks=[libvirt.DomainDiskArgs(volume_id=root.id)],
            network_interfaces=[
                libvirt.DomainNetworkInterfaceArgs(network_id=network.id, addresses=[address], hostname=name)
            ],
            consoles=[
                libvirt.DomainConsoleArgs(type="pty", target_port="0", target_type="serial"),
                libvirt.DomainConsoleArgs(type="pty", target_port="1", target_type="virtio"),
            ],
            opts=own,
        )
        self.address = self.domain.network_interfaces.apply(lambda nics: nics[0].addresses[0])
        self.register_outputs({"address": self.address})
