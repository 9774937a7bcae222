import pulumi
import pulumi_libvirt as libvirt
from rules import describe, never_run, small

config = pulumi.Config()
prefix = config.require("prefix")
pulumi.runtime.register_stack_transformation(describe)
pulumi.runtime.register_resource_transform(never_run)


class Team(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None):
        super().__init__("team:index:Team", name, {}, opts)
        for number in range(2):
            disk = libvirt.Volume(
                f"{name}-disk-{number}", pool=pool.name, size=1024**2, opts=pulumi.ResourceOptions(parent=self)
            )
            libvirt.Domain(
                f"{name}-{number}",
                name=f"{prefix}-{name}-{number}",
                memory=4096,
                disks=[{"volume_id": disk.id}],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


pool = libvirt.Pool("pool", name=f"{prefix}-teams", type="dir", path=config.require("pool"))
Team("red", opts=pulumi.ResourceOptions(transformations=[small]))
Team("blue", opts=pulumi.ResourceOptions(transforms=[small]))
