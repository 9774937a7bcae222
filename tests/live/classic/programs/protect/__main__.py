import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
careful = config.get_bool("careful", True)

pool = libvirt.Pool("pool", name=f"{prefix}-precious", type="dir", path=config.require("pool"))
data = libvirt.Volume(
    "data", name="data.qcow2", pool=pool.name, size=1024**2, opts=pulumi.ResourceOptions(protect=careful)
)
libvirt.Domain("db", name=f"{prefix}-db", memory=64, running=False, disks=[{"volume_id": data.id}])
