import asyncio

import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")


async def size_of(name: str) -> int:
    await asyncio.sleep(0)
    return 1024**2 * len(name)


pool = libvirt.Pool("pool", name=f"{prefix}-async", type="dir", path=config.require("pool"))
for name in ("ab", "abc"):
    pulumi.log.info(f"making {name}")
    disk = libvirt.Volume(
        name,
        pool=pool.name,
        size=size_of(name),
        opts=pulumi.ResourceOptions(
            custom_timeouts=pulumi.CustomTimeouts(create="5m"), delete_before_replace=True, depends_on=pool
        ),
    )
    libvirt.Domain(
        f"{name}-vm",
        name=f"{prefix}-{name}",
        memory=64,
        running=False,
        disks=[{"volume_id": disk.id}],
        opts=pulumi.ResourceOptions(deleted_with=pool, ignore_changes=["vcpu", "networkInterfaces"]),
    )
