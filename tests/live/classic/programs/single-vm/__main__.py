import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")

pool = libvirt.Pool("storage", name=f"{prefix}-storage", type="dir", path=config.require("pool"))
image = libvirt.Volume("image", name="image.qcow2", pool=pool.name, source=config.require("image"))
disk = libvirt.Volume("disk", name="disk.qcow2", pool=pool.name, base_volume_id=image.id, size=64 * 1024**2)
init = libvirt.CloudInitDisk("init", name="init.iso", pool=pool.name, user_data="#cloud-config\nhostname: single\n")

vm = libvirt.Domain(
    "single",
    name=f"{prefix}-single",
    memory=64,
    vcpu=1,
    cloudinit=init.id,
    disks=[{"volume_id": disk.id}],
)

pulumi.export("name", vm.name)
pulumi.export("disk", disk.id)
