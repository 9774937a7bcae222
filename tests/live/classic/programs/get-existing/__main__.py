import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")

office = libvirt.Network.get("office", config.require("network_id"), name=config.require("network"))
golden = libvirt.Volume.get("golden", config.require("volume"), pool=f"{prefix}-old")
disk = libvirt.Volume(
    "disk",
    name="over-golden.qcow2",
    pool=f"{prefix}-old",
    base_volume_id=golden.id,
    opts=pulumi.ResourceOptions(depends_on=[golden]),
)
libvirt.Domain(
    "guest",
    name=f"{prefix}-guest",
    memory=64,
    running=False,
    disks=[{"volume_id": disk.id}],
    network_interfaces=[{"network_id": office.id}, {"network_name": config.require("network")}],
)
