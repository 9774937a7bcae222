from dataclasses import dataclass, field

import pulumi
import pulumi_libvirt as libvirt


@dataclass
class Group:
    count: int
    memory: int
    vcpu: int
    disks: list[int] = field(default_factory=list)


config = pulumi.Config()
prefix = config.require("prefix")
groups = {name: Group(**values) for name, values in config.require_object("groups").items()}

pool = libvirt.Pool("pool", name=f"{prefix}-loops", type="dir", path=config.require("pool"))
base = libvirt.Volume("base", name="base.qcow2", pool=pool.name, source=config.require("image"), format="qcow2")

names = []
for group, size in groups.items():
    for index in range(size.count):
        name = f"{group}-{index:02d}"
        root = libvirt.Volume(f"{name}-root", name=f"{name}.qcow2", pool=pool.name, base_volume_name=base.name)
        data = [
            libvirt.Volume(f"{name}-data-{number}", pool=pool.name, size=capacity, format="raw")
            for number, capacity in enumerate(size.disks)
        ]
        domain = libvirt.Domain(
            name,
            name=f"{prefix}-{name}",
            memory=size.memory,
            vcpu=size.vcpu,
            running=False,
            disks=[{"volume_id": volume.id} for volume in [root, *data]],
        )
        names.append(domain.name)

pulumi.export("names", names)
pulumi.export("count", len(names))
