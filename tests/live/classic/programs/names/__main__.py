import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")

pool = libvirt.Pool(f"{prefix}-made", type="dir", path=config.require("pool"))
net = libvirt.Network(f"{prefix}-made", addresses=[f"{config.require('subnet')}.0/24"])
volume = libvirt.Volume("made", pool=pool.name, size=1024**2)
made = libvirt.Domain(
    f"{prefix}-made",
    memory=64,
    running=False,
    disks=[{"volume_id": volume.id}],
    network_interfaces=[{"network_id": net.id}],
)
given = libvirt.Domain("given", name=f"{prefix}-given", memory=64, running=False)
pulumi.export("made", made.name)
pulumi.export("given", given.name)
pulumi.export("urn", made.urn)
