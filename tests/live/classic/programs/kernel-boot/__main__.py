import pulumi
import pulumi_libvirt as libvirt

config = pulumi.Config()
prefix = config.require("prefix")
pool = libvirt.Pool("pool", name=f"{prefix}-boot", type="dir", path=config.require("pool"))
kernel = libvirt.Volume("kernel", name="vmlinuz", pool=pool.name, source=config.require("image"))
initrd = libvirt.Volume("initrd", name="initrd.img", pool=pool.name, source=config.require("image"))

libvirt.Domain(
    "direct",
    name=f"{prefix}-direct",
    memory=64,
    running=False,
    kernel=kernel.id,
    initrd=initrd.id,
    cmdlines=[{"console": "ttyS0", "root": "/dev/vda1", "_": "quiet nosplash"}, {"console": "tty0"}],
    consoles=[{"type": "pty", "target_type": "serial", "target_port": "0"}],
)
