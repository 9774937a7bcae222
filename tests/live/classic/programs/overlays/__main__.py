import pulumi
import pulumi_libvirt as libvirt

MiB = 1024**2
config = pulumi.Config()
prefix = config.require("prefix")

images = libvirt.Pool("images", name=f"{prefix}-images", type="dir", path=f"{config.require('pool')}-images")
disks = libvirt.Pool("disks", name=f"{prefix}-disks", type="dir", path=config.require("pool"))
base = libvirt.Volume("base", name="base.qcow2", pool=images.name, source=f"file://{config.require('image')}")
golden = libvirt.Volume("golden", name="golden.qcow2", pool=images.name, base_volume_id=base.id, size=8 * MiB)

for number, size in enumerate([None, 16, 32]):
    root = libvirt.Volume(
        f"root-{number}",
        name=f"root-{number}.qcow2",
        pool=disks.name,
        base_volume_name=golden.name,
        base_volume_pool=images.name,
        size=size * MiB if size else None,
    )
    data = libvirt.Volume(f"data-{number}", name=f"data-{number}.img", pool=disks.name, size=4 * MiB, format="raw")
    libvirt.Domain(
        f"vm-{number}",
        name=f"{prefix}-{number}",
        memory=64,
        running=False,
        disks=[{"volume_id": root.id}, {"volume_id": data.id}],
    )
