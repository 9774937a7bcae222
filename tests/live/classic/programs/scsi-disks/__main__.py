import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
pool = libvirt.Pool("pool", name=f"{prefix}-scsi", type="dir", path=config.require("pool"))


def volume(number: int) -> libvirt.Volume:
    return libvirt.Volume(f"osd-{number}", name=f"osd-{number}.qcow2", pool=pool.name, size=(number + 1) * 1024**2)


libvirt.Domain(
    "osd",
    name=f"{prefix}-osd",
    memory=64,
    running=False,
    disks=[
        libvirt.DomainDiskArgs(volume_id=volume(0).id),
        *(libvirt.DomainDiskArgs(volume_id=volume(number).id, scsi=True) for number in range(1, 4)),
    ],
)
