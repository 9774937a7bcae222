import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix, subnet = config.require("prefix"), config.require("subnet")

for index, (site, uri) in enumerate(sorted(config.require_object("hosts").items())):
    opts = pulumi.ResourceOptions(provider=libvirt.Provider(site, uri=uri))
    invoke = pulumi.InvokeOptions(provider=opts.provider)
    net = libvirt.Network(
        f"{site}-net", name=f"{prefix}-{site}", mode="nat", addresses=[f"{subnet}.{index * 64}/26"], opts=opts
    )
    pool = libvirt.Pool(
        f"{site}-pool", name=f"{prefix}-{site}", type="dir", path=f"{config.require('pool')}-{site}", opts=opts
    )
    disk = libvirt.Volume(f"{site}-disk", pool=pool.name, size=1024**2, opts=opts)
    vm = libvirt.Domain(
        f"{site}-vm",
        name=f"{prefix}-{site}",
        memory=64,
        running=False,
        disks=[{"volume_id": disk.id}],
        network_interfaces=[{"network_id": net.id, "addresses": [f"{subnet}.{index * 64 + 9}"]}],
        opts=opts,
    )
    pulumi.export(f"{site}_address", vm.network_interfaces[0].addresses[0])
