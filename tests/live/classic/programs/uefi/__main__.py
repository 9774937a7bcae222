import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
name = f"{config.require('prefix')}-uefi"

libvirt.Domain(
    "uefi",
    name=name,
    memory=64,
    running=False,
    machine="q35",
    firmware=config.require("firmware"),
    nvram=libvirt.DomainNvramArgs(
        file=f"/var/lib/libvirt/qemu/nvram/{name}_VARS.fd", template=config.require("template")
    ),
)
