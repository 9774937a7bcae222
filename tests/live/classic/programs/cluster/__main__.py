import pulumi
import pulumi_libvirt as libvirt
from cluster import Cluster

config = pulumi.Config()
provider = libvirt.Provider("hypervisor", uri=config.require("uri"))

cluster = Cluster(
    "lab",
    prefix=config.require("prefix"),
    pool_path=config.require("pool"),
    image=config.require("image"),
    subnet=config.require("subnet"),
    workers=config.require_int("workers"),
    opts=pulumi.ResourceOptions(providers={"libvirt": provider}),
)

pulumi.export("control_plane", cluster.control_plane.address)
pulumi.export("workers", [worker.address for worker in cluster.workers])
