from __future__ import annotations

import pulumi
import pulumi_libvirt as libvirt
from node import Node


class Cluster(pulumi.ComponentResource):
    control_plane: Node
    workers: list[Node]

    def __init__(self, name, *, prefix, pool_path, image, subnet, workers, opts=None):
        super().__init__("lab:index:Cluster", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)

        self.pool = libvirt.Pool(
            f"{name}-pool",
            name=f"{prefix}-{name}",
            type="dir",
            target=libvirt.PoolTargetArgs(path=pool_path),
            opts=own,
        )
        self.network = libvirt.Network(
            f"{name}-net",
            name=f"{prefix}-{name}",
            mode="nat",
            domain=f"{name}.test",
            addresses=[f"{subnet}.0/24"],
            dhcp=libvirt.NetworkDhcpArgs(enabled=True),
            dns=libvirt.NetworkDnsArgs(enabled=True, local_only=True),
            opts=own,
        )
        self.image = libvirt.Volume(f"{name}-image", name=f"{name}.qcow2", pool=self.pool.name, source=image, opts=own)

        def node(role: str, number: int, depends_on=None) -> Node:
            return Node(
                f"{name}-{role}-{number}",
                prefix=prefix,
                pool=self.pool,
                network=self.network,
                image=self.image,
                address=f"{subnet}.{(10 if role == 'control' else 20) + number}",
                opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
            )

        self.control_plane = node("control", 0)
        self.workers = [node("worker", number, depends_on=[self.control_plane]) for number in range(workers)]
        self.register_outputs({"addresses": [n.address for n in (self.control_plane, *self.workers)]})
