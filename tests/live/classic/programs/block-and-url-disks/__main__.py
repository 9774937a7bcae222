import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()

libvirt.Domain(
    "installer",
    name=f"{config.require('prefix')}-installer",
    memory=64,
    running=False,
    disks=[
        libvirt.DomainDiskArgs(block_device=config.require("device")),
        libvirt.DomainDiskArgs(file=config.require("iso")),
        libvirt.DomainDiskArgs(url=config.require("url")),
    ],
    boot_devices=[libvirt.DomainBootDeviceArgs(devs=["hd", "cdrom"])],
)
