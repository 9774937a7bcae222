import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()

libvirt.Domain(
    "seen",
    name=f"{config.require('prefix')}-seen",
    memory=64,
    consoles=[
        libvirt.DomainConsoleArgs(type="pty", target_type="serial", target_port="0"),
        libvirt.DomainConsoleArgs(type="pty", target_type="virtio", target_port="1"),
    ],
    graphics=libvirt.DomainGraphicsArgs(type="vnc", listen_type="address", autoport=True),
    cpu=libvirt.DomainCpuArgs(mode="maximum"),
    machine="q35",
)
