import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
pool = libvirt.Pool("pool", name=f"{prefix}-aliases", type="dir", path=config.require("pool"))


class Machine(pulumi.ComponentResource):
    def __init__(self, name: str):
        super().__init__("tidy:index:Machine", name)
        disk = libvirt.Volume(
            "disk",
            name="disk.qcow2",
            pool=pool.name,
            size=1024**2,
            opts=pulumi.ResourceOptions(parent=self, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]),
        )
        libvirt.Domain(
            "vm",
            name=f"{prefix}-vm",
            memory=64,
            running=False,
            disks=[{"volume_id": disk.id}],
            opts=pulumi.ResourceOptions(
                parent=self,
                aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE, type_="libvirt:index/domain:Domain")],
            ),
        )


if config.get_bool("tidy"):
    Machine("db")
else:
    disk = libvirt.Volume("disk", name="disk.qcow2", pool=pool.name, size=1024**2)
    libvirt.Domain("vm", name=f"{prefix}-vm", memory=64, running=False, disks=[{"volume_id": disk.id}])
