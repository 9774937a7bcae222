import pulumi
import pulumi_libvirt as libvirt
from pulumi import Output

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")

pool = libvirt.Pool("pool", name=f"{prefix}-outputs", type="dir", path=config.require("pool"))
net = libvirt.Network("net", name=pool.name.apply(lambda name: f"{name}-net"), addresses=[f"{subnet}.0/24"])
disk = libvirt.Volume("disk", name=Output.concat("disk-", net.name, ".qcow2"), pool=pool.name, size=1024**2)
seed = libvirt.CloudInitDisk(
    "seed",
    pool=pool.name,
    user_data=Output.format("#cloud-config\nwrite_files:\n- path: /etc/net\n  content: {0}\n", net.bridge),
    meta_data=Output.json_dumps({"net": net.name, "disk": disk.name}),
)
vm = libvirt.Domain(
    "vm",
    name=Output.all(pool=pool.name, net=net.name).apply(lambda known: f"{known['pool']}-vm"),
    description=Output.from_input(["first", "second"]).apply(", ".join),
    memory=64,
    running=False,
    cloudinit=seed.id,
    disks=disk.id.apply(lambda id: [libvirt.DomainDiskArgs(volume_id=id)]),
    network_interfaces=[{"network_id": net.id, "addresses": [f"{subnet}.5"]}],
)
pulumi.export("url", Output.concat("http://", vm.network_interfaces[0].addresses[0], ":8080"))
pulumi.export("both", Output.all(vm.name, disk.name))
pulumi.export("hidden", Output.secret("s3cret"))
pulumi.export("json", Output.json_dumps({"vm": vm.id}))
