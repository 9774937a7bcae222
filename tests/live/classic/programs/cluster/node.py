import json

import pulumi
import pulumi_libvirt as libvirt


class Node(pulumi.ComponentResource):
    """One machine of the cluster."""

    def __init__(self, name, *, prefix, pool, network, image, address, opts=None):
        super().__init__("lab:index:Node", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        disk = libvirt.Volume(
            f"{name}-disk",
            name=f"{name}.qcow2",
            pool=pool.name,
            base_volume_id=image.id,
            size=128 * 1024 * 1024,
            opts=own,
        )
        user_data = pulumi.Output.all(network=network.name, disk=disk.name).apply(
            lambda known: (
                "#cloud-config\n"
                + json.dumps({"hostname": name, "write_files": [{"path": "/etc/lab", "content": str(known)}]})
            )
        )
        init = libvirt.CloudInitDisk(
            f"{name}-init",
            name=f"{name}-init.iso",
            pool=pool.name,
            user_data=user_data,
            meta_data=json.dumps({"local-hostname": name}),
            opts=own,
        )
        self.domain = libvirt.Domain(
            name,
            name=f"{prefix}-{name}",
            memory=64,
            running=False,
            cloudinit=init.id,
            qemu_agent=True,
            disks=[libvirt.DomainDiskArgs(volume_id=disk.id)],
            network_interfaces=[
                libvirt.DomainNetworkInterfaceArgs(network_id=network.id, hostname=name, addresses=[address])
            ],
            opts=pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(ignore_changes=["description"])),
        )
        self.address = self.domain.network_interfaces[0].addresses[0]
        self.register_outputs({"address": self.address, "id": self.domain.id})
